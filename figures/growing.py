"""figures/growing.png: does growing pay? Distance to held-out films against minutes, a line for each way to a resolution, a dot for each seed.

    the commands at the top of grids/growing-*.yaml, then
    .venv/bin/python figures/growing.py runs/growing-*

A column for each folder. It prints the figures of every way as rows of a Markdown table; runs without a report are left out.
"""

import json
import re
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from idcgan.checkpoint import atomically
from idcgan.plots import to_png

OUT = Path(__file__).with_suffix(".png")
MEASURES = {"kid": "KID x 1000", "swd": "sliced Wasserstein x 1000"}
TOLD = {"kid": ".0f", "swd": ".0f", "spectrum": ".1f", "checkerboard": ".1f", "vendi": ".1f"}  # in the table
NAME = re.compile(r"(?P<way>.+)-minutes(?P<minutes>[\d.]+)-seed(?P<seed>\d+)")

Ways = dict[str, dict[float, list[dict]]]


def reports(folder: Path) -> dict[str, dict]:
    """{run: its report}, in the order of the grid, of those that have one."""
    found = {name: folder / name / "evaluation" / "report.json" for name in json.loads((folder / "batch.json").read_text())["runs"]}
    return {name: json.loads(path.read_text()) for name, path in found.items() if path.exists()}


def read(folder: Path) -> Ways:
    """{way: {minutes: the reports of its seeds}}, ways in the order of the grid."""
    ways: Ways = defaultdict(lambda: defaultdict(list))
    for name, report in reports(folder).items():
        found = NAME.fullmatch(name)
        ways[found["way"]][float(found["minutes"])].append(report)
    return ways


def value(report: dict, measure: str) -> float:
    """Of one run."""
    return report[measure]["value"]


def table(ways: Ways) -> str:
    """A row for each way and number of minutes: the steps of the first seed, and each measure seed by seed."""
    resolution = next(iter(next(iter(ways.values())).values()))[0]["about"]["resolution"]
    lines = []
    for way, lengths in ways.items():
        for minutes, seeds in lengths.items():
            steps = " + ".join(f"{level['steps']:,}" for level in seeds[0]["history"])
            figures = [", ".join(f"{value(report, measure):{form}}" for report in seeds) for measure, form in TOLD.items()]
            lines.append(f"| {resolution} | {minutes:g} | {way.replace('-', ' ')} | {steps} | {' | '.join(figures)} |")
    return "\n".join(lines)


def draw(columns: list[Ways]) -> Figure:
    """A row for each measure."""
    figure = Figure(figsize=(3.4 * len(columns), 5.4), layout="constrained")
    grid = figure.subplots(len(MEASURES), len(columns), squeeze=False, sharex="col")
    for column, ways in enumerate(columns):
        for row, (measure, words) in enumerate(MEASURES.items()):
            axes, some = grid[row][column], next(iter(next(iter(ways.values())).values()))[0]
            for colour, (way, lengths) in enumerate(ways.items()):
                minutes = sorted(lengths)
                seen = [[value(report, measure) for report in lengths[length]] for length in minutes]
                # one number of minutes makes no line: the ways stand side by side, a bar at the mean of each
                at = [length * (1.08 ** (colour - (len(ways) - 1) / 2) if len(minutes) == 1 else 1) for length in minutes]
                style = {"marker": "_", "markersize": 18, "markeredgewidth": 2} if len(minutes) == 1 else {}
                axes.plot(at, [np.mean(values) for values in seen], color=f"C{colour}", linewidth=1.8, label=way.replace("-", " "), **style)
                for place, values in zip(at, seen, strict=True):
                    axes.plot([place] * len(values), values, "o", color=f"C{colour}", markersize=4, alpha=0.6)
            if measure == "swd":
                axes.axhline(some[measure]["placed"]["real"], color="0.6", linewidth=1, linestyle=":")
            axes.set(xscale="log", ylim=(0, None), ylabel=words if column == 0 else "")
            axes.set_xticks(minutes, [f"{length:g}" for length in minutes], minor=False)
            axes.minorticks_off()
            if len(minutes) == 1:
                axes.set_xlim(minutes[0] / 1.4, minutes[0] * 1.4)
            axes.spines[["top", "right"]].set_visible(False)
        grid[0][column].set_title(f"{some['about']['resolution']} x {some['about']['resolution']}")
        grid[0][column].legend(fontsize=8, frameon=False)
        grid[-1][column].set_xlabel("minutes on one core")
    return figure


if __name__ == "__main__":
    found = [read(Path(folder)) for folder in sys.argv[1:]]
    found.sort(key=lambda ways: next(iter(next(iter(ways.values())).values()))[0]["about"]["resolution"])
    print(*map(table, found), sep="\n")
    png = to_png(draw(found), dpi=120)
    atomically(OUT, lambda path: path.write_bytes(png))
    print(f"{OUT.name}: {OUT.stat().st_size / 1e6:.2f} MB")
