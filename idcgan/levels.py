"""The algorithm of the paper: train, raise the resolution, check both losses, go on (section 3.1, "Algorithm IDCGAN").

`run_levels` is the one loop around `moves.step`; in a crew every process runs it, and only the leader writes.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import machine
from .batches import MixedBatches
from .config import RunConfig
from .crew import Crew
from .glance import glance
from .live import Live, steer
from .loader import Loader
from .memory import Way
from .moves import set_alpha, step
from .pyramid import Pyramid
from .records import RunFolder, to_bytes
from .schedule import Clock, Schedule
from .state import State, check_finite, finished_generator, raise_resolution, save, set_rates
from .watch import Interruption, ProgressLine, Watch

OnLog = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Session:
    """What stays the same while a run trains."""

    config: RunConfig
    pyramid: Pyramid
    folder: RunFolder
    schedule: Schedule
    ways: tuple[Way, ...]
    crew: Crew
    line: ProgressLine
    on_log: OnLog | None = None
    live: Live | None = None  # a hand that changes values while the run trains


def run_levels(session: Session, state: State, interruption: Interruption) -> bool:
    """Train from where `state` stands to the end of the last level. False where it was interrupted (and saved)."""
    config, folder, crew = session.config, session.folder, session.crew
    latents, clock = fixed_latents(config), Clock(state.seconds)
    while True:
        if not _train_level(session, state, interruption, clock, latents):
            return False
        if crew.leads:
            figures = _finish_level(state, config, folder, latents, session.pyramid)
            state.seconds = clock.now()
            folder.level_done(config.resolutions[state.level], state.step, state.seconds - state.level_began, machine.memory_peak(), figures)
        state.seconds = crew.tell(state.seconds)
        set_alpha(state, 1.0)
        last = state.level + 1 == len(config.resolutions)
        if not last:
            raise_resolution(state, config)
        if crew.leads:
            clock.timed(lambda: save(state, config, folder))
        if last:
            return True


def _train_level(session: Session, state: State, interruption: Interruption, clock: Clock, latents: Tensor) -> bool:
    """The rest of the level that `state` stands in. False where it was interrupted (and saved)."""
    config, folder, crew, schedule = session.config, session.folder, session.crew, session.schedule
    session.ways[state.level].take(state)
    if schedule.finished(state.level, state.step, state.seconds):
        return True
    state.wrapped = crew.wrap(state.generator, config), crew.wrap(state.discriminator, config)
    side = config.resolutions[state.level]
    watch = Watch(config, [sentence for sentence in folder.run["warnings"] if sentence.startswith(f"at {side} x {side}, ")])
    with _loader(session, state) as loader:
        while not schedule.finished(state.level, state.step, state.seconds):
            now = steer(session.live, config, folder, state.level + 1, state.step + 1) if session.live else config
            real, replaced = next(loader)
            set_alpha(state, replaced if config.transition == "fade" else 1.0)
            set_rates(state, now, schedule.warmth(state.level, state.step, state.seconds, config.cool_down))
            out = step(state, now, real, crew)
            state.seconds = clock.now()
            if state.step % config.log_every == 0:
                _log(session, state, out, float(replaced), real, watch)
            # the leader's clock and the leader's Ctrl-C count, so that all do the same
            state.seconds, stop = crew.tell((clock.now(), interruption.asked() or bool(session.live and session.live.stopped)))
            if crew.leads:
                _take_moment(state, config, folder, latents, schedule.progress(state.level, state.step, state.seconds))
                if stop or clock.time_to_save(config.checkpoint_seconds):
                    clock.timed(lambda: save(state, config, folder))
            if stop or (session.live and session.live.paused and _pause(session, state, clock, interruption)):
                return False
    return True


def _pause(session: Session, state: State, clock: Clock, interruption: Interruption) -> bool:
    """Wait until someone goes on, saved so that nothing is lost, and with the clock held. True where it was stopped meanwhile."""
    with clock.held():
        save(state, session.config, session.folder)
        return session.live.wait(interruption.asked)


def _loader(session: Session, state: State) -> Loader:
    config, level, crew = session.config, state.level, session.crew
    on_crops = config.on_crops(level)
    below = config.resolutions[level - 1] if level and not on_crops else None  # new layers alone learn there: nothing has to be kept from forgetting
    of = session.pyramid.larger_than(config.resolutions[level - 1]) if on_crops else None  # the others have nothing new to teach there
    batches = MixedBatches(session.pyramid, config.resolutions[level], config.batch_at(level), below, config.transition, config.seed,
                           (crew.rank, crew.size), config.crop if on_crops else 0, of)  # fmt: skip

    def share(at: int) -> float:
        if session.live and "replaced" in session.live.in_force:
            return session.live.in_force["replaced"]
        return session.schedule.replaced(level, session.schedule.progress(level, at, state.seconds))

    device = next(state.generator.parameters()).device
    return Loader(batches, share, state.step, config.workers, device)


def _log(session: Session, state: State, out: dict[str, Tensor], replaced: float, real: Tensor, watch: Watch) -> None:
    """One row of the history, the mean over the crew, and what it gives cause to say."""
    config, folder, line = session.config, session.folder, session.line
    said = {name: float(session.crew.mean(out[name])) for name in ("loss_d", "loss_g", "d_real", "d_fake")}
    row = {"level": state.level + 1, "resolution": config.resolutions[state.level], "step": state.step,
           "films_seen": state.films_seen, "seconds": state.seconds, "replaced": replaced, **said}  # fmt: skip
    state.rows += 1
    if not session.crew.leads:
        return
    folder.log(row)
    for sentence in watch.look(row, out["fake"], real):
        folder.warn(sentence)
        line.say(sentence)
    line.show(state, row, session.schedule, folder)
    if session.on_log:
        session.on_log(row)


def fixed_latents(config: RunConfig) -> Tensor:
    """The latents (samples, latent_dim) that every grid of a run is drawn from."""
    return torch.randn(config.samples, config.latent_dim, generator=torch.Generator().manual_seed(config.seed))


@torch.no_grad()
def _take_moment(state: State, config: RunConfig, folder: RunFolder, latents: Tensor, progress: float) -> None:
    """At `moments` times per level, the first eight latents as the generator draws them; a copy draws, so nothing in the run moves."""
    if not config.moments or progress * config.moments < state.moments + 1:
        return
    state.moments = int(progress * config.moments)
    network = copy.deepcopy(state.generator if state.average is None else state.average).train()
    if network.crop:  # whole films, one at a time: eight of 2048 x 2048 would take more memory than the training
        network.crop = 0
        network.eval()
    device = next(network.parameters()).device
    at_once = 1 if network.frozen else min(8, config.micro_batch or config.batch_at(state.level))
    pictures = torch.cat([network(z.to(device)) for z in latents[:8].split(at_once)])
    folder.save_grid(f"moment-{config.resolutions[state.level]:04d}-{state.moments:03d}", to_bytes(pictures), columns=8, most=8 * 256,
                     facts={"idcgan:step": str(state.step)})  # fmt: skip


@torch.no_grad()
def _finish_level(state: State, config: RunConfig, folder: RunFolder, latents: Tensor, pyramid: Pyramid) -> dict[str, float]:
    """What a level leaves behind: a generator, a grid of the run's latents; and how near these are to the real films."""
    check_finite(state)
    set_alpha(state, 1.0)
    network = finished_generator(state, config)
    device = next(network.parameters()).device
    folder.save_generator(network)
    resolution = config.resolutions[state.level]
    # one film at a time: 36 films of 2048 x 2048 then need the memory of one
    films = np.concatenate([to_bytes(network(z[None].to(device))) for z in latents])
    folder.save_grid(f"{resolution:04d}", films)
    return glance(films[:, 0], pyramid.level(resolution)[:, 0])
