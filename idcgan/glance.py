"""A glance at a level while a run trains: are its films near the real ones? The light version of an evaluation.

Against training films, with a few films, by one measure that needs no weights: it tells a level that went wrong from one that
did not. What the films are worth, `idcgan evaluate` says, against films that were held out.
"""

from __future__ import annotations

import numpy as np

from .description import film_patches
from .pool import cumulative_distributions, distance_by_scale
from .run_record import GLANCE


def glance(made: np.ndarray, real: np.ndarray, most: int = GLANCE) -> dict[str, float]:
    """Films (n, r, r), (m, r, r) uint8 -> swd, swd_floor (real against real), variety (1: as varied as the real films).

    Both distances are between as many films, at most `most` (`run_record.glanced` tells how many afterwards): made against one half of
    the real ones, the other half against it. Which films these are hangs on their number alone, so that runs of other seeds are measured
    with the same ruler.
    {} where there are fewer than two made or four real films.
    """
    count = min(most, len(made), len(real) // 2)
    if count < 2:
        return {}
    rng = np.random.default_rng(0)
    real = real[rng.permutation(len(real))[: 2 * count]]
    films = np.concatenate([made[:count], real])
    patches = np.stack([film_patches(film.astype(np.float32) / np.float32(127.5) - 1, rng) for film in films])
    below = cumulative_distributions(patches, patches[count:])
    made_at, one, two = (below[i * count : (i + 1) * count].mean(0) for i in range(3))
    variety = _spread(made[:count]) / max(1e-6, _spread(real))
    figures = {"swd": distance_by_scale(made_at - one).mean(), "swd_floor": distance_by_scale(two - one).mean(), "variety": variety}
    return {name: round(float(value), 3) for name, value in figures.items()}


def _spread(films: np.ndarray) -> float:
    """The standard deviation over films, in the mean over pixels; row by row, for NumPy makes 64 bits of each pixel's 8 (1.2 GB at 2048 x 2048)."""
    return float(np.mean([films[:, row].std(0, ddof=1).mean() for row in range(films.shape[1])]))
