"""Procedural films: the same arguments give the same film, and each factor does what its name says."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from idcgan.errors import InputError
from idcgan.phantom import KINDS, Factors, Finding, draw_factors, film, films, render

PLAIN = Factors(marker=None)


def shrink(picture: np.ndarray, fold: int) -> np.ndarray:
    side = len(picture) // fold
    return picture.reshape(side, fold, side, fold).mean((1, 3))


def box(picture: np.ndarray, x: float, y: float, radius: float) -> float:
    """Mean grey of the square around (x, y), fractions of the side."""
    side = len(picture)
    low = [max(0, round((v - radius) * side)) for v in (y, x)]
    high = [max(a + 1, round((v + radius) * side)) for a, v in zip(low, (y, x), strict=True)]
    return float(picture[low[0] : high[0], low[1] : high[1]].mean())


def heart_columns(picture: np.ndarray, f: Factors) -> np.ndarray:
    """Columns, as fractions, of the bright run through the spine at the level of the heart."""
    side = len(picture)
    row = round((f.lung_top + 0.80 * f.lung_height) * side)
    line = picture[row - 3 : row + 4].mean(0)
    middle = side // 2
    lungs = min(line[middle - side // 4 : middle].min(), line[middle : middle + side // 3].min())
    bright = line > (lungs + line[middle]) / 2
    left = right = middle
    while bright[left - 1]:
        left -= 1
    while bright[right + 1]:
        right += 1
    return np.array([left, right + 1]) / side


def tilt(picture: np.ndarray) -> float:
    """Degrees, clockwise, that the bright spine leans, from the middle of its grey in the belly and in the neck."""
    side = len(picture)
    centre = []
    for low, high in ((0.02, 0.10), (0.90, 0.98)):
        strip = picture[int(low * side) : int(high * side), int(0.3 * side) : int(0.7 * side)].mean(0)
        weight = np.clip(strip - np.quantile(strip, 0.6), 0, None)
        centre.append((weight * np.arange(len(weight))).sum() / weight.sum())
    return float(np.degrees(np.arctan2(centre[0] - centre[1], 0.88 * side)))


@pytest.mark.parametrize("label_class", ["normal", "abnormal"])
@pytest.mark.parametrize("resolution", [16, 50, 64, 256])
def test_shape_type_range(label_class, resolution):
    picture, factors = film(3, label_class, resolution)
    assert picture.shape == (resolution, resolution)
    assert picture.dtype == np.float32
    assert picture.min() >= 0 and picture.max() <= 1  # noqa: PT018
    assert picture.std() > 0.1
    assert factors.label_class == label_class


def test_same_arguments_same_film_other_seed_other_film():
    first, factors = film(7, "abnormal", 64)
    again, factors_again = film(7, "abnormal", 64)
    other, _ = film(8, "abnormal", 64)
    np.testing.assert_array_equal(first, again)
    assert factors == factors_again
    assert np.abs(first - other).mean() > 0.02


def test_seed_of_render_changes_noise_only():
    one, two = render(PLAIN, 256, 0), render(PLAIN, 256, 1)
    assert 1e-5 < np.abs(one - two).mean() < 0.01


def test_film_i_does_not_depend_on_count():
    few, many = list(films(2, "normal", 32, seed=5)), list(films(4, "normal", 32, seed=5))
    assert len(many) == 4
    for (a, f), (b, g) in zip(few, many, strict=False):
        np.testing.assert_array_equal(a, b)
        assert f == g
    assert len({f.grain for _, f in many}) == 4
    assert next(iter(films(1, "normal", 32, seed=6)))[1] != few[0][1]


@pytest.mark.parametrize("seed", [1, 2])
def test_same_anatomy_at_every_resolution(seed):
    factors = draw_factors(seed, "abnormal")
    fine = render(factors, 512)
    for resolution in (32, 64, 128, 256):
        error = np.abs(shrink(fine, 512 // resolution) - render(factors, resolution))
        assert error.mean() < 0.0045, resolution
    assert np.abs(shrink(fine, 4) - render(draw_factors(seed + 50), 128)).mean() > 0.02


def test_noise_shrinks_with_resolution():
    noise = [np.std(render(PLAIN, r, 0) - render(PLAIN, r, 1)) for r in (64, 256)]
    assert noise[1] > 2 * noise[0]


def test_factors_are_a_pure_function_and_fit_their_class():
    for seed in range(60):
        normal, abnormal = draw_factors(seed), draw_factors(seed, "abnormal")
        assert normal == draw_factors(seed)
        assert normal.findings == ()
        assert normal.cardiothoracic_ratio < 0.5
        assert 1 <= len(abnormal.findings) <= 3
        enlarged = any(finding.kind == "cardiomegaly" for finding in abnormal.findings)
        assert enlarged == (abnormal.cardiothoracic_ratio > 0.55)
        assert all(0 < v < 1 for finding in abnormal.findings for v in (finding.x, finding.size))
    seen = {finding.kind for seed in range(60) for finding in draw_factors(seed, "abnormal").findings}
    assert seen == set(KINDS)


def test_factors_survive_json():
    factors = draw_factors(4, "abnormal")
    stored = json.loads(json.dumps(asdict(factors)))
    stored["findings"] = tuple(Finding(**finding) for finding in stored["findings"])
    np.testing.assert_array_equal(render(Factors(**stored), 32), render(factors, 32))


def test_lungs_darker_than_middle_and_body_brighter_than_air():
    for seed in range(4):
        f = replace(draw_factors(seed), rotation=0.0, centre=0.0, collimation=(0.0, 0.0, 0.0, 0.0), marker=None)
        picture = render(f, 128)
        y = f.lung_top + 0.5 * f.lung_height
        middle = box(picture, 0.5, y, 0.03)
        for side in (-1, 1):
            lung = box(picture, 0.5 + side * 0.32 * f.thorax_width, y, 0.04)
            assert lung < middle - 0.1
        belly = box(picture, 0.5, 0.97, 0.03)
        assert box(picture, 0.02, 0.01, 0.02) < 0.2 < belly


def test_heart_lies_to_the_viewers_right_and_the_left_dome_is_higher():
    for seed in range(4):
        f = replace(draw_factors(seed), rotation=0.0, centre=0.0, collimation=(0.0, 0.0, 0.0, 0.0), stomach_gas=0.0)
        left, right = heart_columns(render(f, 256), f)
        assert right - 0.5 > 1.5 * (0.5 - left)
    f = replace(PLAIN, dome_difference=0.03)
    picture = render(f, 256)
    dome = [box(picture, 0.5 + side * 0.335 * f.thorax_width, f.lung_top + f.lung_height + 0.018, 0.006) for side in (-1, 1)]
    assert dome[0] > dome[1] + 0.05


def test_stomach_gas_is_dark_under_the_right_dome():
    x, y = 0.5 + 0.23 * PLAIN.thorax_width, PLAIN.lung_top + PLAIN.lung_height + PLAIN.dome_difference + 0.05
    gas, none = (render(replace(PLAIN, stomach_gas=g), 256) for g in (1.0, 0.0))
    assert box(gas, x, y, 0.01) < box(none, x, y, 0.01) - 0.02


def test_heart_width_is_the_width_measured():
    measured = []
    for width in (0.24, 0.28, 0.32, 0.40):
        f = replace(PLAIN, heart_width=width, breast=0.0)
        left, right = heart_columns(render(f, 256), f)
        measured.append(right - left)
        assert measured[-1] == pytest.approx(width, abs=0.04)
    assert (np.diff(measured) > 0.015).all()


def test_exposure_darkens_and_opacity_brightens_lungs():
    greys = [render(replace(PLAIN, exposure=e), 64).mean() for e in (0.7, 1.0, 1.4)]
    assert greys[0] > greys[1] + 0.02 > greys[2] + 0.04
    x, y = 0.5 - 0.32 * PLAIN.thorax_width, PLAIN.lung_top + 0.5 * PLAIN.lung_height
    lungs = [box(render(replace(PLAIN, lung_opacity=o), 64), x, y, 0.05) for o in (0.0, 0.3, 0.6)]
    assert lungs[0] < lungs[1] - 0.02 < lungs[2] - 0.04


def test_rotation_turns_clockwise_by_degrees():
    upright = tilt(render(PLAIN, 256))
    for degrees in (-4.0, 4.0):
        turned = tilt(render(replace(PLAIN, rotation=degrees), 256)) - upright
        assert turned == pytest.approx(degrees, abs=1.5)


def test_collimation_blackens_its_border_only():
    open_film = render(PLAIN, 128)
    closed = render(replace(PLAIN, collimation=(0.1, 0.0, 0.0, 0.0)), 128)
    assert closed[:, :10].max() < 0.05
    np.testing.assert_array_equal(closed[:, 20:], open_film[:, 20:])


@pytest.mark.parametrize("rotation", [0.0, 4.0])
@pytest.mark.parametrize(("kind", "size"), [("nodule", 0.02), ("consolidation", 0.09)])
def test_opacity_is_bright_at_its_place_and_nowhere_else(kind, size, rotation):
    clear = replace(PLAIN, rotation=rotation)
    shadow = Finding(kind, 0.29, 0.45, size, 0.5)
    change = render(replace(clear, findings=(shadow,)), 256) - render(clear, 256)
    assert box(change, shadow.x, shadow.y, size / 2) > 0.04
    rows, columns = (np.mgrid[:256, :256] + 0.5) / 256
    outside = np.hypot(columns - shadow.x, rows - shadow.y) > 2.6 * size
    assert np.abs(change[outside]).max() < 1e-6


@pytest.mark.parametrize("side", [-1, 1])
def test_effusion_fills_its_costophrenic_angle(side):
    half = PLAIN.thorax_width / 2
    angle = 0.5 + side * 0.88 * half, PLAIN.lung_top + PLAIN.lung_height + 0.02
    fluid = Finding("effusion", angle[0], angle[1], 0.2, 1.0)
    clear = render(PLAIN, 256)
    change = render(replace(PLAIN, findings=(fluid,)), 256) - clear
    assert box(change, *angle, 0.015) > 0.1
    assert abs(box(change, 1 - angle[0], angle[1], 0.015)) < 1e-4


def test_heart_of_abnormal_film_with_cardiomegaly_is_wide():
    drawn = (draw_factors(seed, "abnormal") for seed in range(50))
    f = next(g for g in drawn if [finding.kind for finding in g.findings] == ["cardiomegaly"])
    f = replace(f, rotation=0.0, centre=0.0, collimation=(0.0, 0.0, 0.0, 0.0))
    left, right = heart_columns(render(f, 256), f)
    assert (right - left) / f.thorax_width > 0.52
    assert f.findings[0].size == f.heart_width


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: film(-1), "seed"),
        (lambda: film(1.5), "seed"),
        (lambda: film(0, "sick"), "label_class"),
        (lambda: film(0, "normal", 15), "resolution"),
        (lambda: film(0, "normal", 2049), "resolution"),
        (lambda: render(PLAIN, True), "resolution"),
        (lambda: render(PLAIN, 64, -3), "seed"),
        (lambda: films(-1), "count"),
        (lambda: films(2, "sick"), "label_class"),
        (lambda: films(2, "normal", 8), "resolution"),
        (lambda: films(2, "normal", 64, -1), "seed"),
        (lambda: Finding("cyst", 0.5, 0.5, 0.1, 1.0), "kind"),
    ],
)
def test_wrong_input_is_named_in_one_sentence(call, field):
    with pytest.raises(InputError, match=f"^{field} is .*; .*\\.$"):
        call()
