"""(f) A step of `growing` in 32 and in 16 bits (bfloat16), side by side.

    python benchmarks/precision.py [--quick]

Where the processor has instructions for bfloat16 `precision=auto` takes it; elsewhere it is emulated, and this says what that costs.
"""

import argparse
import json

from side_by_side import keep, ratio, rounds, serve, steps_on_noise


def once(resolution: int, precision: str):
    """One step on random films."""
    from idcgan import preset

    return steps_on_noise(preset("growing", precision=precision), resolution)


def table(result: dict) -> str:
    """Markdown."""
    lines = ["| resolution | 32 bits, s | 16 bits, s | times as fast in 16 | bfloat16 in hardware |", "| --- | --- | --- | --- | --- |"]
    for resolution, row in result["steps"].items():
        cells = f"{row['fp32']['seconds']:.3g} | {row['bf16']['seconds']:.3g} | **{row['speedup']:.2f}**"
        lines.append(f"| {resolution} | {cells} | {'yes' if result['hardware'] else 'no'} |")
    return "\n".join(lines)


def main() -> None:
    """Both resolutions of the preset."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="5 s each")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        serve(once(**json.loads(options.worker)))
        return
    steps = {}
    for resolution in (128, 256):
        row = rounds(__file__, {p: {"resolution": resolution, "precision": p} for p in ("fp32", "bf16")}, 5, 5.0 if options.quick else 20.0, warm=3)
        steps[str(resolution)] = {**row, "speedup": round(ratio(row["fp32"], row["bf16"]), 2)}
    import torch

    from idcgan.tuning import has_bfloat16

    result = {"steps": steps, "hardware": has_bfloat16(torch.device("cpu"))}
    keep("precision", result, table(result))


if __name__ == "__main__":
    main()
