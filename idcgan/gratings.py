"""Test pictures that show what a reduction, or an enlargement, does to fine detail: gratings, a zone plate, the lines of an anti-scatter grid.

A grating has `cycles` bright stripes per film. A film of n pixels a side can hold n / 2 of them (Nyquist); what is finer
does not vanish when pixels are left out, it comes back as a coarse pattern that was never there: an alias.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from PIL import Image

from .fixed_maps import lagrange

FILTERS = {
    "every n-th pixel": Image.Resampling.NEAREST,
    "mean of blocks": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "Lanczos": Image.Resampling.LANCZOS,
}
ENLARGEMENTS = ("bilinear", "Lanczos", "polynomials")


def grating(side: int, cycles: float, phase: float = 0.3) -> np.ndarray:
    """Upright stripes, (side, side) float32 in [0, 1], `cycles` of them from edge to edge; `phase` in cycles."""
    across = (np.arange(side) + 0.5) / side
    stripes = 0.5 + 0.5 * np.sin(2 * np.pi * (cycles * across + phase))
    return np.broadcast_to(stripes.astype(np.float32), (side, side)).copy()


def zone_plate(side: int) -> np.ndarray:
    """Rings that grow finer outwards, (side, side) float32 in [0, 1]: every frequency, from 0 in the middle to Nyquist at the middle of each edge."""
    at = np.arange(side) - side / 2  # the middle on a pixel: then the last wave before the edge is black, white, black
    squared = at[:, None] ** 2 + at[None, :] ** 2
    return (0.5 + 0.5 * np.cos(np.pi * squared / side)).astype(np.float32)  # phase pi r^2 / side: r / side cycles per pixel, 1/2 at the edge


def with_grid_lines(film: np.ndarray, cycles: float, strength: float = 0.06) -> np.ndarray:
    """A film (side, side) in [0, 1] taken through an anti-scatter grid: fine upright lines of lead, `strength` of 1 from peak to trough."""
    lines = grating(len(film), cycles) - np.float32(0.5)
    return np.clip(film + np.float32(strength) * lines, 0, 1)


def reduced(film: np.ndarray, resolution: int, name: str) -> np.ndarray:
    """A film (side, side) made smaller by one of FILTERS, Pillow's: (resolution, resolution) float32, not clipped."""
    image = Image.fromarray(np.ascontiguousarray(film, np.float32))
    return np.asarray(image.resize((resolution, resolution), FILTERS[name]))


def alias_of(cycles: float, resolution: int) -> float:
    """As how many stripes per film a grating comes back when only every n-th pixel is kept: folded at resolution / 2, again and again."""
    folded = cycles % resolution
    return min(folded, resolution - folded)


def contrast_left(reduce: Callable[[np.ndarray, int], np.ndarray], side: int, resolution: int, cycles: float) -> float:
    """What is left of a grating's contrast after reduce(film, resolution): 1 all of it, 0 even grey. The outermost pixels are not counted."""
    before = grating(side, cycles)
    after = np.asarray(reduce(before, resolution))[2:-2, 2:-2]
    return float(after.std() / before.std())


def enlarged(film: np.ndarray, name: str) -> np.ndarray:
    """A film (n, n) at twice the size by one of ENLARGEMENTS: (2n, 2n) float32, not clipped. The last is what `long` enlarges by."""
    film = np.ascontiguousarray(film, np.float32)
    if name == "polynomials":
        return lagrange(torch.from_numpy(film)[None, None])[0, 0].numpy()
    return reduced(film, 2 * len(film), name)


def echo(name: str, side: int, cycles: int) -> tuple[float, float]:
    """What becomes of a grating at `side` pixels when it is enlarged to twice as many: (share of its amplitude that is kept, amplitude of its echo).

    The echo is a grating that was never there, of side - cycles stripes: every new pixel is off by as much, those before an old one the one way and
    those behind it the other. Both as shares of the amplitude before; a window takes off what the edges do.
    """
    window = np.hanning(2 * side + 1)[:-1]
    row = enlarged(grating(side, cycles), name)[side].astype(np.float64) - 0.5
    there = np.abs(np.fft.rfft(row * window)) / (side / 4)  # a grating's amplitude is half a grey level, and a Hann window halves it
    return float(there[cycles]), float(there[side - cycles])
