"""The fast ways compute what the plain ways compute: values, gradients, and gradients of gradients."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from idcgan import preset, tuning
from idcgan.moves import step
from idcgan.state import start
from idcgan.tuning import ConvFromPicture2d, ConvTransposeToPicture2d, enlarge, from_blocks, halve, has_bfloat16, to_blocks

CPU = torch.device("cpu")


def near(a, b, tolerance=2e-6):
    assert a.shape == b.shape
    assert (a - b).detach().abs().max() <= tolerance * max(1.0, float(b.detach().abs().max()))


def grad(out, inputs, seed=1):
    ask = torch.randn(out.shape, generator=torch.Generator().manual_seed(seed))
    return torch.autograd.grad(out, inputs, ask)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("order", [torch.channels_last, torch.contiguous_format])
def test_a_convolution_from_a_picture_is_the_plain_one(channels, order):
    fast, plain = ConvFromPicture2d(channels, 5, 4, 2, 1, bias=False), nn.Conv2d(channels, 5, 4, 2, 1, bias=False)
    plain.load_state_dict(fast.state_dict())
    picture = torch.randn(3, channels, 12, 12).contiguous(memory_format=order).requires_grad_()
    out, expected = fast(picture), plain(picture)
    near(out, expected)
    assert out.is_contiguous(memory_format=torch.channels_last)
    for a, b in zip(grad(out, [picture, fast.weight]), grad(expected, [picture, plain.weight]), strict=True):
        near(a, b, 1e-5)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_transposed_convolution_to_a_picture_is_the_plain_one(channels):
    fast, plain = ConvTransposeToPicture2d(5, channels, 4, 2, 1, bias=False), nn.ConvTranspose2d(5, channels, 4, 2, 1, bias=False)
    plain.load_state_dict(fast.state_dict())
    features = torch.randn(3, 5, 6, 6).contiguous(memory_format=torch.channels_last).requires_grad_()
    out, expected = fast(features), plain(features)
    near(out, expected)
    for a, b in zip(grad(out, [features, fast.weight]), grad(expected, [features, plain.weight]), strict=True):
        near(a, b, 1e-5)


@pytest.mark.parametrize("maps", [2, 4, 8])
def test_narrow_batch_norm_is_the_plain_one(maps, monkeypatch):
    """In training, by both kinds of momentum, and evaluated; gradients, running statistics, and a gradient of the gradient."""
    monkeypatch.setattr(tuning, "ROWS", 3)  # several parts, the last one short
    for momentum in (0.1, None):
        fast, plain = tuning.BatchNormNarrow2d(maps, momentum=momentum), nn.BatchNorm2d(maps, momentum=momentum)
        nn.init.normal_(fast.weight)
        nn.init.normal_(fast.bias)
        plain.load_state_dict(fast.state_dict())
        x = (3 + 2 * torch.randn(2, maps, 32, 40)).contiguous(memory_format=torch.channels_last).requires_grad_()
        for _ in range(2):
            out, expected = fast(x), plain(x)
            near(out, expected, 5e-6)
        assert "Narrow" in str(out.grad_fn)
        for a, b in zip(grad(out, [x, *fast.parameters()]), grad(expected, [x, *plain.parameters()]), strict=True):
            near(a, b, 1e-5)
        twice = [torch.autograd.grad(torch.autograd.grad(n(x).pow(3).sum(), x, create_graph=True)[0].square().sum(), x)[0] for n in (fast, plain)]
        near(*twice, 1e-4)
        for name, buffer in plain.named_buffers():
            near(dict(fast.named_buffers())[name].float(), buffer.float(), 5e-6)
        near(fast.eval()(x), plain.eval()(x))


@pytest.mark.parametrize(
    ("fast", "plain", "shape"),
    [
        (to_blocks, lambda x: F.pixel_unshuffle(x, 2), (2, 3, 8, 8)),
        (from_blocks, lambda x: F.pixel_shuffle(x, 2), (2, 12, 4, 4)),
        (halve, lambda x: F.avg_pool2d(x, 2), (2, 1, 8, 8)),
        (halve, lambda x: F.avg_pool2d(x, 2), (2, 3, 8, 8)),
        (enlarge, lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"), (2, 1, 4, 4)),
        (enlarge, lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"), (2, 3, 1, 1)),
    ],
)
def test_a_fixed_map_and_its_gradient_are_the_plain_ones(fast, plain, shape):
    x = torch.randn(shape, requires_grad=True)
    near(fast(x), plain(x))
    near(grad(fast(x), x)[0], grad(plain(x), x)[0])


def test_maps_and_layers_can_be_differentiated_twice():
    """A gradient penalty asks for it (R1, Mescheder et al. 2018). In 64 bits, against differences."""
    layer = ConvFromPicture2d(1, 2, 4, 2, 1, bias=False).double()
    up = ConvTransposeToPicture2d(2, 1, 4, 2, 1, bias=False).double()
    x = torch.randn(1, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    for fast in (halve, enlarge, to_blocks, layer):
        assert torch.autograd.gradcheck(fast, x)
        assert torch.autograd.gradgradcheck(fast, x)
    features = torch.randn(1, 2, 2, 2, requires_grad=True)
    first = torch.autograd.grad(up.float()(features).square().sum(), features, create_graph=True)[0]
    assert torch.autograd.grad(first.square().sum(), features)[0].abs().sum() > 0


@pytest.mark.parametrize("changes", [{}, {"growth": "reset"}, {"channels": 3}, {"blur": True}])
def test_computing_blocks_again_changes_nothing(changes):
    """The weights after two steps are the same bit for bit, running statistics too."""
    config = preset("tiny", resolutions=(16, 32, 64), **changes)
    films = torch.rand(4, config.channels, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    states = []
    for blocks in (0, 1, 3):
        state = start(config, CPU, 2)
        state.recompute(blocks)
        for _ in range(2):
            step(state, config, films)
        states.append(state)
    for name in ("generator", "discriminator", "average"):
        kept = getattr(states[0], name).state_dict()
        for other in states[1:]:
            assert all(torch.equal(kept[k], v) for k, v in getattr(other, name).state_dict().items())


def test_micro_batches_that_are_the_whole_batch_change_nothing_and_halves_do():
    films = torch.rand(4, 1, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    weights = []
    for micro in (0, 4, 2):
        config = preset("tiny", micro_batch=micro, augment=())
        state = start(config, CPU)
        out = step(state, config, films)
        assert out["fake"].shape == films.shape
        assert state.films_seen == 4
        assert int(state.generator.blocks["4"][1].num_batches_tracked) == (2 if micro == 2 else 1)
        weights.append(torch.cat([p.detach().flatten() for p in state.discriminator.parameters()]))
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_sixteen_bit_arithmetic_stays_near_and_keeps_what_matters_in_32():
    films = torch.rand(4, 1, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    said = {}
    for precision in ("fp32", "auto", "bf16"):
        config = preset("tiny", precision=precision)
        state = start(config, CPU, 1)
        said[precision] = step(state, config, films)
        assert {p.dtype for n in (state.generator, state.discriminator) for p in n.parameters()} == {torch.float32}
        assert {v.dtype for v in said[precision].values()} == {torch.float32}
    assert torch.equal(said["auto"]["loss_d"], said["bf16" if has_bfloat16(CPU) else "fp32"]["loss_d"]), "auto is 16 bits where they are in hardware"
    assert not torch.equal(said["fp32"]["fake"], said["bf16"]["fake"]), "nothing was computed in 16 bits"
    assert said["bf16"]["loss_d"].item() == pytest.approx(said["fp32"]["loss_d"].item(), rel=0.02)
    assert (said["bf16"]["fake"] - said["fp32"]["fake"]).abs().max() < 0.05


def test_a_step_never_waits_for_the_device():
    """No number is read back to the host: on a GPU each would stop the queue. What may be read back is counted by its operator."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Count(TorchDispatchMode):
        def __init__(self):
            super().__init__()
            self.reads = []

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            if any(word in str(function) for word in ("_local_scalar_dense", "nonzero", "is_nonzero", "masked_select", "equal.")):
                self.reads.append(str(function))
            return function(*args, **(kwargs or {}))

    config = preset("tiny", augment=("brightness", "contrast", "translation", "cutout", "flip"))
    state = start(config, CPU, 1)
    films = torch.rand(4, 1, 32, 32) * 2 - 1
    with Count() as counted:
        out = step(state, config, films)
        assert counted.reads == []
        out["loss_d"].item()
        assert len(counted.reads) == 1  # the count does see one


def test_memory_is_kept_or_given_back_and_nothing_happens_elsewhere(monkeypatch):
    kept, given = tuning.keep_memory(), tuning.give_memory_back()
    assert kept == given
    monkeypatch.setattr("sys.platform", "darwin")
    assert not tuning.keep_memory()
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())  # musl: a library without mallopt
    assert not tuning.keep_memory()
    assert not tuning.give_memory_back()


def test_apples_gpus_get_the_plain_order():
    assert tuning.memory_format(torch.device("mps")) == torch.contiguous_format
    assert tuning.memory_format(torch.device("cuda")) == tuning.memory_format(CPU) == torch.channels_last
