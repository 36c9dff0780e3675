"""(i) What a step of `quick` and of `recommended` costs with borrowed features and without, side by side.

    python benchmarks/borrowed.py [--quick]
"""

import argparse
import json

from side_by_side import keep, ratio, rounds, serve, steps_on_noise

PRESETS = {"quick": 128, "recommended": 256}


def once(name: str, projected: bool):
    """One step on random films."""
    from idcgan import preset

    return steps_on_noise(preset(name, projected=projected), PRESETS[name])


def table(result: dict) -> str:
    """Markdown."""
    lines = ["| preset, resolution | with, s | without, s | times as long with | memory with | without |", "| --- | --- | --- | --- | --- | --- |"]
    for name, row in result.items():
        seconds = f"{row['with']['seconds']:.3g} | {row['without']['seconds']:.3g} | **{row['ratio']:.2f}**"
        memory = " | ".join(f"{row[way]['memory'] / 1e9:.1f} GB" for way in ("with", "without"))
        lines.append(f"| `{name}`, {PRESETS[name]} | {seconds} | {memory} |")
    return "\n".join(lines)


def main() -> None:
    """Both presets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="10 s each")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        serve(once(**json.loads(options.worker)))
        return
    result = {}
    for name in PRESETS:
        ways = {way: {"name": name, "projected": way == "with"} for way in ("with", "without")}
        row = rounds(__file__, ways, 5, 10.0 if options.quick else 30.0, warm=3)
        result[name] = {**row, "ratio": round(ratio(row["with"], row["without"]), 2)}
    keep("borrowed", result, table(result))


if __name__ == "__main__":
    main()
