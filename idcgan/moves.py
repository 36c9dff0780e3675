"""One move of both players, and what goes with it: the generator's average, the weight of new layers, what backward keeps.

First D on real and on fake, then G against the new D. Each half of D's loss is taken back through D before the other half is
begun, so that no more than one of D's passes is held in memory: the gradients add up to the same. Where D judges both in one batch,
there is one pass.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .augment import augment
from .building import balance
from .config import RunConfig
from .crew import ALONE, Crew, quiet, together
from .networks import without_statistics
from .objectives import Verdicts, generator_loss, loss_on_fake, loss_on_real, over_verdicts, probability_real
from .state import State
from .tuning import arithmetic, sent


def step(state: State, config: RunConfig, real: Tensor, crew: Crew = ALONE) -> dict[str, Tensor]:
    """One move of both players on `real` (b, c, r, r) in [-1, 1]; in a crew, on this process's part of the films.

    Returns `fake` and the scalars loss_d, loss_g, d_real, d_fake (D's belief in [0, 1] that a film is real, before its
    update), all detached and still on the device.

    With `micro_batch` the batch goes through in parts and their gradients are averaged: the loss is the same mean over all films,
    but batch norm sees the films of one part ("ghost batch norm", Hoffer et al. 2017). What fake is shown to D is made
    again for G's move, which keeps no part's pass in memory and costs one more pass forward through G.
    """
    size = config.micro_batch or len(real)
    z = sent(crew.mine(torch.randn(len(real) * crew.size, config.latent_dim, generator=state.rng)), real.device)
    parts = list(zip(real.split(size), z.split(size), strict=True))
    with together():
        said = move_d(state, config, parts, crew)
        move_g(state, config, parts, said, crew)
    state.step += 1
    state.films_seen += len(real) * crew.size
    if state.average is not None:
        update_average(state.average, state.generator, config.ema, state.step)
    if len(parts) == 1:
        return {name: value.detach() for name, value in said[0].items()}
    return {name: torch.cat([w[name] for w in said]) if name == "fake" else torch.stack([w[name] for w in said]).mean() for name in said[0]}


def move_d(state: State, config: RunConfig, parts: list[tuple[Tensor, Tensor]], crew: Crew) -> list[dict[str, Tensor]]:
    """D moves; what it was shown and what it said, per part. A whole batch's fakes keep G's graph for G's move."""
    generator, whole, said = state.players()[0], len(parts) == 1, []
    state.optimizer_d.zero_grad(set_to_none=True)
    for films, latents in parts:
        with torch.set_grad_enabled(whole), arithmetic(config, films.device):
            fake = (generator if whole else state.generator)(latents)
        judge = in_one_batch if config.in_one_batch(state.level) else one_after_the_other
        real_words, fake_words = judge(state, config, films, fake.detach(), len(parts), len(said) + 1 == len(parts), crew)
        said.append({"fake": fake, "loss_d": real_words[0] + fake_words[0], "d_real": real_words[1], "d_fake": fake_words[1]})
    state.optimizer_d.step()
    return said


Words = tuple[Tensor, Tensor]  # the loss of what D says of whole films, and how likely it holds them for real


def one_after_the_other(state: State, config: RunConfig, real: Tensor, fake: Tensor, parts: int, last: bool, crew: Crew) -> tuple[Words, Words]:
    """D's gradients from a real and a fake batch, each normalised by itself, and its words on both."""
    discriminator, words = state.players()[1], []
    for films, of_real in ((real, True), (fake, False)):
        with quiet(discriminator, of_real or not last):
            with arithmetic(config, films.device):
                verdicts = discriminator(_view(state, config, films, crew), verdicts=True)
            loss, logged = _loss_of_d(config, verdicts, of_real)
            (loss / parts).backward()
        words.append((logged, _belief(config, verdicts)))
    return words[0], words[1]


def in_one_batch(state: State, config: RunConfig, real: Tensor, fake: Tensor, parts: int, last: bool, crew: Crew) -> tuple[Words, Words]:
    """The same from one batch of both: what is stronger in fakes than in real films is then still stronger behind batch norm."""
    discriminator = state.players()[1]
    with quiet(discriminator, not last):
        with arithmetic(config, real.device):
            both = discriminator(torch.cat([_view(state, config, films, crew) for films in (real, fake)]), verdicts=True)
        on_real, on_fake = both.part(slice(None, len(real))), both.part(slice(len(real), None))
        (loss_real, of_real), (loss_fake, of_fake) = _loss_of_d(config, on_real, True), _loss_of_d(config, on_fake, False)
        ((loss_real + loss_fake) / parts).backward()
    return (of_real, _belief(config, on_real)), (of_fake, _belief(config, on_fake))


def _loss_of_d(config: RunConfig, verdicts: Verdicts, of_real: bool) -> tuple[Tensor, Tensor]:
    if of_real:
        return over_verdicts(lambda said: loss_on_real(said, config.labels, config.label_smoothing, config.objective), verdicts)
    return over_verdicts(lambda said: loss_on_fake(said, config.labels, config.objective), verdicts)


def _belief(config: RunConfig, verdicts: Verdicts) -> Tensor:
    return probability_real(verdicts.whole.detach(), config.labels, config.objective).mean()


def move_g(state: State, config: RunConfig, parts: list[tuple[Tensor, Tensor]], said: list[dict[str, Tensor]], crew: Crew) -> None:
    """G moves against the new D; its loss is put into `said`."""
    generator, discriminator = state.players()[0], state.discriminator
    state.optimizer_g.zero_grad(set_to_none=True)
    discriminator.requires_grad_(False)  # G needs D's gradient for the film only; without D's own a third of the pass is saved
    for i, ((films, latents), words) in enumerate(zip(parts, said, strict=True)):
        with quiet(generator, i + 1 < len(parts)):
            with arithmetic(config, films.device):
                if len(parts) == 1:
                    fake = words["fake"]
                else:
                    with without_statistics(state.generator):
                        fake = generator(latents)
                if config.in_one_batch(state.level):
                    both = torch.cat([_view(state, config, seen, crew) for seen in (films, fake)])
                    verdicts = discriminator(both, verdicts=True).part(slice(len(films), None))
                else:
                    verdicts = discriminator(_view(state, config, fake, crew), verdicts=True)
            loss_g, of_fake = over_verdicts(lambda v: generator_loss(v, config.labels, config.generator_loss, config.objective), verdicts)
            (loss_g / len(parts)).backward()
        words["loss_g"] = of_fake
    state.optimizer_g.step()
    if config.balanced_kernels:
        balance(state.generator)
    discriminator.requires_grad_(True)


def _view(state: State, config: RunConfig, films: Tensor, crew: Crew) -> Tensor:
    kinds = () if config.on_crops(state.level) else config.augment  # crops are drawn anew at every step as it is
    return augment(films, kinds, state.rng, config.augment_strength, crew)


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, decay: float, steps: int) -> None:
    """average <- decay * average + (1 - decay) * network, buffers too.

    `steps` are those of the level: the decay starts low, so that the average spans about the last half of a young level.
    With the full decay, layers that are new at a level of 50 steps would be four fifths what they were drawn as.
    """
    weight = 1.0 - min(decay, (1 + steps) / (3 + steps))
    torch._foreach_lerp_(list(average.parameters()), list(network.parameters()), weight)
    for mine, theirs in zip(average.buffers(), network.buffers(), strict=True):
        if mine.is_floating_point():
            mine.lerp_(theirs, weight)
        else:
            mine.copy_(theirs)


def set_alpha(state: State, alpha: float) -> None:
    """The weight of the newest layers while transition = fade blends them in; a network without skips has none to blend."""
    if state.generator.skip:
        for network in (state.generator, state.discriminator, state.average):
            if network is not None:
                network.alpha = alpha
