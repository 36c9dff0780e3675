"""The highest levels on crops: what a film of 512 and more has that a smaller one has not is local, so a crop teaches it.

From `crops_from` on the generator below is finished and stays as it is; only the new layers are trained, on crops of both
players' films, against a discriminator that judges patches (Isola et al. 2017). Real crops are of films that are larger than the level below;
where these are fewer than a batch there is nothing to learn, and made films are only enlarged (schedule.py).
"""

from __future__ import annotations

import zlib

import numpy as np
import torch
from torch import Tensor, fx, nn

from .fast_layers import ConvFromPicture2d, batch_norm
from .fixed_maps import enlarge, halve
from .objectives import Verdicts

fx.wrap("enlarge")  # as in layers.py
fx.wrap("halve")
# pixels of G's features that a crop comes out of, and how many more on each side: with four (without splines three), what lies outside changes
# nothing inside (where films are enlarged by polynomials and what is new is told by Lanczos, whose ends reach farther, next to nothing at the edge)
CORE, MARGIN = 16, 4


def cut_at(resolution: int, crop: int) -> int:
    """The resolution of the features that crops of `crop` pixels of films at `resolution` are cut out of; below it films are whole."""
    return CORE * resolution // crop


def corners(rng: np.random.Generator, count: int, resolution: int, crop: int) -> np.ndarray:
    """(count, 2): row and column, in pixels of the features at `cut_at`, of crops whose margin lies inside the film, each place as likely."""
    return rng.integers(MARGIN, cut_at(resolution, crop) - CORE - MARGIN, (count, 2), endpoint=True)


def corners_of(z: Tensor, resolution: int, crop: int) -> list[tuple[int, int]]:
    """A place for each latent of (b, latent_dim), as a function of the latent alone: the same film made again is cut at the same place."""
    if z.is_meta:
        return [(MARGIN, MARGIN)] * len(z)
    seeds = [zlib.crc32(latent.tobytes()) for latent in z.detach().float().cpu().numpy()]
    return [tuple(corners(np.random.default_rng(seed), 1, resolution, crop)[0].tolist()) for seed in seeds]


def cut(maps: Tensor, places: list[tuple[int, int]], scale: int = 1) -> Tensor:
    """(b, maps, n, n) -> (b, maps, m, m): around each place (in pixels of 1 / scale) the core with its margin."""
    side = scale * (CORE + 2 * MARGIN)
    starts = [(scale * (row - MARGIN), scale * (column - MARGIN)) for row, column in places]
    return torch.stack([film[:, top : top + side, left : left + side] for film, (top, left) in zip(maps, starts, strict=True)])


class ConvOfFilm2d(ConvFromPicture2d):
    """D's first layer: a film, and with `detail` beside it, so many times what half its resolution has not (Burt and Adelson 1983).

    Nearly all that a chest film shows is coarse: what is new at 512 is a fifteenth of it. A discriminator hardly looks there without help.
    """

    def __init__(self, channels: int, maps: int, detail: float = 0.0) -> None:
        super().__init__(2 * channels if detail else channels, maps, 4, 2, 1, bias=False)
        self.detail = detail

    def forward(self, film: Tensor) -> Tensor:
        """(b, channels, 2n, 2n) -> (b, maps, n, n)"""
        if self.detail:
            film = torch.cat([film, self.detail * (film - enlarge(halve(film)))], 1)
        return super().forward(film)


class PatchDiscriminator(nn.Module):
    """Films or crops (b, channels, n, n) in [-1, 1], n a multiple of 8 -> logits (b,), the mean over what it says of patches.

    `verdicts=True`: the logits (b, (n / 8)^2) of overlapping patches, which the losses take, as if of whole films. A patch is 22 pixels
    wide, and somewhat more where `detail` is shown. It keeps DCGAN's rules.
    """

    alpha = 1.0  # as the other discriminator: nothing is blended in here, and nothing computed again
    recompute = 0

    def __init__(self, resolution: int, channels: int, maps: int, detail: float = 0.0) -> None:
        super().__init__()
        self.levels, self.channels = (resolution,), channels
        self.films = nn.ModuleDict({str(resolution): ConvOfFilm2d(channels, maps, detail)})
        down = [nn.Conv2d(maps * i, 2 * maps * i, 4, 2, 1, bias=False) for i in (1, 2)]
        names = (str(resolution // 2), str(resolution // 4))
        self.blocks = nn.ModuleDict({name: nn.Sequential(conv, batch_norm(conv.out_channels)) for name, conv in zip(names, down, strict=True)})
        self.activate = nn.LeakyReLU(0.2, inplace=True)
        self.last = nn.Conv2d(4 * maps, 1, 1, bias=False)

    def forward(self, x: Tensor, verdicts: bool = False) -> Tensor | Verdicts:
        h = self.activate(self.films[str(self.levels[0])](x))
        for block in self.blocks.values():
            h = self.activate(block(h))
        logits = self.last(h).flatten(1).float()
        return Verdicts(logits) if verdicts else logits.mean(1)
