"""Layers that are computed in a faster way than PyTorch's own, and are the same functions of the same weights.

Figures: milliseconds, batch 8, measured side by side as in `tuning.py`, on two cores of an AMD EPYC (AVX2) where nothing else is said.
On your machine: `benchmarks/layers.py`.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .fixed_maps import from_blocks, to_blocks
from .tuning import memory_format


class ConvFromPicture2d(nn.Conv2d):
    """nn.Conv2d(few, maps, 4, 2, 1, bias=False) for a picture of one to three channels, the same function of the same weights.

    With one channel PyTorch cannot tell channels_last from the plain order, gives plain features, and every layer and
    activation that mixes the two orders takes several times as long. The picture's 2 x 2 blocks become its channels
    instead and the kernel a 3 x 3 one of stride 1 (1 -> 8 maps, 1024 x 1024: forward 38 -> 30 ms, gradient of the weights
    172 -> 20, of the picture 153 -> 53; leaky ReLU behind it, backward, 76 -> 10).
    """

    def forward(self, picture: Tensor) -> Tensor:
        """(b, few, 2n, 2n) -> (b, maps, n, n)"""
        return F.conv2d(to_blocks(picture), _kernel_of_blocks(self.weight), padding=1)


class ConvTransposeToPicture2d(nn.ConvTranspose2d):
    """nn.ConvTranspose2d(maps, few, 4, 2, 1, bias=False) to a picture of one to three channels, the same function of the same weights.

    Forward as a 3 x 3 convolution to the picture's 2 x 2 blocks (8 maps -> 1, to 1024 x 1024: 144 -> 54 ms); backward as it is,
    for that is fast (24 ms, and 70 by way of the blocks).
    """

    def forward(self, features: Tensor) -> Tensor:
        """(b, maps, n, n) -> (b, few, 2n, 2n), float32 also under autocast: Tanh's ends need the bits."""
        return _ToPicture.apply(features, self.weight)


class ConvTransposeToFeatures2d(nn.ConvTranspose2d):
    """nn.ConvTranspose2d(maps, more, 4, 2, padding, bias=False), the same function of the same weights.

    The gradient of the weights as that of the convolution which this is the transpose of: the same numbers, for which PyTorch has a faster way
    (128 -> 64 maps to 32 x 32, forward and backward in bfloat16: 6.8 -> 4.9 ms; an Intel Xeon with AMX).
    """

    def forward(self, features: Tensor) -> Tensor:
        """(b, maps, n, n) -> (b, more, 2n + 2 - 2 padding, the same)"""
        return _Transposed.apply(features, self.weight, self.padding[0])


class ConvOfEnlarged2d(nn.Conv2d):
    """nn.Conv2d(maps, more, 3, bias=False) of features enlarged bilinearly, the same function of the same weights.

    Both are one 3 x 3 convolution of the features as they are, to the 2 x 2 blocks of what comes out: nothing four times as large is made, padded
    and read again (64 -> 32 maps to 128 x 128, forward and backward: 42 -> 16 ms in bfloat16, 88 -> 77 in 32 bits; an Intel Xeon with AMX).
    With `spline` they are enlarged with [1 5 10 10 5 1] / 16 instead of [1 3 3 1] / 4, and the convolution is one of 5 x 5.
    """

    def __init__(self, maps: int, more: int, spline: bool = False) -> None:
        super().__init__(maps, more, 3, bias=False)
        self.spline = spline

    def forward(self, features: Tensor) -> Tensor:
        """(b, maps, n + 2, n + 2), padded, with `spline` (b, maps, n + 4, n + 4) -> (b, more, 2n, 2n)"""
        blocks = self._blocks(features)
        b, n, m, _ = blocks.shape
        return blocks.reshape(b, n, m, 2, 2, -1).transpose(2, 3).reshape(b, 2 * n, 2 * m, -1).permute(0, 3, 1, 2)

    def _blocks(self, features: Tensor) -> Tensor:
        """(b, n, n, 4 more): the maps of each pixel of a 2 x 2 block behind one another"""
        phases = (_SPLINE if self.spline else _BILINEAR).to(self.weight)
        kernel = torch.einsum("yik,xjl,mnkl->yxmnij", phases, phases, self.weight).flatten(0, 2)
        return F.conv2d(features, kernel).permute(0, 2, 3, 1)


class ConvOfEnlargedToBlocks2d(ConvOfEnlarged2d):
    """The same numbers, not put in their places: the four pixels of a 2 x 2 block stay beside one another. What goes on pixel by pixel, such as
    batch norm, ReLU and noise, does not mind; `ConvOfBlocks2d` puts them in place, when there are few maps left to move.
    """

    def forward(self, features: Tensor) -> Tensor:
        """(b, maps, n + 2, n + 2), padded, with `spline` (b, maps, n + 4, n + 4) -> (b, more, n, 4n)"""
        blocks = self._blocks(features)
        return blocks.reshape(*blocks.shape[:2], -1, self.out_channels).permute(0, 3, 1, 2)


class ConvOfBlocks2d(nn.Conv2d):
    """nn.Conv2d(maps, few, 3, bias=False) of features in blocks, the same function of the same weights, less a frame of one pixel."""

    def forward(self, features: Tensor) -> Tensor:
        """(b, maps, n + 2, 4 (n + 2)), as `ConvOfEnlargedToBlocks2d` yields them -> (b, few, 2n, 2n), float32 also under autocast"""
        b, maps, n, _ = features.shape
        blocks = features.permute(0, 2, 3, 1).reshape(b, n, n, 4 * maps).permute(0, 3, 1, 2)
        shifted = torch.stack([F.pad(self.weight, (1 + x, 2 - x, 1 + y, 2 - y)) for y in (0, 1) for x in (0, 1)], 1)
        kernel = shifted.unflatten(4, (3, 2)).unflatten(3, (3, 2)).permute(0, 1, 4, 6, 2, 3, 5).flatten(2, 4).flatten(0, 1)
        return from_blocks(F.conv2d(blocks, kernel).float())


def _phases(first: tuple[float, float, float]) -> Tensor:
    """[phase, neighbour, tap]: how much each of three taps at twice the resolution takes of each of five neighbours.

    `first`: what the first of a pixel's two new ones takes of the pixel before it, of itself and of the one behind; the second is its mirror.
    """
    out = torch.zeros(2, 5, 3)
    for phase in (0, 1):
        for tap in (0, 1, 2):
            steps, second = divmod(phase + tap - 1, 2)
            out[phase, 1 + steps : 4 + steps, tap] = torch.tensor(first[::-1] if second else first)
    return out


_BILINEAR = _phases((0.25, 0.75, 0.0))[:, 1:-1]  # the outer ones are zeros
_SPLINE = _phases((5 / 16, 10 / 16, 1 / 16))


class _Transposed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, padding: int) -> Tensor:
        ctx.save_for_backward(features, weight)
        ctx.padding = padding
        return F.conv_transpose2d(features, weight.to(features.dtype), None, 2, padding)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        features, weight = ctx.saved_tensors
        narrow, of_features, of_weight = weight.to(features.dtype), None, None
        gradient = F.pad(gradient, (ctx.padding,) * 4)  # by hand: convolutions that pad by more than half their kernel take twice as long
        if ctx.needs_input_grad[0]:
            of_features = F.conv2d(gradient, narrow, None, 2)
        if ctx.needs_input_grad[1]:  # what is put in and what comes out change places
            options = [2, 2], [0, 0], [1, 1], False, [0, 0], 1, [False, True, False]
            of_weight = torch.ops.aten.convolution_backward(features, gradient, narrow, None, *options)[1].to(weight.dtype)
        return of_features, of_weight, None


class _ToPicture(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(features, weight)
        return from_blocks(F.conv2d(features, _kernel_of_blocks(weight.to(features.dtype), transposed=True), padding=1).float())

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        features, weight = ctx.saved_tensors
        gradient = gradient.to(features.dtype).contiguous(memory_format=memory_format(gradient.device))
        wanted = [ctx.needs_input_grad[0], ctx.needs_input_grad[1], False]
        of_features, of_weight, _ = torch.ops.aten.convolution_backward(
            gradient, features, weight.to(features.dtype), None, [2, 2], [1, 1], [1, 1], True, [0, 0], 1, wanted
        )
        return of_features, of_weight if of_weight is None else of_weight.to(weight.dtype)


class BatchNormNarrow2d(nn.BatchNorm2d):
    """nn.BatchNorm2d for less than 16 maps, the same function of the same weights.

    PyTorch goes through channels_last memory in runs of one pixel's maps, which is slow where they are few. Here several pixels' maps
    are taken as one pixel with 64, and the statistics of these put together (8 maps at 256 x 256, forward and backward, an Intel
    Xeon with AMX: 56 -> 13 ms in 32 bits, 52 -> 11 in 16).
    """

    def forward(self, x: Tensor) -> Tensor:
        """(b, maps, h, w)"""
        fits = x.device.type == "cpu" and x.dtype in (torch.float32, torch.bfloat16) and WIDE % x.shape[1] == 0 and x.numel() % WIDE == 0
        if not (self.training and fits and x.numel() >= LARGE and x.is_contiguous(memory_format=torch.channels_last)):
            return super().forward(x)
        out, mean, variance = _Narrow.apply(x, self.weight, self.bias, self.eps)
        count = x.numel() // x.shape[1]
        with torch.no_grad():
            self.num_batches_tracked.add_(1)
            weight = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
            self.running_mean.lerp_(mean, weight)
            self.running_var.lerp_(variance * (count / (count - 1)), weight)
        return out


def batch_norm(maps: int) -> nn.BatchNorm2d:
    """Batch norm, the way that is fast for so many maps."""
    return BatchNormNarrow2d(maps) if maps < 16 else nn.BatchNorm2d(maps)


WIDE = 64  # maps of several pixels that are taken together
LARGE = 2**19  # numbers; below that PyTorch's way costs little


class _Narrow(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        maps, wide = x.shape[1], _wide(x)
        # moved by 0.0: they are there to say that statistics are wanted in 32 bits
        moved = x.new_zeros(WIDE, dtype=torch.float32), x.new_ones(WIDE, dtype=torch.float32)
        means, variances = (part.view(-1, maps) for part in torch.batch_norm_update_stats(wide, *moved, 0.0))
        mean = means.mean(0)
        variance = (variances + (means - mean).square()).mean(0)
        out = F.batch_norm(wide, *(_times(part) for part in (mean, variance, weight, bias)), eps=eps)
        ctx.save_for_backward(x, weight, bias, mean, variance)
        ctx.eps = eps
        ctx.mark_non_differentiable(mean, variance)
        return _as(x, out), mean, variance

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Any) -> tuple[Tensor, Tensor, Tensor, None]:
        x, weight, bias, mean, variance = ctx.saved_tensors
        if torch.is_grad_enabled():  # the gradient is to be differentiated again: by the plain way, which can be
            out = F.batch_norm(x, None, None, weight, bias, training=True, eps=ctx.eps)
            return *torch.autograd.grad(out, (x, weight, bias), gradient, create_graph=True), None
        maps, count, wide = x.shape[1], x.numel() // x.shape[1], _wide(x)
        fixed = [_times(part) for part in (weight, mean, variance)]  # as if the statistics were given ...
        out, *sums = torch.ops.aten.native_batch_norm_backward(_wide(gradient), wide, *fixed, None, None, False, ctx.eps, [True] * 3)
        of_weight, of_bias = (part.view(-1, maps).sum(0) for part in sums)
        scale = weight * (variance + ctx.eps).rsqrt()  # ... and then what they owe to x
        slope = -scale * (variance + ctx.eps).rsqrt() * of_weight / count
        shift = -scale * of_bias / count - slope * mean
        slope, shift = (_times(part).to(x.dtype).view(1, -1, 1, 1) for part in (slope, shift))
        return _as(x, out.addcmul_(wide, slope).add_(shift)), of_weight, of_bias, None


def _wide(x: Tensor) -> Tensor:
    """(b, maps, h, w) -> (1, WIDE, n, 1): the maps of some pixels, one pixel after the other, as those of one."""
    return x.permute(0, 2, 3, 1).reshape(1, -1, 1, WIDE).permute(0, 3, 1, 2)


def _as(x: Tensor, wide: Tensor) -> Tensor:
    """`wide` in the shape of x: the same memory, but no view of it, for an activation in place may come behind."""
    rows = wide.permute(0, 2, 3, 1).contiguous()
    return rows.new_empty(0).set_(rows.untyped_storage(), 0, x.shape, x.stride())


def _times(part: Tensor) -> Tensor:
    """(maps,) -> (WIDE,)"""
    return part.repeat(WIDE // len(part))


def _kernel_of_blocks(weight: Tensor, transposed: bool = False) -> Tensor:
    """4 x 4, stride 2, padding 1 -> 3 x 3 over 2 x 2 blocks, stride 1, padding 1; 20 of 36 numbers are zeros."""
    blocks = F.pad(weight, (1, 1, 1, 1)).unflatten(3, (3, 2)).unflatten(2, (3, 2))  # (a, b, by, dy, bx, dx)
    if transposed:  # weight is (maps, few, 4, 4), and a transposed convolution runs over the kernel backwards
        return blocks.flip(2, 4).permute(1, 3, 5, 0, 2, 4).flatten(0, 2)
    return blocks.permute(0, 1, 3, 5, 2, 4).flatten(1, 3)
