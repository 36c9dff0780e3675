"""What a step of the default network spends its time on, by kind of operation, and the rate of its convolutions.

    python benchmarks/where_time_goes.py [--quick]

Each operation is timed as PyTorch dispatches it, after three steps to warm up (PyTorch's own profiler holds on to
tensors, and the page faults of what it holds would be most of what it shows). The sgemm rate is measured in the same process.
"""

import argparse
import statistics
import time
from collections import Counter

from side_by_side import keep
from step import machine_rates, operations, ours

KINDS = {
    "convolution_backward": "convolutions, backward", "convolution": "convolutions, forward", "batch_norm": "batch norm", "relu": "activations",
    "tanh": "activations", "threshold": "activations",
}  # fmt: skip


def kind_of(name: str) -> str:
    """A row of the table."""
    return next((kind for part, kind in KINDS.items() if part in name), "sums, copies, small ones")


def profile(resolution: int) -> dict:
    """Seconds per kind in one step, and what the machine could do."""
    once = ours("default", resolution)
    from torch.utils._python_dispatch import TorchDispatchMode

    seconds: Counter[str] = Counter()

    class Clock(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            began = time.perf_counter()
            out = function(*args, **(kwargs or {}))
            seconds[kind_of(str(function))] += time.perf_counter() - began
            return out

    for _ in range(3):
        once()
    rates = machine_rates()
    best = statistics.median(rates()["gflops"] for _ in range(3))
    began = time.perf_counter()
    with Clock():
        once()
    whole = time.perf_counter() - began
    work = operations("default", resolution) / 1e9
    convolving = seconds["convolutions, forward"] + seconds["convolutions, backward"]
    return {"step": round(whole, 3), "work": round(work, 1), "sgemm": round(best, 1), "share": round(work / whole / best, 3),
            "share_in_convolutions": round(work / convolving / best, 3),
            "seconds": {**{k: round(v, 3) for k, v in seconds.most_common()}, "Python": round(whole - sum(seconds.values()), 3)}}  # fmt: skip


def table(result: dict) -> str:
    """Markdown."""
    kinds = list(next(iter(result.values()))["seconds"])
    lines = [f"| resolution | {' | '.join(kinds)} | of sgemm, whole step | of sgemm, in convolutions |", f"| --- |{' --- |' * (len(kinds) + 2)}"]
    for resolution, row in result.items():
        parts = [f"{row['seconds'].get(kind, 0) / row['step']:.0%}" for kind in kinds]
        lines.append(f"| {resolution} | {' | '.join(parts)} | **{row['share']:.0%}** | {row['share_in_convolutions']:.0%} |")
    return "\n".join(lines)


def main() -> None:
    """At 512 and above."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="at 512 only")
    result = {str(r): profile(r) for r in ((512,) if parser.parse_args().quick else (512, 1024, 2048))}
    keep("where_time_goes", result, table(result))


if __name__ == "__main__":
    main()
