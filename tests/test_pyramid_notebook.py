"""What notebook 03 stands on: gratings and their aliases, the figures' numbers, the two widgets, and checks that name the mistake."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("ipywidgets")

from idcgan import InputError, MixedBatches, Pyramid
from idcgan.alias_plots import plot_contrast_left, plot_echoes, plot_exact
from idcgan.brushes import Grid
from idcgan.exercises import pyramid_data as check
from idcgan.films import resize
from idcgan.gratings import (
    ENLARGEMENTS,
    FILTERS,
    alias_of,
    contrast_left,
    echo,
    enlarged,
    grating,
    reduced,
    with_grid_lines,
    zone_plate,
)
from idcgan.phantom import draw_factors, film
from idcgan.phantom_widget import SLIDERS, PhantomFactors, ReplacedShare, changed
from idcgan.pyramid_plots import plot_batch, plot_findings, plot_grey_levels, plot_panels, plot_sizes, plot_squares, plot_zoom, power_spectrum


@pytest.fixture(scope="module")
def pyramid(tmp_path_factory):
    return Pyramid.build("phantom:normal:10", tmp_path_factory.mktemp("p") / "pyramid", (16, 32, 64), workers=1, progress=False)


@pytest.fixture
def small(monkeypatch):
    """Widgets that draw their phantoms small."""
    monkeypatch.setattr("idcgan.phantom_widget.RESOLUTION", 32)


def strongest(picture: np.ndarray) -> int:
    """Stripes per film, by Fourier transform along a row: independent of the code under test."""
    row = picture[len(picture) // 2] - picture[len(picture) // 2].mean()
    return int(np.abs(np.fft.rfft(row)).argmax())


# ---- gratings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cycles", [1, 20, 45, 60, 70, 90])
def test_every_nth_pixel_shows_the_alias_that_the_formula_names(cycles):
    fine = grating(200, cycles)
    assert strongest(fine) == cycles
    assert strongest(reduced(fine, 50, "every n-th pixel")) == alias_of(cycles, 50) <= 25


def test_what_each_filter_lets_through():
    def left(name, cycles):
        return contrast_left(lambda picture, r: reduced(picture, r, name), 256, 64, cycles)

    for cycles in (5.3, 50.7, 90.2, 120.6):
        assert left("every n-th pixel", cycles) == pytest.approx(1, abs=0.08)
        box = abs(np.sinc(cycles * 4 / 256) / np.sinc(cycles / 256))  # what a mean of 4 pixels does to a wave, by theory
        assert left("mean of blocks", cycles) == pytest.approx(box, abs=0.02)
    assert left("Lanczos", 20.3) > left("mean of blocks", 20.3) > left("bilinear", 20.3)
    for beyond in (50.7, 90.2, 120.6):
        assert left("Lanczos", beyond) < 0.02
    assert left("mean of blocks", 90.2) > 0.2


def test_zone_plate_rises_to_nyquist_at_the_edge():
    rings = zone_plate(256)
    assert rings.shape == (256, 256)
    np.testing.assert_allclose(rings, rings.T)
    row = rings[128]
    np.testing.assert_allclose(np.abs(np.diff(row[-6:])).mean(), 1, atol=0.1)  # black, white, black: two pixels a wave
    crossings = np.flatnonzero(np.diff(np.sign(row[128:] - 0.5)))  # half way out, a quarter of a wave per pixel
    assert np.mean(np.diff(crossings[(crossings > 54) & (crossings < 74)])) == pytest.approx(2, abs=0.2)


def test_grid_lines_are_gone_after_resize_and_bands_after_leaving_out():
    clear, _ = film(2, "normal", 256)
    gridded = with_grid_lines(clear, 256 * 49 // 128)
    assert np.abs(gridded - clear).max() == pytest.approx(0.03, abs=1e-3)
    bands = reduced(gridded, 32, "every n-th pixel") - reduced(clear, 32, "every n-th pixel")
    assert strongest(bands) == alias_of(98, 32) == 2
    assert bands.std() > 0.015
    assert np.std(resize(gridded, 32) - resize(clear, 32)) < 0.02 * bands.std()


@pytest.mark.parametrize("cycles", [3, 8, 24])
def test_echoes_of_enlargements(cycles):
    kept = {name: echo(name, 128, cycles)[0] for name in ENLARGEMENTS}
    echoes = {name: echo(name, 128, cycles)[1] for name in ENLARGEMENTS}
    there = np.array([0.75, 0.25]) @ np.cos(2 * np.pi * cycles / 128 * np.array([0.25, 0.75]))  # bilinear, by theory
    assert kept["bilinear"] == pytest.approx(there, abs=1e-3)
    beside = np.array([0.75, -0.25]) @ np.sin(2 * np.pi * cycles / 128 * np.array([0.25, 0.75]))
    assert echoes["bilinear"] == pytest.approx(abs(beside), abs=1e-4)
    assert kept["polynomials"] == pytest.approx(1, abs=2e-3)
    assert echoes["polynomials"] < min(0.005, echoes["bilinear"] / 5, echoes["Lanczos"])
    assert (echoes["Lanczos"] > 20 * echoes["bilinear"]) == (cycles == 3)
    assert enlarged(grating(16, 3), "polynomials").shape == (32, 32)


# ---- figures ---------------------------------------------------------------------------------------------------------


def test_enlarging_adds_nothing_above_half():
    true, _ = film(3, "normal", 256)
    enlarged = resize(resize(true, 128), 256)
    apart = power_spectrum(true) - power_spectrum(enlarged)
    assert len(apart) == 128
    assert np.abs(apart[:32]).max() < 1  # dB
    assert apart[96:].mean() > 20


def test_pixels_are_shown_as_they_are():
    from io import BytesIO

    from PIL import Image

    from idcgan.plots import to_png

    picture = np.random.default_rng(0).random((50, 50)).astype(np.float32)
    shown = np.asarray(Image.open(BytesIO(to_png(plot_exact({"a": picture}, 100)))).convert("L"), int)
    assert shown.shape == (136, 124)
    expected = np.kron(picture, np.ones((2, 2))) * 255
    assert np.abs(shown[24:124, 12:112] - expected).max() <= 2


def test_figures_have_no_clipped_words(pyramid):
    wide = film(1, "normal", 64)[0][8:-8]
    figures = [
        plot_sizes(pyramid),
        plot_zoom(pyramid, 0, (0.2, 0.2)),
        plot_squares(wide, {"crop": wide[:, 8:-8]}),
        plot_grey_levels({"a": wide, "b": wide / 16}),
        plot_panels({"a\nb": wide, "c": wide, "d": wide}, columns=2, title="t"),
        plot_findings([film(s, "abnormal", 64) for s in (1, 3)]),
        plot_contrast_left(64, 16, points=5),
        plot_echoes(32),
        plot_batch(MixedBatches(pyramid, 32, 5, 16, "fade"), 0, 0.5),
    ]
    for figure in figures:
        figure.draw_without_rendering()
        width, height = figure.canvas.get_width_height()
        for axes in figure.axes:
            box = axes.get_tightbbox()
            assert box is None or (box.x0 > -2 and box.y0 > -2 and box.x1 < width + 2 and box.y1 < height + 2)


def test_a_batch_frames_exactly_the_twins(pyramid):
    for way, share, framed in (("replace", 0.25, 2), ("replace", 0.0, 0), ("fade", 0.5, 0), ("jump", 0.0, 8)):
        figure = plot_batch(MixedBatches(pyramid, 32, 8, 16, way), 0, share)
        assert sum(axes.spines["top"].get_visible() for axes in figure.axes) == framed


# ---- widgets ---------------------------------------------------------------------------------------------------------


def test_factors_that_are_changed_and_those_that_are_not():
    sick = next(f for f in (draw_factors(seed, "abnormal") for seed in range(20)) if f.cardiothoracic_ratio > 0.5)
    healed = changed(sick, cardiothoracic_ratio=0.45)
    assert healed.cardiothoracic_ratio == pytest.approx(0.45)
    assert "cardiomegaly" not in [f.kind for f in healed.findings]
    assert changed(sick, exposure=2.0) == replace(sick, exposure=2.0)
    assert changed(sick, rib_count=8.0).rib_count == 8
    with pytest.raises(InputError, match="'heart' is no factor with a slider"):
        changed(sick, heart=1)


@pytest.mark.usefixtures("small")
def test_the_sliders_of_a_patient():
    widget = PhantomFactors("normal", 4)
    own = draw_factors(4)
    assert widget.factors == own  # a slider rounds what it shows; as long as nobody moves it, the patient's own value holds
    first = bytes(widget.picture.value)
    assert first.startswith(b"\x89PNG")
    widget.sliders["exposure"].value = 1.8
    assert widget.factors == replace(own, exposure=1.8)
    assert bytes(widget.picture.value) != first
    widget.sliders["cardiothoracic_ratio"].value = 0.62
    assert "enlarged (above 0.50)" in widget.text.value
    assert "moved: 2 of 8" in widget.text.value
    widget.reset.click()
    assert widget.factors == own
    assert bytes(widget.picture.value) == first
    widget.label_class.value = "abnormal"
    widget.patient.value = 3
    assert widget.factors == draw_factors(3, "abnormal")
    assert "nodule" in widget.text.value
    assert "idcgan-widget" in widget._dom_classes
    assert "idcgan-picture" in widget.picture._dom_classes


def test_what_is_wrong_turns_with_the_patient():
    own = draw_factors(3, "abnormal")
    turned = changed(own, rotation=own.rotation + 6.0)
    for before, after in zip(own.findings, turned.findings, strict=True):
        assert (before.x, before.y) != pytest.approx((after.x, after.y), abs=1e-3)
        in_patient = [Grid(1, f.rotation, f.centre).in_patient(finding.x, finding.y) for f, finding in ((own, before), (turned, after))]
        assert in_patient[0] == pytest.approx(in_patient[1], abs=1e-9)
    assert own.findings


@pytest.mark.parametrize("patient", range(0, 60, 7))
@pytest.mark.parametrize("label_class", ["normal", "abnormal"])
def test_every_patient_lies_within_the_sliders(patient, label_class):
    own = draw_factors(patient, label_class)
    for name, (_, low, high, _) in SLIDERS.items():
        assert low <= getattr(own, name) <= high, name


@pytest.mark.usefixtures("small")
def test_render_is_what_the_picture_shows(pyramid):
    from idcgan.plots import to_png

    widget = PhantomFactors("abnormal", 2)
    widget.sliders["rotation"].value = 4.0
    assert to_png(widget.render("abnormal", 2, rotation=4.0)) == bytes(widget.picture.value)
    mixing = ReplacedShare(pyramid, 32, 16)
    mixing.share.value, mixing.step.value, mixing.transition.value = 0.5, 1, "fade"
    assert to_png(mixing.render(0.5, 1, "fade")) == bytes(mixing.picture.value)


def test_the_share_of_a_batch(pyramid):
    widget = ReplacedShare(pyramid, 32, 16)
    quarter = bytes(widget.picture.value)
    widget.share.value = 1.0
    assert bytes(widget.picture.value) != quarter
    films = widget.text.value
    widget.step.value = 2
    assert widget.text.value != films  # step 2 is the third epoch of 10 films in batches of 8
    with pytest.raises(InputError, match="transition is 'morph'"):
        widget.render(transition="morph")
    with pytest.raises(InputError, match="batch_size is 11"):
        ReplacedShare(pyramid, 32, 16, batch_size=11)


# ---- checks that say which mistake it is -----------------------------------------------------------------------------


def there(levels, bits):
    return levels.astype(np.float32) * np.float32(2 / (2**bits - 1)) - np.float32(1)


def back(values, bits):
    top = 2**bits - 1
    return np.clip(np.rint((values + 1) / 2 * top), 0, top).astype(np.uint8 if bits == 8 else np.uint16)


@pytest.mark.parametrize(
    ("to_network", "to_levels", "said"),
    [
        (there, back, "come back, every level"),
        (lambda v, b: v / (2**b - 1) * 2 - 1, back, "networks want float32"),
        (lambda v, b: v.astype(np.float32) / (2**b - 1), back, "Tanh is [-1, 1]"),
        (lambda v, b: v.astype(np.float32) / 2 ** (b - 1) - 1, back, "should become 1: the highest"),
        (lambda v, b: v.astype(np.float32) / 127.5 - 1, back, "4095 with 12 bits"),
        (lambda v, b: (v * 2).astype(np.float32) / (2**b - 1) - 1, back, "did integers run over"),
        (lambda v, b: 2 * (v / (2**b - 1)).astype(np.float32) ** 2 - 1, back, "straight line"),
        (there, lambda v, b: np.clip((v + 1) / 2 * (2**b - 1), 0, 2**b - 1).astype(back(v, b).dtype), "cast cuts the fraction off"),
        (there, lambda v, b: np.rint((v + 1) / 2 * (2**b - 1)).astype(np.int64).astype(back(v, b).dtype), "clip to 0 and 255"),
        (there, lambda v, b: back(v, b).astype(float), "gives float64"),
        (there, lambda v, b: back(-v, b), "must undo"),
        (lambda v, b: there(v, b).reshape(2, -1), back, "keep its shape"),
    ],
)
def test_grey_levels_names_the_mistake(to_network, to_levels, said):
    verdict = check.grey_levels(to_network, to_levels)
    assert said in verdict.sentence
    assert verdict.passed == ((to_network, to_levels) == (there, back))


def means(picture, resolution):
    fold = len(picture) // resolution
    return picture.reshape(resolution, fold, resolution, fold).mean((1, 3))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (means, "were never there"),
        (lambda p, r: p[:: len(p) // r, :: len(p) // r], "one pixel of a block is kept"),
        (lambda p, r: p[len(p) // r // 2 :: len(p) // r, len(p) // r // 2 :: len(p) // r], "one pixel of a block is kept"),
        (lambda p, r: means(p, r).T, "changed places"),
        (lambda p, r: means(p, r) * (len(p) // r) ** 2, "sum of each block"),
        (lambda p, r: means(p, r) * (len(p) // r), "side x side pixels"),
        (lambda p, r: p.reshape(r, r, -1).mean(2), "reshape to"),
        (lambda p, r: p, "should be 12 x 12"),
        (resize, "not the means"),
    ],
)
def test_shrink_names_the_mistake(answer, said):
    verdict = check.shrink(answer)
    assert said in verdict.sentence
    assert verdict.passed == (answer is means)


def half_up(share, size):
    return int(share * size + 0.5)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (half_up, "halves included"),
        (lambda s, n: round(s * n), "even neighbour"),
        (lambda s, n: int(s * n), "cuts the fraction off"),
        (lambda s, n: int(np.ceil(s * n)), "always rounds up"),
        (lambda s, n: s * n, "whole number"),
        (lambda s, n: 2 * half_up(s, n), "between 0 and 8"),
        (lambda s, n: max(half_up(s, n), 1), "should be 0"),
    ],
)
def test_films_replaced_names_the_mistake(answer, said, pyramid):
    verdict = check.films_replaced(answer)
    assert said in verdict.sentence
    assert verdict.passed == (answer is half_up)
    if verdict.passed:  # and it is what the package does
        batches = MixedBatches(pyramid, 32, 8, 16)
        assert [answer(s, 8) for s in check.SHARES] == [batches.plan(0, s)[1] for s in check.SHARES]


def patient(name):
    return name.split("/")[-1].split("_")[0]


def shared(one, other):
    return {patient(n) for n in one} & {patient(n) for n in other}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (shared, "two patients are on both sides"),
        (lambda a, b: set(a) & set(b), "not whole names"),
        (lambda a, b: {n.split("_")[0] for n in a} & {n.split("_")[0] for n in b}, "still has its folder"),
        (lambda a, b: {n.split("/")[-1] for n in a if patient(n) in shared(a, b)}, "not a patient"),
        (lambda a, b: {int(p) for p in shared(a, b)}, "lost the zeros"),
        (lambda a, b: {patient(n) for n in a}, "00000042 is named"),
        (lambda a, b: shared(a, b) - {"00000130"}, "00000130 is on both sides"),
        (lambda a, b: {patient(n) for n in a if any(patient(m).startswith(patient(n)) for m in b)}, "answer is not empty"),
        (lambda a, b: bool(shared(a, b)), "give a set"),
    ],
)
def test_patients_names_the_mistake(answer, said):
    verdict = check.patients_on_both_sides(answer)
    assert said in verdict.sentence
    assert verdict.passed == (answer is shared)


def test_there_are_four_ways_to_reduce():
    assert all(reduced(zone_plate(32), 8, name).shape == (8, 8) for name in FILTERS)
