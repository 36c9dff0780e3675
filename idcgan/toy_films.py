"""The same game with films: a film of 32 x 32 pixels is a point in a space of 1024 dimensions, and `toy.move_d` and `toy.move_g` ask no more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from . import phantom
from .toy import Game, adam, players

RESOLUTION = 32
LATENT_DIM = 32


@dataclass(frozen=True)
class Films:
    """Films as points: `points` (n, resolution^2) in [-1, 1]."""

    points: Tensor

    def sample(self, count: int, rng: torch.Generator) -> Tensor:
        """(count, resolution^2) films, drawn with replacement."""
        return self.points[torch.randint(len(self.points), (count,), generator=rng)]


def phantom_films(count: int, label_class: str = "normal", seed: int = 0) -> Films:
    """`count` phantom films at 32 x 32. Raises InputError."""
    films = np.stack([film for film, _ in phantom.films(count, label_class, RESOLUTION, seed)])
    return Films(torch.from_numpy(films).reshape(count, -1) * 2 - 1)


def new_film_game(films: Films, seed: int = 0, hidden: int = 192, learning_rate: float = 4e-4, batch: int = 64) -> Game:
    """Fully connected players for films: what the paper's second rule does away with."""
    generator, discriminator = players(seed, LATENT_DIM, RESOLUTION**2, hidden)
    generator.append(nn.Tanh())  # grey levels end at -1 and 1
    optimizers = adam(generator, learning_rate), adam(discriminator, learning_rate)
    return Game(films, generator, discriminator, *optimizers, torch.Generator().manual_seed(seed), LATENT_DIM, batch)


@torch.no_grad()
def films_of(game: Game, latents: Tensor) -> np.ndarray:
    """(n, 32, 32) in [-1, 1], what `plots.plot_rows` draws."""
    return game.generator(latents).reshape(-1, RESOLUTION, RESOLUTION).numpy()


def roughness(films: np.ndarray) -> float:
    """The mean step between neighbouring pixels of films (n, h, w) in [-1, 1], in grey levels of 255."""
    return float(np.abs(np.diff(films, axis=2)).mean() * 127.5)
