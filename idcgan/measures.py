"""The measures between two sets of films, each a function of a pool of films and two lists of places in it: candidates, reference."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .description import looked_for
from .pool import Places, Pool, distance_by_scale
from .significance import Measure

NEAREST = 5  # neighbours that span the manifold of a set (Naeem et al. 2020)


# ---- fidelity --------------------------------------------------------------------------------------------------------


def kid(pool: Pool, a: Places, b: Places) -> float:
    """Kernel inception distance x 1000, unbiased (Binkowski et al. 2018): 0 on average for sets of the same kind, often below."""
    k, n, m = pool.kernel, len(a), len(b)
    aa, bb = k[np.ix_(a, a)], k[np.ix_(b, b)]
    within = (aa.sum() - aa.trace()) / (n * (n - 1)) + (bb.sum() - bb.trace()) / (m * (m - 1))
    return 1000 * float(within - 2 * k[np.ix_(a, b)].mean())


def fid(pool: Pool, a: Places, b: Places) -> float:
    """Frechet distance (Heusel et al. 2017), exactly, from inner products alone.

    tr sqrt(S_a S_b) is the sum of the singular values of A B^T where S_a = A^T A: n x m numbers instead of a root of a matrix with
    1,280 rows of which a hundred films fill only a hundred.
    """
    g = pool.gram
    aa, bb, ab = g[np.ix_(a, a)], g[np.ix_(b, b)], g[np.ix_(a, b)]
    means = aa.mean() + bb.mean() - 2 * ab.mean()
    trace = (aa.trace() - len(a) * aa.mean()) / (len(a) - 1) + (bb.trace() - len(b) * bb.mean()) / (len(b) - 1)
    centred = ab - ab.mean(0) - ab.mean(1, keepdims=True) + ab.mean()
    common = np.linalg.svd(centred, compute_uv=False).sum() / np.sqrt((len(a) - 1) * (len(b) - 1))
    return float(means + trace - 2 * common)


def fid_infinity(pool: Pool, a: Places, b: Places, sizes: int = 6, repeats: int = 3) -> float:
    """FID that endless films would have (Chong and Forsyth 2020): a line through FID against 1 / films, read at 0.

    FID of a few films is too high by an amount that hangs on the generator. Both sets are thinned together.
    """
    rng = np.random.default_rng(0)
    shares = np.repeat(np.linspace(0.5, 1.0, sizes), repeats)
    inverse, values = [], []
    for share in shares:
        n, m = max(2, round(share * len(a))), max(2, round(share * len(b)))
        values.append(fid(pool, rng.choice(a, n, replace=False), rng.choice(b, m, replace=False)))
        inverse.append(0.5 / n + 0.5 / m)
    return float(np.polyfit(inverse, values, 1)[1])


def precision(pool: Pool, a: Places, b: Places) -> float:
    """Share of candidates that lie among the reference films (Kynkaanniemi et al. 2019)."""
    return float((pool.distances[np.ix_(b, a)] < _radii(pool, b)[:, None]).any(0).mean())


def recall(pool: Pool, a: Places, b: Places) -> float:
    """Share of reference films that lie among the candidates (Kynkaanniemi et al. 2019)."""
    return float((pool.distances[np.ix_(b, a)] < _radii(pool, a)[None]).any(1).mean())


def density(pool: Pool, a: Places, b: Places) -> float:
    """How many reference neighbourhoods hold a candidate, over the number expected (Naeem et al. 2020); about 1 for real films."""
    return float((pool.distances[np.ix_(b, a)] < _radii(pool, b)[:, None]).sum(0).mean() / NEAREST)


def coverage(pool: Pool, a: Places, b: Places) -> float:
    """Share of reference films with a candidate in their neighbourhood (Naeem et al. 2020)."""
    return float((pool.distances[np.ix_(b, a)].min(1) < _radii(pool, b)).mean())


def _radii(pool: Pool, at: Places) -> np.ndarray:
    """Distance from each film to its NEAREST-th neighbour in its own set."""
    k = min(NEAREST, len(at) - 1)
    return np.partition(pool.distances[np.ix_(at, at)], k, axis=1)[:, k]


# ---- texture and grey levels -----------------------------------------------------------------------------------------


def swd_scales(pool: Pool, a: Places, b: Places) -> np.ndarray:
    """(scales,) x 1000, finest first: the sliced Wasserstein distance of ProGAN (Karras et al. 2018) on each scale.

    Patches are measured in standard deviations of the reference's; the distance is the area between the cumulative distributions of
    their projections, over DIRECTIONS of them.
    """
    weight = np.zeros(sum(pool.counts), np.float32)
    weight[a] += np.float32(1 / len(a))
    weight[b] -= np.float32(1 / len(b))
    return distance_by_scale(np.tensordot(weight, pool.cumulative, 1))


def swd(pool: Pool, a: Places, b: Places) -> float:
    """The mean over scales."""
    return float(swd_scales(pool, a, b).mean())


def spectrum(pool: Pool, a: Places, b: Places) -> float:
    """Mean difference between the mean radial power spectra, in dB over all frequencies up to Nyquist (Durall et al. 2020)."""
    power = pool.films.spectrum
    return float(np.abs(power[a].mean(0) - power[b].mean(0)).mean())


def checkerboard(pool: Pool, a: Places, b: Places) -> float:
    """How much more than in the reference the grid frequencies of periods 2, 4 and 8 stand out, dB, at the worst of them."""
    gap = pool.films.lattice[a].mean(0) - pool.films.lattice[b].mean(0)
    return float(gap[looked_for(2 * pool.films.spectrum.shape[1])].max())


def grey_levels(pool: Pool, a: Places, b: Places) -> float:
    """Wasserstein distance between the grey-level distributions, in grey levels of 255: brightness and contrast."""
    share = pool.films.histogram
    return float(np.abs(np.cumsum(share[a].mean(0) - share[b].mean(0))).sum())


# ---- diversity -------------------------------------------------------------------------------------------------------


def vendi(pool: Pool, a: Places, b: Places) -> float:
    """Vendi score (Friedman and Dieng 2023): how many films that share nothing would be as varied; sets are cut to the same size."""
    from scipy.special import entr

    at = a[: min(len(a), len(b))]
    shares = np.linalg.eigvalsh(pool.likeness[np.ix_(at, at)] / len(at))
    return float(np.exp(entr(np.clip(shares, 0, None)).sum()))


def ms_ssim(pool: Pool, a: Places, b: Places) -> float:
    """Mean MS-SSIM of pairs within a set (Odena et al. 2017): 1 where all films are one film."""
    at = a[np.isin(a, pool.paired)]
    return float(np.nanmean(pool.pair_scores(at))) if len(at) > 1 else float("nan")


MEASURES: Sequence[Measure] = (
    Measure("kid", "KID", "fidelity", "high", "Binkowski et al. 2018", "looks, as a network sees them; unbiased for few films", kid, unit="x 1000"),
    Measure("fid", "FID", "fidelity", "high", "Heusel et al. 2017", "looks; biased: rank-deficient below a few thousand films", fid, lowest=0.0),
    Measure(
        "fid_infinity",
        "FID, extrapolated",
        "fidelity",
        "high",
        "Chong and Forsyth 2020",
        "FID with its bias for few films taken out, as far as a line can",
        fid_infinity,
    ),
    Measure(
        "precision",
        "precision",
        "fidelity",
        "low",
        "Kynkaanniemi et al. 2019",
        "share of films that lie among real ones",
        precision,
        lowest=0.0,
        highest=1.0,
    ),
    Measure("density", "density", "fidelity", "low", "Naeem et al. 2020", "how deep among real ones they lie", density, lowest=0.0),
    Measure(
        "swd",
        "sliced Wasserstein",
        "texture",
        "high",
        "Karras et al. 2018",
        "patches at every scale, up to full resolution",
        swd,
        unit="x 1000",
        lowest=0.0,
    ),
    Measure(
        "spectrum",
        "power spectrum",
        "texture",
        "high",
        "Durall et al. 2020",
        "sharpness and grain, frequency by frequency",
        spectrum,
        unit="dB",
        lowest=0.0,
    ),
    Measure(
        "checkerboard",
        "checkerboard",
        "texture",
        "high",
        "Odena et al. 2016",
        "grids of 2, 4 and 8 pixels that strided layers leave",
        checkerboard,
        unit="dB",
    ),
    Measure("grey_levels", "grey levels", "texture", "high", "Rubner et al. 2000", "brightness and contrast", grey_levels, unit="levels", lowest=0.0),
    Measure(
        "recall",
        "recall",
        "diversity",
        "low",
        "Kynkaanniemi et al. 2019",
        "share of real films that lie among the films",
        recall,
        lowest=0.0,
        highest=1.0,
    ),
    Measure(
        "coverage",
        "coverage",
        "diversity",
        "low",
        "Naeem et al. 2020",
        "share of real films that have one of the films near",
        coverage,
        lowest=0.0,
        highest=1.0,
    ),
    Measure(
        "vendi", "Vendi score", "diversity", "low", "Friedman and Dieng 2023", "how many kinds of film there are", vendi, is_property=True, lowest=1.0
    ),
    Measure(
        "ms_ssim",
        "MS-SSIM of pairs",
        "diversity",
        "high",
        "Odena et al. 2017",
        "how alike two films are: a high figure is collapse",
        ms_ssim,
        is_property=True,
        lowest=0.0,
        highest=1.0,
    ),
)
