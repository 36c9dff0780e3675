"""What is kept of one film for the evaluation: everything a measure needs, in a tenth of a megabyte whatever the resolution.

A film is looked at once, at its full resolution, and can then be forgotten: 846 films of 2048 x 2048 never lie in memory
together. A description depends on the film alone, so it can be kept on disk under the film's hash.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, fields

import numpy as np
from PIL import Image

from .features import FeatureNetwork

VERSION = 1  # raise it when a description is made in another way: what is kept on disk is then made again
PATCH, PATCHES = 7, 64  # side of a patch, patches per film and scale (Karras et al. 2018 take 7 x 7 and 128)
SMALLEST_SCALE = 16  # pixels: where the Laplacian pyramid ends
PERIODS = (2, 4, 8)  # pixels: of the grids that strided convolutions leave
_REACH = 8  # frequencies around a grid's that say what to expect there
THUMB, PAIR = 64, 176  # pixels: for copies; for MS-SSIM, whose five scales need more than 160


@dataclass(frozen=True)
class Description:
    """One film, or with a leading axis several."""

    features: np.ndarray  # (dim,) float32
    patches: np.ndarray  # (scales, PATCHES, 49) float16: grey levels in [-1, 1], finest scale first, last one not a difference
    spectrum: np.ndarray  # (r / 2,) float32: power by radial frequency 1 .. r / 2 cycles per film, dB
    lattice: np.ndarray  # (3,) float32: how far grid frequencies of PERIODS stand out, dB
    histogram: np.ndarray  # (256,) float32: share of pixels at each grey level
    thumb: np.ndarray  # (64, 64) uint8
    pair: np.ndarray  # (176, 176) uint8
    side: np.ndarray  # () int64: pixels per side before the film was brought to the resolution of the comparison


def describe(film: np.ndarray, network: FeatureNetwork, seed: int, side: int = 0) -> Description:
    """A film, uint8 (r, r) with r a power of two from 32 up. `seed` places the patches; `side` is what it had as a file (0: r)."""
    grey = film.astype(np.float32) / np.float32(255)
    spectrum, lattice = _spectrum(grey)
    picture = Image.fromarray(film)
    return Description(
        features=network.look(grey),
        patches=film_patches(2 * grey - 1, np.random.default_rng(seed)),
        spectrum=spectrum,
        lattice=lattice,
        histogram=(np.bincount(film.ravel(), minlength=256) / film.size).astype(np.float32),
        thumb=np.asarray(picture.resize((THUMB, THUMB), Image.Resampling.LANCZOS)),
        pair=np.asarray(picture.resize((PAIR, PAIR), Image.Resampling.LANCZOS)),
        side=np.int64(side or len(film)),
    )


def stack(descriptions: list[Description]) -> Description:
    """Several as one, each field with a leading axis."""
    return Description(*(np.stack([getattr(d, f.name) for d in descriptions]) for f in fields(Description)))


def joined(one: Description, other: Description) -> Description:
    """Two stacks, one behind the other."""
    return Description(*(np.concatenate([getattr(one, f.name), getattr(other, f.name)]) for f in fields(Description)))


def take(descriptions: Description, index: np.ndarray | slice) -> Description:
    """Some of a stack."""
    return Description(*(getattr(descriptions, f.name)[index] for f in fields(Description)))


def scales(resolution: int) -> list[int]:
    """The resolutions of the Laplacian pyramid of a film, finest first."""
    return [resolution >> k for k in range(resolution.bit_length()) if resolution >> k >= SMALLEST_SCALE]


def film_patches(film: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(r, r) float32 in [-1, 1] -> (scales, 64, 49) float16: patches from random places of its Laplacian pyramid (Burt and Adelson 1983)."""
    out = []
    for scale in scales(len(film)):
        half = _halved(film)
        level = film if scale // 2 < SMALLEST_SCALE else film - _doubled(half)
        at = rng.integers(0, scale - PATCH + 1, (PATCHES, 2))
        windows = np.lib.stride_tricks.sliding_window_view(level, (PATCH, PATCH))
        out.append(windows[at[:, 0], at[:, 1]].reshape(PATCHES, -1))
        film = half
    return np.stack(out).astype(np.float16)


def _halved(film: np.ndarray) -> np.ndarray:
    return 0.25 * (film[::2, ::2] + film[1::2, ::2] + film[::2, 1::2] + film[1::2, 1::2])


def _doubled(film: np.ndarray) -> np.ndarray:
    """Bilinear, edges repeated."""
    for _ in range(2):
        padded = np.pad(film, ((1, 1), (0, 0)), mode="edge")
        out = np.empty((2 * film.shape[0], film.shape[1]), np.float32)
        out[::2] = 0.25 * padded[:-2] + 0.75 * film
        out[1::2] = 0.25 * padded[2:] + 0.75 * film
        film = out.T
    return film


@functools.cache
def _geometry(side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A Hann window, the radial frequency of every entry of a real transform, and how often an entry stands for a pixel's worth of power."""
    window = np.hanning(side + 1)[:-1].astype(np.float32)
    down, along = np.minimum(np.arange(side), side - np.arange(side)), np.arange(side // 2 + 1)
    radius = np.rint(np.hypot(down[:, None], along[None])).astype(np.int32)
    weight = np.full(side // 2 + 1, 2.0, np.float32)  # the other half of the plane is the mirror of this one
    weight[[0, -1]] = 1.0
    return window, radius, weight


def _spectrum(grey: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Radial power spectrum in dB (Durall et al. 2020), and for each of PERIODS how far its grid stands out of it.

    The window keeps the film's edges from looking like structure.
    """
    side = len(grey)
    window, radius, weight = _geometry(side)
    flat = (grey - grey.mean()) * window[:, None] * window
    power = np.abs(np.fft.rfft2(flat)) ** 2 * np.float32(1 / flat.size)
    bins = np.bincount(radius.ravel(), (power * weight).ravel())[1 : side // 2 + 1]
    counts = np.bincount(radius.ravel(), np.broadcast_to(weight, power.shape).ravel())[1 : side // 2 + 1]
    lattice = [_stands_out(power, side // period) if looked else 0.0 for period, looked in zip(PERIODS, looked_for(side), strict=True)]
    return _decibel(bins / counts).astype(np.float32), np.array(lattice, np.float32)


def looked_for(side: int) -> np.ndarray:
    """Which of PERIODS can be told from what surrounds them in films of `side` pixels: of 64 not 8, of 32 not 4."""
    return side // np.array(PERIODS) > _REACH + 1


def _decibel(power: np.ndarray | float) -> np.ndarray:
    return 10 * np.log10(np.maximum(power, 1e-12))  # an 8-bit film's rounding alone is some -70 dB


def _stands_out(power: np.ndarray, frequency: int) -> float:
    """Power at (f, 0), (0, f) and (f, f) over what the frequencies around them lead one to expect, dB: a grid puts its power right there.

    What is expected is carried inward from rings 3 to 4 and 6 to 8 away, so that neither a slope nor a bend of the spectrum (blur) counts.
    """
    side = len(power)
    step = np.arange(-_REACH, _REACH + 1)
    rows, columns = np.meshgrid(step, step, indexing="ij")
    out = []
    for u, v in ((frequency, 0), (0, frequency), (frequency, frequency)):
        y, x = (rows + u) % side, (columns + v) % side
        mirrored = x > side // 2  # the transform of a real film holds one half of the plane
        y, x = np.where(mirrored, -y % side, y), np.where(mirrored, side - x, x)
        level = _decibel(power[y, x])
        # the axes themselves carry the film's edges and bones: compare along them
        inside = np.abs(rows) <= 1 if u == 0 else np.abs(columns) <= 1 if v == 0 else np.full(rows.shape, True)
        away = np.maximum(np.abs(rows), np.abs(columns))
        middle, near, far = (level[inside & (away >= low) & (away <= high)].mean() for low, high in ((0, 1), (3, 4), (6, _REACH)))
        out.append(middle - (4 * near - far) / 3)
    return float(np.mean(out))
