"""figures/ablation.png, figures/ablation-networks.png: what each part of `quick` does. A row for each way, a dot for each seed, a line at their mean.

    the commands at the top of grids/ablation.yaml and grids/ablation-networks.yaml, then
    .venv/bin/python figures/ablation.py runs/ablation
    .venv/bin/python figures/ablation.py runs/ablation-networks

The picture is called as the folder is. Grey: where the seeds of what a row is held against lie; dotted: real training films. It prints the
figures as rows of a Markdown table; runs without a report are left out.
"""

import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from growing import reports
from matplotlib.figure import Figure

from idcgan.checkpoint import atomically
from idcgan.plots import to_png

MEASURES = {
    "kid": "KID x 1000",
    "swd": "sliced Wasserstein x 1000",
    "spectrum": "spectrum, dB",
    "checkerboard": "checkerboard, dB",
    "vendi": "variety (Vendi)",
}
PLAIN, ANEW, HEADLESS = "as-quick", "anew", "anew-no-fine-head"

Ways = dict[str, list[dict]]


def read(folder: Path) -> Ways:
    """{way: the reports of its seeds}, ways in the order of the grid."""
    ways: Ways = defaultdict(list)
    for name, report in reports(folder).items():
        ways[name.rpartition("-seed")[0]].append(report)
    return ways


def against(way: str) -> str:
    """What the way is held against."""
    if way.startswith("plain-"):
        return HEADLESS
    return ANEW if way.startswith(f"{ANEW}-") else PLAIN


def values(seeds: list[dict], measure: str) -> list[float]:
    """One for each seed."""
    return [report[measure]["value"] for report in seeds]


def table(ways: Ways) -> str:
    """A row for each way: steps and each measure, seed by seed."""
    lines = []
    for way, seeds in ways.items():
        steps = ", ".join(f"{sum(level['steps'] for level in report['history']):,}" for report in seeds)
        figures = [", ".join(f"{value:.3g}" for value in values(seeds, measure)) for measure in MEASURES]
        lines.append(f"| {way.replace('-', ' ')} | {steps} | {' | '.join(figures)} |")
    return "\n".join(lines)


def draw(ways: Ways) -> Figure:
    """A panel for each measure."""
    figure = Figure(figsize=(2 + 2 * len(MEASURES), 1 + 0.24 * len(ways)), layout="constrained")
    places = {way: -place for place, way in enumerate(ways)}
    for axes, (measure, words) in zip(figure.subplots(1, len(MEASURES), sharey=True), MEASURES.items(), strict=True):
        for way, seeds in ways.items():
            seen = values(seeds, measure)
            if against(way) in ways:
                base = values(ways[against(way)], measure)
                axes.fill_between((min(base), max(base)), places[way] - 0.5, places[way] + 0.5, color="0.92", linewidth=0, zorder=0)
            axes.plot(seen, [places[way]] * len(seen), "o", color="C0", markersize=4, alpha=0.6)
            axes.plot(np.mean(seen), places[way], "|", color="C0", markersize=11, markeredgewidth=2)
        axes.axvline(next(iter(ways.values()))[0][measure]["placed"]["real"], color="0.6", linewidth=1, linestyle=":")
        if measure == "kid":  # a few ways are ten times as far off as the others, and real films stand at 0
            axes.set_xscale("symlog", linthresh=20, linscale=0.4)
            axes.set_xticks((0, 20, 40, 80, 160, 320), labels=("0", "20", "40", "80", "160", "320"), minor=False)
            axes.set_xticks((), minor=True)
        axes.set(xlabel=words, ylim=(0.6 - len(ways), 0.6), yticks=list(places.values()), yticklabels=[way.replace("-", " ") for way in ways])
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8)
    return figure


if __name__ == "__main__":
    folder = Path(sys.argv[1]).resolve()
    ways = read(folder)
    print(table(ways))
    png = to_png(draw(ways), dpi=110)
    out = Path(__file__).with_name(f"{folder.name}.png")
    atomically(out, lambda path: path.write_bytes(png))
    print(f"{out.name}: {out.stat().st_size / 1e6:.2f} MB")
