"""(c) Films to pyramid, and pyramid to step: films per second beside a plain Pillow loop; how long a step waits for its films.

    python benchmarks/data.py [--quick]

The pyramid is built from phantom films written as PNGs of 1024 x 1024, by as many processes as there are cores, and by a loop
that opens, resizes and saves each level of each film. Waiting: steps of the `growing` networks on a pyramid, batch 8, 2 workers,
in the middle of a transition, where half of the films are up-sampled; and the same steps on a batch that is there already.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from side_by_side import keep

from idcgan.phantom import film as phantom_film
from idcgan.pyramid import Pyramid


def plain_loop(films: list[Path], levels: tuple[int, ...], out: Path) -> None:
    """What one would write first: every level of every film from the file, one after the other."""
    out.mkdir()
    for film in films:
        for level in levels:
            picture = Image.open(film).convert("L").resize((level, level), Image.Resampling.LANCZOS)
            np.save(out / f"{film.stem}-{level}.npy", np.asarray(picture))


def building(count: int, times: int) -> dict:
    """Films per second of both, in turn."""
    levels, said = (64, 128, 256, 512, 1024), {"pyramid": [], "plain loop": []}
    with tempfile.TemporaryDirectory() as folder:
        films = Path(folder) / "films"
        films.mkdir()
        for i in range(count):
            Image.fromarray((phantom_film(i, "normal", 1024)[0] * 255).astype(np.uint8)).save(films / f"{i:03d}.png")
        for turn in range(times):
            began = time.perf_counter()
            Pyramid.build(films, Path(folder) / f"pyramid{turn}", levels, progress=False)
            said["pyramid"].append(count / (time.perf_counter() - began))
            began = time.perf_counter()
            plain_loop(sorted(films.iterdir()), levels, Path(folder) / f"plain{turn}")
            said["plain loop"].append(count / (time.perf_counter() - began))
    speedup = statistics.median(a / b for a, b in zip(said["pyramid"], said["plain loop"], strict=True))
    return {**{way: round(statistics.median(rates), 2) for way, rates in said.items()}, "speedup": round(speedup, 2)}


def waiting(levels: tuple[int, ...], seconds: float) -> dict:
    """Per level: the share of the time in which a step waits for its films, and how much longer it takes than on a batch that is there."""
    from idcgan import preset  # not above: the processes that build a pyramid import this script again, and need no torch
    from idcgan.batches import MixedBatches
    from idcgan.loader import Loader
    from idcgan.machine import choose_device
    from idcgan.memory import plan_memory
    from idcgan.moves import step
    from idcgan.state import start

    device = choose_device("cpu")
    config, result = preset("growing", resolutions=levels, feature_maps_g=4, feature_maps_d=4), {}
    plan = plan_memory(config, 1e15)
    plan[0].take_memory()
    with tempfile.TemporaryDirectory() as folder:
        pyramid = Pyramid.build("phantom:normal:16", Path(folder) / "pyramid", levels, progress=False)
        for at, resolution in enumerate(levels):
            state = start(config, device, at)
            batches = MixedBatches(pyramid, resolution, 8, levels[at - 1] if at else None, "replace")
            waits, steps, ready = [], [], []
            with Loader(batches, lambda _: 0.5, 0, 2, device) as loader:
                films = next(loader)[0]
                for _ in range(2):
                    step(state, config, films)
                while sum(steps) < seconds or len(steps) < 3:
                    began = time.perf_counter()
                    films = next(loader)[0]
                    came = time.perf_counter()
                    step(state, config, films)
                    waits.append(came - began)
                    steps.append(time.perf_counter() - began)
            while len(ready) < len(steps):
                began = time.perf_counter()
                step(state, config, films)
                ready.append(time.perf_counter() - began)
            result[str(resolution)] = {"waiting": round(sum(waits) / sum(steps), 4), "step": round(statistics.median(steps), 4),
                                       "longer": round(statistics.median(steps) / statistics.median(ready), 3), "steps": len(steps)}  # fmt: skip
    return result


def table(result: dict) -> str:
    """Markdown."""
    built = result["building"]
    lines = [f"Building a pyramid of 64 to 1024: {built['pyramid']:.1f} films a second, a plain Pillow loop {built['plain loop']:.1f}: "
             f"**{built['speedup']:.1f} x**.", "",
             "| resolution | a step takes | of it waiting for films (2 workers) | longer than on a batch that is there |",
             "| --- | --- | --- | --- |"]  # fmt: skip
    for resolution, row in result["waiting"].items():
        lines.append(f"| {resolution} | {row['step']:.3g} s | **{row['waiting']:.2%}** | {row['longer']:.2f} times |")
    return "\n".join(lines)


def main() -> None:
    """Both questions."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    levels = (64, 128, 256) if quick else (64, 128, 256, 512, 1024, 2048)
    result = {"building": building(12 if quick else 40, 1 if quick else 3), "waiting": waiting(levels, 3.0 if quick else 10.0)}
    keep("data", result, table(result))


if __name__ == "__main__":
    main()
