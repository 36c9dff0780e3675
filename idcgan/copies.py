"""Are films copies of training films? Distances to the nearest training film, and held-out films to say how near is too near.

A held-out film was never seen, so the nearest of n of them marks the line: a generator that does not copy puts a film
beyond it with a chance of 1 / (n + 1). That assumes that honest films lie as far from the training films as held-out ones do: films that
are all blurred lie farther off, and copies among them are found less easily.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from .description import THUMB, Description

REACH = 5  # pixels of 64 that a copy may be shifted by
ENLARGED = (0.94, 0.97, 1.0, 1.03, 1.06)  # and how much smaller or larger it may be
# pixels of 64. What is coarser, all chests share; what is finer, a generator gets wrong. Of 138 real films, shifted by up to 4 pixels,
# scaled by up to 5 %, flatter and brighter, these shares fell below the nearest of 100 held-out ones, (COARSE, FINE): (2, 0.7) 99 %,
# (2, 0) 100 %, (3, 0) 94 %, (4, 0) 78 %; and blurred and noisy as well: 67 %, 35 %, 49 %, 38 %
COARSE, FINE = 2.0, 0.7
TWIN = 0.4  # of the median distance of held-out films: one that is nearer may be of a training patient (of 160 real ones the nearest: 0.57)
MIFID_NEAR = 0.1  # mean cosine distance under which MiFID punishes (Bai et al. 2021)


@dataclass(frozen=True)
class Search:
    """What a search for copies found, by `detector` ("features", "pixels").

    distance[detector]: (films,) to the nearest training film; nearest[detector]: (films,) which one that is.
    """

    distance: dict[str, np.ndarray]
    nearest: dict[str, np.ndarray]


def search(films: Description, training: Description) -> Search:
    """The nearest training film of each film."""
    return nearest(distance_tables(films, training))


def nearest(tables: dict[str, np.ndarray]) -> Search:
    """Of tables (films, training), by detector."""
    return Search({k: t.min(1) for k, t in tables.items()}, {k: t.argmin(1) for k, t in tables.items()})


def distance_tables(films: Description, training: Description) -> dict[str, np.ndarray]:
    """(films, training) for each detector: by the cosine of features, and by pixels after registration."""
    return {"features": cosine_distances(films.features, training.features), "pixels": registered_distances(films.thumb, training.thumb)}


def flagged(found: Search, held_out: Search) -> np.ndarray:
    """(films,) bool: nearer to a training film than any held-out film is, by either detector."""
    return np.any([found.distance[k] < held_out.distance[k].min() for k in found.distance], axis=0)


def copies_p(found: Search, held_out: Search) -> float:
    """The chance that films which are no nearer than held-out ones put as many beyond the nearest of these; exact.

    Of n_g + n distances in random order the k smallest are all of the n_g with the chance C(n_g, k) / C(n_g + n, k). Two detectors
    look, so the smaller chance counts twice (Bonferroni).
    """
    counts = {k: int((distance < held_out.distance[k].min()).sum()) for k, distance in found.distance.items()}
    chances = [chance_beyond(counts[k], len(distance), len(held_out.distance[k])) for k, distance in found.distance.items()]
    return float(min(1.0, len(chances) * min(chances)))


def fewest_noticed(made: int, held_out: int, level: float, detectors: int = 2) -> int:
    """How many of `made` films have to lie beyond the line, by one detector, for `copies_p` to fall to `level`: fewer copies go unnoticed.

    made + 1 where even all of them would not do.
    """
    return next((k for k in range(1, made + 1) if detectors * chance_beyond(k, made, held_out) <= level), made + 1)


def twins(held_out: Search) -> np.ndarray:
    """(films,) bool: held-out films that lie so near to a training film, by either detector, that they are likely of the same patient."""
    return np.any([distance < TWIN * np.median(distance) for distance in held_out.distance.values()], axis=0)


def chance_beyond(beyond: int, made: int, held_out: int) -> float:
    """That the `beyond` smallest of all distances, in random order, are all of made films."""
    return float(np.prod([(made - i) / (made + held_out - i) for i in range(beyond)]))


def share_interval(count: int, total: int) -> tuple[float, float]:
    """95 % for a share, exact (Clopper and Pearson 1934)."""
    from scipy.stats import binomtest

    low, high = binomtest(count, total).proportion_ci(0.95, method="exact")
    return float(low), float(high)


def membership_auc(training: np.ndarray, held_out: np.ndarray, seed: int, draws: int = 500) -> dict[str, Any]:
    """How well a score, higher for what was trained on, tells (n,) training films from (m,) held-out ones: AUC, 95 %, p.

    0.5 is chance. The interval is a bootstrap over films, p one-sided (Mann and Whitney 1947).
    """
    from scipy.stats import mannwhitneyu

    rng = np.random.default_rng(seed)
    again = [_auc(rng.choice(training, len(training)), rng.choice(held_out, len(held_out))) for _ in range(draws)]
    low, high = np.quantile(again, (0.025, 0.975))
    p = mannwhitneyu(training, held_out, alternative="greater").pvalue
    return {"value": _auc(training, held_out), "interval": [float(low), float(high)], "p": float(p)}


def best_by_chance(scores: list[np.ndarray], trained: int, seed: int, draws: int = 200) -> float:
    """The largest AUC of several scores, each (films,), on average where it is drawn who the `trained` films are: a little above 0.5."""
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(len(scores[0])) for _ in range(draws)]
    return float(np.mean([max(_auc(s[at[:trained]], s[at[trained:]]) for s in scores) for at in orders]))


def _auc(a: np.ndarray, b: np.ndarray) -> float:
    from scipy.stats import rankdata

    ranks = rankdata(np.concatenate([a, b]))
    return float((ranks[: len(a)].sum() - len(a) * (len(a) + 1) / 2) / (len(a) * len(b)))


def membership_by_distance(towards: dict[str, np.ndarray], among: dict[str, np.ndarray], trained: int, seed: int) -> dict[str, Any]:
    """`membership_auc` of how near a real film is to the nearest made film, by features and by pixels, the ranks of both added.

    towards: tables (real, made); among: tables (real, real); the first `trained` of the real films are the training films.
    Nearness is counted in units of the film's distance to the nearest other real film: an odd film is far from everything, and
    that says nothing about who was trained on (difficulty calibration, Watson et al. 2022).
    """
    from scipy.stats import rankdata

    score = 0
    for k, table in towards.items():
        others = np.where(np.eye(len(among[k]), dtype=bool), np.inf, among[k]).min(1)
        score = score - rankdata(table.min(1) / np.maximum(others, 1e-9))
    return membership_auc(score[:trained], score[trained:], seed)


def cosine_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(n, d), (m, d) -> (n, m) float64, 0 to 2."""
    from sklearn.metrics.pairwise import cosine_distances as distances

    return distances(a.astype(np.float64), b.astype(np.float64))


def registered_distances(films: np.ndarray, training: np.ndarray, batch: int = 64) -> np.ndarray:
    """(n, 64, 64), (m, 64, 64) uint8 -> (n, m): 1 - the best normalised cross-correlation over shifts and small scales.

    The middle of a film is laid over every place of a training film within REACH, at each of ENLARGED. Coarse shapes, which all
    chests share, are taken out first; brightness and contrast do not count.
    """
    whole = torch.from_numpy(_fine(training))[:, None]
    inner = THUMB - 2 * REACH
    area = inner * inner
    mean = F.avg_pool2d(whole, inner, 1)
    spread = (F.avg_pool2d(whole**2, inner, 1) - mean**2).clamp(min=1e-6).sqrt()  # (m, 1, places, places)
    best = np.full((len(films), len(training)), -1.0, np.float32)
    for enlarged in ENLARGED:
        middle = torch.from_numpy(_fine(_scaled(films, enlarged)))[:, None, REACH:-REACH, REACH:-REACH]
        middle = middle - middle.mean((2, 3), keepdim=True)
        middle = middle / middle.square().mean((2, 3), keepdim=True).sqrt().clamp(min=1e-3)
        for start in range(0, len(films), batch):
            alike = F.conv2d(whole, middle[start : start + batch]) / (area * spread)  # (m, batch, places, places)
            part = best[start : start + batch]
            np.maximum(part, alike.amax((2, 3)).T.numpy(), out=part)
    return 1.0 - best.astype(np.float64)


def _fine(thumbs: np.ndarray) -> np.ndarray:
    """(n, 64, 64) uint8 -> float32 without what is coarser than COARSE."""
    from scipy.ndimage import gaussian_filter

    grey = thumbs.astype(np.float32)
    return gaussian_filter(grey, (0, FINE, FINE)) - gaussian_filter(grey, (0, COARSE, COARSE))


def _scaled(thumbs: np.ndarray, factor: float) -> np.ndarray:
    """About the middle."""
    if factor == 1.0:
        return thumbs
    lost = THUMB * (1 - 1 / factor) / 2
    box = (lost, lost, THUMB - lost, THUMB - lost)
    if lost >= 0:
        return np.stack([np.asarray(Image.fromarray(t).resize((THUMB, THUMB), Image.Resampling.BICUBIC, box)) for t in thumbs])
    edge = int(np.ceil(-lost))
    box = tuple(side + edge for side in box)
    return np.stack([np.asarray(Image.fromarray(np.pad(t, edge, mode="edge")).resize((THUMB, THUMB), Image.Resampling.BICUBIC, box)) for t in thumbs])
