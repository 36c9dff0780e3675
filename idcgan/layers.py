"""What the generator is made of beside its convolutions: three ways to twice the resolution, and noise."""

from __future__ import annotations

import zlib

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from .tuning import ConvTransposeToPicture2d, enlarge

fx.wrap("enlarge")  # the check of the rules looks at layers, not into these: fixed kernels, nothing in them is learned


class Up(nn.Module):
    """Twice the resolution: a transposed convolution 4 x 4, stride 2; with `blur` its output is smoothed by a fixed [1 2 1]/4.

    Features are smoothed, never the picture: that would take its sharpness too. Forward and backward
    of a hidden layer take up to a third longer with it; folded into the kernel (6 x 6) they took two to three times as long.
    With `edges` = "zeros", as DCGAN has it, pixels at the border are sums of fewer terms than the others, and a frame shows around the films;
    with "replicate" the features go on beyond the border as they end there.
    """

    def __init__(self, maps_in: int, maps_out: int, blur: bool, picture: bool = False, edges: str = "zeros") -> None:
        super().__init__()
        self.blur, self.edges = blur, edges
        if picture:
            self.conv = ConvTransposeToPicture2d(maps_in, maps_out, 4, 2, 1, bias=False)
        else:
            self.conv = nn.ConvTranspose2d(maps_in, maps_out, 4, 2, 3 if edges == "replicate" else 1, bias=False)  # 3 takes off what _on adds
        self.picture = picture

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(self._on(x))
        if self.picture and self.edges == "replicate":
            x = x[:, :, 2:-2, 2:-2]
        if not self.blur:
            return x
        row = x.new_tensor([0.25, 0.5, 0.25])
        kernel = torch.outer(row, row).expand(self.conv.out_channels, 1, 3, 3)
        if self.edges == "replicate":  # mirrored, for what lies there alternates from pixel to pixel
            return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), kernel, groups=self.conv.out_channels)
        return F.conv2d(x, kernel, padding=1, groups=self.conv.out_channels)

    def _on(self, x: Tensor) -> Tensor:
        return F.pad(x, (1, 1, 1, 1), mode="replicate") if self.edges == "replicate" else x


class SmoothUp(nn.Module):
    """Twice the resolution: bilinear enlargement, then a 3 x 3 convolution.

    Both are one convolution here, of the features as they are, to the 2 x 2 blocks of what comes out (2.4 times as fast): a transposed convolution
    of 6 x 6, stride 2, whose kernel is the bilinear one convolved with a learned 3 x 3: within
    the rules, but no grid of two pixels can come out of it, whatever it learns (Odena et al. 2016).
    """

    def __init__(self, maps_in: int, maps_out: int, edges: str = "zeros") -> None:
        super().__init__()
        self.edges = edges
        self.conv = nn.Conv2d(maps_in, maps_out, 3, 1, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        phases = PHASES.to(self.conv.weight)
        kernel = torch.einsum("yik,xjl,mnkl->yxmnij", phases, phases, self.conv.weight).flatten(0, 2)
        x = F.pad(x, (1, 1, 1, 1), mode="replicate" if self.edges == "replicate" else "constant")
        return blocks_apart(F.conv2d(x, kernel), self.conv.out_channels)


# [phase, neighbour, tap]: how much each of three taps at twice the resolution takes of each of three neighbours
PHASES = torch.tensor([[[0.75, 0.25, 0.0], [0.25, 0.75, 0.75], [0.0, 0.0, 0.25]], [[0.25, 0.0, 0.0], [0.75, 0.75, 0.25], [0.0, 0.25, 0.75]]])


def blocks_apart(x: Tensor, maps: int) -> Tensor:
    """(b, 4 maps, h, w), the maps of each pixel of a 2 x 2 block behind one another -> (b, maps, 2h, 2w)."""
    b, _, h, w = x.shape
    return x.permute(0, 2, 3, 1).reshape(b, h, w, 2, 2, maps).transpose(2, 3).reshape(b, 2 * h, 2 * w, maps).permute(0, 3, 1, 2)


class Grain(nn.Module):
    """Adds noise to features (b, maps, r, r), as much as each map has learnt to want: fine texture need not come from z (Karras et al. 2019, 3.2)."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((maps, 1, 1), 0.1))

    def forward(self, h: Tensor, noise: Tensor) -> Tensor:
        return h + (noise.permute(0, 2, 3, 1).to(h.dtype) @ self.weight.view(1, -1).to(h.dtype)).permute(0, 3, 1, 2)


def grain_of(z: Tensor, side: int) -> Tensor:
    """(b, latent_dim) -> (b, 1, side, side) from N(0, 1): a function of each latent alone, so that a film is the same in any batch."""
    noise = torch.empty(len(z), 1, side, side, device="meta" if z.is_meta else "cpu")
    if z.is_meta:
        return noise
    for latent, field in zip(z.detach().float().cpu().numpy(), noise, strict=True):
        field.normal_(generator=torch.Generator().manual_seed(zlib.crc32(latent.tobytes()) + side))
    return noise.to(z.device, z.dtype)
