"""Maps of pictures and features without weights, in a faster way than PyTorch's own: blocks, halves, twice the size, a frame.

Figures as in `fast_layers.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
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


def lanczos_halve(picture: Tensor) -> Tensor:
    """(b, c, 2r, 2r) -> (b, c, r, r), in 32 bits or more: as `films.resize` makes the levels of a pyramid, overshoot left in.

    `halve` and `enlarge` mix what half the resolution can have with what it cannot: a picture less its enlarged half keeps 0.27 of a wave at a
    quarter of the Nyquist frequency and 0.57 at four tenths of it, by this and `lagrange` 0.00 and 0.30.
    The gradient is a product with matrices, for PyTorch's own is slow.
    """
    side = picture.shape[-1]
    return _Fixed.apply(_in_32_bits(picture), _lanczos_half, partial(_transposed, rows=_lanczos_rows, size=side))


def lagrange(picture: Tensor) -> Tensor:
    """(b, c, r, r) -> (b, c, 2r, 2r), in 32 bits or more: between seven pixels on the polynomial through them (Lagrange), edges repeated.

    It keeps what Lanczos keeps (0.99 at half the old Nyquist frequency, 0.93 at seven tenths; bilinearly 0.79 and 0.62), and none of its grid:
    enlarged by Lanczos, what is coarse comes back at the new Nyquist frequency 44 to 66 dB weaker, and in a film what is coarse is 70 dB stronger
    than what is fine. A filter that is exact for polynomials leaves nothing of it there.
    """
    size = picture.shape[-1]
    return _Fixed.apply(_in_32_bits(picture), partial(_product, rows=_lagrange_rows, size=size), partial(_transposed, rows=_lagrange_rows, size=size))


def framed(features: Tensor) -> Tensor:
    """(b, maps, h, w) -> (b, maps, h + 2, w + 2): features go on beyond the border as they end there.

    F.pad with mode = "replicate" (32 maps at 64 x 64, forward and backward in bfloat16: 1.8 -> 1.2 ms, in 32 bits no gain; an Intel Xeon with AMX).
    """
    return _Fixed.apply(features, _frame, _unframe)


def _in_32_bits(picture: Tensor) -> Tensor:
    return picture.float() if picture.dtype in (torch.bfloat16, torch.float16) else picture  # 16 bits would lose what is fine


def _lanczos_half(picture: Tensor) -> Tensor:
    if picture.device.type not in ("cpu", "meta"):
        return _product(picture, _lanczos_rows, picture.shape[-1])
    return F.interpolate(picture, size=picture.shape[-1] // 2, mode="lanczos", antialias=True)


def _product(picture: Tensor, rows: Callable[..., Tensor], size: int) -> Tensor:
    along = rows(size, picture.dtype, picture.device)
    with _without_16_bits(picture.device):
        return along @ picture @ along.mT


def _transposed(gradient: Tensor, rows: Callable[..., Tensor], size: int) -> Tensor:
    along = rows(size, gradient.dtype, gradient.device)
    with _without_16_bits(gradient.device):
        return along.mT @ gradient @ along


def _without_16_bits(device: torch.device) -> AbstractContextManager[object]:
    return nullcontext() if device.type == "meta" else torch.autocast(device.type, enabled=False)


@lru_cache(maxsize=32)
def _lanczos_rows(size: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """(size / 2, size): what `lanczos_halve` does to a column of `size` pixels."""
    rows = F.interpolate(torch.eye(size, dtype=torch.float64)[None, None], size=(size // 2, size), mode="lanczos", antialias=True)[0, 0]
    return rows.to(device, dtype)


@lru_cache(maxsize=32)
def _lagrange_rows(size: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """(2 size, size): what `lagrange` does to a column of `size` pixels, whose new pixels lie a quarter before and behind each."""
    columns = F.pad(torch.eye(size, dtype=torch.float64)[:, None], (_REACH, _REACH), mode="replicate")
    quarters = torch.stack([_LAGRANGE, _LAGRANGE.flip(0)])[:, None]
    return F.conv1d(columns, quarters).permute(2, 1, 0).flatten(0, 1).to(device, dtype)


_REACH = 3  # pixels on either side
# weights of seven pixels, a quarter of a pixel before the middle one
_AT = torch.arange(-_REACH, _REACH + 1, dtype=torch.float64)
_LAGRANGE = torch.stack([torch.stack([(-0.25 - other) / (at - other) for other in _AT if other != at]).prod() for at in _AT])


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
