"""What a run will cost, before it starts: steps, minutes, memory, disk; and a refusal of what cannot fit."""

from __future__ import annotations

import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from . import tuning
from .building import build
from .config import RunConfig
from .errors import InputError
from .memory import Way, gigabytes
from .schedule import Schedule

# standing statistics, the sample grid and the time-lapse of a level take about as long as this many steps
LEVEL_END_STEPS = 3


@dataclass(frozen=True)
class Forecast:
    """Per level: steps and seconds (of training) expected, seconds per step; for the run: bytes of memory and disk."""

    resolutions: tuple[int, ...]
    step_seconds: tuple[float, ...]
    level_steps: tuple[int, ...]
    level_seconds: tuple[float, ...]
    memory: int
    disk: int

    def to_dict(self) -> dict[str, Any]:
        """For run.json."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    def describe(self) -> str:
        """One sentence, for a person who waits."""
        rows = zip(self.resolutions, self.level_steps, self.level_seconds, strict=True)
        levels = ", ".join(f"{r}: {steps:,} steps in {minutes(seconds)}" for r, steps, seconds in rows if steps)
        return f"expect {minutes(sum(self.level_seconds))} ({levels}), {gigabytes(self.memory)} of memory and {gigabytes(self.disk)} of disk."


def forecast(config: RunConfig, schedule: Schedule, device: torch.device, out: Path, ways: tuple[Way, ...], first: int = 0,
             processes: int = 1) -> Forecast:  # fmt: skip
    """Count disk, refuse what cannot fit, then time a few steps per level, each in its way, on a process's share. Raises InputError."""
    levels = range(len(config.resolutions))
    disk = refuse_a_full_disk(config, out)
    memory = max(way.memory for way in ways)
    trained = [level for level in levels if level >= first and level not in schedule.only_enlarged]
    per_step = tuple(time_step(config, level, device, ways[level], processes) if level in trained else 0.0 for level in levels)
    at_end = tuple(level_end(config, level, device, per_step[level]) if level >= first else 0.0 for level in levels)
    steps, seconds = [], []
    for level in levels:
        if level not in trained:
            count, cost = 0, at_end[level]
        elif schedule.steps:
            count = schedule.steps[level]
            cost = count * per_step[level] + at_end[level]
        else:
            cost = schedule.until[level] - (schedule.until[level - 1] if level else 0.0)
            count = max(1, int((cost - at_end[level]) / per_step[level]))
        steps.append(count)
        seconds.append(cost)
    return Forecast(config.resolutions, per_step, tuple(steps), tuple(seconds), memory, disk)


def time_step(config: RunConfig, level: int, device: torch.device, way: Way, processes: int = 1, longest: float = 4.0) -> float:
    """Seconds of one step on random films: the best of three after one to warm up, or the first where it takes over `longest`."""
    from .moves import step
    from .state import start

    state = start(config, device, level)
    way.take(state)
    side = config.side_at(level)
    real = torch.rand(config.batch_at(level) // processes, config.channels, side, side).mul_(2).sub_(1)
    real = real.to(device, memory_format=tuning.memory_format(device))

    def timed() -> float:
        began = time.perf_counter()
        step(state, config, real)["loss_g"].item()  # the copy to the host waits for the device
        return time.perf_counter() - began

    first = timed()
    return first if first > longest else min(timed() for _ in range(3))


def level_end(config: RunConfig, level: int, device: torch.device, per_step: float) -> float:
    """Seconds for what a level leaves behind: some steps' worth, or, where steps are on crops, its pictures of whole films one by one."""
    if not config.on_crops(level):
        return LEVEL_END_STEPS * per_step
    generator = build(config, level, 0)[0].to(device=device, memory_format=tuning.memory_format(device)).eval()
    generator.crop = 0
    began = time.perf_counter()
    with torch.no_grad():
        generator(torch.zeros(1, config.latent_dim, device=device)).sum().item()
    moments = config.moments if per_step else 0  # nothing is trained there
    return (config.samples + 8 * moments) * (time.perf_counter() - began)


def disk_needed(config: RunConfig) -> int:
    """Bytes of the run folder: two checkpoints while one is written, a generator per level, pictures."""
    saved, made = [], 0
    for level in range(len(config.resolutions)):
        with torch.device("meta"):
            weights_g, weights_d = (sum(p.numel() for p in network.parameters()) for network in build(config, level, 0))
        saved.append(4 * (3 * (weights_g + weights_d) + (weights_g if config.ema else 0)))
        made += 4 * weights_g
    return 2 * max(saved) + made + 40 * 2**20


def refuse_a_full_disk(config: RunConfig, out: Path) -> int:
    """Bytes of disk that the run needs. Raises InputError naming what is needed and what is there."""
    disk = disk_needed(config)
    folder = next(p for p in (out.absolute(), *out.absolute().parents) if p.exists())
    room = shutil.disk_usage(folder).free
    if disk > room:
        raise InputError(f"the run needs about {gigabytes(disk)} on disk and {folder} has {gigabytes(room)} free; free some or choose another --out.")
    return disk


def minutes(seconds: float) -> str:
    """A duration as a person says it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
