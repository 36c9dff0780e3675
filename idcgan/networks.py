"""The generator and the discriminator of whole films.

Both follow the five rules of DCGAN (paper, section 3.1; Radford et al. 2015): `check_dcgan_rules` in `rules.py` proves it
on any network. Layers are named by the resolution they take; `building.py` starts them and lets them grow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from torch import Tensor, fx, nn
from torch.utils.checkpoint import checkpoint

from .crops import MARGIN, corners_of, cut, cut_at
from .fast_layers import ConvFromPicture2d, batch_norm
from .fixed_maps import enlarge, halve, lagrange, lanczos_halve
from .layers import FineHead, Grain, SmoothUp, Up, grain_of
from .objectives import Verdicts
from .projected import Projected

fx.wrap("enlarge")  # the check of the rules looks at layers, not into these: fixed kernels, nothing in them is learned
fx.wrap("halve")
fx.wrap("lagrange")
fx.wrap("lanczos_halve")
fx.wrap("grain_of")
fx.wrap("corners_of")
fx.wrap("cut")

SLOPE = 0.2  # of LeakyReLU, as in Radford et al. 2015


def feature_maps(top: int, last: int, cap: int, least: int = 1) -> dict[int, int]:
    """Feature maps held at each resolution 4, 8 .. top/2: `last` at top/2, doubling towards 4, at most `cap` (0: no cap), and `least`."""
    maps, resolution, count = {}, top // 2, last
    while resolution >= 4:
        maps[resolution] = max(least, min(count, cap) if cap else count)
        resolution, count = resolution // 2, count * 2
    return maps


class Generator(nn.Module):
    """z (b, latent_dim) -> pictures (b, channels, R, R) in [-1, 1], R the last of `levels`.

    `blocks[r]` yields features at resolution r; `heads[R]` turns the features at R/2 into a picture at R. With
    `skip` (growth = preserve) every level keeps its head, and each adds its part to the enlarged picture of the level
    below; without, there is one head and the network is the plain DCGAN chain. From `fine_from` on (0: never) heads have features of their own at R,
    and from `crops_from` on their part is only what half the resolution
    cannot have (Denton et al. 2015): a crop does not say how bright a lung should be. Pictures are enlarged bilinearly, and from
    `lagrange_from` on (0: never) by polynomials, which loses less of what the level below has; and told by them, and by the filter that a pyramid is
    made with, new layers touch less of it. Smooth enlargements of features and fine heads are splines from `spline_from` on (0: never).
    """

    def __init__(self, levels: tuple[int, ...], maps: dict[int, int], latent_dim: int = 100, channels: int = 1,
                 skip: bool = True, blur: bool = False, edges: str = "zeros", smooth_from: int = 0, grain: bool = False,
                 fine_from: int = 0, crops_from: int = 0, lagrange_from: int = 0, spline_from: int = 0) -> None:  # fmt: skip
        super().__init__()
        self.levels, self.latent_dim, self.skip = tuple(levels), latent_dim, skip
        self.crops_from, self.lagrange_from = crops_from, lagrange_from

        def up(maps_in: int, maps_out: int, to: int, picture: bool = False) -> nn.Module:
            spline = 0 < spline_from <= to
            if picture and fine_from and to >= fine_from:
                return FineHead(maps_in, max(1, maps_in // 2), maps_out, grain, spline)
            if smooth_from and to >= smooth_from:
                return SmoothUp(maps_in, maps_out, edges, spline)
            return Up(maps_in, maps_out, blur and not picture, picture, edges)

        self.alpha = 1.0  # weight of the newest head while `transition = fade` blends it in (Karras et al. 2018)
        self.recompute = 0  # how many of the highest blocks backward computes again instead of keeping them in memory
        self.crop = 0  # side of the crops that come out instead of films, see `crops.py`; 0: films
        self.frozen = False  # whether all but the newest block and head stay as they are
        first = nn.ConvTranspose2d(latent_dim, maps[4], 4, 1, 0, bias=False)  # (b, latent, 1, 1) -> (b, maps[4], 4, 4)
        self.blocks = nn.ModuleDict({"4": nn.Sequential(first, batch_norm(maps[4]), nn.ReLU(inplace=True))})
        resolution = 8
        while resolution < levels[-1]:
            maps_in, maps_out = maps[resolution // 2], maps[resolution]
            self.blocks[str(resolution)] = nn.Sequential(up(maps_in, maps_out, resolution), batch_norm(maps_out), nn.ReLU(inplace=True))
            resolution *= 2
        # not below 16: there a pixel is a part of the body
        self.grain = nn.ModuleDict({name: Grain(maps[int(name)]) for name in self.blocks if grain and int(name) >= 16})
        with_head = levels if skip else levels[-1:]
        self.heads = nn.ModuleDict({str(r): up(maps[r // 2], channels, r, picture=True) for r in with_head})
        self.tanh = nn.Tanh()

    def forward(self, z: Tensor) -> Tensor:
        h, picture, again = z[:, :, None, None], None, list(self.blocks)[len(self.blocks) - self.recompute :]
        for name in self.blocks:
            h, part = recomputed(self, self._stage, h, name, z) if name in again else self._stage(h, name, z)
            if picture is not None:
                picture = self._enlarged(picture, 2 * int(name))
            if part is not None:
                weight = self.alpha if 2 * int(name) == self.levels[-1] else 1.0
                picture = part if picture is None else picture.add_(part, alpha=weight)  # in place: it has just been made
            if self.crop and int(name) == cut_at(self.levels[-1], self.crop):
                places = corners_of(z, self.levels[-1], self.crop)
                h, picture = cut(h, places), None if picture is None else cut(picture, places, 2)
        if self.crop:
            margin = MARGIN * self.levels[-1] // cut_at(self.levels[-1], self.crop)
            picture = picture[:, :, margin:-margin, margin:-margin]
        return self.tanh(picture)

    def _stage(self, h: Tensor, name: str, z: Tensor) -> tuple[Tensor, Tensor | None]:
        """Features at `name`, and their part of the picture at twice that where there is a head for it."""
        head, (up, norm, activate) = str(2 * int(name)), self.blocks[name]
        h = up(h)
        if name in self.grain:
            h = self.grain[name](h, grain_of(z, h.shape[-1]))
        h = activate(norm(h))
        if head not in self.heads:
            return h, None
        part = self.heads[head](h, z) if isinstance(self.heads[head], FineHead) else self.heads[head](h)
        return h, part - self._coarse(part, int(head)) if self.crops_from and int(head) >= self.crops_from else part

    def _coarse(self, part: Tensor, level: int) -> Tensor:
        """What of the part of level `level`, one on crops, is left to the levels below."""
        half = lanczos_halve(part) if self._by_lagrange(level) else halve(part)
        return self._enlarged(half, level)

    def _enlarged(self, picture: Tensor, to: int) -> Tensor:
        """Twice the size, for level `to`: a crop does not say which that is."""
        return lagrange(picture) if self._by_lagrange(to) else enlarge(picture)

    def _by_lagrange(self, to: int) -> bool:
        """Whether what is enlarged to `to` on its way to a level, perhaps one four times the level below, goes there by polynomials."""
        return 0 < self.lagrange_from <= next(level for level in self.levels if level >= to)

    def newest(self) -> dict[str, nn.Module]:
        """The layers, by name, that the highest level has and the one below has not."""
        top = self.levels[-1]
        names = (("blocks", top // 2), ("grain", top // 2), ("heads", top))
        return {f"{kind}.{r}": getattr(self, kind)[str(r)] for kind, r in names if str(r) in getattr(self, kind)}

    def freeze(self) -> None:
        """From now on only the newest layers learn; the others are as they are when films are made, batch norm too."""
        self.frozen = True
        self.requires_grad_(False)
        for part in self.newest().values():
            part.requires_grad_(True)
        self.train(self.training)

    def train(self, mode: bool = True) -> Generator:
        """As in nn.Module, but what is frozen stays in eval mode."""
        super().train(mode and not self.frozen)
        self.training = mode
        for part in self.newest().values():
            part.train(mode)
        return self


class Discriminator(nn.Module):
    """Films (b, channels, R, R) in [-1, 1] -> logits (b,): sigmoid(logit) is D(x).

    With `patches` it can say more (`verdicts=True`): for each level R the logits (b, (R/8)^2) of overlapping patches, from the features at R/8
    (Isola et al. 2017). A few hundred films hold many more patches than films. With `projected` also what it holds of a film by the features of a
    network that knows photographs.

    `films[R]` takes films at R to features at R/2, `blocks[r]` features at r to features at r/2. With `skip` the
    input layers of the lower levels stay: each sees the film halved down to its resolution, and the path from above
    is added to it before the activation.
    """

    def __init__(self, levels: tuple[int, ...], maps: dict[int, int], channels: int = 1, skip: bool = True, patches: bool = False,
                 projected: bool = False) -> None:  # fmt: skip
        super().__init__()
        self.levels, self.skip, self.channels = tuple(levels), skip, channels
        self.alpha = 1.0  # weight of the path from the newest level while `transition = fade` blends it in
        self.recompute = 0  # as in Generator
        self.films = nn.ModuleDict(
            {str(r): ConvFromPicture2d(channels, maps[r // 2], 4, 2, 1, bias=False) for r in (levels if skip else levels[-1:])}
        )
        self.lowest = levels[0] if skip else levels[-1]  # the film is halved down to here
        self.blocks = nn.ModuleDict()
        resolution = levels[-1] // 2
        while resolution >= 8:
            maps_in, maps_out = maps[resolution], maps[resolution // 2]
            self.blocks[str(resolution)] = nn.Sequential(nn.Conv2d(maps_in, maps_out, 4, 2, 1, bias=False), batch_norm(maps_out))
            resolution //= 2
        judged = [r // 8 for r in (levels if skip else levels[-1:]) if patches and r >= 32]
        self.patches = nn.ModuleDict({str(r): nn.Conv2d(maps[r], 1, 1, bias=False) for r in judged})
        self.activate = nn.LeakyReLU(SLOPE, inplace=True)
        self.last = nn.Conv2d(maps[4], 1, 4, 1, 0, bias=False)  # (b, maps[4], 4, 4) -> (b, 1, 1, 1)
        self.projected = Projected() if projected else None

    def forward(self, films: Tensor, verdicts: bool = False) -> Tensor | Verdicts:
        names, x = list(self.blocks), films
        first, rest = names[: self.recompute], names[self.recompute :]
        h, x, high = recomputed(self, self._first, x, first) if first else self._first(x, first)
        h, x, low = self._down(h, x, rest)
        logits = self.last(h).flatten().float()  # losses take 32 bits, also under autocast
        if not verdicts:
            return logits
        patches = tuple(self.patches[name](seen).flatten(1).float() for name, seen in (*high, *low))
        return Verdicts(logits, patches, self.projected(films) if self.projected else ())

    def _first(self, x: Tensor, names: list[str]) -> tuple[Tensor, Tensor, list[tuple[str, Tensor]]]:
        return self._down(self.activate(self.films[str(self.levels[-1])](x)), x, names)

    def _down(self, h: Tensor, x: Tensor, names: list[str]) -> tuple[Tensor, Tensor, list[tuple[str, Tensor]]]:
        """Through the blocks `names`: features h and the film x, each halved at every one; and the features that patches are judged by."""
        seen = []
        below = self.levels[-2] if len(self.levels) > 1 else 0
        for name in names:
            h, resolution = self.blocks[name](h), int(name)
            x = halve(x) if resolution >= self.lowest else x
            if str(resolution) in self.films:  # x is now at this level's resolution
                if resolution == below and self.alpha != 1.0:
                    h = h.mul_(self.alpha)
                h = h.add_(self.films[str(resolution)](x))  # in place: batch norm does not need what it put out
            h = self.activate(h)
            if (reached := str(resolution // 2)) in self.patches:
                seen.append((reached, h))
        return h, x, seen


def recomputed(network: nn.Module, stage: Callable[..., Any], x: Tensor, *rest: Any) -> Any:
    """`stage(x, *rest)` of `network`; backward computes its insides again instead of keeping them (Chen et al. 2016).

    The gradients are the same, bit for bit; batch norm uses the same statistics of the batch, and its running ones move once.
    """
    return checkpoint(stage, x, *rest, use_reentrant=False, preserve_rng_state=False,
                      context_fn=lambda: (nullcontext(), without_statistics(network)))  # fmt: skip


@contextmanager
def without_statistics(network: nn.Module) -> Iterator[None]:
    """Batch norm normalises by the batch as it does in training, and its running statistics stay as they are."""
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    kept = [dict(norm.named_buffers()) for norm in norms]
    for norm, buffers in zip(norms, kept, strict=True):
        for name, buffer in buffers.items():
            setattr(norm, name, buffer.clone())  # moved in vain
    try:
        yield
    finally:
        for norm, buffers in zip(norms, kept, strict=True):
            for name, buffer in buffers.items():
                setattr(norm, name, buffer)
