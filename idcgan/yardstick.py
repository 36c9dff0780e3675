"""Every measure in one unit: how far a set of films lies from real ones, as a multiple of how far real films lie from each other.

KID is counted in thousandths, precision in shares, a spectrum in decibels; none says by itself what is much. Real films in the
place of the made ones do: `Yardstick` draws two sets of them again and again and keeps what each measure says.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from .copies import Search, distance_tables, flagged, search, share_interval
from .description import joined
from .distortions import HonestFilms
from .features import FeatureNetwork
from .filmset import FilmSet, Item, collect
from .measures import MEASURES
from .pool import Pool
from .significance import Measure, interval

# FID once, and without MS-SSIM, the slowest by far and Vendi's twin; the report has all
KEYS = ("kid", "fid", "precision", "density", "swd", "spectrum", "checkerboard", "grey_levels", "recall", "coverage", "vendi")
TITLES = {m.key: m.title for m in MEASURES if m.key in KEYS} | {"copies": "near-copies"}
FAMILIES = {m.key: m.family for m in MEASURES if m.key in KEYS} | {"copies": "copies"}


@dataclass(frozen=True)
class Floor:
    """What real films say of real films: every draw, larger is worse. `step` is the least that the measure can move by."""

    draws: np.ndarray
    step: float = 1e-9

    @property
    def middle(self) -> float:
        """The middle of the draws: not 0, where few films make a measure's figure too high."""
        return float(np.median(self.draws))

    @property
    def reach(self) -> float:
        """How much worse than the middle the unluckiest twentieth of the draws is: the unit of `multiple`."""
        return max(float(np.quantile(self.draws, 0.95)) - self.middle, self.step)

    def multiple(self, found: float) -> float:
        """A figure (larger is worse) in units of the floor: 0 as real films, 1 as far as 95 of 100 draws of real films stay below."""
        return (found - self.middle) / self.reach


@dataclass(frozen=True)
class Reading:
    """One measure on one set: its figure as the report has it, and how many floors that is, with 95 %."""

    value: float
    multiple: float
    low: float
    high: float

    @property
    def noticed(self) -> bool:
        """Farther than 95 of 100 draws of real films lie."""
        return self.multiple > 1


class Yardstick:
    """The floors of the measures `keys` at `films.count` films, and what they say of any set of that many. Deterministic given the seed."""

    def __init__(self, films: HonestFilms, network: FeatureNetwork, cache: Path | None = None, draws: int = 199, seed: int = 0,
                 keys: tuple[str, ...] = (*KEYS, "copies")) -> None:  # fmt: skip
        self.films, self.network, self.cache, self.seed = films, network, cache, seed
        if cache:
            cache.mkdir(parents=True, exist_ok=True)
        self.training, self.held_out, self.fresh = (self.look(items) for items in (films.training, films.held_out, films.fresh))
        self.measures = {m.key: m for m in MEASURES if m.key in keys}
        with threadpool_limits(1):
            self.floors = {key: self._floor(measure, draws) for key, measure in self.measures.items()}
        if "copies" in keys:
            self.known = search(self.held_out.films, self.training.films)
            self.floors["copies"] = self._floor_of_copies(draws)

    def look(self, items: list[Item], progress: bool = False) -> FilmSet:
        """Draw and describe films; what was seen once is kept in the cache."""
        return collect("films", items, self.network, self.cache, progress)

    def judge(self, made: FilmSet) -> dict[str, Reading]:
        """What every measure says of a set in the place of a generator's, against the held-out films; copies against the training films."""
        pool = Pool(made.films, self.held_out.films)
        with threadpool_limits(1):
            found = {key: self._reading(measure, pool) for key, measure in self.measures.items()}
        return found | ({"copies": self._reading_of_copies(made)} if "copies" in self.floors else {})

    def _reading(self, measure: Measure, pool: Pool) -> Reading:
        a, b = pool.candidate_at, pool.reference_at
        value, floor = measure.value(pool, a, b), self.floors[measure.key]
        multiple, sign = floor.multiple(measure.statistic(pool, a, b)), -1 if measure.tail == "low" else 1
        if measure.is_property:  # a gap of two sets, and both could have been others
            gap = replace(measure, value=measure.statistic, is_property=False, lowest=-np.inf, highest=np.inf)
            return Reading(value, multiple, *(floor.multiple(end) for end in interval(gap, pool, 30, self.seed)))
        around = sorted(sign * (end - value) / floor.reach for end in interval(measure, pool, 30, self.seed))
        return Reading(value, multiple, multiple + around[0], multiple + around[1])

    def _reading_of_copies(self, made: FilmSet) -> Reading:
        flags = flagged(search(made.films, self.training.films), self.known)
        ends = share_interval(int(flags.sum()), len(flags))
        return Reading(float(flags.mean()), *(self.floors["copies"].multiple(x) for x in (float(flags.mean()), *ends)))

    def _floor(self, measure: Measure, draws: int) -> Floor:
        """Two sets of real films, drawn without repetition from all there are."""
        pool = Pool(joined(self.fresh.films, self.training.films), self.held_out.films)
        count = self.films.count
        found = [measure.statistic(pool, a, b) for a, b in pairs_of_sets(3 * count, count, draws, self.seed)]
        return Floor(np.array(found), 1 / count if measure.highest == 1 else 1e-9)

    def _floor_of_copies(self, draws: int) -> Floor:
        """Nobody can have copied the fresh and the held-out films: how many of one half lie beyond the line that the other draws?"""
        tables = distance_tables(joined(self.fresh.films, self.held_out.films), self.training.films)
        nearest, count = {k: table.min(1) for k, table in tables.items()}, self.films.count
        halves = pairs_of_sets(2 * count, count, draws, self.seed)
        shares = [flagged(*(Search({k: d[at] for k, d in nearest.items()}, {}) for at in pair)).mean() for pair in halves]
        return Floor(np.array(shares), 1 / count)


def pairs_of_sets(total: int, count: int, draws: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """`draws` times two sets of `count` places out of `total` that share none."""
    rng = np.random.default_rng(seed)
    orders = (rng.permutation(total) for _ in range(draws))
    return [(order[:count], order[count : 2 * count]) for order in orders]
