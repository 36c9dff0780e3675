"""Checkerboards: how the stamps of a transposed convolution overlap, the spectrum they leave, and what helps against them.

The measure is the report's own (`measures.checkerboard`, after Odena et al. 2016); no network looks at the films for it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .building import initialise
from .description import PERIODS, Description, describe, stack
from .features import FeatureNetwork
from .measures import checkerboard
from .networks import Generator, feature_maps
from .pool import Pool
from .small_dcgan import copied_up, small_generator, thin_up

LOOK = FeatureNetwork("mean grey", 8, lambda film: film.mean((2, 3)))  # a description wants features, and this measure none


def overlaps(size: int, kernel: int, stride: int, padding: int = 0) -> np.ndarray:
    """(n, n): how many of the size x size inputs reach each output of a transposed convolution, counted by running one on ones."""
    ones = torch.ones(1, 1, size, size)
    return F.conv_transpose2d(ones, torch.ones(1, 1, kernel, kernel), stride=stride, padding=padding)[0, 0].numpy()


def is_even(kernel: int, stride: int) -> bool:
    """Whether inside the picture every output is reached equally often: where the stride divides the kernel."""
    inner = overlaps(4 * kernel + 4, kernel, stride)[kernel:-kernel, kernel:-kernel]
    return bool((inner == inner[0, 0]).all())


def made_by(resolution: int, maps: int = 8, latent_dim: int = 32) -> dict[str, tuple[Callable[[], nn.Module], str]]:
    """Ways to enlarge, by name: what makes the generator, and how its kernels start (`building.initialise`)."""
    small = partial(small_generator, resolution, maps, latent_dim)
    ours = partial(Generator, (resolution,), feature_maps(resolution, maps, 0), latent_dim, skip=False)
    return {
        "kernel 3, stride 2": (partial(small, up=thin_up), "normal"),
        "kernel 4, stride 2": (ours, "normal"),
        "  bilinear start": (ours, "bilinear"),
        "SmoothUp": (partial(ours, smooth_from=4), "normal"),
        "copied, then 3 x 3": (partial(small, up=copied_up), "normal"),
    }


def untrained(make: Callable[[], nn.Module], kernels: str, count: int = 32, latent_dim: int = 32, seed: int = 0) -> Tensor:
    """(count, 1, r, r): what a generator makes before its first step, each picture stretched over [-1, 1] to be seen."""
    generator = make()
    initialise(generator, torch.Generator().manual_seed(seed), kernels)
    with torch.no_grad():
        made = generator(torch.randn(count, latent_dim, generator=torch.Generator().manual_seed(seed + 1)))
    low, high = made.amin((1, 2, 3), keepdim=True), made.amax((1, 2, 3), keepdim=True)
    return 2 * (made - low) / (high - low) - 1


def board(films: Tensor, real: Tensor) -> float:
    """`measures.checkerboard` of `films` beside `real`, both (n, 1, r, r) in [-1, 1]: dB by which the worst grid stands out more."""
    pool = Pool(_described(films), _described(real))
    return checkerboard(pool, pool.candidate_at, pool.reference_at)


def board_by_period(films: Tensor, real: Tensor) -> dict[int, float]:
    """The same for the grids of 2 and 4 pixels apart, r from 64 up: where one is below 0 real films have more of it."""
    found = _described(films).lattice.mean(0) - _described(real).lattice.mean(0)
    return {period: float(value) for period, value in zip(PERIODS[:2], found[:2], strict=True)}


def _described(films: Tensor) -> Description:
    grey = ((films[:, 0].clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).numpy()
    return stack([describe(film, LOOK, seed=0) for film in grey])


def mean_spectrum(films: Tensor) -> np.ndarray:
    """(r, r) in dB: mean power by frequency, the film's mean in the middle, 1 / (2 pixels) at the borders; a Hann window takes the edges off."""
    side = films.shape[-1]
    window = np.hanning(side + 1)[:-1]
    grey = films[:, 0].numpy()
    flat = (grey - grey.mean((1, 2), keepdims=True)) * window[:, None] * window
    return 10 * np.log10(np.fft.fftshift((np.abs(np.fft.fft2(flat)) ** 2).mean(0) / side**2) + 1e-12)
