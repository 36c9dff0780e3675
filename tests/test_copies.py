"""The search for copies: what counts as near, where the line is drawn, and how sure one can be."""

from math import comb

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from idcgan.copies import (
    Search,
    copies_p,
    cosine_distances,
    fewest_noticed,
    flagged,
    membership_auc,
    registered_distances,
    share_interval,
    twins,
)
from idcgan.phantom import film


@pytest.fixture(scope="module")
def thumbs() -> np.ndarray:
    """Twelve phantom films at 64."""
    return np.stack([np.rint(film(seed, "normal", 64)[0] * 255).astype(np.uint8) for seed in range(12)])


def found(features, pixels) -> Search:
    distance = {"features": np.array(features, float), "pixels": np.array(pixels, float)}
    return Search(distance, {k: np.zeros(len(d), int) for k, d in distance.items()})


def test_a_film_is_at_no_distance_from_itself_and_far_from_others(thumbs):
    table = registered_distances(thumbs, thumbs)
    assert np.abs(np.diag(table)).max() < 1e-3
    np.fill_diagonal(table, 1)
    assert table.min() > 0.1


def changed(thumb: np.ndarray, shift: tuple[int, int] = (0, 0), scale: float = 1.0, steeper: float = 1.0, brighter: float = 0.0) -> np.ndarray:
    wide = Image.fromarray(np.pad(thumb, 8, mode="edge"))
    lost = 32 * (1 - 1 / scale)
    box = (8 + lost + shift[0], 8 + lost + shift[1], 72 - lost + shift[0], 72 - lost + shift[1])
    moved = wide.resize((64, 64), Image.Resampling.BICUBIC, box)
    return np.clip(np.rint(np.asarray(moved, float) * steeper + brighter), 0, 255).astype(np.uint8)


CHANGES = {
    "shifted": {"shift": (4, -3)},
    "enlarged": {"scale": 1.05},
    "reduced": {"scale": 0.95},
    "flatter and brighter": {"steeper": 0.7, "brighter": 40},
    "all of it": {"shift": (-2, 2), "scale": 1.03, "steeper": 1.2},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_changed_copy_is_nearest_to_its_own_film(thumbs, change):
    table = registered_distances(np.stack([changed(t, **change) for t in thumbs]), thumbs)
    others = registered_distances(thumbs, thumbs)
    np.fill_diagonal(others, 1)
    near = np.diag(table)
    assert (table.argmin(1) == np.arange(len(thumbs))).all()
    assert (near < others.min(1)).all(), "a changed copy must be nearer to its film than any other film is"


def test_a_film_of_one_grey_level_breaks_nothing(thumbs):
    table = registered_distances(np.zeros((1, 64, 64), np.uint8), thumbs)
    assert np.isfinite(table).all()
    assert table.min() > 0.5


def test_cosine_distances():
    np.testing.assert_allclose(
        cosine_distances(np.array([[1.0, 0], [1, 1]]), np.array([[0.0, 2], [3, 3]])), [[1, 1 - 0.5**0.5], [1 - 0.5**0.5, 0]], atol=1e-12
    )


def test_a_film_is_flagged_by_either_detector():
    held_out = found([0.3, 0.4], [0.5, 0.6])
    assert flagged(found([0.2, 0.9, 0.9], [0.9, 0.4, 0.9]), held_out).tolist() == [True, True, False]


@pytest.mark.parametrize(("beyond", "made", "held"), [(1, 10, 5), (3, 20, 10), (7, 30, 30)])
def test_the_chance_of_so_many_beyond_the_line_is_exact(beyond, made, held):
    """By counting: the k smallest of all distances are made films in C(n_g, k) of C(n_g + n, k) orders; two detectors, so twice."""
    distance = [0.01] * beyond + [0.5] * (made - beyond)
    p = copies_p(found(distance, [0.9] * made), found([0.1] * held, [0.1] * held))
    assert p == pytest.approx(min(1, 2 * comb(made, beyond) / comb(made + held, beyond)))


@pytest.mark.parametrize(("made", "held"), [(200, 100), (40, 100), (12, 12)])
def test_so_many_copies_are_noticed_and_one_fewer_is_not(made, held):
    few = fewest_noticed(made, held, 0.05)
    p = [copies_p(found([0.01] * k + [0.5] * (made - k), [0.9] * made), found([0.1] * held, [0.1] * held)) for k in (few - 1, few)]
    assert p[0] > 0.05 >= p[1]


def test_so_few_films_that_nothing_would_be_noticed():
    assert fewest_noticed(3, 12, 0.001) == 4


def test_a_held_out_film_of_a_training_patient_is_found_by_either_detector():
    held_out = found([0.2, 0.19, 0.21, 0.02, 0.2], [0.5, 0.1, 0.5, 0.5, 0.4])
    assert twins(held_out).tolist() == [False, True, False, True, False]
    assert not twins(found([0.12, 0.2, 0.2], [0.3, 0.5, 0.5])).any()


def test_the_chance_holds_in_a_simulation():
    """Distances that are all alike: at 5 % an alarm comes in no more than 5 % of 2,000 trials (99.9 % bound: 6.6 %)."""
    rng = np.random.default_rng(0)
    alarms = sum(copies_p(found(*rng.random((2, 40))), found(*rng.random((2, 25)))) <= 0.05 for _ in range(2000))
    assert alarms / 2000 < 0.066


def test_the_interval_of_a_share():
    """0 of 30: the upper end is 1 - 0.025^(1/30); 10 of 100: tables of Clopper and Pearson."""
    assert share_interval(0, 30) == pytest.approx((0.0, 1 - 0.025 ** (1 / 30)))
    assert share_interval(10, 100) == pytest.approx((0.0490, 0.1762), abs=1e-4)


def test_membership_auc_agrees_with_scikit_learn():
    rng = np.random.default_rng(0)
    training, held_out = rng.normal(0.4, 1, 70).round(1), rng.normal(0, 1, 50).round(1)  # with ties
    answer = membership_auc(training, held_out, seed=0, draws=300)
    assert answer["value"] == pytest.approx(roc_auc_score([1] * 70 + [0] * 50, np.concatenate([training, held_out])))
    assert answer["interval"][0] < answer["value"] < answer["interval"][1]
    assert membership_auc(held_out, held_out, 0)["value"] == pytest.approx(0.5)
    assert membership_auc(training + 10, held_out, 0)["p"] < 1e-10
