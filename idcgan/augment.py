"""Differentiable augmentation (Zhao et al. 2020): D never sees a film as it is, so it cannot learn the few there are by heart.

The same kinds of change for real and fake, in D's step and in G's. Left-right flips put the heart on the wrong side:
they are there, and off unless asked for.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def augment(films: Tensor, kinds: tuple[str, ...], rng: torch.Generator, strength: float = 1.0) -> Tensor:
    """Films (b, c, r, r) in [-1, 1], changed one by one at random; gradients flow through.

    `rng` is a CPU generator: the draws are the same on every device and can be saved and restored.
    """
    for kind in kinds:
        films = _KINDS[kind](films, rng, strength)
    return films


def _uniform(films: Tensor, rng: torch.Generator, count: int = 1) -> Tensor:
    drawn = torch.rand(len(films), count, generator=rng)
    return drawn if films.device.type == "cpu" else drawn.to(films.device, non_blocking=True)


def _brightness(films: Tensor, rng: torch.Generator, strength: float) -> Tensor:
    return films + (_uniform(films, rng)[:, :, None, None] - 0.5) * strength


def _contrast(films: Tensor, rng: torch.Generator, strength: float) -> Tensor:
    mean = films.mean((1, 2, 3), keepdim=True)
    return (films - mean) * (1 + (_uniform(films, rng)[:, :, None, None] - 0.5) * strength) + mean


def _translation(films: Tensor, rng: torch.Generator, strength: float) -> Tensor:
    """Shift by up to an eighth of the side; what comes in is black, as outside a collimator.

    Padded and sliced: the published index grids take 0.75 GB for 8 films of 2048 x 2048.
    """
    side = films.shape[-1]
    reach = round(side / 8 * strength)
    at = torch.randint(0, 2 * reach + 1, (len(films), 2), generator=rng).tolist()
    padded = F.pad(films, (reach,) * 4, value=-1.0)
    return torch.stack([film[:, y : y + side, x : x + side] for film, (y, x) in zip(padded, at, strict=True)])


def _cutout(films: Tensor, rng: torch.Generator, strength: float) -> Tensor:
    """Grey out a square of up to half the side."""
    side = films.shape[-1]
    size = round(side / 2 * strength)
    at = torch.randint(0, side - size + 1, (len(films), 2), generator=rng).tolist()
    keep = torch.ones_like(films)
    for mask, (y, x) in zip(keep, at, strict=True):
        mask[:, y : y + size, x : x + size] = 0
    return films * keep


def _flip(films: Tensor, rng: torch.Generator, strength: float) -> Tensor:
    turn = _uniform(films, rng)[:, :, None, None] < 0.5 * strength
    return torch.where(turn, films.flip(-1), films)


_KINDS = {"brightness": _brightness, "contrast": _contrast, "translation": _translation, "cutout": _cutout, "flip": _flip}
