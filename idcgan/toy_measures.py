"""How far a toy generator is from its shape: Jensen-Shannon divergence, modes covered, and the value of the game on a grid."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .toy_shapes import EXTENT, Shape

POINTS, BINS = 2000, 24


def divergence(real: Tensor, fake: Tensor, bins: int = BINS) -> float:
    """Jensen-Shannon divergence of two clouds (n, 2) in nats, from histograms: 0 is the same, log 2 = 0.69 is nothing in common.

    Few points make it too high: read it beside `divergence_floor`.
    """
    return jensen_shannon(_histogram(real, bins), _histogram(fake, bins))


def divergence_floor(shape: Shape, seed: int = 0, count: int = POINTS, repeats: int = 8) -> float:
    """What `divergence` says of two batches that are both real: no generator can be expected to score below."""
    rng = torch.Generator().manual_seed(seed)
    return sum(divergence(shape.sample(count, rng), shape.sample(count, rng)) for _ in range(repeats)) / repeats


def jensen_shannon(p: Tensor, q: Tensor) -> float:
    """Of two distributions over the same cells, each summing to 1, in nats: half of KL(p, m) and half of KL(q, m), m halfway."""
    middle = (p + q) / 2
    halves = (torch.where(each > 0, each * torch.log(each / middle), 0.0).sum() for each in (p, q))
    return 0.5 * sum(halves).item()


def covered(points: Tensor, shape: Shape) -> int:
    """How many modes of the shape the points (n, 2) visit: those that have at least a quarter of their fair share within three sigma."""
    distance, nearest = torch.cdist(points, shape.modes).min(1)
    visits = torch.bincount(nearest[distance < 3 * shape.sigma], minlength=len(shape.modes))
    return int((visits >= len(points) / len(shape.modes) / 4).sum())


def lattice(cells: int = 160, reach: float = 1.5 * EXTENT) -> tuple[Tensor, float]:
    """Places (cells^2, 2) that cover the plane as far as anything lies there, and the area that each stands for."""
    side = 2 * reach / cells
    along = (torch.arange(cells) + 0.5) * side - reach
    return torch.cartesian_prod(along, along).flip(1), side * side


def value(p: Tensor, q: Tensor, d: Tensor, area: float) -> float:
    """Equation 1 summed over a lattice: densities p of real and q of fake points, D's belief d, all (n,)."""
    return (area * (torch.special.xlogy(p, d) + torch.special.xlogy(q, 1 - d)).sum()).item()


class Still(nn.Module):
    """A generator that does not learn and whose density is known: it gives back points of a shape, whatever the latents."""

    def __init__(self, shape: Shape, seed: int = 0) -> None:
        super().__init__()
        self.shape, self.rng = shape, torch.Generator().manual_seed(seed)

    def forward(self, latents: Tensor) -> Tensor:
        return self.shape.sample(len(latents), self.rng)


def _histogram(points: Tensor, bins: int) -> Tensor:
    """Shares per cell (bins * bins + 1,); the last cell is everything outside the window."""
    cell = ((points.detach().double() + EXTENT) / (2 * EXTENT) * bins).floor()
    inside = ((cell >= 0) & (cell < bins)).all(1)  # NaN is outside too
    row, column = cell.nan_to_num().clamp(0, bins - 1).long().unbind(1)
    index = torch.where(inside, column * bins + row, bins * bins)
    return torch.bincount(index, minlength=bins * bins + 1).double() / len(points)
