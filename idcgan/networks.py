"""The generator and the discriminator, level by level, and how they grow.

Both follow the five rules of DCGAN (paper, section 3.1; Radford et al. 2015): `check_dcgan_rules` in `rules.py` proves it
on any network. Layers are named by the resolution they take, so that growing is: build the taller network, copy
every layer that has the same name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils.checkpoint import checkpoint

from .config import RunConfig
from .crops import MARGIN, PatchDiscriminator, corners_of, cut, cut_at
from .fast_layers import ConvFromPicture2d, batch_norm
from .fixed_maps import enlarge, halve
from .layers import FineHead, Grain, SmoothUp, Up, grain_of
from .objectives import Verdicts
from .projected import Projected

fx.wrap("enlarge")  # the check of the rules looks at layers, not into these: fixed kernels, nothing in them is learned
fx.wrap("halve")
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
    cannot have (Denton et al. 2015): a crop does not say how bright a lung should be.
    """

    def __init__(self, levels: tuple[int, ...], maps: dict[int, int], latent_dim: int = 100, channels: int = 1,
                 skip: bool = True, blur: bool = False, edges: str = "zeros", smooth_from: int = 0, grain: bool = False,
                 fine_from: int = 0, crops_from: int = 0) -> None:  # fmt: skip
        super().__init__()
        self.levels, self.latent_dim, self.skip, self.crops_from = tuple(levels), latent_dim, skip, crops_from

        def up(maps_in: int, maps_out: int, to: int, picture: bool = False) -> nn.Module:
            if picture and fine_from and to >= fine_from:
                return FineHead(maps_in, max(1, maps_in // 2), maps_out, grain)
            if smooth_from and to >= smooth_from:
                return SmoothUp(maps_in, maps_out, edges)
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
                picture = enlarge(picture)
            if part is not None:
                weight = self.alpha if 2 * int(name) == self.levels[-1] else 1.0
                picture = part if picture is None else picture.add_(part, alpha=weight)  # in place: enlarge has just made it
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
        return h, part - enlarge(halve(part)) if self.crops_from and int(head) >= self.crops_from else part

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


def build(config: RunConfig, level: int, seed: int) -> tuple[Generator, Discriminator]:
    """Both networks for level index `level`, weights drawn as in DCGAN from a seed of their own."""
    generator, discriminator = build_generator(config, level), build_discriminator(config, level)
    rng = torch.Generator().manual_seed(seed)
    initialise(generator, rng, config.kernels)
    initialise(discriminator, rng, config.kernels)
    if config.on_crops(level):
        generator.crop = config.crop
        generator.freeze()
    return generator, discriminator


def build_discriminator(config: RunConfig, level: int) -> Discriminator | PatchDiscriminator:
    """The discriminator for level index `level`, weights as PyTorch leaves them."""
    if config.on_crops(level):
        return PatchDiscriminator(config.resolutions[level], config.channels, config.crop_maps, config.detail_at(level))
    maps = feature_maps(config.resolutions[-1], config.feature_maps_d, config.max_feature_maps, config.min_feature_maps)
    return Discriminator(config.resolutions[: level + 1], maps, config.channels, config.growth == "preserve", config.patches, config.projected)


def build_generator(config: RunConfig, level: int) -> Generator:
    """The generator for level index `level`, weights as PyTorch leaves them: to be initialised or loaded."""
    maps = feature_maps(config.resolutions[-1], config.feature_maps_g, config.max_feature_maps, config.min_feature_maps)
    skip = config.growth == "preserve"
    return Generator(config.resolutions[: level + 1], maps, config.latent_dim, config.channels, skip, config.blur, config.edges, config.smooth_from,
                     config.grain, 1 if config.fine_head else config.crops_from, config.crops_from)  # fmt: skip


def initialise(network: nn.Module, rng: torch.Generator, kernels: str = "normal") -> None:
    """Batch-norm scales from N(1, 0.02), shifts 0, and convolutions by `kernels`.

    normal: N(0, 0.02) (Radford et al. 2015, section 4). he: N(0, 2 / terms of a sum) (He et al. 2015), half the variance and half the
    size where a picture or a verdict comes out. In narrow layers these weights are several times as large, and Adam, whose steps have the size
    of the learning rate, turns them more slowly: it can then be raised. bilinear: as he, but transposed convolutions start as bilinear enlargement
    under random mixes of maps, which has no checkerboard in it.
    """
    for name, module in network.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02, generator=rng)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            spread = 0.02 if kernels == "normal" else _he(module, comes_out=name.startswith("heads.") or module.out_channels == 1)
            if kernels == "bilinear" and isinstance(module, nn.ConvTranspose2d) and module.stride[0] == 2:
                row = torch.tensor([1.0, 3.0, 3.0, 1.0])
                kernel = torch.outer(row, row) / torch.outer(row, row).square().mean().sqrt()
                mix = torch.empty(*module.weight.shape[:2], 1, 1).normal_(0.0, spread, generator=rng)
                with torch.no_grad():
                    module.weight.copy_(mix * kernel)
            else:
                nn.init.normal_(module.weight, 0.0, spread, generator=rng)


def _he(layer: nn.Conv2d | nn.ConvTranspose2d, comes_out: bool) -> float:
    terms = layer.in_channels * layer.kernel_size[0] ** 2  # of the sum that one output is
    if isinstance(layer, nn.ConvTranspose2d):
        terms //= layer.stride[0] ** 2
    return 0.5 * terms**-0.5 if comes_out else (2 / terms) ** 0.5


def grow(config: RunConfig, level: int, seed: int, generator: Generator, discriminator: Discriminator) -> tuple[Generator, Discriminator]:
    """The networks of level `level` from those of the level below; the old ones are left as they are.

    preserve: every layer is kept, and what is new starts silent, so G(z) is the old picture enlarged and D(x) the old
    verdict on the halved film (with transition = fade the new layers start as drawn, and `alpha` = 0 silences them).
    reset: layers between the latent and the old resolution are kept, the outer ones are new. scratch: all new.
    At a level on crops D is a new one, which judges patches.
    """
    taller_g, taller_d = build(config, level, seed)
    if config.growth == "scratch":
        return taller_g, taller_d
    on_crops = config.on_crops(level)
    for taller, old in ((taller_g, generator), (taller_d, discriminator))[: 1 if on_crops else 2]:
        taller.load_state_dict({**taller.state_dict(), **{k: v for k, v in old.state_dict().items() if k in taller.state_dict()}})
    if on_crops:
        silence_head(taller_g)
    elif config.growth == "preserve":
        if config.transition == "fade":
            taller_g.alpha = taller_d.alpha = 0.0
        else:
            silence(taller_g, taller_d)
    return taller_g, taller_d


def silence(generator: Generator, discriminator: Discriminator) -> None:
    """Zero the newest head of G, the scale of the last batch norm on D's newest path and its newest verdict on patches: they learn from there."""
    silence_head(generator)
    norm = discriminator.blocks[str(discriminator.levels[-2])][1]
    nn.init.zeros_(norm.weight)
    nn.init.zeros_(norm.bias)
    if str(discriminator.levels[-1] // 8) in discriminator.patches:
        nn.init.zeros_(discriminator.patches[str(discriminator.levels[-1] // 8)].weight)


def silence_head(generator: Generator) -> None:
    """Zero the newest head of G: its films are those of the level below, enlarged."""
    nn.init.zeros_(generator.heads[str(generator.levels[-1])].conv.weight)


def same_layers(old: nn.Module, new: nn.Module) -> dict[str, tuple[nn.Parameter, nn.Parameter]]:
    """Parameters that both networks have, by name: what an optimiser's memory can be carried over for."""
    theirs = dict(old.named_parameters())
    return {name: (theirs[name], p) for name, p in new.named_parameters() if name in theirs}


def standing_statistics(generator: Generator, batch_size: int, seed: int, batches: int = 16) -> None:
    """Estimate the batch-norm statistics anew over `batches` batches of latents, and leave the network in eval mode.

    An averaged or freshly grown generator carries statistics of other weights; with these, film i does not depend on
    its neighbours in the batch ("standing statistics", Brock et al. 2019, appendix).
    """
    rng = torch.Generator().manual_seed(seed)
    generator.train()
    norms = [m for m in generator.modules() if isinstance(m, nn.BatchNorm2d) and m.training]  # frozen ones have theirs
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # None: a plain mean over all batches
    device = next(generator.parameters()).device
    with torch.no_grad():
        for _ in range(batches):
            generator(torch.randn(batch_size, generator.latent_dim, generator=rng).to(device))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    generator.eval()
