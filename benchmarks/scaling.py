"""(e) Strong scaling: the same step of eight films by one process and by several that share it (`crew.py`), one thread each.

    python benchmarks/scaling.py [--quick] [--processes 1,2]

Batch norm is synchronised, so all of them make the same step. One process with as many threads is beside them: on one machine
threads are the other way to use its cores.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

from side_by_side import keep


def worker(spec: dict) -> None:
    """In each process: steps on its part of the films; the leader prints the median."""
    import idcgan  # noqa: F401, I001 (before torch, see step.py)
    import torch

    from idcgan import preset, tuning
    from idcgan.crew import Crew
    from idcgan.moves import step
    from idcgan.state import start

    tuning.keep_memory()
    torch.set_num_threads(spec["threads"])
    crew, resolution = Crew.join(), spec["resolution"]
    levels = tuple(64 * 2**i for i in range((resolution // 64).bit_length()))
    config = preset("growing", resolutions=levels, feature_maps_g=8, feature_maps_d=8)
    state = start(config, torch.device("cpu"), len(levels) - 1)
    state.wrapped = crew.wrap(state.generator, config), crew.wrap(state.discriminator, config)
    films = crew.mine((torch.rand(8, 1, resolution, resolution) * 2 - 1).contiguous(memory_format=torch.channels_last))
    times = []
    for _ in range(spec["steps"] + 2):
        crew.tell(0)  # all begin together
        began = time.perf_counter()
        step(state, config, films, crew)
        crew.tell(0)
        times.append(time.perf_counter() - began)
    if crew.leads:
        print(json.dumps(statistics.median(times[2:])))
    crew.leave()


def run(processes: int, threads: int, resolution: int, steps: int) -> float:
    """Seconds per step."""
    spec = json.dumps({"threads": threads, "resolution": resolution, "steps": steps})
    start = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={processes}", "--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0"]
    command = [*(start if processes > 1 else [sys.executable]), __file__, "--worker", spec]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": str(threads)})
    if done.returncode:
        raise SystemExit(done.stderr)
    return float(done.stdout.strip().splitlines()[-1])


def table(result: dict) -> str:
    """Markdown."""
    ways = list(next(iter(result.values())))
    lines = [f"| resolution | {' | '.join(ways)} |", f"| --- |{' --- |' * len(ways)}"]
    for resolution, row in result.items():
        one = row[ways[0]]
        lines.append(f"| {resolution} | {' | '.join(f'{s:.3g} s' + (f' (**{one / s:.2f} x**)' if s != one else '') for s in row.values())} |")
    return "\n".join(lines)


def main() -> None:
    """Each way in turn, three times over."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="at 128 only")
    parser.add_argument("--processes", default="1,2")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(json.loads(options.worker))
        return
    counts = [int(n) for n in options.processes.split(",")]
    plan = [("1 process, 1 thread", 1, 1), *[(f"{n} processes, 1 thread each", n, 1) for n in counts if n > 1],
            (f"1 process, {max(counts)} threads", 1, max(counts))]  # fmt: skip
    result: dict[str, dict[str, float]] = {}
    for resolution, steps in ((128, 10),) if options.quick else ((128, 20), (512, 4), (1024, 2)):
        times: dict[str, list[float]] = {name: [] for name, _, _ in plan}
        for _ in range(1 if options.quick else 3):
            for name, processes, threads in plan:
                times[name].append(run(processes, threads, resolution, steps))
        result[str(resolution)] = {name: round(statistics.median(said), 4) for name, said in times.items()}
    keep("scaling", result, table(result))


if __name__ == "__main__":
    main()
