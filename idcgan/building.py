"""How both networks are built for a level, how their weights start, and how they grow.

Layers are named by the resolution they take, so that growing is: build the taller network, copy every layer that has the same name.
"""

from __future__ import annotations

import torch
from torch import nn

from .config import RunConfig
from .crops import PatchDiscriminator
from .networks import Discriminator, Generator, feature_maps


def build(config: RunConfig, level: int, seed: int) -> tuple[Generator, Discriminator | PatchDiscriminator]:
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
                     config.grain, 1 if config.fine_head else config.crops_from, config.crops_from, config.lagrange_from,
                     config.spline_from)  # fmt: skip


def initialise(network: nn.Module, rng: torch.Generator, kernels: str = "normal") -> None:
    """Batch-norm scales from N(1, 0.02), shifts 0, and convolutions by `kernels`.

    normal: N(0, 0.02) (Radford et al. 2015, section 4). he: N(0, 2 / terms of a sum) (He et al. 2015), half the variance and half the
    size where a picture or a verdict comes out. In narrow layers these weights are several times as large, and Adam, whose steps have the size
    of the learning rate, turns them more slowly: it can then be raised. bilinear: as he, but transposed convolutions start as bilinear enlargement
    under random mixes of maps, which has no checkerboard in it.
    Two layers are counted otherwise than He would: G's first, whose outputs are sums of latent_dim terms, starts four times smaller, and the
    hidden one of a fine head is taken for one where a picture comes out.
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


def grow(config: RunConfig, level: int, seed: int, generator: Generator, discriminator: Discriminator | PatchDiscriminator | None
         ) -> tuple[Generator, Discriminator | PatchDiscriminator]:  # fmt: skip
    """The networks of level `level` from those of the level below; the old ones are left as they are.

    preserve: every layer is kept, and what is new starts silent, so G(z) is the old picture enlarged and D(x) the old
    verdict on the halved film (with transition = fade the new layers start as drawn, and `alpha` = 0 silences them;
    D's new verdict on patches starts silent there too).
    reset: layers between the latent and the old resolution are kept, the outer ones are new. scratch: all new.
    At a level on crops, whatever the transition, G's new head starts silent, and D is a new one, which judges patches (the old one may be None).
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
        silence_patches(taller_d)
        if config.transition == "fade":
            taller_g.alpha = taller_d.alpha = 0.0
        else:
            silence(taller_g, taller_d)
    return taller_g, taller_d


def silence(generator: Generator, discriminator: Discriminator) -> None:
    """Zero the newest head of G and the scale of the last batch norm on D's newest path: they learn from there."""
    silence_head(generator)
    norm = discriminator.blocks[str(discriminator.levels[-2])][1]
    nn.init.zeros_(norm.weight)
    nn.init.zeros_(norm.bias)


def silence_patches(discriminator: Discriminator) -> None:
    """Zero D's newest verdict on patches, which no `alpha` blends in."""
    if str(discriminator.levels[-1] // 8) in discriminator.patches:
        nn.init.zeros_(discriminator.patches[str(discriminator.levels[-1] // 8)].weight)


def silence_head(generator: Generator) -> None:
    """Zero the newest head of G: its films are those of the level below, enlarged."""
    nn.init.zeros_(generator.heads[str(generator.levels[-1])].conv.weight)


@torch.no_grad()
def balance(generator: Generator) -> None:
    """Make each transposed convolution at stride 2 turn even features into even ones, not into a grid of two pixels; in place.

    Its kernel is four kernels, one for each pixel of a block of 2 x 2. Where their sums differ, even features come out as a grid, the same in
    every film, and behind ReLU as finer ones (Sugawara et al. 2018). Each sum, of maps in by maps out, is set to the mean of the four. What is
    frozen stays.
    """
    for part in generator.newest().values() if generator.frozen else [generator]:
        for layer in part.modules():
            if isinstance(layer, nn.ConvTranspose2d) and layer.stride == (2, 2):
                parts = layer.weight.unflatten(3, (-1, 2)).unflatten(2, (-1, 2))  # (in, out, taps, 2, taps, 2): a view
                means = parts.mean((2, 4), keepdim=True)
                parts.sub_(means - means.mean((3, 5), keepdim=True))


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
