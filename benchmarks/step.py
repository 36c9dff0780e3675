"""Seconds and peak memory of one training step, per resolution: this project's default network against a plain PyTorch DCGAN.

    make bench            QUICK=1: up to 256 only

Side by side in one run, in a process of its own each, and as a ratio. The plain DCGAN is the recipe of the PyTorch tutorial,
carried on to the resolution: the same batch, the same feature maps, without a cap on their doubling. Writes results.json
(first key `step`) and prints a table; a benchmark, not a test: it never fails on a slow day.
"""

import argparse
import itertools
import json
import subprocess
import sys
import time
from pathlib import Path

import torch
from torch import nn

from idcgan import machine
from idcgan.config import preset
from idcgan.state import start
from idcgan.training import step

HERE = Path(__file__).parent
WAYS = ("plain", "tuned", "default")


def plain(resolution: int, maps: int):
    """One step of a DCGAN as the tutorial has it: no memory format, gradients into D's weights in G's step too, plain Adam."""
    widths = [maps]
    while resolution // 2 // 2 ** len(widths) >= 4:
        widths.append(widths[-1] * 2)
    up = [nn.ConvTranspose2d(100, widths[-1], 4, 1, 0, bias=False), nn.BatchNorm2d(widths[-1]), nn.ReLU(True)]
    for wide, narrow in zip(widths[:0:-1], widths[-2::-1], strict=True):
        up += [nn.ConvTranspose2d(wide, narrow, 4, 2, 1, bias=False), nn.BatchNorm2d(narrow), nn.ReLU(True)]
    generator = nn.Sequential(*up, nn.ConvTranspose2d(maps, 1, 4, 2, 1, bias=False), nn.Tanh())
    down = [nn.Conv2d(1, maps, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, True)]
    for narrow, wide in itertools.pairwise(widths):
        down += [nn.Conv2d(narrow, wide, 4, 2, 1, bias=False), nn.BatchNorm2d(wide), nn.LeakyReLU(0.2, True)]
    discriminator = nn.Sequential(*down, nn.Conv2d(widths[-1], 1, 4, 1, 0, bias=False), nn.Sigmoid())
    adam_g, adam_d = (torch.optim.Adam(net.parameters(), 0.0002, (0.5, 0.999)) for net in (generator, discriminator))
    loss = nn.BCELoss()

    def once(real: torch.Tensor) -> None:
        ones, zeros = torch.ones(len(real)), torch.zeros(len(real))
        discriminator.zero_grad()
        loss(discriminator(real).flatten(), ones).backward()
        fake = generator(torch.randn(len(real), 100, 1, 1))
        loss(discriminator(fake.detach()).flatten(), zeros).backward()
        adam_d.step()
        generator.zero_grad()
        loss(discriminator(fake).flatten(), ones).backward()
        adam_g.step()

    return once


def ours(resolution: int, maps: int, cap: int, growth: str):
    """One step of this project: the same layers as the plain one, or its default (preserved growth from 64 up, capped feature maps)."""
    machine.keep_memory()
    levels = (resolution,) if growth == "reset" else tuple(64 * 2**i for i in range((resolution // 64).bit_length()))
    config = preset("paper-normal-15", resolutions=levels, feature_maps_g=maps, feature_maps_d=maps, max_feature_maps=cap, growth=growth)
    state = start(config, torch.device("cpu"), len(levels) - 1)
    return lambda real: step(state, config, real.contiguous(memory_format=torch.channels_last))


def measure(way: str, resolution: int, batch: int, maps: int, seconds: float = 6.0) -> dict[str, float]:
    """Median seconds per step over about `seconds`, two steps at least after one to warm up; peak memory of the process."""
    makers = {"plain": lambda: plain(resolution, maps), "tuned": lambda: ours(resolution, maps, 0, "reset"),
              "default": lambda: ours(resolution, maps, 128, "preserve")}  # fmt: skip
    once, real, times = makers[way](), torch.rand(batch, 1, resolution, resolution) * 2 - 1, []
    once(real)
    while len(times) < 2 or sum(times) < seconds:
        began = time.perf_counter()
        once(real)
        times.append(time.perf_counter() - began)
    return {"seconds": sorted(times)[len(times) // 2], "steps": len(times), "memory": machine.memory_peak()}


def main() -> None:
    """Each way in a process of its own, one after the other, resolution by resolution."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="up to 256 only")
    parser.add_argument("--one", nargs=2, metavar=("WAY", "RESOLUTION"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one[0], int(options.one[1]), 8, 8)))
        return
    results = {"step": {}, "machine": machine.describe(torch.device("cpu")), "torch": torch.__version__, "batch": 8, "feature_maps": 8}
    print(f"{results['machine']}, torch {torch.__version__}; batch 8, feature maps 8; seconds per step (peak memory)")
    print("| resolution | plain DCGAN | same layers, tuned | default, capped at 128 |\n| --- | --- | --- | --- |")
    for resolution in (64, 128, 256) if options.quick else (64, 128, 256, 512, 1024, 2048):
        row = {}
        for way in WAYS:
            done = subprocess.run([sys.executable, __file__, "--one", way, str(resolution)], capture_output=True, text=True, check=True)
            row[way] = json.loads(done.stdout)
        results["step"][str(resolution)] = row
        cells = [f"{row[way]['seconds']:.3f} ({row[way]['memory'] / 1e9:.1f} GB){ratio(row, way)}" for way in WAYS]
        print(f"| {resolution} | {' | '.join(cells)} |", flush=True)
    (HERE / "results.json").write_text(json.dumps(results, indent=1) + "\n")


def ratio(row: dict[str, dict[str, float]], way: str) -> str:
    """How many times faster than the plain one."""
    return "" if way == "plain" else f", {row['plain']['seconds'] / row[way]['seconds']:.1f} x"


if __name__ == "__main__":
    main()
