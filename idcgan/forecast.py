"""What a run will cost, before it starts: steps, minutes, memory, disk; and a refusal of what cannot fit."""

from __future__ import annotations

import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from . import machine
from .config import RunConfig
from .errors import InputError
from .networks import build
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


def forecast(config: RunConfig, schedule: Schedule, device: torch.device, out: Path, first: int = 0) -> Forecast:
    """Count memory and disk, refuse what cannot fit, then time a few steps per level. Raises InputError."""
    levels = range(len(config.resolutions))
    memory, disk = refuse_what_cannot_fit(config, device, out)
    per_step = tuple(time_step(config, level, device) if level >= first else 0.0 for level in levels)
    steps, seconds = [], []
    for level in levels:
        if level < first:
            count, cost = 0, 0.0
        elif schedule.steps:
            count = schedule.steps[level]
            cost = (count + LEVEL_END_STEPS) * per_step[level]
        else:
            cost = schedule.until[level] - (schedule.until[level - 1] if level else 0.0)
            count = max(1, int(cost / per_step[level]) - LEVEL_END_STEPS)
        steps.append(count)
        seconds.append(cost)
    return Forecast(config.resolutions, per_step, tuple(steps), tuple(seconds), memory, disk)


def time_step(config: RunConfig, level: int, device: torch.device, longest: float = 4.0) -> float:
    """Seconds of one step on random films: the best of three after one to warm up, or the first where it takes over `longest`."""
    from .state import start
    from .training import step

    state = start(config, device, level)
    side = config.resolutions[level]
    real = torch.rand(config.batch_at(level), config.channels, side, side).mul_(2).sub_(1).to(device, memory_format=torch.channels_last)

    def timed() -> float:
        began = time.perf_counter()
        step(state, config, real)["loss_g"].item()  # the copy to the host waits for the device
        return time.perf_counter() - began

    first = timed()
    return first if first > longest else min(timed() for _ in range(3))


def memory_needed(config: RunConfig) -> int:
    """Bytes that training takes at its hungriest level: weights with gradients and momenta, and what backward keeps."""
    return max(_level_memory(config, level) for level in range(len(config.resolutions)))


def _level_memory(config: RunConfig, level: int) -> int:
    with torch.device("meta"):
        generator, discriminator = build(config, level, 0)
    side, batch = config.resolutions[level], config.batch_at(level)
    kept_g = _outputs(generator, torch.empty(2, config.latent_dim, device="meta")) / 2
    kept_d = _outputs(discriminator, torch.empty(2, config.channels, side, side, device="meta")) / 2
    weights = sum(p.numel() for net in (generator, discriminator) for p in net.parameters())
    average = sum(p.numel() for p in generator.parameters()) if config.ema else 0
    # weights, gradients, two momenta; G's activations, D's for real and for fake; and as much again for gradients on their way
    # back and the convolutions' own copies (measured: 6.7 GB for paper-normal-15 at 2048, forecast 6.9; recommended 1.7, forecast 1.5)
    floats = 4 * weights + average + batch * (kept_g + 2 * kept_d) * 2.3
    interpreter = 400 * 2**20
    return int(4 * floats + interpreter)


def _outputs(network: nn.Module, x: torch.Tensor) -> int:
    """Numbers that the layers of `network` put out for `x`: what backward has to keep. An in-place activation keeps nothing more."""
    total = 0

    def count(layer: nn.Module, _: Any, out: torch.Tensor) -> None:
        nonlocal total
        if not getattr(layer, "inplace", False):
            total += out.numel()

    hooks = [m.register_forward_hook(count) for m in network.modules() if not list(m.children())]
    with torch.no_grad():
        network(x)
    for hook in hooks:
        hook.remove()
    return total


def disk_needed(config: RunConfig) -> int:
    """Bytes of the run folder: two checkpoints while one is written, a generator per level, pictures."""
    with torch.device("meta"):
        generator, discriminator = build(config, len(config.resolutions) - 1, 0)
    weights_g, weights_d = (sum(p.numel() for p in net.parameters()) for net in (generator, discriminator))
    saved = 4 * (3 * (weights_g + weights_d) + (weights_g if config.ema else 0))
    return int(2 * saved + 4 * weights_g * len(config.resolutions) + 40 * 2**20)


def refuse_what_cannot_fit(config: RunConfig, device: torch.device, out: Path) -> tuple[int, int]:
    """Bytes of memory and of disk that the run needs. Raises InputError naming what is needed and what is there."""
    memory, disk = memory_needed(config), disk_needed(config)
    there = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else machine.memory_available()
    if memory > there:
        level = max(range(len(config.resolutions)), key=lambda at: _level_memory(config, at))
        raise InputError(
            f"level {config.resolutions[level]} with batch_size {config.batch_at(level)} needs about {gigabytes(memory)} of memory and "
            f"{gigabytes(there)} are free; lower batch_size, feature_maps_g and feature_maps_d, or leave the level out of resolutions."
        )
    folder = next(p for p in (out.absolute(), *out.absolute().parents) if p.exists())
    room = shutil.disk_usage(folder).free
    if disk > room:
        raise InputError(f"the run needs about {gigabytes(disk)} on disk and {folder} has {gigabytes(room)} free; free some or choose another --out.")
    return memory, disk


def minutes(seconds: float) -> str:
    """A duration as a person says it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def gigabytes(count: float) -> str:
    """Bytes as a person says them."""
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.0f} MB"
