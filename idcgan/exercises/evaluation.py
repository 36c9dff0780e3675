"""The checks of notebook 05: a floor, an unbiased KID, is this a copy, which result may be claimed?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace

import numpy as np
from numpy.typing import ArrayLike

from ..course import exercise
from ..measures import kid

Distance = Callable[[np.ndarray, np.ndarray], float]


@exercise
def floor(answer: Callable[[np.ndarray, Distance, int, int], ArrayLike]) -> str:
    """`answer(films, distance, splits, seed)` -> (splits,): distances between halves of one set, divided anew each time."""
    films, seen = np.random.default_rng(0).normal(size=(20, 3)).round(6), []

    def distance(a: np.ndarray, b: np.ndarray) -> float:
        seen.append((a, b))
        return float(np.linalg.norm(np.mean(a, 0) - np.mean(b, 0)))

    found = np.asarray(answer(films, distance, 30, 0), float)
    assert found.shape == (30,), f"30 splits should give 30 distances; the answer has the shape {found.shape}."
    assert len(seen) == 30, f"`distance` was asked {len(seen)} times for 30 splits: once for each is enough."
    halves = [({tuple(row) for row in np.asarray(a)}, {tuple(row) for row in np.asarray(b)}) for a, b in seen]
    assert found.max() > 0, "every distance is 0: was a set compared with itself?"
    assert all(len(a) == len(b) == 10 for a, b in seen), "20 films make two halves of 10; look at where the order is cut."
    assert all(len(a | b) == 20 for a, b in halves), "a film is in both halves, or left out: shuffle once and cut, rather than draw twice."
    assert len({frozenset(a) for a, _ in halves}) > 20, "the same halves come again and again: shuffle the films anew for every split."
    said = [np.linalg.norm(np.mean(a, 0) - np.mean(b, 0)) for a, b in seen]
    assert np.allclose(found, said), "the answer should hold what `distance` said of each split."
    again = np.asarray(answer(films, distance, 30, 0), float)
    assert np.array_equal(found, again), "the same seed gave another floor: take every draw from np.random.default_rng(seed)."
    other = np.asarray(answer(films, distance, 30, 1), float)
    assert not np.array_equal(found, other), "another seed gave the same floor: is the seed used?"
    return "halves that share no film, shuffled anew each time: that is what real films say of real films."


@exercise
def unbiased_kid(answer: Callable[[np.ndarray, np.ndarray], float]) -> str:
    """`answer(a, b)` with (n, d) and (m, d) features -> KID, not yet times 1000, as measures.kid has it."""
    rng = np.random.default_rng(0)
    for n, m, d in ((6, 6, 4), (5, 9, 16), (2, 3, 1)):
        a, b = rng.normal(size=(n, d)), rng.normal(0.7, 1, size=(m, d))
        found, wanted = float(answer(a, b)), _kid(a, b)
        for mistake, value in _wrong_kids(a, b).items():
            assert not np.isclose(found, value) or np.isclose(value, wanted), f"for {n} and {m} films: {mistake}"
        assert np.isclose(found, wanted), f"for {n} and {m} films of {d} features it should be {wanted:.6g}, and is {found:.6g}."
    alike = rng.normal(size=(60, 8))
    pairs = [(alike[order[:30]], alike[order[30:]]) for order in (rng.permutation(60) for _ in range(20))]
    lowest = min(float(answer(*pair)) for pair in pairs)
    assert lowest < 0, "films of one kind should have a KID around 0, now and then below: nothing is to be cut off."
    return "the same figure as idcgan/measures.py; an unbiased estimate of 0 is 0 on average, so it has to be below 0 often."


def _kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a @ b.T / a.shape[1] + 1) ** 3


def _kid(a: np.ndarray, b: np.ndarray) -> float:
    both = np.concatenate([a, b])
    return kid(SimpleNamespace(kernel=_kernel(both, both)), np.arange(len(a)), np.arange(len(a), len(both))) / 1000


def _wrong_kids(a: np.ndarray, b: np.ndarray) -> dict[str, float]:
    aa, bb, ab = _kernel(a, a), _kernel(b, b), _kernel(a, b)
    bare = (a @ a.T + 1) ** 3, (b @ b.T + 1) ** 3, (a @ b.T + 1) ** 3
    n, m = len(a), len(b)

    def estimate(aa: np.ndarray, bb: np.ndarray, ab: np.ndarray, times: float = 2.0) -> float:
        return (aa.sum() - aa.trace()) / (n * (n - 1)) + (bb.sum() - bb.trace()) / (m * (m - 1)) - times * ab.mean()

    return {
        "every film is paired with itself as well: leave the diagonals out, and divide by n (n - 1).": aa.mean() + bb.mean() - 2 * ab.mean(),
        "the diagonals are left out of the sums, but the means still count them: divide by n (n - 1).":
            (aa.sum() - aa.trace()) / n**2 + (bb.sum() - bb.trace()) / m**2 - 2 * ab.mean(),
        "the inner product is not divided by the number of features.": estimate(*bare),
        "the likeness of one set to the other counts twice: 2 x its mean is to be taken off.": estimate(aa, bb, ab, 1.0),
        "this is 1000 times too much: the x 1000 is for reading only.": 1000 * _kid(a, b),
        "the sign is the wrong way round.": -_kid(a, b),
    }  # fmt: skip


@exercise
def is_a_copy(answer: Callable[[np.ndarray, np.ndarray, np.ndarray], ArrayLike]) -> str:
    """`answer(made, training, held_out)` with (n, d) features each -> (n,) bool: nearer to a training film than every held-out film is."""
    training = np.array([[0.0, 0.0], [10.0, 0.0], [10.1, 0.0]])
    held_out = np.array([[2.0, 0.0], [0.0, 3.0], [30.0, 0.0], [14.0, 0.0]])
    made = np.array([[0.0, 1.0], [0.0, 2.0], [2.1, 0.0], [30.0, 0.1], [10.0, 1.9], [50.0, 0.0], [0.0, 0.0]])
    wanted = np.array([True, False, False, False, True, False, True])
    found = np.asarray(answer(made, training, held_out))
    assert found.shape == (7,), f"7 made films need 7 answers; the answer has the shape {found.shape}."
    assert found.dtype == bool, "the answer should be True or False for every film: compare the distances with the line."
    assert not found[2:4].any(), "a film beside a held-out film is flagged: nobody can have copied that one. Look for the nearest training film."
    assert found[4], "a film 1.9 from a training film is not flagged, and no held-out film is nearer than 2: who draws the line?"
    assert not found[1], "a film that is exactly as near as the nearest held-out film is flagged: that near one comes without copying."
    assert not found[5], "a film that is far from every training film is flagged: is the comparison the right way round?"
    assert np.array_equal(found, wanted), f"films 0, 4 and 6 are nearer than any held-out film; flagged are {np.flatnonzero(found).tolist()}."
    rng = np.random.default_rng(0)
    made, training, held_out = (rng.normal(size=(n, 5)) for n in (9, 4, 6))
    made[3] = training[1] + 1e-3
    nearest = [np.linalg.norm(films[:, None] - training[None], axis=-1).min(1) for films in (made, held_out)]
    assert np.array_equal(np.asarray(answer(made, training, held_out)), nearest[0] < nearest[1].min()), (
        "with 9, 4 and 6 films of 5 features another set is flagged: are all features and all training films used?"
    )
    return "the nearest held-out film draws the line, and no guess about what is near."


@exercise
def may_claim(answer: Callable[[Sequence[float], Sequence[float]], bool]) -> str:
    """`answer(before, after)`, a measure by seed (lower is better): True where the 95 % bootstrap interval of the mean change lies below 0."""
    for words, before, after, wanted, look in TABLES:
        found = answer(before, after)
        assert isinstance(found, bool | np.bool_), "the answer should be True or False."
        assert bool(found) == wanted, f"{words}: the answer is {bool(found)}. {look}"
    return "a change that every draw of seeds shows may be claimed, and no other."


TABLES: tuple[tuple[str, list[float], list[float], bool, str], ...] = (
    ("one run each, 52 before and 47 after", [52.0], [47.0], False, "One seed says nothing of how much seeds differ: it may claim nothing."),
    ("two seeds, both better", [52.0, 50.0], [47.0, 46.0], False,
     "Where a change does nothing, two seeds are both better in one case of four: too few."),
    ("four seeds, all better", [52, 50, 51, 53], [47, 46, 48, 47], False,
     "Where a change does nothing, four seeds are all better in one case of sixteen: too few."),
    ("five seeds, the mean better by 8 because of one lucky run", [50, 52, 49, 51, 53], [51, 53, 10, 50, 51], False,
     "Draw the seeds' changes anew with repetition: some draws do not hold the lucky one."),
    ("five seeds, each better by 2 to 4, among runs that differ by 40", [30, 70, 45, 60, 52], [27, 68, 42, 57, 48], True,
     "Take each seed's own change first, then draw: the same seed stands in both rows."),
    ("five seeds, each worse", [27, 68, 42, 57, 48], [30, 70, 45, 60, 52], False, "Lower is better: the interval has to lie below 0, not above."),
    ("six seeds, three better and three worse", [40, 41, 42, 43, 44, 45], [38, 43, 40, 45, 42, 47], False, "The interval goes across 0."),
    ("eight seeds, seven better by 5 and one worse by 1", [50, 52, 49, 51, 53, 48, 55, 47], [45, 47, 44, 46, 48, 43, 50, 48], True,
     "Not every seed has to be better: draw the changes anew, and ask where 95 of 100 means lie."),
    ("five seeds, nothing changed", [40, 41, 42, 43, 44], [40, 41, 42, 43, 44], False, "An interval that ends at 0 is no improvement."),
)  # fmt: skip
