"""Everything that changes while a run trains, how it grows, and how it is saved and restored bit for bit."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from . import checkpoint, tuning
from .building import balance, build, grow, same_layers, standing_statistics
from .config import RunConfig
from .crops import PatchDiscriminator
from .errors import InputError, WorkError
from .networks import Discriminator, Generator
from .records import RunFolder

POSITION = ("level", "step", "films_seen", "seconds", "level_began", "rows", "moments")
PARTS = ("generator", "discriminator", "average", "optimizer_g", "optimizer_d")


@dataclass
class State:
    """The two players, their optimisers, the random numbers and the place in the run.

    `average` is the generator's running average (EMA), or None. `rng` draws latents and augmentation; it stays on the
    CPU, where it can be saved and draws the same for every device.
    """

    generator: Generator
    discriminator: Discriminator | PatchDiscriminator
    average: Generator | None
    optimizer_g: torch.optim.Optimizer
    optimizer_d: torch.optim.Optimizer
    rng: torch.Generator
    level: int = 0
    step: int = 0  # steps in this level
    films_seen: int = 0
    seconds: float = 0.0  # the run's training clock, over all sittings
    level_began: float = 0.0  # on that clock
    rows: int = 0  # rows of history.csv that belong to this state
    moments: int = 0  # time-lapse pictures taken in this level
    wrapped: tuple[nn.Module, nn.Module] | None = None  # by `Crew.wrap`, anew at each level

    def players(self) -> tuple[nn.Module, nn.Module]:
        """G and D as they are called in training: in a crew, wrapped so that gradients are shared."""
        return self.wrapped or (self.generator, self.discriminator)

    def recompute(self, blocks: int) -> None:
        """How many of the highest blocks of both players backward computes again; see `networks.recomputed`."""
        self.generator.recompute = self.discriminator.recompute = blocks


def start(config: RunConfig, device: torch.device, level: int = 0) -> State:
    """Fresh networks, optimisers and random numbers for level index `level`, all from `config.seed`."""
    generator, discriminator = build(config, level, level_seed(config, level))
    return new_state(config, device, generator, discriminator, level)


def level_seed(config: RunConfig, level: int) -> int:
    """A seed of its own for what is drawn once per level."""
    return config.seed * 1000 + level


def new_state(
    config: RunConfig, device: torch.device, generator: Generator, discriminator: Discriminator | PatchDiscriminator, level: int
) -> State:
    """The first state of level index `level` with these two players."""
    for network in (generator, discriminator):
        network.to(device=device, memory_format=tuning.memory_format(device)).train()
    if config.balanced_kernels:
        balance(generator)
    average = copy.deepcopy(generator).requires_grad_(False) if config.ema else None  # frozen layers are the same in both
    optimizer_g, optimizer_d = (_adam(network, rate, config) for network, rate in zip((generator, discriminator), config.rates(), strict=True))
    rng = torch.Generator().manual_seed(config.seed)
    return State(generator, discriminator, average, optimizer_g, optimizer_d, rng, level)


def _adam(network: nn.Module, learning_rate: float, config: RunConfig) -> torch.optim.Optimizer:
    fused = next(network.parameters()).device.type in ("cpu", "cuda")  # one kernel for all weights
    return torch.optim.Adam([p for p in network.parameters() if p.requires_grad], learning_rate, (config.beta1, config.beta2), fused=fused)


def set_rates(state: State, config: RunConfig, warmth: float) -> None:
    """Both optimisers' learning rates: those of the config times `warmth`."""
    for optimizer, rate in zip((state.optimizer_g, state.optimizer_d), config.rates(), strict=True):
        for group in optimizer.param_groups:
            group["lr"] = rate * warmth


def raise_resolution(state: State, config: RunConfig) -> None:
    """One level up, in place. With growth = preserve the layers that stay keep the optimiser's memory and the average.

    A level on crops is built on the finished generator of the level below, and there is nothing to carry over.
    """
    device = next(state.generator.parameters()).device
    level, on_crops = state.level + 1, config.on_crops(state.level + 1)
    below = finished_generator(state, config) if on_crops else state.generator
    generator, discriminator = grow(config, level, level_seed(config, level), below, state.discriminator)
    taller = new_state(config, device, generator, discriminator, level)
    if config.growth == "preserve" and not on_crops:
        _carry(state.optimizer_g, taller.optimizer_g, state.generator, taller.generator)
        _carry(state.optimizer_d, taller.optimizer_d, state.discriminator, taller.discriminator)
    if state.average is not None and config.growth != "scratch" and not on_crops:
        kept = {k: v for k, v in state.average.state_dict().items() if k in taller.average.state_dict()}
        taller.average.load_state_dict({**taller.average.state_dict(), **kept})
    for name in PARTS:
        setattr(state, name, getattr(taller, name))
    state.wrapped = None
    state.level, state.step, state.moments, state.level_began = level, 0, 0, state.seconds


def finished_generator(state: State, config: RunConfig) -> Generator:
    """A copy of the average (or of the generator where there is none) with batch-norm statistics of its own, in eval mode; it makes whole films."""
    network = copy.deepcopy(state.generator if state.average is None else state.average)
    batch = config.batch_at(state.level)
    size = min(batch, config.micro_batch or batch)  # what training has memory for, and its batch norm has seen
    standing_statistics(network, size, level_seed(config, state.level), batches=16 * batch // size)
    network.crop = 0
    return network


def _carry(old: torch.optim.Optimizer, new: torch.optim.Optimizer, network: nn.Module, taller: nn.Module) -> None:
    for before, after in same_layers(network, taller).values():
        if before in old.state:
            new.state[after] = {k: v.clone() for k, v in old.state[before].items()}


def check_finite(state: State) -> None:
    """Raises WorkError where a weight is NaN or infinite."""
    for network in (state.generator, state.discriminator):
        if not all(bool(torch.isfinite(p).all()) for p in network.parameters()):
            raise WorkError(
                f"training failed at {state.generator.levels[-1]} x {state.generator.levels[-1]}, step {state.step}: a weight is not "
                "a number; the last good checkpoint is kept; try a lower learning_rate and start again."
            )


def save(state: State, config: RunConfig, folder: RunFolder) -> None:
    """checkpoint.pt, atomically; a state with a NaN in it never replaces a good one. Raises WorkError."""
    check_finite(state)
    folder.settle_history()  # or after a power cut the checkpoint would know rows that the disk does not
    parts = {name: getattr(state, name) for name in PARTS}
    checkpoint.save(folder.path / "checkpoint.pt", {
        "format": checkpoint.FORMAT, "config": config.to_dict(), "data": folder.run["data"]["fingerprint"], "rng": state.rng.get_state(),
        "position": {name: getattr(state, name) for name in POSITION},
        **{name: part and part.state_dict() for name, part in parts.items()},
    })  # fmt: skip


def restore(folder: RunFolder, config: RunConfig, device: torch.device) -> State:
    """The state that `save` wrote. Raises InputError for another config or data, WorkError where the file does not fit."""
    content = checkpoint.load(folder.path / "checkpoint.pt")
    refuse_changes(RunConfig.from_dict(content["config"]).to_dict(), config)
    if content["data"] != folder.run["data"]["fingerprint"]:
        raise InputError(f"{folder.path / 'checkpoint.pt'} was trained on other films than {folder.path} names; was it copied from another run?")
    state = start(config, device, content["position"]["level"])
    try:
        for name in PARTS:
            if content[name] is not None:
                getattr(state, name).load_state_dict(content[name])
    except (RuntimeError, ValueError, AttributeError) as error:
        raise WorkError(
            f"{folder.path / 'checkpoint.pt'} does not fit the networks of this run; was it copied from another run?"
        ) from error
    state.rng.set_state(content["rng"])
    for name, value in content["position"].items():
        setattr(state, name, value)
    return state


def refuse_changes(before: dict[str, Any], config: RunConfig) -> None:
    """A resumed run is the run that was started, or none. Raises InputError naming the fields that differ."""
    now = config.to_dict()
    changed = [f"{k} ({before.get(k)} -> {now.get(k)})" for k in sorted({*before, *now}) if before.get(k) != now.get(k)]
    if changed:
        raise InputError(f"cannot resume with a changed config: {', '.join(changed)}; leave these as they were, or start a new run.")
