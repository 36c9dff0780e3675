"""What a network that knows photographs sees in a film, for D to judge by ("projected" discriminators, Sauer et al. 2021).

A few hundred films teach D little of what an edge is. EfficientNet-Lite1 (Tan and Le 2019) has learnt that from 1.3 million photographs, and stays
as it is; D learns small heads that judge by its features. DCGAN's rules hold for the heads and for the rest of D, not in there, where convolutions
are depthwise and the activation is ReLU6. Beware: the report's features are those of a smaller network of the same family, Lite0, trained on
the same photographs, so KID is no longer a judge from outside (docs/recipe.md).
"""

from __future__ import annotations

import copy
import functools
from contextlib import nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from .fast_layers import batch_norm
from .features import efficientnet
from .fixed_maps import enlarge, halve

TAPS = {"4": 3, "8": 6, "16": 14, "32": 20}  # the last block of Lite1 whose features are so many times smaller than the film, or nearly
SIDE, SMALLEST = 256, 64  # pixels: larger films are halved down to this, smaller ones enlarged
WIDTH = 64  # maps of a head


class Projected(nn.Module):
    """Films (b, channels, R, R) in [-1, 1] -> for each of TAPS logits (b, n) of overlapping patches, from small to whole films.

    A head is a 3 x 3 convolution, batch norm, LeakyReLU and a 1 x 1 convolution. The borrowed network is in no checkpoint and has no parameters.
    """

    def __init__(self) -> None:
        super().__init__()
        self.trunk = copy.deepcopy(_trunk()).to(torch.get_default_device())
        self.heads = nn.ModuleDict({name: _head(self.trunk.maps[at]) for name, at in TAPS.items()})

    def forward(self, films: Tensor) -> tuple[Tensor, ...]:
        while films.shape[-1] > SIDE:
            films = halve(films)
        while films.shape[-1] < SMALLEST:
            films = enlarge(films)
        return tuple(head(seen).flatten(1).float() for head, seen in zip(self.heads.values(), self.trunk(films), strict=True))


def _head(maps: int) -> nn.Sequential:
    first, verdict = nn.Conv2d(maps, WIDTH, 3, 1, 1, bias=False), nn.Conv2d(WIDTH, 1, 1, bias=False)
    return nn.Sequential(first, batch_norm(WIDTH), nn.LeakyReLU(0.2, inplace=True), verdict)


class Trunk(nn.Module):
    """EfficientNet-Lite1 up to the last of TAPS: films (b, 1 or 3, r, r) in [-1, 1] -> features (b, maps, r / 4, r / 4) and so on."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.stem = FrozenConv2d(network._conv_stem, network._bn0, active=True)
        self.blocks = nn.ModuleList(_Block(block) for block in network._blocks[: max(TAPS.values()) + 1])
        self.maps = [block.project.weight.shape[0] for block in self.blocks]

    def forward(self, films: Tensor) -> list[Tensor]:
        h, seen = self.stem(films.expand(-1, 3, -1, -1)), []
        for at, block in enumerate(self.blocks):
            h = block(h)
            if at in TAPS.values():
                seen.append(h)
        return seen


class _Block(nn.Module):
    """An inverted bottleneck (Sandler et al. 2018): wider by a 1 x 1, depthwise, narrower again, and the way past where sizes are the same."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        wider = [(block._expand_conv, block._bn0)] if hasattr(block, "_expand_conv") else []
        self.wide = nn.Sequential(*[FrozenConv2d(*pair, active=True) for pair in (*wider, (block._depthwise_conv, block._bn1))])
        self.project = FrozenConv2d(block._project_conv, block._bn2)
        self.past = block._depthwise_conv.stride[0] == 1 and self.project.weight.shape[0] == self.wide[0].weight.shape[1]

    def forward(self, h: Tensor) -> Tensor:
        out = self.project(self.wide(h))
        return out.add_(h) if self.past else out


class FrozenConv2d(nn.Module):
    """A convolution with its batch norm folded into it, and ReLU6 where `active`. Buffers that no checkpoint keeps: nothing here learns.

    At stride 2 an even side is padded at its end by one pixel more than at its beginning, as TensorFlow does, where these weights come from.
    """

    def __init__(self, conv: nn.Conv2d, norm: nn.BatchNorm2d, active: bool = False) -> None:
        super().__init__()
        weight, bias = fuse_conv_bn_weights(conv.weight, conv.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias)
        self.register_buffer("weight", weight.detach().to(memory_format=torch.channels_last), persistent=False)
        self.register_buffer("bias", bias.detach(), persistent=False)
        self.stride, self.groups, self.active = conv.stride[0], conv.groups, active
        self.padding = conv.kernel_size[0] // 2

    def forward(self, h: Tensor) -> Tensor:
        padding = self.padding
        if self.stride == 2:
            before = padding - 1 + h.shape[-1] % 2
            h, padding = F.pad(h, (before, padding, before, padding)), 0
        # depthwise convolutions of stride 2, there and back: seven times as fast in 32 bits (all four at 256: 12 ms for 81; AMD Zen 4)
        wide = self.groups > 1 and self.stride == 2 and h.requires_grad and h.device.type == "cpu"
        with torch.autocast("cpu", enabled=False) if wide else nullcontext():
            out = F.conv2d(h.to(self.weight.dtype) if wide else h, self.weight, self.bias, self.stride, padding, groups=self.groups)
        return F.relu6(out, inplace=True) if self.active else out


@functools.cache
def _trunk() -> Trunk:
    with torch.device("cpu"):  # also where networks are built on no device, to be counted
        return Trunk(efficientnet("lite1", "projected=true: D's borrowed features"))
