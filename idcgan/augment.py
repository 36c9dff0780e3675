"""Differentiable augmentation (Zhao et al. 2020): D never sees a film as it is, so it cannot learn the few there are by heart.

The same kinds of change for real and fake, in D's step and in G's. Left-right flips put the heart on the wrong side:
they are there, and off unless asked for.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from .crew import ALONE, Crew
from .fields import kind_and_share
from .tuning import sent


def augment(films: Tensor, kinds: tuple[str, ...], rng: torch.Generator, strength: float = 1.0, crew: Crew = ALONE) -> Tensor:
    """Films (b, c, r, r) in [-1, 1], changed one by one at random; gradients flow through.

    A kind may have a share of the strength for itself: "brightness:0.25". `rng` is a CPU generator: the draws are the same on
    every device and can be saved and restored. In a crew they are made for the films of all processes.
    """
    for kind in kinds:
        name, share = kind_and_share(kind)
        films = _KINDS[name](films, _Draw(len(films), rng, crew), strength * share)
    return films


class _Draw:
    """Random numbers for `count` films, this process's share of those for all."""

    def __init__(self, count: int, rng: torch.Generator, crew: Crew) -> None:
        self.count, self.rng, self.crew = count, rng, crew

    def uniform(self, device: torch.device) -> Tensor:
        """(b, 1, 1, 1) in [0, 1)"""
        drawn = self.crew.mine(torch.rand(self.count * self.crew.size, 1, generator=self.rng))
        return sent(drawn[:, :, None, None], device)

    def places(self, end: int) -> list[list[int]]:
        """b pairs of whole numbers below `end`. They stay on the processor: a device would have to be waited for."""
        return self.crew.mine(torch.randint(0, end, (self.count * self.crew.size, 2), generator=self.rng)).tolist()


def _brightness(films: Tensor, draw: _Draw, strength: float) -> Tensor:
    return films + (draw.uniform(films.device) - 0.5) * strength


def _contrast(films: Tensor, draw: _Draw, strength: float) -> Tensor:
    mean = films.mean((1, 2, 3), keepdim=True)
    return (films - mean) * (1 + (draw.uniform(films.device) - 0.5) * strength) + mean


def _translation(films: Tensor, draw: _Draw, strength: float) -> Tensor:
    """Shift by up to an eighth of the side; what comes in is black, as outside a collimator.

    Padded and sliced: the published index grids take 0.75 GB for 8 films of 2048 x 2048.
    """
    return _moved(films, draw, strength, lambda reach: F.pad(films, (reach,) * 4, value=-1.0))


def _shift(films: Tensor, draw: _Draw, strength: float) -> Tensor:
    """As translation, but the film goes on beyond its border as it ends there: G need not learn black bars."""
    return _moved(films, draw, strength, lambda reach: F.pad(films, (reach,) * 4, mode="replicate"))


def _moved(films: Tensor, draw: _Draw, strength: float, padded: Callable[[int], Tensor]) -> Tensor:
    side = films.shape[-1]
    reach = round(side / 8 * strength)
    at = draw.places(2 * reach + 1)
    return torch.stack([film[:, y : y + side, x : x + side] for film, (y, x) in zip(padded(reach), at, strict=True)])


def _cutout(films: Tensor, draw: _Draw, strength: float) -> Tensor:
    """Grey out a square of up to half the side."""
    side = films.shape[-1]
    size = round(side / 2 * strength)
    at = draw.places(side - size + 1)
    keep = torch.ones_like(films)
    for mask, (y, x) in zip(keep, at, strict=True):
        mask[:, y : y + size, x : x + size] = 0
    return films * keep


def _flip(films: Tensor, draw: _Draw, strength: float) -> Tensor:
    turn = draw.uniform(films.device) < 0.5 * strength
    return torch.where(turn, films.flip(-1), films)


_KINDS = {"brightness": _brightness, "contrast": _contrast, "translation": _translation, "shift": _shift, "cutout": _cutout, "flip": _flip}
