"""The algorithm of the paper: train, raise the resolution, check both losses, go on (section 3.1, "Algorithm IDCGAN").

`step` is one move of both players, `run_levels` the one loop around it. What changes lives in `State`, and a checkpoint
is that state on disk, so that a resumed run ends bit for bit where an unbroken one does (same machine, CPU, threads; and
bounded by epochs: by the clock, how many steps fit into a minute is never quite the same twice).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from . import machine
from .augment import augment
from .batches import MixedBatches
from .checkpoint import atomically
from .config import RunConfig
from .errors import InputError
from .forecast import forecast, refuse_what_cannot_fit
from .glance import glance
from .loader import Loader, open_or_build
from .networks import Generator, standing_statistics
from .objectives import discriminator_loss, generator_loss, probability_real
from .pyramid import Pyramid
from .records import RunFolder, command_name, to_bytes
from .schedule import Clock, Schedule
from .state import State, check_finite, level_seed, raise_resolution, restore, save, start, start_from
from .watch import Interruption, ProgressLine, Watch

OnLog = Callable[[dict[str, Any]], None]


def train(config: RunConfig, films: str | Path, out: str | Path, device: str = "auto", init: str | Path | None = None,
          progress: bool = True, on_log: OnLog | None = None) -> RunFolder:  # fmt: skip
    """A folder of films (or a pyramid, or "phantom:normal") in, a run folder out.

    `on_log` is called with every row of the history. Ctrl-C saves and returns with status "interrupted". Raises
    InputError before anything is written where the input or the options cannot work, WorkError where the work fails.
    """
    RunFolder.refuse(out)
    where, _ = machine.choose_device(device), machine.keep_memory()
    refuse_what_cannot_fit(config, where, Path(out))
    state = start_from(init, config, where) if init else start(config, where)
    pyramid = open_or_build(films, config, Path(out).parent / "pyramids", progress)
    schedule = Schedule.plan(config, len(pyramid), state.level)
    cost = forecast(config, schedule, where, Path(out), state.level)
    folder = RunFolder.create(
        out, config, device=machine.describe(where), device_type=where.type, threads=torch.get_num_threads(), forecast=cost.to_dict(),
        data={"films": str(films), "pyramid": str(Path(pyramid.path).resolve()), "count": len(pyramid), "fingerprint": pyramid.fingerprint,
              "left_out": [film["reason"] for film in pyramid.left_out]},
        init=str(init) if init else None, first_level=state.level,
    )  # fmt: skip
    line = ProgressLine(config, progress, weights=cost.level_seconds)
    for sentence in (f"{len(pyramid)} films on {machine.describe(where)}; {cost.describe()}", *nothing_new(pyramid, config), *left_out(pyramid)):
        line.say(sentence)
    folder.run["warnings"] += nothing_new(pyramid, config)
    return _run(state, config, pyramid, folder, schedule, line, on_log)


def resume(out: str | Path, changes: dict[str, Any] | None = None, device: str = "", progress: bool = True,
           on_log: OnLog | None = None) -> RunFolder:  # fmt: skip
    """Go on with an interrupted run where its checkpoint stands. A finished run is returned as it is.

    It goes on with the kind of device it was started on, unless `device` says otherwise. Raises InputError where
    `changes` would change the config, or the films are not those it was started with.
    """
    folder = RunFolder.open(out)
    before = folder.run["config"]
    config = RunConfig.from_dict({**before, **(changes or {})})
    where, _ = machine.choose_device(device or folder.run["device_type"]), machine.keep_memory()
    state = restore(folder, config, where)
    if folder.run["status"] == "finished":
        return folder
    pyramid = Pyramid.open(folder.run["data"]["pyramid"])
    if pyramid.fingerprint != folder.run["data"]["fingerprint"]:
        raise InputError(f"the films in {pyramid.path} are not those that {out} was started with; start a new run with them.")
    folder.cut_history(state.rows)
    (folder.path / "stop").unlink(missing_ok=True)
    folder.run.pop("error", None)
    folder.write(status="running")
    schedule = Schedule.plan(config, len(pyramid), folder.run["first_level"])
    line = ProgressLine(config, progress, weights=folder.run["forecast"]["level_seconds"])
    if torch.get_num_threads() != folder.run["threads"]:
        line.say(
            f"started with {folder.run['threads']} threads, now {torch.get_num_threads()}: the run goes on, but not bit for bit as it would have."
        )
    line.say(f"going on with {out} at {config.resolutions[state.level]} x {config.resolutions[state.level]}, step {state.step}")
    return _run(state, config, pyramid, folder, schedule, line, on_log)


def _run(state: State, config: RunConfig, pyramid: Pyramid, folder: RunFolder, schedule: Schedule, line: ProgressLine,
         on_log: OnLog | None) -> RunFolder:  # fmt: skip
    try:
        with folder.locked(), Interruption(folder.path) as interruption:
            save(state, config, folder)  # from here on there is always something to go on from
            complete = run_levels(state, config, pyramid, folder, schedule, line, interruption, on_log)
        _close(folder)
        folder.write(status="finished" if complete else "interrupted", seconds=round(state.seconds, 2))
        line.close(complete)
        if not complete:
            line.say(f"interrupted and saved; go on with: {command_name()} train --resume {folder.path}")
    except BaseException as error:
        line.close(False)
        status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        folder.write(status=status, error=str(error) or type(error).__name__)
        raise
    return folder


def run_levels(state: State, config: RunConfig, pyramid: Pyramid, folder: RunFolder, schedule: Schedule, line: ProgressLine,
               interruption: Interruption, on_log: OnLog | None = None) -> bool:  # fmt: skip
    """Train from where `state` stands to the end of the last level. False where it was interrupted (and saved)."""
    latents, clock = fixed_latents(config), Clock(state.seconds)
    while True:
        watch = Watch(config)
        with _loader(state, config, pyramid, schedule, clock) as loader:
            while not schedule.finished(state.level, state.step, clock.now()):
                real, replaced = next(loader)
                set_alpha(state, replaced if config.transition == "fade" else 1.0)
                out = step(state, config, real)
                state.seconds = clock.now()
                if state.step % config.log_every == 0:
                    row = _log(state, config, out, float(replaced), folder)
                    for sentence in watch.look(row, out["fake"], real):
                        folder.warn(sentence)
                        line.say(sentence)
                    line.show(state, row, schedule, folder)
                    if on_log:
                        on_log(row)
                _take_moment(state, config, folder, latents, schedule.progress(state.level, state.step, state.seconds))
                if interruption.asked() or clock.time_to_save(config.checkpoint_seconds):
                    clock.timed(lambda: save(state, config, folder))
                    if interruption.asked():
                        return False
        figures = _finish_level(state, config, folder, latents, pyramid)
        state.seconds = clock.now()
        folder.level_done(config.resolutions[state.level], state.step, state.seconds - state.level_began, machine.memory_peak(), figures)
        last = state.level + 1 == len(config.resolutions)
        if not last:
            raise_resolution(state, config)
        clock.timed(lambda: save(state, config, folder))
        if last:
            return True


def step(state: State, config: RunConfig, real: Tensor) -> dict[str, Tensor]:
    """One move of both players on `real` (b, c, r, r) in [-1, 1]: first D on real and fake, then G against the new D.

    Returns `fake` and the scalars loss_d, loss_g, d_real, d_fake (D's belief in [0, 1] that a film is real, before its
    update), all detached and still on the device.
    """
    generator, discriminator = state.generator, state.discriminator
    z = torch.randn(len(real), config.latent_dim, generator=state.rng).to(real.device, non_blocking=True)
    fake = generator(z)

    real_logits = discriminator(_view(state, config, real))
    fake_logits = discriminator(_view(state, config, fake.detach()))
    loss_d = discriminator_loss(real_logits, fake_logits, config.labels, config.label_smoothing)
    state.optimizer_d.zero_grad(set_to_none=True)
    loss_d.backward()
    state.optimizer_d.step()

    discriminator.requires_grad_(False)  # G needs D's gradient for the film only; without D's own a third of the pass is saved
    loss_g = generator_loss(discriminator(_view(state, config, fake)), config.labels, config.generator_loss)
    state.optimizer_g.zero_grad(set_to_none=True)
    loss_g.backward()
    state.optimizer_g.step()
    discriminator.requires_grad_(True)

    state.step += 1
    state.films_seen += len(real)
    if state.average is not None:
        update_average(state.average, generator, config.ema, state.step)
    return {"fake": fake.detach(), "loss_d": loss_d.detach(), "loss_g": loss_g.detach(),
            "d_real": probability_real(real_logits.detach(), config.labels).mean(),
            "d_fake": probability_real(fake_logits.detach(), config.labels).mean()}  # fmt: skip


def _view(state: State, config: RunConfig, films: Tensor) -> Tensor:
    return augment(films, config.augment, state.rng, config.augment_strength)


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


def fixed_latents(config: RunConfig) -> Tensor:
    """The latents (samples, latent_dim) that every grid of a run is drawn from."""
    return torch.randn(config.samples, config.latent_dim, generator=torch.Generator().manual_seed(config.seed))


def nothing_new(pyramid: Pyramid, config: RunConfig) -> list[str]:
    """A sentence where levels are larger than the films themselves."""
    short = {r: len(pyramid) - pyramid.native(r) for r in config.resolutions if pyramid.native(r) < len(pyramid)}
    if not short:
        return []
    levels = ", ".join(f"{r} ({count} of {len(pyramid)} films)" for r, count in short.items())
    return [f"some films are smaller than the level they are shown at: {levels}; there they are only enlarged and hold no new detail."]


def left_out(pyramid: Pyramid, most: int = 5) -> list[str]:
    """A sentence for each film that could not be used, up to `most`; run.json has them all."""
    says = [f"left out: {film['reason']}" for film in pyramid.left_out[:most]]
    more = len(pyramid.left_out) - most
    return [*says, f"left out: {more} more, see data in run.json"] if more > 0 else says


def _loader(state: State, config: RunConfig, pyramid: Pyramid, schedule: Schedule, clock: Clock) -> Loader:
    level = state.level
    below = config.resolutions[level - 1] if level else None
    batches = MixedBatches(pyramid, config.resolutions[level], config.batch_at(level), below, config.transition, config.seed)

    def share(at: int) -> float:
        return schedule.replaced(level, schedule.progress(level, at, clock.now()))

    device = next(state.generator.parameters()).device
    return Loader(batches, share, state.step, config.workers, device)


def _log(state: State, config: RunConfig, out: dict[str, Tensor], replaced: float, folder: RunFolder) -> dict[str, Any]:
    row = {"level": state.level + 1, "resolution": config.resolutions[state.level], "step": state.step,
           "films_seen": state.films_seen, "seconds": state.seconds, "replaced": replaced,
           **{name: float(out[name]) for name in ("loss_d", "loss_g", "d_real", "d_fake")}}  # fmt: skip
    folder.log(row)
    state.rows += 1
    return row


@torch.no_grad()
def _take_moment(state: State, config: RunConfig, folder: RunFolder, latents: Tensor, progress: float) -> None:
    """At `moments` times per level, the first eight latents as the generator draws them; a copy draws, so nothing in the run moves."""
    if not config.moments or progress * config.moments < state.moments + 1:
        return
    state.moments = int(progress * config.moments)
    network = copy.deepcopy(state.generator if state.average is None else state.average).train()
    pictures = network(latents[:8].to(next(network.parameters()).device))
    folder.save_grid(f"moment-{config.resolutions[state.level]:04d}-{state.moments:03d}", to_bytes(pictures), columns=8, most=8 * 256)


@torch.no_grad()
def _finish_level(state: State, config: RunConfig, folder: RunFolder, latents: Tensor, pyramid: Pyramid) -> dict[str, float]:
    """What a level leaves behind: a generator, a grid of the run's latents; and how near these are to the real films."""
    check_finite(state)
    set_alpha(state, 1.0)
    network = finished_generator(state, config)
    device = next(network.parameters()).device
    folder.save_generator(network, "standing statistics")
    resolution = config.resolutions[state.level]
    # one film at a time: 36 films of 2048 x 2048 then need the memory of one
    films = np.concatenate([to_bytes(network(z[None].to(device))) for z in latents])
    folder.save_grid(f"{resolution:04d}", films)
    return glance(films[:, 0], pyramid.level(resolution)[:, 0], config.seed)


def finished_generator(state: State, config: RunConfig) -> Generator:
    """A copy of the average (or of the generator where there is none) with batch-norm statistics of its own, in eval mode."""
    network = copy.deepcopy(state.generator if state.average is None else state.average)
    standing_statistics(network, config.batch_at(state.level), seed=level_seed(config, state.level))
    return network


def _close(folder: RunFolder) -> None:
    """Loss curves, time-lapse and the last figures; the curves need matplotlib, and a machine without it goes without."""
    rows = folder.history()
    folder.run["peak_memory"] = max(machine.memory_peak(), folder.run.get("peak_memory", 0))
    folder.save_timelapse()
    if rows:
        folder.run["final"] = {name: rows[-1][name] for name in ("loss_d", "loss_g", "d_real", "d_fake")}
    try:
        from .plots import plot_losses, to_png
    except ImportError:
        folder.run["warnings"].append("losses.png was not drawn: matplotlib is not installed.")
        return
    png = to_png(plot_losses(rows), dpi=120)
    atomically(folder.path / "losses.png", lambda path: path.write_bytes(png))
