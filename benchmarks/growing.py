"""(b) Growing against training at the top resolution from scratch: how near to held-out films, in how many minutes?

    python benchmarks/growing.py [--quick] [--resolution 512] [--minutes 12] [--films FOLDER --held-out FOLDER --class normal]

From scratch trains for all the minutes; growing, the same recipe (`growing`) through 64, 128, .., for a sixth and a third of
them. Distance: sliced Wasserstein between 50 made films and 50 held-out ones, averaged over five draws of both; the floor is the same
between halves of the held-out films. Without --films: phantoms, the held-out ones of another seed.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from side_by_side import keep

from idcgan import preset, train
from idcgan.films import find_films
from idcgan.glance import glance
from idcgan.sampling import load_generator, picture

DRAWS, FILMS = 5, 50


def held_out(options: argparse.Namespace) -> np.ndarray:
    """Films (n, r, r) uint8 that no run has seen."""
    from idcgan.loader import open_or_build

    source = options.held_out or "phantom:normal:100:1"
    config = preset("growing", resolutions=(options.resolution,), label_class="" if not options.held_out else options.label_class)
    with tempfile.TemporaryDirectory() as folder:
        return np.array(open_or_build(source, config, Path(folder), progress=False).level(options.resolution)[:, 0])


def run(options: argparse.Namespace, way: str, minutes: float, real: np.ndarray) -> dict:
    """One run and its distance to the held-out films."""
    levels = (options.resolution,) if way == "scratch" else tuple(64 * 2**i for i in range((options.resolution // 64).bit_length()))
    # feature maps are counted from the top level: the same there, whichever levels lie below
    config = preset("growing", resolutions=levels, minutes=minutes, seed=options.seed, feature_maps_g=8, feature_maps_d=8, moments=0,
                    label_class=options.label_class if options.films else "")  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        done = train(config, options.films or "phantom:normal:138", Path(folder) / "run", progress=False)
        wall = time.perf_counter() - began
        source = load_generator(done.path)
        distances, floors = [], []
        for draw in range(DRAWS):
            made = np.stack([picture(source, 1000 + draw, i).reshape(real.shape[1:]) for i in range(FILMS)])
            seen = glance(made, np.random.default_rng(draw).permutation(real), most=FILMS)
            distances.append(seen["swd"])
            floors.append(seen["swd_floor"])
        steps = {r: level["steps"] for r, level in done.run["levels"].items()}
    return {"minutes": minutes, "wall_seconds": round(wall, 1), "steps": steps, "swd": round(statistics.mean(distances), 2),
            "spread": round(2 * statistics.stdev(distances), 2), "floor": round(statistics.mean(floors), 2)}  # fmt: skip


def table(result: dict) -> str:
    """Markdown."""
    lines = [f"At {result['resolution']} x {result['resolution']}, {result['films']}, seed {result['seed']}:", "",
             "| way | minutes | steps | distance to held-out films | times the floor |", "| --- | --- | --- | --- | --- |"]  # fmt: skip
    for row in result["runs"]:
        steps = ", ".join(f"{r}: {count:,}" for r, count in row["steps"].items())
        way = "from scratch" if row["way"] == "scratch" else "growing"
        lines.append(f"| {way} | {row['minutes']:.3g} | {steps} | {row['swd']:.1f} (± {row['spread']:.1f}) | {row['swd'] / row['floor']:.2f} |")
    return "\n".join(lines)


def main() -> None:
    """From scratch once, growing in a sixth and in a third of the time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="half a minute at 128")
    parser.add_argument("--resolution", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--films", default="", help="training films; left out: phantoms")
    parser.add_argument("--held-out", default="")
    parser.add_argument("--class", dest="label_class", default="normal")
    options = parser.parse_args()
    if bool(options.films) != bool(options.held_out):
        parser.error("--films and --held-out go together")
    options.resolution = options.resolution or (128 if options.quick else 512)
    minutes = options.minutes or (0.5 if options.quick else 12.0)
    real = held_out(options)
    plan = [("scratch", minutes), *[("growing", minutes / part) for part in ((3,) if options.quick else (6, 3))]]
    runs = [{"way": way, **run(options, way, length, real)} for way, length in plan]
    what = f"{len(find_films(options.films, options.label_class))} real {options.label_class} films" if options.films else "138 phantom films"
    result = {"resolution": options.resolution, "films": what, "seed": options.seed, "runs": runs}
    keep("growing", result, table(result))


if __name__ == "__main__":
    main()
