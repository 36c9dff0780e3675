"""A DCGAN small enough to train in seconds, put together from exchangeable parts, and ten of them in each of which a rule is broken.

For notebook 02. The networks are those of the PyTorch tutorial, smaller: a list of layers each, no options but the parts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from . import phantom
from .building import initialise
from .networks import SLOPE, feature_maps
from .objectives import discriminator_loss, generator_loss

Part = Callable[[int, int], list[nn.Module]]  # maps in, maps out -> layers that change the resolution by a factor of two
Make = Callable[[], nn.Module]
leaky: Make = partial(nn.LeakyReLU, SLOPE)


def strided_up(maps_in: int, maps_out: int) -> list[nn.Module]:
    """Rule 1, up: (b, maps_in, n, n) -> (b, maps_out, 2n, 2n), learned."""
    return [nn.ConvTranspose2d(maps_in, maps_out, 4, 2, 1, bias=False)]


def thin_up(maps_in: int, maps_out: int) -> list[nn.Module]:
    """The same with a kernel of 3: rule 1 is kept, and the stamps overlap unevenly. `output_padding` fills up to 2n."""
    return [nn.ConvTranspose2d(maps_in, maps_out, 3, 2, 1, output_padding=1, bias=False)]


def copied_up(maps_in: int, maps_out: int) -> list[nn.Module]:
    """Rule 1 broken: every pixel copied four times, then an ordinary convolution."""
    return [nn.Upsample(scale_factor=2), nn.Conv2d(maps_in, maps_out, 3, 1, 1, bias=False)]


def strided_down(maps_in: int, maps_out: int) -> list[nn.Module]:
    """Rule 1, down: (b, maps_in, 2n, 2n) -> (b, maps_out, n, n), learned."""
    return [nn.Conv2d(maps_in, maps_out, 4, 2, 1, bias=False)]


def level_on(maps_in: int, maps_out: int) -> list[nn.Module]:
    """(b, maps_in, n, n) -> (b, maps_out, n, n): an ordinary convolution, for where pooling does the halving."""
    return [nn.Conv2d(maps_in, maps_out, 3, 1, 1, bias=False)]


def small_generator(resolution: int = 32, maps: int = 8, latent_dim: int = 32, *, up: Part = strided_up, norm: bool = True,
                    inside: Make = nn.ReLU, output: tuple[Make, ...] = (nn.Tanh,)) -> nn.Sequential:  # fmt: skip
    """z (b, latent_dim) -> pictures (b, 1, resolution, resolution); `maps` at half the resolution, doubling towards 4 x 4."""
    widths = list(feature_maps(resolution, maps, 0).values())[::-1]  # from 4 x 4 up
    layers = [nn.Unflatten(1, (latent_dim, 1, 1)), nn.ConvTranspose2d(latent_dim, widths[0], 4, 1, 0, bias=False)]
    for width, wider in zip(widths, [*widths[1:], 1], strict=True):
        layers += [*([nn.BatchNorm2d(width)] if norm else []), inside(), *up(width, wider)]
    return nn.Sequential(*layers, *(part() for part in output))


def small_discriminator(resolution: int = 32, maps: int = 8, *, down: Part = strided_down, norm: bool = True, norm_first: bool = False,
                        inside: Make = leaky, then: tuple[Make, ...] = ()) -> nn.Sequential:  # fmt: skip
    """Films (b, 1, resolution, resolution) -> logits (b, 1). `then` follows each activation: a pooling layer, where rule 1 is broken."""
    widths = list(feature_maps(resolution, maps, 0).values())
    layers: list[nn.Module] = []
    for place, (before, width) in enumerate(zip([1, *widths[:-1]], widths, strict=True)):
        layers += [*down(before, width), *([nn.BatchNorm2d(width)] if (norm if place else norm_first) else []), inside(), *(part() for part in then)]
    return nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 4, 1, 0, bias=False), nn.Flatten())


def dense_generator(resolution: int = 32, hidden: int = 256, latent_dim: int = 32) -> nn.Sequential:
    """Rule 2 broken: z (b, latent_dim) -> pictures (b, 1, resolution, resolution), every number joined to every other."""
    return nn.Sequential(
        nn.Linear(latent_dim, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU(),
        nn.Linear(hidden, resolution**2, bias=False), nn.Tanh(), nn.Unflatten(1, (1, resolution, resolution)),
    )  # fmt: skip


@dataclass(frozen=True)
class Variant:
    """A pair of networks: how to make them, and which rule each of them breaks (0: none)."""

    generator: Callable[[], nn.Sequential] = small_generator
    discriminator: Callable[[], nn.Sequential] = small_discriminator
    rule_g: int = 0
    rule_d: int = 0


_without = {"norm": False}
VARIANTS = {
    "all rules kept": Variant(),
    "copied upwards": Variant(partial(small_generator, up=copied_up), rule_g=1),
    "max pooling in D": Variant(discriminator=partial(small_discriminator, down=level_on, then=(partial(nn.MaxPool2d, 2),)), rule_d=1),
    "G fully connected": Variant(dense_generator, rule_g=2),
    "no batch norm": Variant(partial(small_generator, **_without), partial(small_discriminator, **_without), 3, 3),
    "batch norm everywhere": Variant(
        partial(small_generator, output=(partial(nn.BatchNorm2d, 1), nn.Tanh)), partial(small_discriminator, norm_first=True), 3, 3
    ),
    "Sigmoid inside G": Variant(partial(small_generator, inside=nn.Sigmoid), rule_g=4),
    "LeakyReLU inside G": Variant(partial(small_generator, inside=leaky), rule_g=4),
    "Sigmoid at G's output": Variant(partial(small_generator, output=(nn.Sigmoid,)), rule_g=4),
    "nothing at G's output": Variant(partial(small_generator, output=()), rule_g=4),
    "ReLU in D": Variant(discriminator=partial(small_discriminator, inside=nn.ReLU), rule_d=5),
}


def phantom_batch(count: int, resolution: int, label_class: str = "normal") -> Tensor:
    """(count, 1, resolution, resolution) phantom films in [-1, 1], as networks see them."""
    drawn = np.stack([film for film, _ in phantom.films(count, label_class, resolution)])
    return torch.from_numpy(drawn)[:, None] * 2 - 1


@dataclass(frozen=True)
class Played:
    """What came of a game: 64 films (64, 1, r, r) of fixed latents; D's mean belief in real and in fake over the last fifth of the steps."""

    films: Tensor
    d_real: float
    d_fake: float


def play(generator: nn.Module, discriminator: nn.Module, films: Tensor, latent_dim: int = 32, steps: int = 300, seed: int = 0,
         learning_rate: float = 0.001, batch_size: int = 16, kernels: str = "normal") -> Played:  # fmt: skip
    """The game of equation 1 on `films` (n, 1, r, r) in [-1, 1], from weights drawn as `kernels` says, the plainest way: one loop."""
    rng = torch.Generator().manual_seed(seed)
    for network in (generator, discriminator):
        initialise(network, rng, kernels)
    adam_g, adam_d = (torch.optim.Adam(n.parameters(), learning_rate, (0.5, 0.999)) for n in (generator, discriminator))
    beliefs = []
    for _ in range(steps):
        real = films[torch.randint(len(films), (batch_size,), generator=rng)]
        fake = generator(torch.randn(batch_size, latent_dim, generator=rng))
        on_real, on_fake = discriminator(real), discriminator(fake.detach())
        adam_d.zero_grad()
        discriminator_loss(on_real, on_fake).backward()
        adam_d.step()
        adam_g.zero_grad()
        generator_loss(discriminator(fake)).backward(inputs=list(generator.parameters()))  # D's are not needed here
        adam_g.step()
        beliefs.append((on_real.sigmoid().mean().item(), on_fake.sigmoid().mean().item()))
    with torch.no_grad():
        made = generator(torch.randn(64, latent_dim, generator=torch.Generator().manual_seed(seed + 1)))
    last = torch.tensor(beliefs[-max(1, steps // 5) :]).mean(0)
    return Played(made, float(last[0]), float(last[1]))
