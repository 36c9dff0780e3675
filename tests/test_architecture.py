"""Notebook 02: shapes and counts against PyTorch's own, the broken networks, checkerboards, the widget's logic, the checks of the exercises."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from idcgan.architecture_widget import BuildGenerator, as_table, count
from idcgan.building import build, initialise
from idcgan.checkerboards import board, board_by_period, is_even, made_by, mean_spectrum, overlaps, untrained
from idcgan.config import preset
from idcgan.errors import InputError
from idcgan.exercises import dcgan_rules as check
from idcgan.fixed_maps import enlarge
from idcgan.layers import SmoothUp
from idcgan.layers_plots import megabytes, plot_dense, plot_diagram, plot_overlaps, plot_widths
from idcgan.layers_view import convolved_size, layers, plain_generator, said, spreads, stages, stopped, training_memory, transposed_size
from idcgan.memory import plan_memory
from idcgan.networks import Generator, feature_maps
from idcgan.rules import check_dcgan_rules
from idcgan.rules_plots import plot_boards, plot_measured, plot_reach, plot_spreads, plot_stopped, plot_verdicts
from idcgan.small_dcgan import (
    VARIANTS,
    copied_up,
    level_on,
    phantom_batch,
    play,
    small_discriminator,
    small_generator,
    strided_down,
    strided_up,
    thin_up,
)

SHAPES = [(size, kernel, stride, padding) for size in (1, 2, 5) for kernel in (1, 3, 4, 6) for stride in (1, 2, 3) for padding in (0, 1, 2)]


# ---- shapes and counts ----------------------------------------------------------------------------------------------


def test_the_arithmetic_is_pytorchs():
    compared = 0
    for size, kernel, stride, padding in SHAPES:
        ones, weight = torch.ones(1, 1, size, size), torch.ones(1, 1, kernel, kernel)
        up = transposed_size(size, kernel, stride, padding)
        if up > 0:
            assert F.conv_transpose2d(ones, weight, stride=stride, padding=padding).shape[-1] == up
            assert transposed_size(size, kernel, stride, padding, 1) == up + 1
            compared += 1
        if size + 2 * padding >= kernel:
            assert F.conv2d(ones, weight, stride=stride, padding=padding).shape[-1] == convolved_size(size, kernel, stride, padding)
    assert compared > 80


def test_layers_are_counted_as_pytorch_counts_them():
    generator = plain_generator(64, 8, 0, 100, device="cpu")
    found = layers(generator, torch.zeros(2, 100))
    assert sum(layer.parameters for layer in found) == sum(p.numel() for p in generator.parameters())
    assert [layer.out[-1] for layer in found if layer.kind == "ConvTranspose2d"] == [4, 8, 16, 32, 64]
    first = found[0]
    assert (first.given, first.out, first.parameters) == ((100, 1, 1), (64, 4, 4), 100 * 64 * 16)
    assert first.multiplies == 100 * 64 * 16
    assert next(layer for layer in found if layer.name == "blocks.8.0.conv").multiplies == 64 * 32 * 16 * 4 * 4
    assert {layer.kept for layer in found if layer.kind == "ReLU"} == {0}, "these work in place"
    assert next(layer for layer in found if layer.kind == "BatchNorm2d").kept == 64 * 4 * 4


def test_a_fully_connected_layer_is_counted_too():
    found = layers(nn.Sequential(nn.Linear(5, 7), nn.Flatten()), torch.zeros(2, 5))
    assert [(layer.kind, layer.parameters, layer.multiplies, layer.kept) for layer in found] == [("Linear", 42, 35, 7), ("Flatten", 0, 0, 0)]


def test_stages_hold_everything_and_nothing_is_allocated_at_2048():
    generator = plain_generator(2048, 8, 64)
    assert all(p.is_meta for p in generator.parameters())
    found = stages(layers(generator, torch.empty(2, 100, device="meta")))
    assert [(stage.resolution, stage.maps) for stage in found] == [*((r, m) for r, m in sorted(feature_maps(2048, 8, 64).items())), (2048, 1)]
    assert sum(stage.parameters for stage in found) == sum(p.numel() for p in generator.parameters())
    assert found[-1].parameters == 8 * 16
    assert found[-1].multiplies == 8 * 16 * 1024**2


def test_the_plain_generator_is_that_of_the_presets_at_the_first_level():
    """`reset` builds the same chain from the same widths where the level is the last."""
    built = build(preset("paper-normal-15", resolutions=(64,)), 0, 0)[0]
    ours = plain_generator(64, 8, 64)
    assert {name: p.shape for name, p in built.named_parameters()} == {name: p.shape for name, p in ours.named_parameters()}


def test_memory_is_the_forecasts():
    config = preset("paper-normal-15", resolutions=(2048,))
    assert training_memory(2048, 8, 64, 100, 8) == plan_memory(config, float("inf"))[0].memory
    assert training_memory(256, 8, 64, 100, 16) > training_memory(256, 8, 64, 100, 8)


def test_counts_are_said_as_people_say_them():
    words = {7: "7", 2128: "2.1 thousand", 66_000: "66 thousand", 4.2e6: "4.2 million", 2.1e9: "2.1 billion", 3.5e13: "35 trillion"}
    assert {number: said(number) for number in words} == words


def test_bytes_are_said_as_people_say_them():
    assert [megabytes(n) for n in (65_536, 4.2e6, 5.2e9)] == ["65.5 kB", "4.2 MB", "5.2 GB"]


# ---- the rules, broken ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_breaks_the_rule_it_names_and_no_other(name):
    pair = VARIANTS[name]
    for network, role, rule in ((pair.generator(), "generator", pair.rule_g), (pair.discriminator(), "discriminator", pair.rule_d)):
        broken = {claim.rule for claim in check_dcgan_rules(network, role) if not claim.passed}
        assert broken == ({rule} if rule else set()), role
    with torch.no_grad():
        pictures = pair.generator()(torch.randn(3, 32))
        assert pictures.shape == (3, 1, 32, 32)
        assert pair.discriminator()(pictures).shape == (3, 1)


@pytest.mark.parametrize("up", [strided_up, thin_up, copied_up])
def test_every_way_up_doubles(up):
    assert nn.Sequential(*up(3, 5))(torch.zeros(2, 3, 6, 6)).shape == (2, 5, 12, 12)
    assert small_generator(64, 4, 8, up=up)(torch.zeros(2, 8)).shape == (2, 1, 64, 64)


def test_ways_down():
    x = torch.zeros(2, 3, 6, 6)
    assert nn.Sequential(*strided_down(3, 5))(x).shape == (2, 5, 3, 3)
    assert nn.Sequential(*level_on(3, 5))(x).shape == (2, 5, 6, 6)


def test_the_packages_generator_is_the_small_one():
    small, plain = small_generator(64, 8, 100), plain_generator(64, 8, 0, 100, device="cpu")
    small.load_state_dict(dict(zip(small.state_dict(), plain.state_dict().values(), strict=True)))
    z = torch.randn(4, 100, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(small(z), plain(z))


def test_brightness_reaches_d_past_an_early_batch_norm_only_at_the_border():
    films, moved = phantom_batch(8, 64), {}
    for edges in ("zeros", "replicate"):
        judge = small_discriminator(64, norm_first=True)
        initialise(judge, torch.Generator().manual_seed(0))
        judge[0].padding_mode = edges
        with torch.no_grad():
            moved[edges] = float((judge(films + 0.3) - judge(films)).abs().max())
    assert moved["replicate"] < 1e-5 < 1e-3 < moved["zeros"]


def test_a_game_is_a_function_of_its_seed_and_moves_both_players():
    films = phantom_batch(8, 32)
    assert films.shape == (8, 1, 32, 32)
    assert -1 <= films.min() < 0 < films.max() <= 1
    played = []
    for seed in (0, 0, 1):
        generator, discriminator = small_generator(maps=2), small_discriminator(maps=2)
        played.append(play(generator, discriminator, films, steps=3, seed=seed, batch_size=4))
    assert torch.equal(played[0].films, played[1].films)
    assert not torch.equal(played[0].films, played[2].films)
    drawn = [small_generator(maps=2), small_discriminator(maps=2)]
    rng = torch.Generator().manual_seed(1)
    for network, fresh in zip((generator, discriminator), drawn, strict=True):
        initialise(fresh, rng)
        assert all(not torch.equal(p, q) for p, q in zip(network.parameters(), fresh.parameters(), strict=True))
    assert 0 < played[0].d_real < 1


def test_signals_vanish_without_batch_norm():
    def spread(**parts):
        generator = small_generator(128, 4, 16, **parts)
        initialise(generator, torch.Generator().manual_seed(0))
        return spreads(generator, torch.randn(8, 16, generator=torch.Generator().manual_seed(1)))

    normed, bare = spread(), spread(norm=False)
    assert len(normed) == len(bare) == 6
    assert min(normed[:-1]) > 0.4
    assert bare[-1] < 1e-3 < bare[0]


def test_what_gets_no_gradient_is_counted_from_the_film_inwards():
    x = torch.randn(4, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    kinds = (nn.LeakyReLU, nn.ReLU, nn.MaxPool2d)
    assert stopped(small_discriminator(64), x, kinds) == [0.0] * 4
    pooled = small_discriminator(64, down=level_on, then=(lambda: nn.MaxPool2d(2),))
    assert stopped(pooled, x, (nn.MaxPool2d,)) == pytest.approx([0.75] * 4)
    bright = nn.Sequential(nn.ReLU(), nn.Conv2d(1, 1, 1), nn.LeakyReLU())
    assert stopped(bright, torch.tensor([[[[-1.0, 2.0], [-3.0, -4.0]]]]), (nn.ReLU,)) == [0.75]
    assert all(p.grad is None for p in pooled.parameters())


# ---- checkerboards --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", range(1, 10))
@pytest.mark.parametrize("stride", [1, 2, 3, 4])
def test_overlap_is_even_where_the_stride_divides_the_kernel(kernel, stride):
    assert is_even(kernel, stride) == (kernel % stride == 0)


def test_overlaps_are_counted():
    assert overlaps(2, 3, 2).tolist() == [[1, 1, 2, 1, 1], [1, 1, 2, 1, 1], [2, 2, 4, 2, 2], [1, 1, 2, 1, 1], [1, 1, 2, 1, 1]]
    assert overlaps(4, 4, 2, 1).shape == (8, 8)
    assert overlaps(4, 4, 2).sum() == 16 * 16


def test_smooth_up_is_a_stamp_of_six_and_makes_no_grid():
    torch.manual_seed(0)
    up, pixel, x = SmoothUp(1, 1), torch.zeros(1, 1, 9, 9), torch.randn(1, 1, 8, 8)
    pixel[..., 4, 4] = 1
    with torch.no_grad():
        stamp = up(pixel)[..., 6:12, 6:12]
        assert up(pixel).count_nonzero() == stamp.count_nonzero() == 36
        as_stamps = F.conv_transpose2d(x, stamp, stride=2, padding=2)
        torch.testing.assert_close(up(x)[..., 2:-2, 2:-2], as_stamps[..., 2:-2, 2:-2])
        assert up(torch.ones(1, 1, 8, 8))[..., 1:-1, 1:-1].std() < 1e-6
    generator = Generator((64,), feature_maps(64, 4, 0), 8, skip=False, edges="replicate", smooth_from=8, grain=True)
    claims = check_dcgan_rules(generator)
    assert all(claim.passed for claim in claims)
    assert [claim.layer for claim in claims if claim.rule == 1] == ["blocks.4.0", *(f"blocks.{r}.0.conv" for r in (8, 16, 32)), "heads.64.conv"]


def test_smooth_up_is_enlargement_and_then_a_convolution():
    torch.manual_seed(0)
    up, x = SmoothUp(3, 2, "replicate"), torch.randn(2, 3, 6, 6)
    torch.testing.assert_close(up(x), F.conv2d(F.pad(enlarge(x), (1, 1, 1, 1), mode="replicate"), up.conv.weight))


def test_the_board_is_found_where_it_is():
    films = phantom_batch(6, 64)
    grid = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).repeat(32, 32)
    assert board(films, films) == 0
    assert board((films + 0.05 * grid).clamp(-1, 1), films) > 3
    spectrum = mean_spectrum(films + 0.05 * grid)
    assert spectrum.shape == (64, 64)
    assert spectrum[0, 0] > mean_spectrum(films)[0, 0] + 10, "1 / (2 pixels) is in the corner"
    assert spectrum[32, 32:].argmax() <= 1, "the middle is the film's mean"


def test_a_bilinear_start_has_no_grid_and_a_random_one_has():
    real = phantom_batch(6, 64)
    ways = made_by(64, maps=4)
    assert len(ways) == 5
    found = {name.strip(): board(untrained(*way, count=6), real) for name, way in ways.items()}
    assert min(found["kernel 3, stride 2"], found["kernel 4, stride 2"]) > 8
    assert found["bilinear start"] < 3
    assert found["copied, then 3 x 3"] < 3
    plain, smooth = (board_by_period(untrained(*ways[name], count=6), real) for name in ("kernel 4, stride 2", "SmoothUp"))
    assert plain[4] > 5
    assert max(smooth.values()) < 2
    assert max(plain.values()) == pytest.approx(found["kernel 4, stride 2"], abs=1e-4)


# ---- figures and the widget -----------------------------------------------------------------------------------------


def test_figures_are_drawn():
    found = count(128, 4, 16, 10)
    films = {"a": torch.zeros(2, 1, 64, 64), "b": torch.ones(2, 1, 64, 64)}
    spectra = {name: mean_spectrum(made + torch.rand(made.shape)) for name, made in films.items()}
    claims = {"kept": check_dcgan_rules(small_generator()), "broken": check_dcgan_rules(small_generator(norm=False))}
    figures = [
        plot_diagram(10, found), plot_overlaps([(3, 2, 1), (4, 2, 0)]), plot_dense((64, 128), (10**7, 10**9), (128, 128), 8),
        plot_widths({"no limit": feature_maps(64, 8, 0), "16": feature_maps(64, 8, 16)}), plot_verdicts(claims), plot_reach(films["a"]),
        plot_spreads({"a": [1.0, 0.1]}, ["4", "8"]), plot_stopped({"a": [0.0, 0.5]}), plot_boards(films, spectra),
        plot_measured({"2 pixels": {"a": (1.0, -0.5)}, "4 pixels": {"a": (2.0, 3.0)}}, ("before", "after"), "dB"),
    ]  # fmt: skip
    for figure in figures:
        figure.draw_without_rendering()
    assert all(any(axes.has_data() or axes.texts or axes.patches for axes in figure.axes) for figure in figures)
    marks = [text.get_text() for text in plot_verdicts(claims).axes[0].texts]
    assert marks[:5] == ["✓"] * 5
    assert marks[5:] == ["✓", "✓", "✗  3 places", "✓", "✓"]


def test_the_widget_redraws_when_a_slider_moves():
    widget = BuildGenerator(resolution=128, feature_maps=4, cap=16, latent_dim=50, batch_size=4)
    assert "idcgan-widget" in widget._dom_classes
    pictures = [bytes(widget.picture.value)]
    assert pictures[0].startswith(b"\x89PNG")
    for slider, value in ((widget.resolution, 64), (widget.feature_maps, 8), (widget.cap, 0), (widget.latent_dim, 100), (widget.batch_size, 16)):
        slider.value = value
        pictures.append(bytes(widget.picture.value))
    assert len(set(pictures)) == 6
    total = sum(stage.parameters for stage in count(64, 8, 0, 100))
    assert f"{count(64, 8, 0, 100)[0].parameters:,}" in widget.text.value
    assert said(total) in widget.render(64, 8, 0, 100, 16).get_suptitle()


def test_what_the_exploration_asks_is_so():
    """What the answers below the widget say: where the costs lie, and the widest generators within 16 GB."""
    found = count(2048, 8, 64, 100)
    assert max(found, key=lambda s: s.parameters).resolution < 64 < 128 < max(found, key=lambda s: s.multiplies).resolution
    for maps, cap, batch, fits in ((16, 512, 8, True), (32, 64, 8, False), (16, 0, 8, False), (64, 512, 2, True), (32, 0, 2, False)):
        assert (training_memory(2048, maps, cap, 100, batch) < 16e9) == fits, (maps, cap, batch)
    assert sum(s.parameters for s in count(2048, 8, 0, 100)) > 50 * sum(s.parameters for s in count(2048, 8, 64, 100))
    assert as_table(count(64, 8, 64, 100), 8).count("<tr>") == 6
    assert "64.0" not in as_table(count(64, 8, 64, 100), 8)


def test_the_widget_says_what_is_wrong(monkeypatch):
    widget = BuildGenerator(64)
    monkeypatch.setattr(BuildGenerator, "render", lambda *_: (_ for _ in ()).throw(InputError("<too> much.")))
    widget.resolution.value = 128
    assert widget.text.value == "<p>&lt;too&gt; much.</p>"
    assert bytes(widget.picture.value) == b""


def test_values_that_no_run_could_have_are_refused():
    widget = BuildGenerator(64)
    for values in ({"resolution": 65}, {"feature_maps": 0}, {"latent_dim": 0}, {"batch_size": 1}):
        with pytest.raises(InputError):
            widget.render(**values)


# ---- the checks of the exercises ------------------------------------------------------------------------------------


WRONG = {
    "the way up": (check.input_size, lambda n, k, s, p: (n - 1) * s - 2 * p + k, "solve the formula"),
    "one stamp forgotten": (check.input_size, lambda n, k, s, p: (n + 2 * p - k) // s, "n - 1 strides"),
    "padding once": (check.input_size, lambda n, k, s, p: (n + p - k) // s + 1, "both sides"),
    "padding's sign": (check.input_size, lambda n, k, s, p: (n - 2 * p - k) // s + 1, "sign"),
    "only halving": (check.input_size, lambda n, k, s, p: n // s, "holds only where"),
    "rounded down": (check.input_size, lambda n, k, s, p: (n + 2 * p - k) // s + 1, "remainder"),
    "no stamp fits": (check.input_size, lambda n, k, s, p: None if (n + 2 * p - k) % s else (n + 2 * p - k) // s + 1, "smaller than one stamp"),
    "a fraction": (check.input_size, lambda n, k, s, p: (n + 2 * p - k) / s + 1, "whole numbers"),
    "nothing": (check.input_size, lambda *_: None, "return"),
    "no batch norm": (check.block_parameters, lambda i, o, k: k * k * i * o, "batch norm learns"),
    "a bias": (check.block_parameters, lambda i, o, k: k * k * i * o + 3 * o, "no bias"),
    "running statistics": (check.block_parameters, lambda i, o, k: k * k * i * o + 4 * o, "measured"),
    "a flat kernel": (check.block_parameters, lambda i, o, k: k * i * o + 2 * o, "two dimensions"),
    "no number": (check.block_parameters, lambda *_: None, "whole number"),
    "no network": (check.repaired_generator, lambda: [], "a list"),
    "as it was": (check.repaired_generator, check.broken_generator, "rule 1"),
    "another size": (check.repaired_generator, lambda: small_generator(64, 8, 100), "(4, 1, 64, 64)"),
    "another latent": (check.repaired_generator, lambda: small_generator(32, 8, 50), "do not fit"),
    "no batch norm in it": (check.repaired_generator, lambda: small_generator(32, 8, 100, norm=False), "rule 3"),
    "no overlap": (check.even_kernel, lambda s: (s, 0), "never overlap"),
    "uneven": (check.even_kernel, lambda s: (s + 1, 1), "more often"),
    "wrong size": (check.even_kernel, lambda s: (2 * s, 0), "10 pixels become"),
    "larger than needed": (check.even_kernel, lambda s: (5 * s, 2 * s), "fewer"),
    "half a pixel": (check.even_kernel, lambda s: (2 * s, s // 2 if s % 2 == 0 else s / 2), "no half pixels"),
    "rounded padding": (check.even_kernel, lambda s: (2 * s, s // 2), "needs a padding of 1.5"),
    "a float": (check.even_kernel, lambda s: (2 * s if s % 2 == 0 else 3 * s, s / 2), "whole number: divide"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_answer_is_told_what_is_wrong(name):
    judge, answer, words = WRONG[name]
    verdict = judge(answer)
    assert not verdict.passed
    assert words in verdict.sentence


def test_right_answers_pass():
    def input_size(size, kernel, stride, padding):
        strides, rest = divmod(size + 2 * padding - kernel, stride)
        return None if rest or strides < 0 else strides + 1

    assert check.input_size(input_size).passed
    assert check.block_parameters(lambda i, o, k: k * k * i * o + 2 * o).passed
    assert check.repaired_generator(lambda: small_generator(32, 8, 100)).passed
    assert check.even_kernel(lambda s: ((2 + s % 2) * s, (1 + s % 2) * s // 2)).passed


def test_the_broken_generator_breaks_what_the_notebook_says():
    assert {claim.rule for claim in check_dcgan_rules(check.broken_generator()) if not claim.passed} == {1, 3, 4}
