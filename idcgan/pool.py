"""A pool of films from two sets, and the matrices that several measures share, each made when first asked for.

One film more or less in a set is then a matter of picking rows, so that shuffling who belongs where costs next to nothing.
"""

from __future__ import annotations

import functools

import numpy as np
import torch

from .description import Description, joined

DIRECTIONS, BINS, WIDEST = 64, 257, 6.0  # of the sliced Wasserstein distance: projections, and sinh(+-6) = +-202 deviations
PAIR_FILMS = 20  # films per set whose pairs MS-SSIM compares: 190 pairs
GRID = np.sinh(np.linspace(-WIDEST, WIDEST, BINS))  # fine where patches are many, and wide enough for noise
WIDTHS = np.convolve(np.diff(GRID), [0.5, 0.5]).astype(np.float32)  # of the trapezoid rule over GRID

Places = np.ndarray  # whole numbers: which films of a pool


class Pool:
    """Films of two sets, `candidate` first, then `reference`; the matrices that measures share are made when first asked for.

    The reference sets the units: of patches (sliced Wasserstein) and of likeness (Vendi).
    """

    def __init__(self, candidate: Description, reference: Description) -> None:
        self.counts, self.reference = (len(candidate.features), len(reference.features)), reference
        self.films = joined(candidate, reference)
        total = sum(self.counts)
        self.candidate_at, self.reference_at = np.arange(self.counts[0]), np.arange(self.counts[0], total)
        self._scores: np.ndarray | None = None

    @functools.cached_property
    def features(self) -> np.ndarray:
        """(n, dim) float64."""
        return self.films.features.astype(np.float64)

    @functools.cached_property
    def kernel(self) -> np.ndarray:
        """(n, n): the cubic polynomial kernel of KID."""
        from sklearn.metrics.pairwise import polynomial_kernel

        return polynomial_kernel(self.features, degree=3, coef0=1.0)

    @functools.cached_property
    def gram(self) -> np.ndarray:
        """(n, n) inner products of the features, about their common mean so that nothing is lost to rounding."""
        centred = self.features - self.features.mean(0)
        return centred @ centred.T

    @functools.cached_property
    def distances(self) -> np.ndarray:
        """(n, n) Euclidean, in feature space."""
        from sklearn.metrics import pairwise_distances

        return pairwise_distances(self.features)

    @functools.cached_property
    def likeness(self) -> np.ndarray:
        """(n, n) exp(-(d / u)^2), u the median distance of two reference films: by cosines every two chests are 0.95 alike."""
        apart = self.distances[np.ix_(self.reference_at, self.reference_at)]
        return np.exp(-((self.distances / np.median(apart[apart > 0])) ** 2))

    @functools.cached_property
    def paired(self) -> Places:
        """Places of the films that are compared pair by pair: PAIR_FILMS of either set."""
        return np.concatenate([self.candidate_at[:PAIR_FILMS], self.reference_at[:PAIR_FILMS]])

    def pair_scores(self, at: Places) -> np.ndarray:
        """(k, k) MS-SSIM of the films at the places `at` with each other; each pair is worked out once, when first asked for."""
        if self._scores is None:
            self._scores = np.full((sum(self.counts),) * 2, np.nan)
        first, second = (at[side] for side in np.triu_indices(len(at), 1))
        new = np.isnan(self._scores[first, second])
        first, second = first[new], second[new]
        self._scores[first, second] = self._scores[second, first] = ms_ssim_of_pairs(self.films.pair[first], self.films.pair[second])
        return self._scores[np.ix_(at, at)]

    @functools.cached_property
    def cumulative(self) -> np.ndarray:
        """(n, scales, directions, bins) float32: each film's own distribution of projected patches, see `cumulative_distributions`."""
        return cumulative_distributions(self.films.patches, self.reference.patches)


def cumulative_distributions(patches: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """For each film, scale and direction the share of projected patches below each point of GRID.

    A set's distribution is then the mean over its films, and a distance between sets one product of a vector and a matrix.
    """
    count, levels, per_film, size = patches.shape
    out = np.empty((count, levels, DIRECTIONS, BINS), np.float32)
    step = 2 * WIDEST / (BINS - 1)
    for level in range(levels):
        known = reference[:, level].astype(np.float32)
        middle, spread = known.mean(), known.std() + np.float32(1e-6)
        directions = np.random.default_rng(level).standard_normal((size, DIRECTIONS)).astype(np.float32)
        directions /= np.linalg.norm(directions, axis=0)
        for i in range(count):
            seen = (patches[i, level].astype(np.float32) - middle) / spread @ directions
            at = np.ceil((np.arcsinh(seen) + WIDEST) / step).astype(np.int64).clip(0, BINS - 1)
            flat = np.bincount((at + BINS * np.arange(DIRECTIONS)).ravel(), minlength=BINS * DIRECTIONS)
            out[i, level] = np.cumsum(flat.reshape(DIRECTIONS, BINS), 1) / per_film
    return out


def distance_by_scale(gap: np.ndarray) -> np.ndarray:
    """(scales, directions, bins), the difference of two sets' distributions -> (scales,) distance x 1000: the area between them."""
    return 1000 * (np.abs(gap) @ WIDTHS).mean(-1)


def ms_ssim_of_pairs(first: np.ndarray, second: np.ndarray, batch: int = 8) -> np.ndarray:
    """(n,) MS-SSIM (Wang et al. 2003, five scales, by pytorch-msssim) of films (n, 176, 176) uint8, two by two.

    Windows lie inside the film, as in the authors' own code. torchmetrics lets them reach over its edge, where the coarsest scale, 11
    pixels wide, is nearly all edge: on unlike films its figure is off by a fifth.
    """
    from pytorch_msssim import ms_ssim

    bell = torch.exp(-((torch.arange(11, dtype=torch.float64) - 5) ** 2) / (2 * 1.5**2))
    window = (bell / bell.sum())[None, None, None]  # the package's own is rounded to float32, which costs the sixth digit
    out = [np.empty(0)]
    for start in range(0, len(first), batch):
        one, other = (torch.from_numpy(films[start : start + batch]).double()[:, None] / 255 for films in (first, second))
        out.append(ms_ssim(one, other, data_range=1.0, size_average=False, win=window).numpy())
    return np.concatenate(out)
