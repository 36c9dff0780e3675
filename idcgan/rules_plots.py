"""Figures of notebook 02 about the rules: which network breaks which, signals through the layers, ranges, gradients, checkerboards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from torch import Tensor

from .layers_plots import roomy
from .plots import D_COLOUR, G_COLOUR
from .rules import RULES, Check

COLOURS = (D_COLOUR, G_COLOUR, "0.35", "#2a7f62")


def plot_verdicts(checks: Mapping[str, Sequence[Check]]) -> Figure:
    """What `check_dcgan_rules` says: a row per network or pair, a column per rule, a tick, or a cross and the number of places at fault."""
    table = np.array([[sum(c.rule == rule and not c.passed for c in found) for rule in RULES] for found in checks.values()])
    figure = roomy(8.9, 0.9 + 0.33 * len(checks))
    axes = figure.subplots()
    axes.imshow(table > 0, cmap=ListedColormap(["#e8eef6", "#f3c9ae"]), aspect="auto", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(table):
        words = "✓" if not count else f"✗  {count} place{'s' if count > 1 else ''}"
        axes.text(column, row, words, ha="center", va="center", fontsize=9, color=G_COLOUR if count else D_COLOUR)
    titles = ["1 · strided,\nno pooling", "2 · nothing fully\nconnected", "3 · batch norm", "4 · ReLU in G,\nTanh at its end", "5 · LeakyReLU\nin D"]
    axes.set(yticks=range(len(checks)), yticklabels=checks)
    axes.set_xticks(range(len(RULES)), titles, fontsize=8.5)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.set_yticks(np.arange(len(checks) - 1) + 0.5, minor=True)
    axes.set_xticks(np.arange(len(RULES) - 1) + 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=2)
    axes.tick_params(which="minor", length=0)
    axes.spines[:].set_visible(False)
    return figure


def plot_spreads(spreads: Mapping[str, Sequence[float]], names: Sequence[str]) -> Figure:
    """Standard deviation of what each activation puts out, layer by layer, on a scale of tens; `names` of the layers."""
    figure = roomy(8.8, 3.6)
    axes = figure.subplots()
    for (name, values), colour, mark in zip(spreads.items(), COLOURS, "osD^", strict=False):
        axes.plot(names, values, marker=mark, color=colour, label=name, linewidth=1.6)
    axes.set(yscale="log", ylabel="spread of the signal", xlabel="layer of G, by the resolution it puts out (the last: the film)")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8.5, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def plot_reach(films: Tensor) -> Figure:
    """The grey levels of `films` in [-1, 1], and which of them each last layer of G can make."""
    figure = roomy(8.4, 3.2)
    axes = figure.subplots()
    axes.hist(films.flatten().numpy(), bins=80, range=(-1, 1), color="0.72", density=True)
    high = axes.get_ylim()[1]
    for height, (name, low, end, colour) in enumerate((("Tanh", -1, 1, G_COLOUR), ("Sigmoid", 0, 1, D_COLOUR), ("nothing", -1.5, 1.5, "0.3"))):
        y = high * (1.1 + 0.13 * height)
        axes.annotate("", (end, y), (low, y), arrowprops={"arrowstyle": "<->", "color": colour, "linewidth": 2})
        axes.text(end + 0.03, y, name, va="center", ha="left", fontsize=9, color=colour)
    axes.set(xlim=(-1.55, 1.8), ylim=(0, 1.5 * high), yticks=[], xticks=(-1, -0.5, 0, 0.5, 1))
    axes.set_xlabel("grey level as networks see it: -1 black, 1 white")
    axes.spines[["top", "right", "left"]].set_visible(False)
    return figure


def plot_stopped(shares: Mapping[str, Sequence[float]]) -> Figure:
    """Share of the places that get no gradient, before each layer of D from the film inwards; a group of bars per layer."""
    figure = roomy(8.8, 3.0)
    axes, width = figure.subplots(), 0.8 / len(shares)
    for place, ((name, values), colour) in enumerate(zip(shares.items(), COLOURS, strict=False)):
        at = np.arange(len(values)) + (place - (len(shares) - 1) / 2) * width
        axes.bar(at, values, width * 0.92, color=colour, label=name)
        for x, value in zip(at, values, strict=True):
            axes.text(x, value + 0.015, f"{value:.0%}", ha="center", fontsize=8)
    axes.set(xticks=range(len(values)), xticklabels=[f"layer {i + 1}" for i in range(len(values))], ylim=(0, 1), ylabel="places without gradient")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8.5, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def plot_boards(films: Mapping[str, Tensor], spectra: Mapping[str, np.ndarray], shown: int = 2) -> Figure:
    """A column per way to enlarge: films, one of them close up, and the mean spectrum, where rings mark the grids of 2 and of 4 pixels."""
    rows, rings = shown + 2, {}
    figure = roomy(1.9 * len(films) + 0.4, 1.9 * rows + 0.6)
    axes = figure.subplots(rows, len(films), squeeze=False)
    for column, (name, made) in enumerate(films.items()):
        side = made.shape[-1]
        middle = made[0, 0, side // 2 - 8 : side // 2 + 8, side // 2 - 8 : side // 2 + 8]
        for row, picture in enumerate([*made[:shown, 0], middle]):
            axes[row, column].imshow(picture.numpy(), cmap="gray", vmin=-1, vmax=1, interpolation="nearest")
        spectrum = spectra[name]
        axes[-1, column].imshow(spectrum, cmap="magma", vmin=np.percentile(spectrum, 1), vmax=spectrum.max())
        for period, colour, look in ((2, "#56b4e9", "-"), (4, "#009e73", "--")):
            at = [side // 2 - side // period, side // 2, side // 2 + side // period]
            spots = np.array([(x, y) for x in at for y in at if x < side and y < side and (x, y) != (side // 2, side // 2)])
            rings[f"where a grid of {period} pixels shows"] = axes[-1, column].scatter(
                *spots.T, s=90, facecolors="none", edgecolors=colour, linestyles=look, linewidths=1.6, clip_on=False
            )
        axes[0, column].set_title(name.strip(), fontsize=9.5)
    for row, label in enumerate([*(f"film {i + 1}" for i in range(shown)), "16 x 16 pixels\nof film 1", "spectrum"]):
        axes[row, 0].set_ylabel(label, fontsize=9)
    for each in axes.flat:
        each.set(xticks=[], yticks=[])
        each.spines[:].set_visible(False)
    figure.legend(rings.values(), rings, loc="outside lower center", ncols=2, fontsize=9, frameon=False)
    return figure


def plot_measured(panels: Mapping[str, Mapping[str, Sequence[float]]], columns: Sequence[str], label: str) -> Figure:
    """A panel each, with horizontal bars: `panels` by title, in it by name one value for each of `columns`."""
    rows = list(next(iter(panels.values())))
    figure = roomy(9.6, 1.3 + 0.42 * len(rows))
    thick = 0.8 / len(columns)
    for axes, (title, values) in zip(figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0], panels.items(), strict=True):
        for place, (column, colour) in enumerate(zip(columns, COLOURS, strict=False)):
            numbers = [values[name][place] for name in rows]
            at = np.arange(len(rows)) + (place - (len(columns) - 1) / 2) * thick
            axes.barh(at, numbers, thick * 0.9, color=colour, label=column)
            for y, number in zip(at, numbers, strict=True):
                axes.text(max(number, 0) + 0.25, y, f"{number:.1f}", va="center", fontsize=8)
        axes.axvline(0, color="0.6", linewidth=0.8)
        axes.set(title=title, xlabel=label)
        axes.margins(x=0.15)
        axes.spines[["top", "right"]].set_visible(False)
    axes.set_yticks(range(len(rows)), [name.strip() for name in rows])
    axes.invert_yaxis()
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=len(columns), fontsize=8.5, frameon=False)
    return figure
