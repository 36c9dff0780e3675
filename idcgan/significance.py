"""Can two sets be told apart, and how sure is a figure? Answered the same way for every measure: by shuffling, and by drawing halves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .pool import Places, Pool

Value = Callable[[Pool, Places, Places], float]


@dataclass(frozen=True)
class Measure:
    """One figure. `tail` says which way is worse: "high" or "low".

    A property belongs to one set (the other gives only its size), so sets are compared by its difference; a distance lies between two.
    """

    key: str
    title: str
    family: str  # fidelity, texture, diversity
    tail: str
    source: str
    sees: str  # in plain words
    value: Value
    is_property: bool = False
    unit: str = ""
    lowest: float = -np.inf  # where an interval is cut off, because no value can lie beyond
    highest: float = np.inf

    def statistic(self, pool: Pool, a: Places, b: Places) -> float:
        """What the test looks at: the larger, the worse."""
        gap = self.value(pool, a, b) - (self.value(pool, b, a) if self.is_property else 0.0)
        return {"high": gap, "low": -gap}[self.tail]


def p_value(measure: Measure, pool: Pool, draws: int, seed: int) -> float:
    """How often sets shuffled together at random are as far apart or farther (exact permutation test, Phipson and Smyth 2010)."""
    rng = np.random.default_rng(seed)
    observed = measure.statistic(pool, pool.candidate_at, pool.reference_at)
    if np.isnan(observed):  # of a few films, a measure on part of them may be left with none
        return 1.0
    slack = 1e-9 * abs(observed)  # a tie is a tie whatever order the sums were made in
    # those that the measure looks at: were all shuffled, as many of either side would no longer be among them
    places = np.sort(pool.paired) if measure.key == "ms_ssim" else np.arange(sum(pool.counts))
    made, reached = int((places < pool.counts[0]).sum()), 0
    for _ in range(draws):
        order = rng.permutation(places)
        reached += bool(measure.statistic(pool, order[:made], order[made:]) >= observed - slack)
    return (1 + reached) / (1 + draws)


def interval(measure: Measure, pool: Pool, draws: int, seed: int) -> tuple[float, float]:
    """95 %: KID by the bootstrap, all others by how much the figure moves between random halves of both sets.

    The delete-half jackknife (Shao and Tu 1995, section 2.3) takes measures that a bootstrap's repeated films would
    spoil, and needs no formula. Half a set says too little of a bias that hangs on the number of films, so only the spread is used.
    """
    rng = np.random.default_rng(seed)
    a, b = pool.candidate_at, pool.reference_at
    value = measure.value(pool, a, b)
    if measure.key == "kid":
        low, high = np.quantile(kid_bootstrap(pool, 10 * draws, rng), (0.025, 0.975))
    else:
        halves = [measure.value(pool, _half(a, rng), _half(b, rng)) for _ in range(draws)]
        reach = 1.96 * float(np.nanstd(halves, ddof=1))
        low, high = value - reach, value + reach
    return float(max(low, measure.lowest)), float(min(high, measure.highest))


def _half(places: Places, rng: np.random.Generator) -> Places:
    return rng.choice(places, max(2, len(places) // 2), replace=False)


def kid_bootstrap(pool: Pool, draws: int, rng: np.random.Generator) -> np.ndarray:
    """(draws,): KID x 1000 of sets drawn with repetition. A film and its own copy are no pair, else every figure would come out too high."""
    n, m = pool.counts
    wa = rng.multinomial(n, np.full(n, 1 / n), draws).astype(float)
    wb = rng.multinomial(m, np.full(m, 1 / m), draws).astype(float)
    k = pool.kernel
    bare = k - np.diag(np.diag(k))

    def within(w: np.ndarray, block: np.ndarray) -> np.ndarray:
        return ((w @ block) * w).sum(1) / (w.sum(1) ** 2 - (w**2).sum(1))

    between = ((wa @ k[:n, n:]) * wb).sum(1) / (n * m)
    return 1000 * (within(wa, bare[:n, :n]) + within(wb, bare[n:, n:]) - 2 * between)
