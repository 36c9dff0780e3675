"""Clouds of points in the plane that a toy GAN learns: ring, eight Gaussians, spiral, two moons, or one drawn on a grid.

Each is a mixture of many small round Gaussians, so that its density is known exactly wherever one asks: the optimal
discriminator needs it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .errors import InputError

EXTENT = 2.0  # the window shows -EXTENT to EXTENT on both axes
CELLS = 11  # a side of the drawing grid
CURVE = 240  # small Gaussians along a curve


@dataclass(frozen=True)
class Shape:
    """A cloud: equal Gaussians of width `sigma` at `centres` (k, 2); `modes` (m, 2) are the places a good generator visits."""

    name: str
    centres: Tensor
    sigma: float
    modes: Tensor = field(repr=False)

    def sample(self, count: int, rng: torch.Generator) -> Tensor:
        """(count, 2) real points."""
        at = torch.randint(len(self.centres), (count,), generator=rng)
        return self.centres[at] + self.sigma * torch.randn(count, 2, generator=rng)

    def density(self, points: Tensor) -> Tensor:
        """p(x) at `points` (n, 2): (n,), per unit of area."""
        squares = torch.cdist(points.double(), self.centres.double()).square()
        return (torch.exp(-squares / (2 * self.sigma**2)).mean(1) / (2 * math.pi * self.sigma**2)).to(points.dtype)


def _eight_gaussians() -> Shape:
    angle = torch.arange(8) * (math.pi / 4)
    centres = 1.4 * torch.stack([angle.cos(), angle.sin()], 1)
    return Shape("eight Gaussians", centres, 0.1, centres)


def _ring() -> Shape:
    angle = torch.arange(CURVE) * (2 * math.pi / CURVE)
    return _curve("ring", 1.3 * torch.stack([angle.cos(), angle.sin()], 1), 0.08)


def _spiral() -> Shape:
    turn = torch.linspace(0.12, 1, CURVE).sqrt()  # the root spaces the points evenly along the arm
    angle = 3.5 * math.pi * turn
    return _curve("spiral", 1.6 * turn[:, None] * torch.stack([angle.cos(), angle.sin()], 1), 0.06)


def _two_moons() -> Shape:
    angle = torch.linspace(0, math.pi, CURVE // 2)
    upper = torch.stack([angle.cos() - 0.5, angle.sin() - 0.25], 1)
    return _curve("two moons", 1.05 * torch.cat([upper, -upper]), 0.09)


def _curve(name: str, centres: Tensor, sigma: float, places: int = 12) -> Shape:
    step = len(centres) // places
    return Shape(name, centres, sigma, centres[step // 2 :: step])


_MADE = {"eight Gaussians": _eight_gaussians, "ring": _ring, "spiral": _spiral, "two moons": _two_moons}
SHAPES = tuple(_MADE)


def shape(name: str) -> Shape:
    """One of SHAPES by its name. Raises InputError."""
    if name not in _MADE:
        raise InputError(f"the shape is {name!r}; choose one of {', '.join(SHAPES)}.")
    return _MADE[name]()


def drawn(cells: Iterable[tuple[int, int]], side: int = CELLS) -> Shape:
    """The shape painted on a `side` x `side` grid: `cells` are (row, column) from the top left. Raises InputError for none or one outside."""
    painted = sorted(set(cells))
    if not painted:
        raise InputError("nothing is painted yet; click a few squares of the grid.")
    if any(not (0 <= row < side and 0 <= column < side) for row, column in painted):
        raise InputError(f"a painted square lies outside the grid of {side} x {side}.")
    width = 2 * 0.9 * EXTENT / side  # the grid covers the window but for a margin
    middle = (side - 1) / 2
    centres = torch.tensor([[(column - middle) * width, (middle - row) * width] for row, column in painted])
    return Shape("drawn", centres, width / 3, centres)
