"""A DCGAN as the PyTorch tutorial has it, carried on to any resolution: what every other way is measured against.

It knows nothing of this project: no memory format, no allocator settings, gradients into D's weights in G's step too, plain
Adam, feature maps that double without a cap.
"""

import itertools

import torch
from torch import nn


def networks(resolution: int, maps: int) -> tuple[nn.Module, nn.Module]:
    """G: latents (b, 100, 1, 1) -> films (b, 1, r, r); D: films -> probabilities (b, 1, 1, 1)."""
    widths = [maps]
    while resolution // 2 // 2 ** len(widths) >= 4:
        widths.append(widths[-1] * 2)
    up = [nn.ConvTranspose2d(100, widths[-1], 4, 1, 0, bias=False), nn.BatchNorm2d(widths[-1]), nn.ReLU(True)]
    for wide, narrow in zip(widths[:0:-1], widths[-2::-1], strict=True):
        up += [nn.ConvTranspose2d(wide, narrow, 4, 2, 1, bias=False), nn.BatchNorm2d(narrow), nn.ReLU(True)]
    generator = nn.Sequential(*up, nn.ConvTranspose2d(maps, 1, 4, 2, 1, bias=False), nn.Tanh())
    down = [nn.Conv2d(1, maps, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, True)]
    for narrow, wide in itertools.pairwise(widths):
        down += [nn.Conv2d(narrow, wide, 4, 2, 1, bias=False), nn.BatchNorm2d(wide), nn.LeakyReLU(0.2, True)]
    return generator, nn.Sequential(*down, nn.Conv2d(widths[-1], 1, 4, 1, 0, bias=False), nn.Sigmoid())


def step(resolution: int, batch: int, maps: int, device: str = "cpu"):
    """A function that makes one step on random films."""
    generator, discriminator = (network.to(device) for network in networks(resolution, maps))
    adam_g, adam_d = (torch.optim.Adam(net.parameters(), 0.0002, (0.5, 0.999)) for net in (generator, discriminator))
    loss = nn.BCELoss()
    real = torch.rand(batch, 1, resolution, resolution, device=device) * 2 - 1

    def once() -> None:
        ones, zeros = torch.ones(batch, device=device), torch.zeros(batch, device=device)
        discriminator.zero_grad()
        loss(discriminator(real).flatten(), ones).backward()
        fake = generator(torch.randn(batch, 100, 1, 1, device=device))
        loss(discriminator(fake.detach()).flatten(), zeros).backward()
        adam_d.step()
        generator.zero_grad()
        loss(discriminator(fake).flatten(), ones).backward()
        adam_g.step()

    return once
