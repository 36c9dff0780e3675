"""What the generator is made of beside its convolutions: three ways to twice the resolution, one to a picture, and noise."""

from __future__ import annotations

import zlib

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from .fast_layers import ConvOfBlocks2d, ConvOfEnlarged2d, ConvOfEnlargedToBlocks2d, ConvTransposeToFeatures2d, ConvTransposeToPicture2d, batch_norm
from .fixed_maps import enlarge, framed

fx.wrap("enlarge")  # the check of the rules looks at layers, not into these: fixed kernels, nothing in them is learned
fx.wrap("framed")
fx.wrap("grain_of")
fx.wrap("add_in_maps")  # an outer product of noise and a weight per map, no fully connected layer


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
            self.conv = ConvTransposeToFeatures2d(maps_in, maps_out, 4, 2, 3 if edges == "replicate" else 1, bias=False)  # 3 takes off what _on adds
        self.picture = picture

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(self._on(x))
        if self.picture and self.edges == "replicate":
            x = x[:, :, 2:-2, 2:-2]
        if not self.blur:
            return x
        # mirrored, for what lies there alternates from pixel to pixel
        return blurred(F.pad(x, (1, 1, 1, 1), mode="reflect" if self.edges == "replicate" else "constant"))

    def _on(self, x: Tensor) -> Tensor:
        return framed(x) if self.edges == "replicate" else x


class SmoothUp(nn.Module):
    """Twice the resolution: bilinear enlargement, then a 3 x 3 convolution.

    The same function as a transposed convolution of 6 x 6, stride 2, whose kernel is the bilinear one convolved with a learned 3 x 3: within
    the rules, but no grid of two pixels can come out of it, whatever it learns (Odena et al. 2016). 9 multiplications per pixel instead of 4.
    That holds where features are even. Where they are not, what is coarse leaves an echo near the new Nyquist frequency. [1 5 10 10 5 1] / 16
    (`spline`) in the place of the bilinear [1 3 3 1] / 4 leaves less of it, for its zero there is fivefold and not threefold: the refinement of
    quartic B-splines in the place of that of quadratic ones (Chaikin 1974; Lane and Riesenfeld 1980).
    """

    def __init__(self, maps_in: int, maps_out: int, edges: str = "zeros", spline: bool = False) -> None:
        super().__init__()
        self.edges, self.spline = edges, spline
        if edges == "replicate":
            self.conv = ConvOfEnlarged2d(maps_in, maps_out, spline)
        else:
            self.conv = nn.Conv2d(maps_in, maps_out, 3, 1, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        if self.edges == "replicate":
            return self.conv(framed(framed(x)) if self.spline else framed(x))
        x = enlarge(x)
        return self.conv(blurred(framed(x)) if self.spline else x)


class Grain(nn.Module):
    """Adds noise to features (b, maps, r, r), as much as each map has learnt to want: fine texture need not come from z (Karras et al. 2019, 3.2)."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((maps, 1, 1), 0.1))

    def forward(self, h: Tensor, noise: Tensor) -> Tensor:
        return add_in_maps(h, noise, self.weight)


class FineHead(nn.Module):
    """Features at half the resolution -> a few maps at the picture's own, batch norm, ReLU -> the picture, by a 3 x 3 convolution.

    A picture straight out of a smooth enlargement is a sum of enlarged maps: near the finest frequency that fits there is nothing in it, and a
    discriminator sees that before anything else. Maps that are cut off by a ReLU at the picture's own resolution can have edges there.
    `spline` as in SmoothUp.
    """

    def __init__(self, maps_in: int, maps: int, channels: int, grain: bool, spline: bool = False) -> None:
        super().__init__()
        self.spline = spline
        self.up = ConvOfEnlargedToBlocks2d(maps_in, maps, spline)
        self.grain = Grain(maps) if grain else None
        self.norm = batch_norm(maps)
        self.activate = nn.ReLU(inplace=True)
        self.conv = ConvOfBlocks2d(maps, channels, 3, bias=False)

    def forward(self, h: Tensor, z: Tensor) -> Tensor:
        """(b, maps_in, n, n) and the latents -> (b, channels, 2n, 2n), float32 also under autocast"""
        h = framed(framed(framed(h))) if self.spline else framed(framed(h))
        h = self.up(h)  # (b, maps, n + 2, 4 (n + 2)): with a frame of 2 pixels, and the pixels of 2 x 2 blocks beside one another
        if self.grain is not None:
            h = self.grain(h, grain_of(z, 2 * h.shape[2]))
        return self.conv(self.activate(self.norm(h)))


def blurred(padded: Tensor) -> Tensor:
    """(b, maps, n + 2, n + 2) -> (b, maps, n, n): each map by itself with a fixed [1 2 1] / 4, down and across."""
    row, maps = padded.new_tensor([0.25, 0.5, 0.25]), padded.shape[1]
    return F.conv2d(padded, torch.outer(row, row).expand(maps, 1, 3, 3), groups=maps)


def add_in_maps(h: Tensor, noise: Tensor, weight: Tensor) -> Tensor:
    """h (b, maps, r, r) and noise (b, 1, r, r) times what each map wants of it, (maps, 1, 1), in the precision of h: else all goes on in 32 bits.

    Where h is in blocks, (b, maps, r / 2, 2 r), noise is still (b, 1, r, r): a number per pixel, in whichever order. As a product
    of matrices, a number per pixel times a number per map (16 maps at 128 x 128, forward and backward in bfloat16: 8.1 -> 4.0 ms,
    an Intel Xeon with AMX).
    """
    rows = h.permute(0, 2, 3, 1)
    noise = noise.permute(0, 2, 3, 1).reshape(-1, 1).to(h.dtype)
    return torch.addmm(rows.flatten(0, 2), noise, weight.view(1, -1).to(h.dtype)).view(rows.shape).permute(0, 3, 1, 2)


def grain_of(z: Tensor, side: int) -> Tensor:
    """(b, latent_dim) -> (b, 1, side, side) from N(0, 1): a function of each latent alone, so that a film is the same in any batch."""
    noise = torch.empty(len(z), 1, side, side, device="meta" if z.is_meta else "cpu")
    if z.is_meta:
        return noise
    for latent, field in zip(z.detach().float().cpu().numpy(), noise, strict=True):
        field.normal_(generator=torch.Generator().manual_seed(zlib.crc32(latent.tobytes()) + side))
    return noise.to(z.device, z.dtype)
