"""A GAN small enough to watch: two little networks, points in the plane for films, the losses of `objectives.py`.

A latent is a point of the square [-1, 1] x [-1, 1]; G moves it, D says how real the place is where it comes down. Everything is
drawn from seeded generators: on one machine the same seed plays the same game, to the last bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn

from .objectives import discriminator_loss, generator_loss, probability_real
from .toy_measures import POINTS, covered, divergence, divergence_floor
from .toy_shapes import EXTENT, Shape, shape


class Source(Protocol):
    """Where real batches come from: a `Shape`, or films as in `toy_films.py`."""

    def sample(self, count: int, rng: torch.Generator) -> Tensor:
        """(count, d) real points."""


@dataclass
class Game:
    """Two players, their optimisers and rules, and what they have done so far."""

    source: Source
    generator: nn.Module
    discriminator: nn.Module
    optimizer_g: torch.optim.Optimizer
    optimizer_d: torch.optim.Optimizer
    rng: torch.Generator
    latent_dim: int = 2
    batch: int = 128
    labels: str = "standard"  # or flipped, as in `objectives.py`
    kind: str = "non_saturating"  # or saturating
    objective: str = "bce"  # or hinge, least_squares
    moves_d: int = 0
    moves_g: int = 0
    floor: float = math.nan  # what `divergence` says of two real batches; films have none
    history: list[dict[str, float]] = field(default_factory=list)

    def latents(self, count: int) -> Tensor:
        """(count, latent_dim), uniform from -1 to 1."""
        return 2 * torch.rand(count, self.latent_dim, generator=self.rng) - 1


def new_game(what: str | Shape = "eight Gaussians", seed: int = 0, learning_rate_d: float = 2e-3, learning_rate_g: float = 2e-3,
             hidden: int = 64, **rules) -> Game:  # fmt: skip
    """A game in the plane before its first move. `rules`: batch, labels, kind, objective. Raises InputError for an unknown shape."""
    cloud = shape(what) if isinstance(what, str) else what
    generator, discriminator = players(seed, 2, 2, hidden)
    rng = torch.Generator().manual_seed(seed)
    game = Game(cloud, generator, discriminator, adam(generator, learning_rate_g), adam(discriminator, learning_rate_d), rng, **rules)
    game.floor = divergence_floor(cloud, seed)
    return game


def players(seed: int, latent_dim: int, size: int, hidden: int) -> tuple[nn.Sequential, nn.Sequential]:
    """G from `latent_dim` to `size` numbers, D from `size` numbers to one logit; weights a function of `seed` alone."""
    with torch.random.fork_rng(devices=[]):  # layers draw their weights from the global generator: give it back as it was
        torch.manual_seed(seed)
        return network(latent_dim, size, hidden), network(size, 1, hidden)


def network(inputs: int, outputs: int, hidden: int) -> nn.Sequential:
    """Three fully connected layers."""
    return nn.Sequential(nn.Linear(inputs, hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, outputs))


def adam(player: nn.Module, learning_rate: float) -> torch.optim.Adam:
    """Adam with the momenta of DCGAN (Radford et al. 2015)."""
    return torch.optim.Adam(player.parameters(), lr=learning_rate, betas=(0.5, 0.999), fused=True)


def move_d(game: Game) -> dict[str, float]:
    """D moves, G stands: one step on a real and a fake batch. Returns loss_d, d_real, d_fake, as they were before the step."""
    real = game.source.sample(game.batch, game.rng)
    with torch.no_grad():  # no way back into G: this is D's move
        fake = game.generator(game.latents(game.batch))
    real_logits, fake_logits = game.discriminator(real)[:, 0], game.discriminator(fake)[:, 0]
    loss = discriminator_loss(real_logits, fake_logits, game.labels, objective=game.objective)
    game.optimizer_d.zero_grad()
    loss.backward()
    game.optimizer_d.step()
    game.moves_d += 1
    d_real, d_fake = (probability_real(said.detach(), game.labels, game.objective).mean().item() for said in (real_logits, fake_logits))
    return {"loss_d": loss.item(), "d_real": d_real, "d_fake": d_fake}


def move_g(game: Game) -> dict[str, float]:
    """G moves, D stands: the gradient goes through D to the fakes and on into G, and only G steps. Returns loss_g."""
    fake = game.generator(game.latents(game.batch))
    loss = generator_loss(game.discriminator(fake)[:, 0], game.labels, game.kind, game.objective)
    game.optimizer_g.zero_grad()
    loss.backward()  # fills D's gradients too; D's next move clears them
    game.optimizer_g.step()
    game.moves_g += 1
    return {"loss_g": loss.item()}


def play(game: Game, turns: int, moves_d: int = 1, moves_g: int = 1, every: int = 10) -> None:
    """`turns` turns: first D moves, then G against the new D. Every `every` turns a row goes into the history."""
    for turn in range(1, turns + 1):
        said = {}
        for _ in range(moves_d):
            said |= move_d(game)
        for _ in range(moves_g):
            said |= move_g(game)
        if turn % every == 0:
            log(game, said)


def log(game: Game, said: dict[str, float]) -> None:
    """A row of the history, in the words of history.csv; where the players live in the plane, with divergence and modes covered."""
    last = game.history[-1] if game.history else {"loss_d": math.nan, "loss_g": math.nan, "d_real": math.nan, "d_fake": math.nan}
    row = {**last, "step": game.moves_d, "moves_g": game.moves_g, **said}
    if isinstance(game.source, Shape):
        rng = torch.Generator().manual_seed(game.moves_d + game.moves_g)  # its own: looking must not change the game
        with torch.no_grad():
            fake = game.generator(2 * torch.rand(POINTS, 2, generator=rng) - 1)
        row["divergence"] = divergence(game.source.sample(POINTS, rng), fake)
        row["covered"] = covered(fake, game.source)
    game.history.append(row)


@dataclass(frozen=True)
class View:
    """What there is to see of a game in the plane at one moment."""

    field: Tensor  # (n, n) D's belief that a place is real, rows from below
    grid: Tensor  # (m, m, 2) where G puts a lattice of the latent square
    real: Tensor  # (k, 2)
    fake: Tensor  # (k, 2)
    pull: Tensor  # (k, 2) the direction in which each fake would lower G's loss, and how steeply


def look(game: Game, points: int = 180, cells: int = 60, lines: int = 17, raw: bool = False) -> View:
    """The same real points and latents at every look, so that two views can be compared; the game is left as it was.

    `raw`: the field is what D puts out, D(x), which with flipped labels is its belief that a place is fake.
    """
    rng = torch.Generator().manual_seed(2014)
    real, latents = game.source.sample(points, rng), 2 * torch.rand(points, 2, generator=rng) - 1
    along, across = torch.linspace(-EXTENT, EXTENT, cells), torch.linspace(-1, 1, lines)
    with torch.no_grad():
        places = torch.cartesian_prod(along, along).flip(1)  # x runs fastest
        belief = probability_real(game.discriminator(places)[:, 0], "standard" if raw else game.labels, game.objective)
        grid = game.generator(torch.cartesian_prod(across, across))
        fake = game.generator(latents)
    return View(belief.reshape(cells, cells), grid.reshape(lines, lines, 2), real, fake, pull(game, fake))


def pull(game: Game, fake: Tensor) -> Tensor:
    """(k, 2): minus the gradient of each fake's own loss with respect to where it lies. It is all that G ever learns from D."""
    at = fake.detach().clone().requires_grad_(True)
    loss = generator_loss(game.discriminator(at)[:, 0], game.labels, game.kind, game.objective)
    return -torch.autograd.grad(loss, at)[0] * len(at)  # the loss is a mean: times its count, each fake's own
