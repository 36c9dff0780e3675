"""Notebook 05: films of known truth, every measure in floors, the widget, and what the exercises say to typical mistakes."""

import numpy as np
import pytest
import torch

from idcgan import phantom
from idcgan.distortions import DISTORTIONS, ELBOWS, HonestFilms, brighter, fewer_levels, grid, jpeg, near_copy, noisy, own_seed, shrunk
from idcgan.errors import InputError
from idcgan.evaluation_plots import floors, plot_bars, plot_before_after, plot_by_count, plot_floor, plot_losses_of_sets, plot_power, plot_table
from idcgan.exercises import evaluation as check
from idcgan.features import FeatureNetwork
from idcgan.measures_widget import SpoilFilms
from idcgan.phantom import draw_factors
from idcgan.yardstick import KEYS, Floor, Reading, Yardstick, pairs_of_sets

COUNT = 12


@pytest.fixture(scope="module")
def films() -> HonestFilms:
    return HonestFilms(COUNT, 32)


@pytest.fixture(scope="module")
def yardstick(films) -> Yardstick:
    """With 8 x 8 pixels as features: what a network would say is not the question here."""
    network = FeatureNetwork("pixels", 32, lambda film: torch.nn.functional.avg_pool2d(film, 4).flatten(1))
    return Yardstick(films, network, draws=39)


def pixels(items) -> np.ndarray:
    return np.stack([item.film() for item in items])


# ---- films of known truth --------------------------------------------------------------------------------------------


def test_honest_sets_share_no_film_and_are_those_of_phantom_films(films):
    keys = [item.key for items in (films.training, films.held_out, films.fresh) for item in items]
    assert len(set(keys)) == 3 * COUNT
    drawn = [np.rint(film * 255).astype(np.uint8) for film, _ in phantom.films(COUNT, "normal", 32, seed=2)]
    assert np.array_equal(pixels(films.fresh), np.stack(drawn))
    assert [item.name for item in HonestFilms(5, 32).fresh] == [item.name for item in films.fresh[:5]]


@pytest.mark.parametrize("name", DISTORTIONS)
def test_a_distortion_hands_out_the_same_set_each_time(films, name):
    fault = DISTORTIONS[name]
    assert fault.usual in fault.amounts
    assert list(fault.amounts) == sorted(fault.amounts)
    one, other = fault.items(films), fault.items(HonestFilms(COUNT, 32))
    assert len(one) == COUNT
    assert [item.key for item in one] == [item.key for item in other]
    assert np.array_equal(pixels(one), pixels(other))
    keys = [item.key for item in one]
    assert len(set(keys)) == COUNT, "two films under one key would share a description"
    for amount in fault.amounts:
        if amount not in (0.0, fault.usual):
            assert [item.key for item in fault.items(films, amount)] != keys
    with pytest.raises(InputError, match=r"123 .*; choose one of"):
        fault.items(films, 123)


def test_the_kind_that_was_dropped_is_gone_and_the_others_are_not(films):
    for share in (0.25, 0.75):
        gaps = [draw_factors(int(item.name.split()[1])).arm_gap for item in DISTORTIONS["kind dropped"].items(films, share)]
        least = ELBOWS[0] + share * (ELBOWS[1] - ELBOWS[0])
        assert min(gaps) > least
        assert max(gaps) > 0.2
    assert min(draw_factors(own_seed(3, i)).arm_gap for i in range(200)) < 0.0  # else nothing would have been dropped


def test_copies_are_copies_of_training_films_and_the_rest_is_honest(films):
    items = DISTORTIONS["copied"].items(films, 0.5)
    assert [item.name for item in items[:6]] == [f"{item.name}, near copy" for item in films.training[:6]]
    assert [item.key for item in items[6:]] == [item.key for item in films.fresh[6:]]
    film = films.training[0].film()
    assert not np.array_equal(near_copy(film), film)
    assert np.array_equal(near_copy(film), near_copy(film))
    assert not np.array_equal(near_copy(film), near_copy(film, 1))


def test_a_collapse_leaves_two_films(films):
    names = [item.name.split(",")[0] for item in DISTORTIONS["collapsed"].items(films, 1.0)]
    assert set(names) == {item.name for item in films.fresh[:2]}
    half = [item.name.split(",")[0] for item in DISTORTIONS["collapsed"].items(films, 0.5)]
    assert len(set(half)) == 2 + COUNT // 2


def test_changes_of_pixels_do_what_they_say(films):
    film = films.fresh[0].film()
    middle = np.clip(film, 60, 190)
    assert np.array_equal(brighter(middle, 14), middle + 14)
    assert brighter(np.full((4, 4), 250, np.uint8), 14).max() == 255
    change = grid(middle, 3).astype(int) - middle
    assert set(np.unique(change)) == {-3, 3}
    assert change.mean() == 0
    assert np.array_equal(change[:2, :2], np.full((2, 2), 3))
    assert np.array_equal(change[:2, 2:4], np.full((2, 2), -3))
    grain = noisy(np.full((64, 64), 128, np.uint8), 8).astype(float)
    assert 7.5 < grain.std() < 8.5
    assert abs(grain.mean() - 128) < 0.5
    soft, same = pixels(DISTORTIONS["blurred"].items(films, 2.0)).astype(float), pixels(films.fresh).astype(float)
    assert np.abs(np.diff(soft)).mean() < 0.7 * np.abs(np.diff(same)).mean()
    assert abs(soft.mean() - same.mean()) < 1


def test_ways_of_storing(films):
    film = films.fresh[0].film()
    assert len(np.unique(fewer_levels(film, 4))) <= 16
    assert {0, 255} <= set(np.unique(fewer_levels(np.arange(256, dtype=np.uint8).reshape(16, 16), 4)))
    assert np.abs(fewer_levels(film, 8).astype(int) - film).max() == 0
    assert 0 < np.abs(jpeg(film).astype(int) - film).mean() < 5
    stripes = np.tile(np.array([0, 255], np.uint8), (32, 16))
    assert shrunk(stripes, 16, filtered=False).max() == 0, "every second pixel of black and white stripes is black"
    assert 100 < shrunk(stripes, 16).mean() < 155


# ---- floors ----------------------------------------------------------------------------------------------------------


def test_a_floor_counts_in_units_of_what_real_films_reach():
    floor = Floor(np.arange(101.0))
    assert (floor.middle, floor.reach) == (50, 45)
    assert floor.multiple(50) == 0
    assert floor.multiple(95) == 1
    assert Reading(0, 1.0, 0, 2).noticed is False
    assert Reading(0, 1.1, 0, 2).noticed is True
    assert Floor(np.ones(9), 0.1).reach == 0.1  # a share that never moves: its smallest step


def test_pairs_of_sets_share_no_film():
    pairs = pairs_of_sets(10, 4, 20, 0)
    assert all(len(set(a) | set(b)) == 8 for a, b in pairs)
    assert len({frozenset(a) for a, _ in pairs}) > 10
    assert all(np.array_equal(a, b) for one, other in zip(pairs, pairs_of_sets(10, 4, 20, 0), strict=True) for a, b in zip(one, other, strict=True))


def test_the_right_measure_is_farthest_from_its_floor(yardstick):
    def farthest(name, amount, among):
        found = yardstick.judge(yardstick.look(DISTORTIONS[name].items(yardstick.films, amount)))
        assert found.keys() == {*KEYS, "copies"}
        assert all(reading.low <= reading.multiple <= reading.high for reading in found.values())
        return max(among, key=lambda key: found[key].multiple), found

    texture = ("spectrum", "checkerboard", "grey_levels")  # patches (swd) see each of the three
    for name, amount, key in (("brighter", 40.0, "grey_levels"), ("blurred", 2.0, "spectrum")):
        best, found = farthest(name, amount, texture)
        assert best == key
        assert found[key].noticed
        assert not found["copies"].noticed
    found = farthest("copied", 1.0, found)[1]
    assert found["copies"].noticed
    honest = farthest("as they are", 0.0, found)[1]
    assert sum(reading.noticed for reading in honest.values()) <= 3  # twelve tests at 5 %: P(more than 3) is 0.002 if they were independent


def test_a_yardstick_is_deterministic_and_asks_what_it_is_told_to(yardstick, films):
    again = Yardstick(films, yardstick.network, draws=39, keys=("kid", "recall"))
    assert set(again.floors) == {"kid", "recall"}
    assert np.array_equal(again.floors["kid"].draws, yardstick.floors["kid"].draws)
    found = again.judge(again.fresh)
    assert set(found) == {"kid", "recall"}
    assert found["kid"] == yardstick.judge(yardstick.fresh)["kid"]


# ---- pictures and the widget -----------------------------------------------------------------------------------------


def test_the_table_makes_bold_what_is_noticed():
    readings = {
        "honest": {"kid": Reading(0, 0.4, -1, 1), "copies": Reading(0, 1.2, 0, 2)},
        "bad": {"kid": Reading(9, 55.4, 50, 60), "copies": Reading(0, -0.6, -1, 1)},
    }
    (axes,) = plot_table(readings).axes
    bold = {text.get_text() for text in axes.texts if text.get_weight() == "bold"}
    assert bold == {"1.2", "55"}
    assert "50 to 60" in {text.get_text() for text in axes.texts}
    assert [label.get_text() for label in axes.get_yticklabels()] == ["KID", "near-copies"]
    assert [floors(x) for x in (0.04, -0.04, 9.94, 9.96, -12.3)] == ["0.0", "0.0", "9.9", "10", "\N{MINUS SIGN}12"]


def test_every_figure_can_be_drawn():
    found = {"kid": Reading(0, 0.4, -1, 1), "copies": Reading(0, 1.2, 0, 2)}
    square = np.zeros((3, 8, 8), np.uint8)
    for figure, axes in (
        (plot_floor(Floor(np.arange(20.0)), {"a": np.arange(9.0)}, "KID"), 2),
        (plot_before_after(square, square, found, "title"), 7),
        (plot_bars({"a": found, "b": found}), 2),
        (plot_by_count([4, 8], *(2 * [{4: np.ones(3), 8: np.ones(3)}])), 2),
        (plot_power({"kid": {4: found["kid"], 8: found["copies"]}}), 1),
        (plot_losses_of_sets({"a": np.ones(4), "b": np.zeros(3)}), 1),
    ):
        assert len(figure.axes) == axes
        figure.canvas.draw()


def test_the_widget_shows_what_is_chosen_and_asks_once(yardstick, monkeypatch):
    asked = []
    judge = yardstick.judge
    monkeypatch.setattr(yardstick, "judge", lambda made: asked.append(1) or judge(made))
    widget = SpoilFilms(yardstick, "grid")
    assert "idcgan-widget" in widget._dom_classes
    assert (widget.slider.value, len(asked)) == (DISTORTIONS["grid"].usual, 1)
    first = bytes(widget.picture.value)
    assert first.startswith(b"\x89PNG")
    widget.menu.value = "brighter"
    assert widget.slider.value == DISTORTIONS["brighter"].usual
    assert [amount for _, amount in widget.slider.options] == [0.0, *DISTORTIONS["brighter"].amounts]
    assert bytes(widget.picture.value) != first
    widget.slider.value = 40.0
    assert "grey levels" in widget.text.value
    assert len(asked) == 3
    widget.slider.value = 0.0
    assert "Nothing: new films" in widget.text.value
    widget.slider.value = 40.0
    assert len(asked) == 4, "what was asked for once is kept"
    widget.render("brighter", 40.0)
    assert len(asked) == 4
    with pytest.raises(InputError, match="choose one of"):
        widget.render("melted", 1.0)
    with pytest.raises(InputError, match="choose one of"):
        widget.render("grid", 3.0)


def test_the_widget_says_an_error_in_a_sentence(yardstick, monkeypatch):
    widget = SpoilFilms(yardstick, "grid")

    def refuse(made):
        raise InputError("the films < 8 are too few.")

    monkeypatch.setattr(yardstick, "judge", refuse)
    widget.slider.value = 16.0
    assert "films &lt; 8 are too few" in widget.text.value


# ---- the exercises: each typical mistake has its sentence ------------------------------------------------------------


def halves(films, distance, splits, seed, rng=None, cut=None):
    rng, cut = rng or np.random.default_rng(seed), cut or len(films) // 2
    orders = [rng.permutation(len(films)) for _ in range(splits)]
    return [distance(films[order[:cut]], films[order[cut:]]) for order in orders]


def same_halves(films, distance, splits, seed):
    return [distance(films[::2], films[1::2]) for _ in range(splits)]


def drawn_twice(films, distance, splits, seed):
    rng, half = np.random.default_rng(seed), len(films) // 2
    return [distance(rng.choice(films, half, replace=False), rng.choice(films, half, replace=False)) for _ in range(splits)]


@pytest.mark.parametrize(("answer", "said"), [
    (lambda f, d, s, seed: [d(f, f) for _ in range(s)], "compared with itself"),
    (same_halves, "shuffle the films anew"),
    (drawn_twice, "in both halves"),
    (lambda f, d, s, seed: halves(f, d, s, seed, cut=5), "halves of 10"),
    (lambda f, d, s, seed: halves(f, d, s, seed)[:-1], "the shape (29,)"),
    (lambda f, d, s, seed: float(np.mean(halves(f, d, s, seed))), "the shape ()"),
    (lambda f, d, s, seed: halves(f, d, s, 0), "is the seed used"),
    (lambda f, d, s, seed: halves(f, d, s, seed, rng=np.random.default_rng()), "np.random.default_rng(seed)"),
])  # fmt: skip
def test_floor_says_which_mistake_it_is(answer, said):
    verdict = check.floor(answer)
    assert not verdict.passed
    assert said in verdict.sentence


def kernel(a, b):
    return (a @ b.T / a.shape[1] + 1) ** 3


def unbiased(a, b, k=kernel, times=2):
    def within(x):
        return (k(x, x).sum() - k(x, x).trace()) / (len(x) * (len(x) - 1))

    return within(a) + within(b) - times * k(a, b).mean()


@pytest.mark.parametrize(("answer", "said"), [
    (lambda a, b: kernel(a, a).mean() + kernel(b, b).mean() - 2 * kernel(a, b).mean(), "paired with itself"),
    (lambda a, b: unbiased(a, b, lambda x, y: (x @ y.T + 1) ** 3), "number of features"),
    (lambda a, b: unbiased(a, b, times=1), "counts twice"),
    (lambda a, b: 1000 * unbiased(a, b), "1000 times"),
    (lambda a, b: -unbiased(a, b), "wrong way round"),
    (lambda a, b: unbiased(a, b, lambda x, y: (x @ y.T / x.shape[1] + 1) ** 2), "it should be"),
    (lambda a, b: 1 / 0, "ZeroDivisionError"),
])  # fmt: skip
def test_kid_says_which_mistake_it_is(answer, said):
    verdict = check.unbiased_kid(answer)
    assert not verdict.passed
    assert said in verdict.sentence
    assert check.unbiased_kid(unbiased).passed


def test_a_kid_that_is_cut_off_at_nought_is_found_out():
    verdict = check.unbiased_kid(lambda a, b: max(0.0, unbiased(a, b)))
    assert not verdict.passed


def nearest(films, to):
    return np.linalg.norm(films[:, None] - to[None], axis=-1).min(1)


def among(training):
    return np.partition(np.linalg.norm(training[:, None] - training[None], axis=-1), 1, axis=1)[:, 1]


@pytest.mark.parametrize(("answer", "said"), [
    (lambda m, t, h: nearest(m, h) < nearest(h, t).min(), "beside a held-out film"),
    (lambda m, t, h: nearest(m, t) < among(t).min(), "who draws the line"),
    (lambda m, t, h: nearest(m, t) <= nearest(h, t).min(), "exactly as near"),
    (lambda m, t, h: nearest(m, t) > nearest(h, t).min(), "flagged"),
    (lambda m, t, h: nearest(m, t), "True or False"),
    (lambda m, t, h: (nearest(m, t) < nearest(h, t).min()).any(), "the shape ()"),
    (lambda m, t, h: nearest(m[:, :2], t[:, :2]) < nearest(h[:, :2], t[:, :2]).min(), "all features"),
])  # fmt: skip
def test_is_a_copy_says_which_mistake_it_is(answer, said):
    verdict = check.is_a_copy(answer)
    assert not verdict.passed
    assert said in verdict.sentence


def claim(before, after, paired=True):
    rng, change = np.random.default_rng(0), np.subtract(after, before)
    if paired:
        means = rng.choice(change, (2000, len(change))).mean(1)
    else:
        means = rng.choice(after, (2000, len(after))).mean(1) - rng.choice(before, (2000, len(before))).mean(1)
    return bool(np.quantile(means, 0.975) < 0)


@pytest.mark.parametrize(("answer", "said"), [
    (claim, "one run each"),
    (lambda b, a: len(b) > 1 and claim(b, a), "two seeds are both better in one case of four"),
    (lambda b, a: len(b) >= 5 and claim(b, a, paired=False), "each better by 2 to 4"),
    (lambda b, a: len(b) >= 5 and np.mean(a) < np.mean(b), "one lucky run"),
    (lambda b, a: len(b) >= 5 and claim(a, b), "each better by 2 to 4"),
    (lambda b, a: len(b) >= 5 and all(x < y for x, y in zip(a, b, strict=True)), "seven better by 5"),
    (lambda b, a: 0.97, "True or False"),
])  # fmt: skip
def test_may_claim_says_which_mistake_it_is(answer, said):
    verdict = check.may_claim(answer)
    assert not verdict.passed
    assert said in verdict.sentence
    assert check.may_claim(lambda b, a: len(b) >= 5 and claim(b, a)).passed
