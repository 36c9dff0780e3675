"""Shapes, first weights, and growth: what stays, what is new, and that nothing jumps."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from idcgan.building import balance, build, grow, initialise, same_layers, standing_statistics
from idcgan.config import RunConfig, preset
from idcgan.films import resize
from idcgan.fixed_maps import _lanczos_rows, enlarge, halve, lagrange, lanczos_halve
from idcgan.layers import SmoothUp, Up, grain_of
from idcgan.levels import finished_generator
from idcgan.moves import set_alpha, step
from idcgan.networks import Discriminator, Generator, feature_maps
from idcgan.origin import begin
from idcgan.rules import check_dcgan_rules
from idcgan.state import raise_resolution, start

CPU = torch.device("cpu")


def config(resolutions=(16, 32, 64), **changes) -> RunConfig:
    base = dict(resolutions=resolutions, feature_maps_g=4, feature_maps_d=4, max_feature_maps=16, latent_dim=12, batch_size=(4,), learning_rate=1e-3)
    return RunConfig(**{**base, **changes})


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def films(count: int, side: int, channels: int = 1, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, channels, side, side, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def trained(configuration: RunConfig, level: int = 0, steps: int = 3):
    """A state after a few steps, so that no statistic and no scale is at its first value."""
    state = start(configuration, CPU, level)
    side = configuration.resolutions[level]
    for seed in range(steps):
        step(state, configuration, films(4, side, configuration.channels, seed))
    return state


@torch.no_grad()
def before_tanh(generator: Generator, z: torch.Tensor) -> torch.Tensor:
    """The sum of the heads' parts, exactly as it enters Tanh."""
    seen = []
    hook = generator.tanh.register_forward_hook(lambda _, given, __: seen.append(given[0].clone()))
    generator(z)
    hook.remove()
    return seen[0]


@pytest.mark.parametrize("skip", [True, False])
@pytest.mark.parametrize("blur", [True, False])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("levels", [(16,), (16, 32), (16, 64), (32, 64, 128)])
def test_pictures_and_verdicts_have_their_shapes(levels, channels, blur, skip):
    maps = feature_maps(levels[-1], 2, 8)
    picture = Generator(levels, maps, 10, channels, skip, blur)(draw(3, 10))
    assert picture.shape == (3, channels, levels[-1], levels[-1])
    assert picture.abs().max() <= 1
    assert Discriminator(levels, maps, channels, skip)(picture).shape == (3,)


def test_the_papers_levels_grow_by_four():
    """128 to 512 (section 4), on the paper's own feature maps counted from 2048; shapes only, without memory."""
    paper = RunConfig(resolutions=(64, 128, 512, 1024, 2048), max_feature_maps=0, growth="reset")
    with torch.device("meta"):
        for level, side in enumerate(paper.resolutions):
            generator, discriminator = build(paper, level, 0)
            picture = generator(torch.empty(2, 100, device="meta"))
            assert picture.shape == (2, 1, side, side)
            assert discriminator(picture).shape == (2,)


def test_feature_maps_double_towards_the_latent_up_to_the_cap():
    assert feature_maps(64, 8, 0) == {32: 8, 16: 16, 8: 32, 4: 64}
    assert feature_maps(2048, 8, 128) == {1024: 8, 512: 16, 256: 32, 128: 64, 64: 128, 32: 128, 16: 128, 8: 128, 4: 128}
    assert feature_maps(2048, 8, 0)[4] == 2048


@pytest.mark.parametrize("index", [0, 1])
def test_first_weights_are_drawn_as_in_dcgan(index):
    """N(0, 0.02) for convolutions, N(1, 0.02) and 0 for batch norm (Radford et al. 2015, section 4)."""
    network = build(RunConfig(resolutions=(64,), feature_maps_g=16, feature_maps_d=16), 0, 1)[index]
    weights = torch.cat([m.weight.flatten() for m in network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)])
    assert abs(weights.mean()) < 0.0005
    assert weights.std().item() == pytest.approx(0.02, rel=0.02)
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    scales = torch.cat([m.weight for m in norms])
    assert scales.mean().item() == pytest.approx(1, abs=0.005)
    assert scales.std().item() == pytest.approx(0.02, rel=0.25)
    assert all((m.bias == 0).all() for m in norms)
    assert all(m.bias is None for m in network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d))


def test_weights_come_from_the_seed_alone():
    torch.manual_seed(1)
    one = build(config(), 1, 7)
    torch.manual_seed(2)
    other, third = build(config(), 1, 7), build(config(), 1, 8)
    for a, b, c in zip(one, other, third, strict=True):
        same = [torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True)]
        assert all(same)
        assert not torch.equal(next(a.parameters()), next(c.parameters()))


def test_lanczos_halve_is_the_filter_of_the_pyramid():
    film = draw(12, 12).mul(0.1).add(0.5)  # nothing overshoots, so nothing is clipped there
    assert np.allclose(lanczos_halve(film[None, None])[0, 0], resize(film.numpy(), 6), atol=1e-5)


def test_lanczos_by_matrices_is_lanczos():
    """The way of devices for which PyTorch has none."""
    film = draw(2, 3, 12, 12)
    along = _lanczos_rows(12, film.dtype, film.device)
    assert torch.allclose(along @ film @ along.mT, lanczos_halve(film), atol=1e-5)


def test_lagrange_lies_on_the_polynomials_that_it_was_given():
    at, new = torch.arange(16.0), (torch.arange(32.0) - 0.5) / 2
    values = [((x - 8) / 4) ** 6 - ((x - 8) / 4) ** 3 for x in (at, new)]  # six: the highest that seven pixels tell
    found = lagrange(values[0].expand(1, 1, 16, 16))[0, 0]
    assert torch.allclose(found[:, 6:-6], values[1].expand(32, -1)[:, 6:-6], atol=1e-4)
    assert torch.allclose(lagrange(values[0].view(1, 1, 16, 1).expand(1, 1, 16, 16)), found.mT, atol=1e-5)
    assert torch.allclose(lagrange(torch.full((2, 3, 4, 4), 0.3)), torch.tensor(0.3)), "the border too"


@pytest.mark.parametrize("waves", [1, 4, 16])
def test_lagrange_leaves_no_grid_of_what_is_coarse_and_lanczos_does(waves):
    """A wave comes back as far below the Nyquist frequency as it lies above 0: Lanczos gave films a grid of two pixels (docs/tries.md)."""
    wave = torch.cos(2 * torch.pi * waves * (torch.arange(256, dtype=torch.float64) + 0.5) / 256).expand(1, 1, 256, 256)

    def again(enlarged):
        there = torch.fft.rfft(enlarged[0, 0, 200]).abs() / 256
        return 20 * torch.log10(there[256 - waves] / there[waves] + 1e-12)

    assert again(lagrange(wave)) < -95
    assert again(F.interpolate(wave.contiguous(), size=(512, 512), mode="lanczos", antialias=True)) > -70


def test_up_with_blur_is_a_transposed_convolution_and_then_the_blur():
    up = Up(3, 5, blur=True)
    x = draw(2, 3, 9, 9)
    row = torch.tensor([0.25, 0.5, 0.25])
    kernel = torch.outer(row, row).expand(5, 1, 3, 3)
    apart = F.conv2d(up.conv(x), kernel, padding=1, groups=5)
    inside = (..., slice(2, -2), slice(2, -2))
    assert up(x).shape == apart.shape
    assert torch.allclose(up(x)[inside], apart[inside], atol=1e-6)
    assert not torch.allclose(up(x)[inside], up.conv(x)[inside], atol=1e-3)


def test_blur_takes_the_checkerboard_out():
    """A constant field through random weights: without the blur neighbouring pixels differ, with it hardly."""
    plain, smooth = Up(4, 1, blur=False), Up(4, 1, blur=True)
    smooth.load_state_dict(plain.state_dict())
    x = torch.ones(1, 4, 8, 8)
    board = [up(x)[..., 3:-3, 3:-3].std().item() for up in (plain, smooth)]
    assert board[0] > 0.01
    assert board[1] < 1e-6


def test_smooth_enlargement_is_a_transposed_convolution_of_six_by_six():
    """Its kernel: the bilinear one, through which the learned 3 x 3 goes."""
    up = SmoothUp(3, 5)
    nn.init.normal_(up.conv.weight, generator=torch.Generator().manual_seed(0))
    row = torch.tensor([0.25, 0.75, 0.75, 0.25])
    # a transposed convolution lays its kernel down as it is, a convolution turns it
    learned = up.conv.weight.flip(2, 3).transpose(0, 1)
    kernel = F.conv2d(torch.outer(row, row)[None, None].expand(15, 1, 4, 4).reshape(1, 15, 4, 4),
                      learned.reshape(15, 1, 3, 3).flip(2, 3), padding=2, groups=15).reshape(3, 5, 6, 6)  # fmt: skip
    x = draw(2, 3, 9, 9)
    assert torch.allclose(up(x)[..., 4:-4, 4:-4], F.conv_transpose2d(x, kernel, stride=2, padding=2)[..., 4:-4, 4:-4], atol=1e-5)


@pytest.mark.parametrize("spline", [False, True])
@pytest.mark.parametrize("edges", ["zeros", "replicate"])
def test_smooth_enlargement_has_no_checkerboard(edges, spline):
    up = SmoothUp(4, 3, edges, spline).double()  # so that rounding is no board
    nn.init.normal_(up.conv.weight, generator=torch.Generator().manual_seed(0))
    out = up(torch.ones(2, 4, 6, 6, dtype=torch.float64))
    assert out.shape == (2, 3, 12, 12)
    assert out[..., 1:-1, 1:-1].std((2, 3)).max() < 1e-6
    assert (out.std((2, 3)).max() < 1e-6) == (edges == "replicate"), "a frame"


@pytest.mark.parametrize("edges", ["zeros", "replicate"])
def test_a_spline_leaves_less_of_an_echo_than_a_bilinear_enlargement(edges):
    """A coarse wave comes back near the new Nyquist frequency, by tan(w / 2) to the third or fifth power: 42 and 70 dB weaker."""
    wave = torch.cos(2 * torch.pi * (torch.arange(64, dtype=torch.float64) + 0.5) * 8 / 64).expand(1, 1, 64, 64)
    echoes = []
    for spline in (False, True):
        up = SmoothUp(1, 1, edges, spline).double()
        nn.init.dirac_(up.conv.weight)
        power = torch.fft.rfft(up(wave)[0, 0, 64, 32:96] * torch.hann_window(64, dtype=torch.float64)).abs()
        echoes.append((power[28] / power[4]).item())
    tangent = np.tan(np.pi * 8 / 128)
    assert echoes == pytest.approx([tangent**3, tangent**5], rel=0.02)


@pytest.mark.parametrize("change", [{}, {"smooth_from": 16}, {"fine_head": True}, {"smooth_from": 32, "fine_head": True}])
def test_splines_are_where_the_config_says(change):
    wanted = config((32, 64), edges="replicate", spline_from=16, **change)
    found = {name.split(".")[1] for name, part in build(wanted, 1, 0)[0].named_modules() if getattr(part, "spline", False) and name.count(".") < 3}
    assert {int(name) for name in found} == set(wanted.splines(1))
    assert config((32, 64), edges="replicate", **change).splines(1) == ()
    if change == {"smooth_from": 16}:
        assert (wanted.splines(0), wanted.splines(1)) == ((16, 32), (16, 32, 64))


@pytest.mark.parametrize("edges", ["zeros", "replicate"])
def test_balanced_kernels_make_no_grid_of_what_is_even(edges):
    wanted = config((16,), kernels="he", edges=edges)
    generator, _ = build(wanted, 0, 0)
    even = torch.ones(1, 16, 12, 12)
    ups = {name: block[0] for name, block in generator.blocks.items() if name != "4"} | {"head": generator.heads["16"]}

    def grid(up):
        return up(even[:, : up.conv.in_channels])[..., 4:-4, 4:-4].std((2, 3)).max().item()

    assert min(grid(up) for up in ups.values()) > 0.1
    before, first = generator.blocks["8"][0].conv.weight.clone(), generator.blocks["4"][0].weight.clone()
    balance(generator)
    assert max(grid(up) for up in ups.values()) < 1e-5
    after = generator.blocks["8"][0].conv.weight
    assert torch.allclose(after.sum((2, 3)), before.sum((2, 3)), atol=1e-5), "as bright as before"
    assert torch.equal(generator.blocks["4"][0].weight, first), "the first layer makes each pixel of 4 x 4 by itself"
    again = after.clone()
    balance(generator)
    assert torch.allclose(after, again, atol=1e-7)


def unevenness(network):
    """By how much the sums of the four parts of a kernel differ, at most."""
    kernels = [m.weight for m in network.modules() if isinstance(m, nn.ConvTranspose2d) and m.stride == (2, 2)]
    sums = [torch.stack([k[:, :, y::2, x::2].sum((2, 3)) for y in (0, 1) for x in (0, 1)]) for k in kernels]
    return max((s - s.mean(0)).abs().max().item() for s in sums)


def test_kernels_stay_balanced_while_a_run_trains_and_grows():
    """In G, in its average, and through growth; and without the field they do not."""
    for balanced in (True, False):
        wanted = config((16, 32), kernels="he", balanced_kernels=balanced, ema=0.9)
        state = start(wanted, CPU)
        for resolution in (16, 32):
            for _ in range(2):
                step(state, wanted, films(4, resolution))
            assert all((unevenness(network) < 1e-5) == balanced for network in (state.generator, state.average))
            if resolution == 16:
                raise_resolution(state, wanted)


def test_players_that_were_not_balanced_are_where_a_run_begins_with_them():
    """But not a finished generator below crops, which makes the films that it made."""
    for wanted in (True, False):
        state, says = begin(preset("quick", balanced_kernels=wanted), CPU)
        assert says.startswith("both players begin with what they learnt")
        assert all((unevenness(network) < 1e-5) == wanted for network in (state.generator, state.average))
    state, says = begin(preset("long", balanced_kernels=True), CPU, "pretrained:normal")
    assert says == "balanced_kernels: what lies below is finished and stays as it is."
    assert unevenness(state.generator) > 0.1


def test_on_the_way_to_a_level_four_times_the_one_below_pictures_are_enlarged_alike():
    generator = Generator((16, 64), feature_maps(64, 4, 16), 8, grain=False, lagrange_from=64).eval()
    below = Generator((16,), feature_maps(64, 4, 16), 8, grain=False).eval()
    below.load_state_dict({k: v for k, v in generator.state_dict().items() if k in below.state_dict()})
    nn.init.zeros_(generator.heads["64"].conv.weight)
    z = draw(3, 8)
    with torch.no_grad():
        assert torch.allclose(before_tanh(generator, z), lagrange(lagrange(before_tanh(below, z))), atol=1e-6)


def test_smooth_from_a_resolution_on():
    """The layers below it are transposed convolutions, and the network keeps the rules and its picture when it grows."""
    wanted = config(smooth_from=32, kernels="he", edges="replicate")
    generator, discriminator = build(wanted, 0, 0)
    kinds = {name: type(block[0]).__name__ for name, block in generator.blocks.items()}
    assert kinds == {"4": "ConvTranspose2d", "8": "Up"}
    assert type(generator.heads["16"]).__name__ == "Up"
    taller, _ = grow(wanted, 1, 0, generator, discriminator)
    assert {name: type(head).__name__ for name, head in taller.heads.items()} == {"16": "Up", "32": "SmoothUp"}
    assert all(check.passed for check in check_dcgan_rules(taller))
    z = draw(4, wanted.latent_dim)
    assert torch.allclose(taller.eval()(z), torch.tanh(enlarge(torch.atanh(generator.eval()(z).clamp(-0.999999, 0.999999)))), atol=1e-3)


def test_a_fine_head_keeps_the_rules_and_the_picture_when_it_grows():
    wanted = config(smooth_from=32, kernels="he", edges="replicate", fine_head=True, grain=True)
    generator, discriminator = build(wanted, 0, 0)
    taller, _ = grow(wanted, 1, 0, generator, discriminator)
    assert {name: head.conv.in_channels for name, head in taller.heads.items()} == {"16": 8, "32": 4}, "half as many as at half the resolution"
    assert all(check.passed for network in (generator, taller) for check in check_dcgan_rules(network))
    z = draw(4, wanted.latent_dim)
    assert taller.eval()(z).shape == (4, 1, 32, 32)
    assert torch.allclose(taller(z), torch.tanh(enlarge(torch.atanh(generator.eval()(z).clamp(-0.999999, 0.999999)))), atol=1e-3)


def test_a_fine_head_reaches_frequencies_that_an_enlargement_does_not():
    """A quarter of the frequencies up to the finest: a smooth head leaves almost nothing there, whatever its weights are."""

    def finest(fine: bool) -> float:
        generator, _ = build(config((64,), smooth_from=32, kernels="he", edges="replicate", fine_head=fine, grain=True), 0, 0)
        films = generator.train()(draw(16, 12)).detach()
        power = torch.fft.rfft2(films - films.mean((2, 3), keepdim=True)).abs().square().mean((0, 1))
        return float(power[28:37, 28:].mean() / power.mean())

    assert finest(True) > 10 * finest(False)


def test_the_grain_of_a_fine_head_is_drawn_from_the_latent():
    generator, _ = build(config((16,), fine_head=True, grain=True), 0, 0)
    standing_statistics(generator, 4, 0)
    z = draw(3, 12)
    assert torch.allclose(generator(z)[1:2], generator(z[1:2]), atol=1e-5), "another batch, the same film"
    before = generator(z)
    nn.init.zeros_(generator.heads["16"].grain.weight)
    assert not torch.allclose(before, generator(z), atol=1e-3)


# ---- grain and patches ----------------------------------------------------------------------------------------------


def test_grain_is_a_function_of_the_latent_alone():
    z = draw(3, 12)
    noise = grain_of(z, 16)
    assert noise.shape == (3, 1, 16, 16)
    assert torch.equal(grain_of(z[1:2], 16)[0], noise[1]), "another batch, the same film"
    assert not torch.equal(noise[0], noise[1])
    big = grain_of(z, 64)
    assert big.mean().item() == pytest.approx(0, abs=0.03)
    assert big.std().item() == pytest.approx(1, abs=0.03)


def test_grain_reaches_the_film_as_far_as_a_map_wants_it():
    generator, plain = (build(config((32,), grain=grain), 0, 0)[0].to(memory_format=torch.channels_last) for grain in (True, False))
    assert list(generator.grain) == ["16"]
    z = draw(2, 12)
    with_it = generator.train()(z)
    for grain in generator.grain.values():
        nn.init.zeros_(grain.weight)
    without = generator(z)
    plain.load_state_dict({k: v for k, v in generator.state_dict().items() if not k.startswith("grain")})
    assert torch.equal(without, plain.train()(z))
    assert not torch.allclose(with_it, without, atol=1e-3)
    assert all(check.passed for check in check_dcgan_rules(build(config((32,), grain=True), 0, 0)[0]))


def test_patches_are_judged_where_the_film_is():
    _, discriminator = build(config((64, 128), patches=True, growth="preserve"), 1, 0)
    for head in discriminator.patches.values():
        nn.init.ones_(head.weight)
    films = draw(2, 1, 128, 128)
    logits, patches, _ = discriminator.eval()(films, verdicts=True)
    assert torch.equal(logits, discriminator(films))
    assert [tuple(p.shape) for p in patches] == [(2, 16 * 16), (2, 8 * 8)]
    films[0, :, 96:, 96:] += 1.0
    change = (discriminator(films, verdicts=True).patches[0] - patches[0])[0].reshape(16, 16).abs()
    assert change[-4:, -4:].max() > 0
    assert change[:8, :8].max() == 0, "a corner does not speak of the other one"


def test_without_patches_there_is_one_verdict():
    _, discriminator = build(config(), 1, 0)
    assert discriminator(draw(4, 1, 32, 32), verdicts=True)[1:] == ((), ())
    assert not discriminator.patches


@pytest.mark.parametrize("again", [1, 2])
def test_computing_again_changes_nothing_with_grain_and_patches(again):
    wanted = config((32, 64), grain=True, patches=True, smooth_from=32, fine_head=True)
    gradients = []
    for recompute in (0, again):
        state = start(wanted, torch.device("cpu"), 1)
        state.recompute(recompute)
        state.optimizer_g.step = state.optimizer_d.step = lambda: None
        step(state, wanted, draw(4, 1, 64, 64))
        gradients.append([p.grad for net in (state.generator, state.discriminator) for p in net.parameters()])
    assert all(torch.allclose(a, b, atol=1e-7) for a, b in zip(*gradients, strict=True))
    assert any(p.grad.abs().max() > 0 for p in state.discriminator.patches.parameters())
    assert any(p.grad.abs().max() > 0 for p in state.generator.grain.parameters())


@pytest.mark.parametrize("picture", [False, True])
@pytest.mark.parametrize("blur", [False, True])
def test_replicated_edges_leave_no_frame(blur, picture):
    """A constant field comes out the same at the border as in the middle; with zeros beyond it, it does not."""
    field = torch.ones(2, 4, 6, 6)
    for edges, even in (("replicate", True), ("zeros", False)):
        up = Up(4, 3 if not picture else 1, blur, picture, edges)
        nn.init.normal_(up.conv.weight, generator=torch.Generator().manual_seed(0))
        out = up(field)
        assert out.shape == (2, 1 if picture else 3, 12, 12)
        # rows and columns repeat every two pixels inside; so must the border
        assert torch.allclose(out[..., :2, :2], out[..., 4:6, 4:6], atol=1e-5) == even


def test_replicated_edges_are_the_same_layer_inside():
    plain, replicated = Up(3, 5, False), Up(3, 5, False, edges="replicate")
    replicated.load_state_dict(plain.state_dict())
    x = draw(2, 3, 8, 8)
    assert torch.allclose(plain(x)[..., 1:-1, 1:-1], replicated(x)[..., 1:-1, 1:-1], atol=1e-6)


@pytest.mark.parametrize("kernels", ["he", "bilinear"])
def test_he_keeps_the_size_of_what_goes_through(kernels):
    """Features of mean square 1 become features of mean square 2, which ReLU halves."""
    down, up = nn.Conv2d(32, 64, 4, 2, 1, bias=False), Up(64, 32, False, edges="replicate")
    for layer in (down, up):
        initialise(layer, torch.Generator().manual_seed(0), kernels)
    assert down(draw(4, 32, 16, 16))[..., 1:-1, 1:-1].square().mean().item() == pytest.approx(2, rel=0.1)
    assert up(draw(4, 64, 8, 8))[..., 2:-2, 2:-2].square().mean().item() == pytest.approx(2, rel=0.1)  # at the border pixels are repeated


def test_bilinear_kernels_start_without_a_checkerboard():
    """Random maps, constant over the picture, stay constant; with N(0, 0.02) neighbouring pixels differ by as much as the values are large."""
    for kernels, most, least in (("bilinear", 1e-5, 0.0), ("normal", 9.0, 0.5)):
        up = Up(16, 8, False, edges="replicate")
        initialise(up, torch.Generator().manual_seed(0), kernels)
        assert up.conv.weight.square().mean().sqrt().item() == pytest.approx(0.02 if kernels == "normal" else (2 / 64) ** 0.5, rel=0.3)
        out = up(torch.ones(1, 16, 6, 6))
        step = (out[..., 1:] - out[..., :-1]).abs().mean() / out.abs().mean()
        assert least <= step <= most


# ---- growth = preserve ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("blur", [False, True])
@pytest.mark.parametrize("resolutions", [(16, 32), (16, 64)])
@pytest.mark.parametrize("mode", ["train", "eval"])
def test_growth_keeps_the_picture(resolutions, mode, blur):
    conf = config(resolutions, blur=blur)
    state = trained(conf)
    state.generator.heads["16"].conv.weight.data.mul_(200)  # as after long training: pictures with contrast
    taller, _ = grow(conf, 1, 5, state.generator, state.discriminator)
    taller.to(memory_format=torch.channels_last)  # as the old one is: another order of sums would round another way
    z = draw(6, 12)
    old = before_tanh(state.generator.train(mode == "train"), z)
    new = before_tanh(taller.train(mode == "train"), z)
    expected = old
    while expected.shape[-1] < new.shape[-1]:
        expected = enlarge(expected)
    assert old.std() > 0.05
    assert torch.equal(new, expected)


def test_halving_the_grown_picture_gives_the_old_one_where_it_is_smooth():
    """Bilinear up and mean down is a blur by [1 6 1]/8, no more: on a ramp the old picture comes back but for Tanh's bend."""
    x = draw(2, 1, 9, 9)
    row = torch.tensor([1.0, 6.0, 1.0]) / 8
    blurred = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), torch.outer(row, row)[None, None])
    assert torch.allclose(halve(enlarge(x)), blurred, atol=1e-6)
    ramp = torch.linspace(-0.5, 0.5, 16).expand(1, 1, 16, 16)
    inside = (..., slice(1, -1), slice(1, -1))
    assert torch.allclose(halve(enlarge(ramp))[inside], ramp[inside], atol=1e-6)
    assert torch.allclose(halve(torch.tanh(enlarge(ramp)))[inside], torch.tanh(ramp)[inside], atol=2e-4)


@pytest.mark.parametrize("resolutions", [(16, 32), (16, 64)])
def test_growth_keeps_the_verdict(resolutions):
    """Exactly: with its statistics fixed, the new discriminator says of a film what the old one said of the film halved."""
    conf = config(resolutions)
    state = trained(conf)
    _, taller = grow(conf, 1, 5, state.generator, state.discriminator)
    taller.to(memory_format=torch.channels_last)
    x = films(5, resolutions[1]).contiguous(memory_format=torch.channels_last)
    small = x
    while small.shape[-1] > 16:
        small = halve(small)
    old, new = state.discriminator.eval()(small), taller.eval()(x)
    assert old.std() > 1e-4
    assert torch.equal(old, new)


def test_growth_keeps_the_picture_of_the_average():
    conf = config((16, 32), ema=0.9)
    state = trained(conf)
    z = draw(6, 12)
    old = before_tanh(state.average.eval(), z)
    raise_resolution(state, conf)
    assert torch.equal(before_tanh(state.average.eval(), z), enlarge(old))
    assert state.average is not state.generator
    assert not any(p.requires_grad for p in state.average.parameters())


def test_growth_leaves_the_old_networks_as_they_are():
    conf = config((16, 32))
    state = trained(conf)
    before = [copy.deepcopy(n.state_dict()) for n in (state.generator, state.discriminator)]
    taller = grow(conf, 1, 5, state.generator, state.discriminator)
    for network in taller:
        for p in network.parameters():
            p.data.add_(1)
    for network, was in zip((state.generator, state.discriminator), before, strict=True):
        assert all(torch.equal(v, was[k]) for k, v in network.state_dict().items())


@pytest.mark.parametrize("resolutions", [(16, 32), (16, 64)])
def test_every_new_parameter_learns_within_two_steps(resolutions):
    conf = config(resolutions)
    state = trained(conf)
    old = {id(network): set(dict(network.named_parameters())) for network in (state.generator, state.discriminator)}
    names = list(old.values())
    raise_resolution(state, conf)
    first = [{k: v.clone() for k, v in n.named_parameters()} for n in (state.generator, state.discriminator)]
    for seed in range(2):
        step(state, conf, films(4, resolutions[1], seed=seed))
    for network, was, known in zip((state.generator, state.discriminator), first, names, strict=True):
        new = [k for k, _ in network.named_parameters() if k not in known]
        assert new
        for name, p in network.named_parameters():
            assert not torch.equal(p, was[name]), name
            assert p.requires_grad, name


def test_kept_layers_keep_their_momenta_and_new_ones_have_none():
    conf = config((16, 32))
    state = trained(conf)
    old = {k: state.optimizer_g.state[p]["exp_avg"].clone() for k, p in state.generator.named_parameters()}
    raise_resolution(state, conf)
    for name, p in state.generator.named_parameters():
        if name in old:
            assert torch.equal(state.optimizer_g.state[p]["exp_avg"], old[name])
            assert state.optimizer_g.state[p]["step"] == 3
        else:
            assert p not in state.optimizer_g.state


# ---- the other ways to grow -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("index", [0, 1])
def test_reset_keeps_the_inner_layers_and_renews_the_outer(index):
    conf = config((16, 32), growth="reset")
    state = trained(conf)
    old = (state.generator, state.discriminator)[index]
    new = grow(conf, 1, 5, state.generator, state.discriminator)[index]
    outer = {"heads.32", "blocks.16"} if index == 0 else {"films.32", "blocks.16"}
    shared = same_layers(old, new)
    for name, p in new.named_parameters():
        is_outer = any(name.startswith(o) for o in outer)
        assert (name in shared) != is_outer, name
        if not is_outer:
            assert torch.equal(p, shared[name][0]), name
    gone = set(dict(old.named_parameters())) - set(shared)
    assert gone == ({"heads.16.conv.weight"} if index == 0 else {"films.16.weight"})
    assert not hasattr(new, "skip") or not new.skip


def test_scratch_keeps_nothing():
    conf = config((16, 32), growth="scratch")
    state = trained(conf)
    for old, new in zip((state.generator, state.discriminator), grow(conf, 1, 5, state.generator, state.discriminator), strict=True):
        drawn = build(conf, 1, 5)[0 if isinstance(new, Generator) else 1].state_dict()
        assert all(torch.equal(v, drawn[k]) for k, v in new.state_dict().items())
        for name, (before, after) in same_layers(old, new).items():
            if not name.endswith("bias"):  # batch norm's shifts begin at 0 in both
                assert not torch.equal(before, after), name


def test_fade_goes_from_the_old_picture_to_the_new_layers():
    conf = config((16, 32), transition="fade", ema=0.9)
    state = trained(conf)
    z, x = draw(6, 12), films(5, 32)
    old_picture, old_verdict = before_tanh(state.generator.eval(), z), state.discriminator.eval()(halve(x))
    raise_resolution(state, conf)
    generator, discriminator = state.generator.eval(), state.discriminator.eval()
    assert generator.alpha == discriminator.alpha == 0.0
    assert torch.equal(before_tanh(generator, z), enlarge(old_picture))
    assert torch.equal(discriminator(x), old_verdict)
    set_alpha(state, 1.0)
    assert state.average.alpha == 1.0
    with torch.no_grad():
        features = z[:, :, None, None]
        for block in generator.blocks.values():
            features = block(features)
        part = generator.heads["32"](features)
    assert part.abs().max() > 1e-4, "the new head is silent, though fade should do that by alpha"
    assert torch.allclose(before_tanh(generator, z), enlarge(old_picture) + part, atol=1e-6)
    assert not torch.equal(discriminator(x), old_verdict)
    set_alpha(state, 0.5)
    assert torch.allclose(before_tanh(generator, z), enlarge(old_picture) + 0.5 * part, atol=1e-6)


@pytest.mark.parametrize("transition", ["fade", "replace"])
def test_a_new_verdict_on_patches_starts_silent(transition):
    """No `alpha` blends it in: as drawn, half of what D says of patches would be noise from the first step on."""
    conf = config((16, 32, 64), transition=transition, patches=True)
    state = trained(conf, level=1)
    before = {name: layer.weight.clone() for name, layer in state.discriminator.patches.items()}
    raise_resolution(state, conf)
    assert before["4"].abs().sum() > 0
    assert torch.equal(state.discriminator.patches["4"].weight, before["4"])
    assert not state.discriminator.patches["8"].weight.any()


# ---- batch norm -----------------------------------------------------------------------------------------------------


def test_with_standing_statistics_a_film_does_not_depend_on_its_neighbours():
    state = trained(config((16, 32)), 1)
    generator = state.generator
    z = draw(5, 12)
    with torch.no_grad():
        generator.train()
        beside_one, beside_four = generator(z[:2])[0], generator(z)[0]
        assert (beside_one - beside_four).abs().max() > 1e-3, "in train mode it does: else this test would prove nothing"
        standing_statistics(generator, 4, seed=3)
        assert not generator.training
        alone = generator(z[:1])[0]
        assert torch.allclose(generator(z)[0], alone, atol=1e-6)
        assert torch.allclose(generator(z.flip(0))[-1], alone, atol=1e-6)


def test_standing_statistics_are_the_mean_over_their_batches():
    generator = build(config((16,)), 0, 1)[0]
    first, norm = generator.blocks["4"][0], generator.blocks["4"][1]
    norm.running_mean.fill_(99)
    standing_statistics(generator, 8, seed=3, batches=4)
    rng = torch.Generator().manual_seed(3)
    with torch.no_grad():
        means = [first(torch.randn(8, 12, generator=rng)[:, :, None, None]).mean((0, 2, 3)) for _ in range(4)]
    assert torch.allclose(norm.running_mean, torch.stack(means).mean(0), atol=1e-6)
    assert norm.momentum == 0.1


def test_a_finished_generator_is_a_copy():
    conf = config((16,), ema=0.9)
    state = trained(conf)
    before = copy.deepcopy(state.average.state_dict())
    made = finished_generator(state, conf)
    assert all(torch.equal(v, before[k]) for k, v in state.average.state_dict().items())
    assert all(torch.equal(v, before[k]) for k, v in made.state_dict().items() if k in dict(made.named_parameters()))
    assert not torch.equal(made.blocks["4"][1].running_mean, before["blocks.4.1.running_mean"])
