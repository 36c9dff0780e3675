"""The fast ways compute what the plain ways compute: values, gradients, and gradients of gradients."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from idcgan import fast_layers
from idcgan.fast_layers import (
    BatchNormNarrow2d,
    ConvFromPicture2d,
    ConvOfBlocks2d,
    ConvOfEnlarged2d,
    ConvOfEnlargedToBlocks2d,
    ConvTransposeToFeatures2d,
    ConvTransposeToPicture2d,
)
from idcgan.fixed_maps import enlarge, framed, from_blocks, halve, lagrange, lanczos_halve, to_blocks


@pytest.fixture(autouse=True)
def _same_numbers():
    torch.manual_seed(0)  # sums are rounded, and what is asked here is asked of these draws


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


@pytest.mark.parametrize("padding", [1, 3])
def test_a_transposed_convolution_to_features_is_the_plain_one(padding):
    fast, plain = ConvTransposeToFeatures2d(3, 5, 4, 2, padding, bias=False).double(), nn.ConvTranspose2d(3, 5, 4, 2, padding, bias=False).double()
    plain.load_state_dict(fast.state_dict())
    features = torch.randn(2, 3, 6, 6, dtype=torch.float64, requires_grad=True)
    out, expected = fast(features), plain(features)
    near(out, expected, 1e-12)
    for a, b in zip(grad(out, [features, fast.weight]), grad(expected, [features, plain.weight]), strict=True):
        near(a, b, 1e-12)
    twice = [torch.autograd.grad(n(features).pow(3).sum(), [features, n.weight], create_graph=True) for n in (fast, plain)]
    thrice = [torch.autograd.grad(sum(g.square().sum() for g in gs), [features, n.weight]) for gs, n in zip(twice, (fast, plain), strict=True)]
    for a, b in zip(*thrice, strict=True):
        near(a, b, 1e-10)


def enlarged(features, spline):
    """Twice the size with [1 3 3 1] / 4 or [1 5 10 10 5 1] / 16, edges repeated: zeros between the pixels, and then the mask."""
    mask = torch.tensor([1.0, 5, 10, 10, 5, 1] if spline else [1.0, 3, 3, 1], dtype=torch.float64)
    mask = torch.outer(mask, mask) * 4 / mask.sum() ** 2
    padded = F.pad(features, (3, 3, 3, 3), mode="replicate").flatten(0, 1)[:, None]
    out = F.conv_transpose2d(padded, mask[None, None], stride=2)
    over = (out.shape[-1] - 2 * features.shape[-1]) // 2
    return out[..., over:-over, over:-over].unflatten(0, features.shape[:2])[:, :, 0]


@pytest.mark.parametrize("spline", [False, True])
def test_a_convolution_of_enlarged_features_is_one_behind_the_other(spline):
    up = ConvOfEnlarged2d(5, 3, spline).double()
    features = torch.randn(2, 5, 6, 6, dtype=torch.float64, requires_grad=True)
    fast = up(framed(framed(features)) if spline else framed(features))
    expected = F.conv2d(F.pad(enlarged(features, spline), (1, 1, 1, 1), mode="replicate"), up.weight)
    inside = (..., slice(2, -2), slice(2, -2)) if spline else (...,)  # framed, a spline goes on beyond the border and is not repeated there
    near(fast[inside], expected[inside], 1e-6)
    for a, b in zip(grad(fast[inside], [features, up.weight]), grad(expected[inside], [features, up.weight]), strict=True):
        near(a, b, 1e-6)


@pytest.mark.parametrize("spline", [False, True])
def test_a_convolution_of_blocks_is_the_plain_one(spline):
    """Smooth enlargement, what goes on pixel by pixel, and the convolution to a picture: in blocks, and the plain way."""
    up, out = ConvOfEnlargedToBlocks2d(5, 3, spline).double(), ConvOfBlocks2d(3, 2, 3, bias=False).double()
    plain = nn.Conv2d(3, 2, 3, bias=False).double()
    plain.load_state_dict(out.state_dict())
    features = torch.randn(2, 5, 6, 6, dtype=torch.float64, requires_grad=True)
    around = framed(framed(features)) if spline else framed(features)
    fast = out(torch.relu(up(around)))
    placed = ConvOfEnlarged2d(5, 3, spline).double()
    placed.weight = up.weight
    expected = plain(torch.relu(placed(around)))[:, :, 1:-1, 1:-1]
    near(fast, expected.float())  # pictures are float32
    for a, b in zip(grad(fast, [features, up.weight, out.weight]), grad(expected.float(), [features, up.weight, plain.weight]), strict=True):
        near(a, b, 1e-6)


@pytest.mark.parametrize("maps", [2, 4, 8])
def test_narrow_batch_norm_is_the_plain_one(maps, monkeypatch):
    """In training, by both kinds of momentum, and evaluated; gradients, running statistics, and a gradient of the gradient."""
    monkeypatch.setattr(fast_layers, "LARGE", 0)
    for momentum in (0.1, None):
        fast, plain = BatchNormNarrow2d(maps, momentum=momentum), nn.BatchNorm2d(maps, momentum=momentum)
        nn.init.normal_(fast.weight)
        nn.init.normal_(fast.bias)
        plain.load_state_dict(fast.state_dict())
        x = (3 + 2 * torch.randn(2, maps, 32, 40)).contiguous(memory_format=torch.channels_last).requires_grad_()
        out, expected = fast(x), plain(x)
        near(out, expected, 5e-6)
        assert "Narrow" in str(out.grad_fn)
        out, expected = torch.relu_(fast(x)), torch.relu_(plain(x))  # in place, as the networks do
        for a, b in zip(grad(out, [x, *fast.parameters()]), grad(expected, [x, *plain.parameters()]), strict=True):
            near(a, b, 1e-5)
        twice = [torch.autograd.grad(torch.autograd.grad(n(x).pow(3).sum(), x, create_graph=True)[0].square().sum(), x)[0] for n in (fast, plain)]
        near(*twice, 1e-4)
        for name, buffer in plain.named_buffers():
            near(dict(fast.named_buffers())[name].float(), buffer.float(), 5e-6)
        near(fast.eval()(x), plain.eval()(x))


def test_narrow_batch_norm_takes_features_in_16_bits(monkeypatch):
    """What comes out is rounded to 16 bits; statistics are not, and come out as those of the same numbers in 32."""
    monkeypatch.setattr(fast_layers, "LARGE", 0)
    fast, plain = BatchNormNarrow2d(8), nn.BatchNorm2d(8)
    x = (3 + 2 * torch.randn(2, 8, 32, 40)).bfloat16().contiguous(memory_format=torch.channels_last).requires_grad_()
    wide = x.detach().float().requires_grad_()
    out, expected = fast(x), plain(wide)
    assert "Narrow" in str(out.grad_fn)
    near(out.float(), expected, 2**-8)
    for a, b in zip(grad(out.float(), [x, *fast.parameters()]), grad(expected, [wide, *plain.parameters()]), strict=True):
        near(a.float(), b, 2**-6)
    near(fast.running_mean, plain.running_mean, 5e-6)
    near(fast.running_var, plain.running_var, 5e-6)


def plain_lagrange(x):
    """By a transposed convolution."""
    at = torch.arange(-3.0, 4.0)
    weights = torch.stack([torch.stack([(-0.25 - b) / (a - b) for b in at if b != a]).prod() for a in at])
    kernel = torch.stack([weights.flip(0), weights], 1).flatten()  # the earlier of two new pixels, then the later
    kernel = torch.outer(kernel, kernel).expand(x.shape[1], 1, 14, 14)
    return F.conv_transpose2d(F.pad(x, (6, 6, 6, 6), mode="replicate"), kernel, stride=2, padding=18, groups=x.shape[1])


@pytest.mark.parametrize(
    ("fast", "plain", "shape"),
    [
        (to_blocks, lambda x: F.pixel_unshuffle(x, 2), (2, 3, 8, 8)),
        (from_blocks, lambda x: F.pixel_shuffle(x, 2), (2, 12, 4, 4)),
        (halve, lambda x: F.avg_pool2d(x, 2), (2, 1, 8, 8)),
        (halve, lambda x: F.avg_pool2d(x, 2), (2, 3, 8, 8)),
        (enlarge, lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"), (2, 1, 4, 4)),
        (enlarge, lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"), (2, 3, 1, 1)),
        (lanczos_halve, partial(F.interpolate, size=(4, 4), mode="lanczos", antialias=True), (2, 3, 8, 8)),
        (lagrange, plain_lagrange, (2, 3, 4, 4)),
        (lagrange, plain_lagrange, (2, 1, 16, 16)),
        (framed, lambda x: F.pad(x, (1, 1, 1, 1), mode="replicate"), (2, 3, 4, 6)),
        (framed, lambda x: F.pad(x, (1, 1, 1, 1), mode="replicate"), (2, 3, 1, 1)),
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
    for fast in (halve, enlarge, lanczos_halve, lagrange, framed, to_blocks, layer):
        assert torch.autograd.gradcheck(fast, x)
        assert torch.autograd.gradgradcheck(fast, x)
    features = torch.randn(1, 2, 2, 2, requires_grad=True)
    first = torch.autograd.grad(up.float()(features).square().sum(), features, create_graph=True)[0]
    assert torch.autograd.grad(first.square().sum(), features)[0].abs().sum() > 0
