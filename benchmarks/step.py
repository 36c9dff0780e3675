"""(a) Seconds and peak memory of one training step at each resolution, against a plain DCGAN and against what the machine can do.

    python benchmarks/step.py [--quick] [--resolutions 512,1024]

plain: the PyTorch tutorial's DCGAN carried on to the resolution (plain.py). tuned: the same layers, this project's code.
default: this project's network, feature maps capped at 128, growth preserved. small: the default in the memory that
`--memory-limit 4` leaves it. sgemm: the processor's own rate in a product of two 2048 x 2048 matrices, and of copying memory.
All in 32 bits; what 16 bring is asked by precision.py.
"""

import argparse
import json
import sys
import time

from side_by_side import keep, known, ratio, rounds, serve

BATCH, MAPS, CAP, LIMIT = 8, 8, 128, 4.0
WAYS = ("plain", "tuned", "default", "small", "sgemm")


def worker(spec: dict) -> None:
    """One way, ready to be asked."""
    way, resolution = spec["way"], spec["resolution"]
    if way == "plain":
        import plain

        serve(plain.step(resolution, BATCH, MAPS))
    elif way == "sgemm":
        serve(machine_rates())
    else:
        serve(ours(way, resolution))


def machine_rates():
    """Times a product and a copy: {"gflops": 1e9 operations a second, "bandwidth": 1e9 bytes a second}, the best of three."""
    import torch

    a, b, big = torch.rand(2048, 2048), torch.rand(2048, 2048), torch.rand(32 * 2**20)
    to, c = torch.empty_like(big), torch.empty_like(a)

    def best(work) -> float:
        times = []
        for _ in range(3):
            began = time.perf_counter()
            work()
            times.append(time.perf_counter() - began)
        return min(times)

    def rates() -> dict[str, float]:
        return {"gflops": 2e-9 * 2048**3 / best(lambda: torch.mm(a, b, out=c)), "bandwidth": 2e-9 * big.nbytes / best(lambda: to.copy_(big))}

    return rates


def config_of(way: str, resolution: int):
    """The config whose step is timed."""
    from idcgan.config import preset

    levels = (resolution,) if way == "tuned" else tuple(64 * 2**i for i in range((resolution // 64).bit_length()))
    return preset("paper-normal-15", resolutions=levels, feature_maps_g=MAPS, feature_maps_d=MAPS, batch_size=BATCH, precision="fp32",
                  max_feature_maps=0 if way == "tuned" else CAP, growth="reset" if way == "tuned" else "preserve")  # fmt: skip


def ours(way: str, resolution: int):
    """One step of this project on random films."""
    import idcgan  # noqa: F401, I001 (before torch: it says how OpenMP's threads wait, and only then is it heard)
    import torch

    from idcgan.memory import plan_memory, room
    from idcgan.moves import step
    from idcgan.state import start

    config = config_of(way, resolution)
    level = len(config.resolutions) - 1
    plan = plan_memory(config, room(LIMIT, torch.device("cpu")) if way == "small" else 1e15)[level]
    plan.take_memory()
    state = start(config, torch.device("cpu"), level)
    plan.take(state)
    real = (torch.rand(BATCH, 1, resolution, resolution) * 2 - 1).contiguous(memory_format=torch.channels_last)

    def once() -> None:
        step(state, config, real)

    return once


def operations(way: str, resolution: int) -> float:
    """Multiplications and additions that the convolutions of a step ask for: forward and backward, kernels as they are written.

    D: forward for real, for fake and for G; weights twice, its input three times (the film's own only for G). G: once each.
    """
    import torch

    from idcgan.building import build
    from idcgan.memory import multiplies

    config = config_of(way, resolution)
    with torch.device("meta"):
        generator, discriminator = build(config, len(config.resolutions) - 1, 0)
    of_g = multiplies(generator, torch.empty(2, config.latent_dim, device="meta"))
    of_d = multiplies(discriminator, torch.empty(2, 1, resolution, resolution, device="meta"))
    films = sum(count for name, count in of_d.items() if name.startswith("films"))
    return 2.0 * BATCH * (3 * sum(of_g.values()) + 8 * sum(of_d.values()) - 2 * films)


def row_of(resolution: int, seconds: float) -> dict:
    """All ways at one resolution, side by side; the one that saves memory beside the default alone, for together they fill the machine."""
    ways = [way for way in WAYS if way != "small"]
    row = rounds(__file__, specs(ways, resolution), 3, seconds, warm=2 if resolution < 2048 else 1)
    if resolution >= 2048:  # below, everything fits into 4 GB anyway
        row |= in_little_memory(resolution, row)
    for way in row:
        if way != "sgemm":
            row[way]["speedup"] = round(ratio(row["plain"], row[way]), 2)
        if way in ("tuned", "default", "small"):
            row[way]["sgemm_share"] = round(operations(way, resolution) / row[way]["seconds"] / 1e9 / row["sgemm"]["gflops"], 3)
    return row


def specs(ways: list[str], resolution: int) -> dict[str, dict]:
    """What each worker is told."""
    return {way: {"way": way, "resolution": resolution} for way in ways}


def in_little_memory(resolution: int, row: dict) -> dict:
    """`small` beside the default; its seconds as those of the default in `row` times their ratio."""
    pair = rounds(__file__, specs(["default", "small"], resolution), 5, 0.0, warm=2)
    longer = ratio(pair["small"], pair["default"])
    small = {**pair["small"], "time_over_default": round(longer, 2), "beside": pair["default"]["rounds"]}
    return {"small": {**small, "seconds": row["default"]["seconds"] * longer, "rounds": [s * longer for s in row["default"]["rounds"]],
                      "own_rounds": pair["small"]["rounds"]}}  # fmt: skip


def table(result: dict) -> str:
    """Markdown."""
    lines = ["| resolution | plain DCGAN | same layers, tuned | default, capped at 128 | its share of sgemm, and what all of it would be |",
             "| --- | --- | --- | --- | --- |"]  # fmt: skip
    for resolution, row in result.items():
        cells = [f"{row[way]['seconds']:.3g} s, {row[way]['memory'] / 1e9:.1f} GB" for way in ("plain", "tuned", "default")]
        cells[1:] = [f"**{row[way]['speedup']:.1f} x** ({cell})" for way, cell in zip(("tuned", "default"), cells[1:], strict=True)]
        share = row["default"]["sgemm_share"]
        limit = f"{share:.0%} of {row['sgemm']['gflops']:.0f} GFLOP/s; {row['default']['speedup'] / share:.1f} x"
        lines.append(f"| {resolution} | {' | '.join(cells)} | {limit} |")
        if "small" in row:
            small = row["small"]
            lines.append(f"| {resolution}, in 4 GB | | | {small['speedup']:.1f} x ({small['seconds']:.3g} s, {small['memory'] / 1e9:.1f} GB), "
                         f"{small['time_over_default']:.2f} times the default's time | {small['sgemm_share']:.0%} |")  # fmt: skip
    return "\n".join(lines)


def main() -> None:
    """Resolution by resolution."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="up to 512 only")
    parser.add_argument("--resolutions", default="", help="such as 512,1024; the rows of other resolutions stay")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(json.loads(options.worker))
        return
    some = options.resolutions or ("64,256,512" if options.quick else "64,128,256,512,1024,2048")
    result = known("step") if options.resolutions else {}
    for resolution in map(int, some.split(",")):
        result[str(resolution)] = row_of(resolution, 5.0 if options.quick else 15.0)
        print(table({str(resolution): result[str(resolution)]}).splitlines()[2:], file=sys.stderr, flush=True)
    keep("step", result, table(result))


if __name__ == "__main__":
    main()
