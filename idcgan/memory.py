"""How much memory a step takes, and ways to take less: counted before anything is computed, so that a run fits or is refused.

Every way has the same mathematics and gives the same numbers; what each costs is measured by `benchmarks/step.py`. Numbers are counted
as of 32 bits, also where the arithmetic is bfloat16: there up to twice as much is counted as is used.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from . import machine, tuning
from .building import build
from .config import RunConfig
from .errors import InputError
from .state import State

# glibc holds on to blocks that nothing fits into any more: at most this many times what is in use (measured: 1.7 to 2.0;
# 2.4 with large pages; 1.13 where large blocks are handed back)
KEPT, KEPT_IN_LARGE_PAGES, HANDED_BACK = 2.0, 2.4, 1.15
INTERPRETER = 400 * 2**20
SMALL_BLOCKS = 100 * 2**20  # those below 32 MB are kept also where large ones are handed back


@dataclass(frozen=True)
class Way:
    """How a level is trained: how many of its highest blocks are computed again in backward, and whether blocks of memory are kept."""

    recompute: int
    keep: bool
    memory: int  # bytes, at its highest

    def take(self, state: State) -> None:
        """From now on this way."""
        state.recompute(self.recompute)
        self.take_memory()

    def take_memory(self) -> None:
        """Before anything is allocated: some of it can be said only then."""
        if self.keep:
            tuning.keep_memory()
        else:
            tuning.give_memory_back()

    def describe(self) -> str:
        """What is done to save memory; empty for nothing."""
        blocks = "" if not self.recompute else f"the highest {self.recompute} blocks are" if self.recompute > 1 else "the highest block is"
        done = [f"{blocks} computed twice"] if blocks else []
        return " and ".join(done if self.keep else [*done, "memory is handed back after use"])


def plan_memory(config: RunConfig, limit: float, processes: int = 1) -> tuple[Way, ...]:
    """For each level the fastest way that stays below `limit` bytes in each of `processes`. Raises InputError where none does."""
    plan = []
    for level, resolution in enumerate(config.resolutions):
        ways = list(_ways(config, level, processes))
        fitting = [way for way in ways if way.memory <= limit]
        if not fitting:
            least = min(way.memory for way in ways)
            raise InputError(
                f"level {resolution} with batch_size {config.batch_at(level)} needs about {gigabytes(least)} of memory and {gigabytes(limit)} may be "
                "used; lower batch_size, feature_maps_g and feature_maps_d, set micro_batch, or leave the level out of resolutions."
            )
        plan.append(fitting[0])
    return tuple(plan)


def room(limit: float, device: torch.device, shared: bool = True) -> float:
    """Bytes that training may use: `limit` GB, or what is free on the device where that is 0.

    Processes on one machine share both, but each has its own GPU; runs of one batch share what was free when the batch began
    (`machine.SHARE`), unless `shared` is False. Where a limit is given, memory is likely to be handed back, and then large pages help.
    """
    if limit:
        tuning.large_pages()
    if device.type != "cpu":
        return limit * 1e9 or memory_free(device)
    free = min(memory_free(device), int(os.environ.get(machine.SHARE, sys.maxsize)) if shared else sys.maxsize)
    return (limit * 1e9 or free) / int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def memory_free(device: torch.device) -> int:
    """Bytes that are free on the device."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else machine.memory_available()


def _ways(config: RunConfig, level: int, processes: int) -> Iterator[Way]:
    """Fastest first."""
    with torch.device("meta"):
        generator, discriminator = build(config, level, 0)
    weights = sum(p.numel() for net in (generator, discriminator) for p in net.parameters())
    average = sum(p.numel() for p in generator.parameters()) if config.ema else 0
    held = 4 * (4 * weights + average)  # weights, gradients, two momenta
    share = -(-config.batch_at(level) // processes)
    batch = min(share, config.micro_batch or share)
    of_g = _outputs(generator, torch.empty(2, config.latent_dim, device="meta"))
    of_d = _outputs(discriminator, torch.empty(2, config.channels, *[config.side_at(level)] * 2, device="meta"), verdicts=True)
    if config.in_one_batch(level):
        of_d = {name: 2 * count for name, count in of_d.items()}
    if config.on_crops(level):
        generator.crop = 0
        of_film = _outputs(generator.eval(), torch.empty(2, config.latent_dim, device="meta"))
        # samples are whole films, one at a time and without a gradient
        in_use = [held + 4 * max(batch * _floats_on_crops(generator, of_g, of_d), 3 * max(of_film.values()))]
    else:
        in_use = [held + 4 * batch * _floats(generator, of_g, discriminator, of_d, again) for again in range(len(generator.blocks))]
    kept = KEPT_IN_LARGE_PAGES if "THP_MEM_ALLOC_ENABLE" in os.environ else KEPT
    yield Way(0, True, int(kept * in_use[0]) + INTERPRETER)
    for again, memory in enumerate(in_use):
        if again == 0 or memory < min(in_use[:again]):
            yield Way(again, False, int(HANDED_BACK * memory) + SMALL_BLOCKS + INTERPRETER)


def _floats(generator: nn.Module, of_g: dict[str, float], discriminator: nn.Module, of_d: dict[str, float], again: int) -> float:
    """Numbers per film in memory at once, at the moment when there are most.

    That is in G's move: G's pass is kept, and D's; or the part of D's (or G's) that is computed again, with two gradients on
    their way back through the largest layer.
    """
    top_g = _stage(generator, of_g, again)
    top_d = _stage(discriminator, of_d, again)
    kept_g, kept_d = sum(of_g.values()) - top_g, sum(of_d.values()) - top_d
    back = 2 * max(*of_g.values(), *of_d.values())
    if not again:
        return kept_g + max(kept_d, _stage(discriminator, of_d, 1) + back)
    return kept_g + max(kept_d, top_d + back, top_g + back)


def _floats_on_crops(generator: nn.Module, of_g: dict[str, float], of_d: dict[str, float]) -> float:
    """As `_floats`, where frozen layers keep nothing for a way back and nothing is computed twice."""
    newest = tuple(f"{name}." for name in generator.newest())
    kept = sum(count for name, count in of_g.items() if f"{name}.".startswith(newest))
    return max(2 * max(of_g.values()), kept + sum(of_d.values()) + 2 * max(of_d.values()))


def _stage(network: nn.Module, outputs: dict[str, float], again: int) -> float:
    """What the highest `again` blocks put out: the last of G's and the first of D's, with their heads or film layers."""
    if not again:
        return 0.0
    names = list(network.blocks)
    blocks = names[-again:] if hasattr(network, "heads") else names[:again]
    around = {str(2 * int(name)) for name in blocks} | ({str(network.levels[-1])} if hasattr(network, "films") else set())
    inside = tuple(f"blocks.{name}." for name in blocks) + tuple(f"{side}.{r}" for side in ("heads", "films") for r in around)
    return sum(count for name, count in outputs.items() if name.startswith(inside))


def _outputs(network: nn.Module, x: torch.Tensor, **options: bool) -> dict[str, float]:
    """Numbers per film that each layer puts out: what backward has to keep. An in-place activation keeps nothing more."""
    counts = _by_layer(network, x, lambda layer, given, out: 0 if getattr(layer, "inplace", False) else out.numel() / len(x), **options)
    return {name: count for name, count in counts.items() if count}


def multiplies(network: nn.Module, x: torch.Tensor) -> dict[str, int]:
    """Multiplications per film of each convolution, forward, kernels as they are written: a layer's share of the work."""

    def count(layer: nn.Module, given: torch.Tensor, out: torch.Tensor) -> int:
        if not isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            return 0
        places = given if isinstance(layer, nn.ConvTranspose2d) else out
        return layer.weight.numel() * places.shape[2] * places.shape[3]

    return {name: count for name, count in _by_layer(network, x, count).items() if count}


def _by_layer(network: nn.Module, x: torch.Tensor, count: Callable[[nn.Module, torch.Tensor, torch.Tensor], Any], **options: bool) -> dict[str, Any]:
    """`count(layer, what it is given, what it puts out)` of each layer in one pass of `x`, in the order of the pass."""
    counts: dict[str, Any] = {}

    def hook(name: str) -> Callable[..., None]:
        def note(layer: nn.Module, given: tuple[torch.Tensor], out: torch.Tensor) -> None:
            counts[name] = count(layer, given[0], out)

        return note

    hooks = [m.register_forward_hook(hook(name)) for name, m in network.named_modules() if not list(m.children())]
    with torch.no_grad():
        network(x, **options)
    for handle in hooks:
        handle.remove()
    return counts


def gigabytes(count: float) -> str:
    """Bytes as a person says them."""
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.0f} MB"
