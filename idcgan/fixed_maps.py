"""Maps of pictures and features without weights, in a faster way than PyTorch's own: blocks, halves, twice the size, a frame.

Figures as in `fast_layers.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .tuning import memory_format


class _Fixed(torch.autograd.Function):
    """A linear map without weights, `there`, and its transpose, `back`: each is the other's gradient, to any order."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, there: Callable[[Tensor], Tensor], back: Callable[[Tensor], Tensor]) -> Tensor:
        ctx.maps = back, there
        return there(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return _Fixed.apply(gradient, *ctx.maps), None, None


def to_blocks(picture: Tensor) -> Tensor:
    """(b, c, 2n, 2n) -> (b, 4c, n, n) in channels_last: F.pixel_unshuffle (2.7 times as fast on a processor, 19 -> 7 ms at 1024)."""
    return _Fixed.apply(picture, _unshuffle, _shuffle)


def from_blocks(blocks: Tensor) -> Tensor:
    """(b, 4c, n, n) -> (b, c, 2n, 2n): F.pixel_shuffle (41 -> 8 ms to 1024)."""
    return _Fixed.apply(blocks, _shuffle, _unshuffle)


def halve(picture: Tensor) -> Tensor:
    """(b, c, 2r, 2r) -> (b, c, r, r): the mean of 2 x 2 pixels, a strided convolution with a fixed kernel (36 -> 6 ms at 1024)."""
    return _Fixed.apply(picture, _mean_of_blocks, _spread)


def enlarge(picture: Tensor) -> Tensor:
    """(b, c, r, r) -> (b, c, 2r, 2r): a transposed convolution with a fixed bilinear kernel, edges repeated.

    PyTorch's own bilinear enlargement is fast forward and slow backward (132 ms to 1024; 22 here).
    """
    return _Fixed.apply(picture, _bilinear, _bilinear_transposed)


def lanczos(picture: Tensor, side: int) -> Tensor:
    """(b, c, r, r) -> (b, c, side, side), up or down, in 32 bits or more: as `films.resize` makes the levels of a pyramid, overshoot left in.

    `halve` and `enlarge` mix what half the resolution can have with what it cannot: a picture less its enlarged half keeps 0.27 of a wave at a
    quarter of the Nyquist frequency and 0.57 at four tenths of it, by this filter 0.02 and 0.32 (at half of it both 0.75).
    The gradient is a product with matrices, for PyTorch's own is slow (there and back, 8 films of 176 to 352: 35 -> 9 ms, benchmarks/layers.py).
    """
    picture = picture.float() if picture.dtype == torch.bfloat16 else picture  # which it does not take on a processor
    return _Fixed.apply(picture, partial(_lanczos, side=side), partial(_lanczos_transposed, side=picture.shape[-1]))


def framed(features: Tensor) -> Tensor:
    """(b, maps, h, w) -> (b, maps, h + 2, w + 2): features go on beyond the border as they end there.

    F.pad with mode = "replicate" (32 maps at 64 x 64, forward and backward in bfloat16: 1.8 -> 1.2 ms, in 32 bits no gain; an Intel Xeon with AMX).
    """
    return _Fixed.apply(features, _frame, _unframe)


def _lanczos(picture: Tensor, side: int) -> Tensor:
    if picture.device.type in ("cpu", "meta"):
        return F.interpolate(picture, size=(side, side), mode="lanczos", antialias=True)
    with torch.autocast(picture.device.type, enabled=False):  # 16 bits would lose what is fine
        along = _lanczos_along(picture.shape[-1], side, picture.dtype, picture.device)
        return along @ picture @ along.mT


def _lanczos_transposed(gradient: Tensor, side: int) -> Tensor:
    along = _lanczos_along(side, gradient.shape[-1], gradient.dtype, gradient.device)
    return along.mT @ gradient @ along


@lru_cache(maxsize=32)
def _lanczos_along(size: int, side: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """(side, size): what `lanczos` does to a column of `size` pixels."""
    along = F.interpolate(torch.eye(size, dtype=torch.float64)[None, None], size=(side, size), mode="lanczos", antialias=True)[0, 0]
    return along.to(device, dtype)


def _frame(features: Tensor) -> Tensor:
    b, maps, h, w = features.shape
    out = torch.empty((b, maps, h + 2, w + 2), dtype=features.dtype, device=features.device, memory_format=memory_format(features.device))
    out[:, :, 1:-1, 1:-1] = features
    out[:, :, 0, 1:-1], out[:, :, -1, 1:-1] = features[:, :, 0], features[:, :, -1]
    out[..., 0], out[..., -1] = out[..., 1], out[..., -2]
    return out


def _unframe(gradient: Tensor) -> Tensor:
    out = gradient[:, :, 1:-1, 1:-1].contiguous(memory_format=memory_format(gradient.device))
    for end in (0, -1):
        out[:, :, end] += gradient[:, :, end, 1:-1]
        out[..., end] += gradient[:, :, 1:-1, end]
        for corner in (0, -1):
            out[:, :, end, corner] += gradient[:, :, end, corner]
    return out


def _unshuffle(picture: Tensor) -> Tensor:
    if picture.device.type != "cpu" or picture.dtype != torch.float32:
        return F.pixel_unshuffle(picture, 2).contiguous(memory_format=memory_format(picture.device))
    # two neighbours as one complex number: half as many, twice as large pieces to move
    pairs = torch.view_as_complex(picture.contiguous().unflatten(3, (-1, 2)).unflatten(2, (-1, 2)))  # (b, c, n, dy, n)
    blocks = torch.view_as_real(pairs.permute(0, 2, 4, 1, 3).contiguous())  # (b, n, n, c, dy, dx)
    return blocks.flatten(3).permute(0, 3, 1, 2)


def _shuffle(blocks: Tensor) -> Tensor:
    if blocks.device.type != "cpu" or blocks.dtype != torch.float32:
        return F.pixel_shuffle(blocks, 2)
    pairs = torch.view_as_complex(blocks.permute(0, 2, 3, 1).contiguous().unflatten(3, (-1, 2, 2)))  # (b, n, n, c, dy)
    return torch.view_as_real(pairs.permute(0, 3, 1, 4, 2).contiguous()).flatten(4).flatten(2, 3)


def _mean_of_blocks(picture: Tensor) -> Tensor:
    rows = picture[..., ::2, :] + picture[..., 1::2, :]
    return (rows[..., ::2] + rows[..., 1::2]).mul_(0.25)


def _spread(picture: Tensor) -> Tensor:
    return F.interpolate(picture * 0.25, scale_factor=2, mode="nearest")


def _bilinear(picture: Tensor) -> Tensor:
    return F.interpolate(picture, scale_factor=2, mode="bilinear")


def _bilinear_transposed(picture: Tensor) -> Tensor:
    for along in (2, 3):
        even, odd = picture.unflatten(along, (-1, 2)).unbind(along + 1)
        last = even.shape[along] - 1
        picture = (even + odd).mul_(0.75)
        # each pixel also gave a quarter to the further pixel on either side, and at an edge to the nearer one once more
        picture.narrow(along, 0, last).add_(even.narrow(along, 1, last), alpha=0.25)
        picture.narrow(along, last, 1).add_(odd.narrow(along, last, 1), alpha=0.25)
        picture.narrow(along, 1, last).add_(odd.narrow(along, 0, last), alpha=0.25)
        picture.narrow(along, 0, 1).add_(even.narrow(along, 0, 1), alpha=0.25)
    return picture
