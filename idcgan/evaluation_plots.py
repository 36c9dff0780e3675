"""The figures of notebook 05, one function each; all return a matplotlib Figure. A report's own figures are in report_figures.py."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from .plots import D_COLOUR, G_COLOUR
from .yardstick import FAMILIES, TITLES, Floor, Reading

QUIET = "0.55"  # what no measure notices
TICKS = (0, 1, 3, 10, 30, 100)  # floors


def plot_floor(floor: Floor, sets: dict[str, np.ndarray], unit: str) -> Figure:
    """One measure: what real films say of real films, again and again, and below it the bootstrap of each set that is judged.

    `sets`: by name the measure's figure for films drawn anew with repetition. The band ends where 95 of 100 draws of real films do.
    """
    figure = Figure(figsize=(8.5, 1.5 + 0.55 * len(sets)), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(1.2, 0.55 * len(sets)))
    top.hist(floor.draws, bins=30, color=D_COLOUR, alpha=0.75)
    top.set_ylabel("draws")
    top.set_title("real films against real films: the floor", fontsize=9, loc="left", color=D_COLOUR)
    for row, values in enumerate(sets.values()):
        low, middle, high = np.quantile(values, (0.025, 0.5, 0.975))
        bottom.plot((low, high), (row, row), color=G_COLOUR, linewidth=5, alpha=0.5, solid_capstyle="butt")
        bottom.plot(middle, row, "D", color=G_COLOUR, markersize=5)
    bottom.set(yticks=range(len(sets)), yticklabels=sets, ylim=(len(sets) - 0.5, -0.5), xlabel=unit)
    for axes in (top, bottom):
        axes.axvspan(floor.middle - floor.reach, floor.middle + floor.reach, color=D_COLOUR, alpha=0.12, linewidth=0, zorder=0)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def plot_table(readings: dict[str, dict[str, Reading]]) -> Figure:
    """Measures down, sets of films across: floors, with 95 % below; bold and coloured where the measure notices."""
    sets, keys = list(readings), list(next(iter(readings.values())))
    figure = Figure(figsize=(1.6 + 1.02 * len(sets), 1.0 + 0.5 * len(keys)), layout="constrained")
    axes, colours, norm = figure.subplots(), colormaps["YlOrBr"], LogNorm(0.5, 90)
    for row, key in enumerate(keys):
        for column, name in enumerate(sets):
            found = readings[name][key]
            shade = colours(norm(found.multiple)) if found.noticed else (1, 1, 1, 1)
            axes.add_patch(_cell(column, row, shade))
            ink = "white" if np.dot(shade[:3], (0.3, 0.59, 0.11)) < 0.5 else "0.1" if found.noticed else "0.5"
            axes.text(column, row - 0.13, floors(found.multiple), ha="center", va="center", fontsize=11, color=ink,
                      weight="bold" if found.noticed else "normal")  # fmt: skip
            axes.text(column, row + 0.27, f"{floors(found.low)} to {floors(found.high)}", ha="center", va="center", fontsize=6.5, color=ink)
    axes.set(xlim=(-0.5, len(sets) - 0.5), ylim=(len(keys) - 0.5, -0.5), yticks=range(len(keys)), yticklabels=[TITLES[k] for k in keys])
    axes.set_xticks(range(len(sets)), [name.replace(" ", "\n", 1) if len(name) > 9 else name for name in sets])
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for row in range(1, len(keys)):
        if FAMILIES[keys[row]] != FAMILIES[keys[row - 1]]:
            axes.axhline(row - 0.5, color="0.2", linewidth=1.2)
    return figure


def plot_before_after(before: np.ndarray, after: np.ndarray, readings: dict[str, Reading], title: str, films: int = 3) -> Figure:
    """Honest films above, changed ones below, (n, r, r) uint8, and beside them every measure in floors."""
    figure = Figure(figsize=(10, 4.6), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1.05, 1))
    figure.suptitle(title, fontsize=11)
    for line, (name, rows) in zip(left.subplots(2, films), {"honest": before, "in question": after}.items(), strict=True):
        for cell, film in zip(line, rows, strict=False):
            cell.imshow(film, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            cell.set(xticks=[], yticks=[])
            cell.spines[:].set_visible(False)
        line[0].set_ylabel(name, fontsize=9)
    _bars(right.subplots(), readings)
    return figure


def plot_bars(sets: dict[str, dict[str, Reading]]) -> Figure:
    """Every measure in floors, one panel per set of films."""
    keys = next(iter(sets.values()))
    figure = Figure(figsize=(max(5.5, 3.1 * len(sets) + 1), 1.0 + 0.26 * len(keys)), layout="constrained")
    for axes, (name, readings) in zip(figure.subplots(1, len(sets), sharey=True, squeeze=False)[0], sets.items(), strict=True):
        _bars(axes, readings)
        axes.set_title(name, fontsize=9)
    return figure


def plot_by_count(counts: list[int], fid: dict[int, np.ndarray], kid: dict[int, np.ndarray]) -> Figure:
    """FID and KID of honest films by how many there are: draws of real films against real films as dots, their mean as a line."""
    figure = Figure(figsize=(9, 2.9), layout="constrained")
    for axes, draws, title in zip(figure.subplots(1, 2), (fid, kid), ("FID", "KID x 1000"), strict=True):
        for count in counts:
            axes.plot(np.full(len(draws[count]), count), draws[count], ".", color="0.7", markersize=3, zorder=1)
        axes.plot(counts, [draws[count].mean() for count in counts], "o-", color=D_COLOUR)
        axes.axhline(0, color=G_COLOUR, linestyle="--", linewidth=1, zorder=0)
        axes.set_xscale("log")
        axes.set_xticks(counts, counts)
        axes.minorticks_off()
        axes.set(title=title, xlabel="films in each set")
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def plot_power(multiples: dict[str, dict[int, Reading]]) -> Figure:
    """The same fault seen by more and more films: measures as lines over the number of films, in floors, with 95 %."""
    figure = Figure(figsize=(7, 3.0), layout="constrained")
    axes, styles = figure.subplots(), (("o", D_COLOUR), ("s", G_COLOUR), ("^", "#3f8f5f"), ("D", "0.3"))
    for step, (key, found) in enumerate(multiples.items()):
        mark, colour = styles[step % len(styles)]
        at = np.array(list(found)) * 1.015 ** (step - len(multiples) / 2)  # side by side, so that no interval hides another
        axes.plot(at, [r.multiple for r in found.values()], mark + "-", color=colour, label=TITLES[key])
        axes.vlines(at, [r.low for r in found.values()], [r.high for r in found.values()], color=colour, alpha=0.4, linewidth=2)
    axes.axhspan(-1, 1, color=D_COLOUR, alpha=0.12, linewidth=0, zorder=0)
    axes.set_xscale("log")
    axes.set_xticks(list(found), list(found))
    axes.minorticks_off()
    axes.set(xlabel="films in each set", ylabel="floors")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def plot_losses_of_sets(losses: dict[str, np.ndarray]) -> Figure:
    """G's loss, film by film, for sets in the place of its films: dots, and the mean that a log would show."""
    figure = Figure(figsize=(8, 0.8 + 0.36 * len(losses)), layout="constrained")
    axes, rng = figure.subplots(), np.random.default_rng(0)
    for row, values in enumerate(losses.values()):
        axes.plot(values, row + rng.uniform(-0.25, 0.25, len(values)), ".", color="0.7", markersize=4)
        axes.plot(values.mean(), row, "D", color=G_COLOUR, markersize=7)
    axes.set(yticks=range(len(losses)), yticklabels=losses, ylim=(len(losses) - 0.5, -0.5), xlabel="G's loss (orange: the mean, which a log shows)")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def floors(multiple: float) -> str:
    """A number of floors as a person writes it."""
    text = f"{multiple:.0f}" if abs(multiple) >= 9.95 else f"{multiple:.1f}"
    return text.replace("-0.0", "0.0").replace("-", "\N{MINUS SIGN}")


def _cell(column: int, row: int, colour: Any) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=colour, edgecolor="0.9", linewidth=0.8)


def _bars(axes: Any, readings: dict[str, Reading]) -> None:
    for row, found in enumerate(readings.values()):
        colour = G_COLOUR if found.noticed else QUIET
        axes.barh(row, found.multiple, color=colour, height=0.6, alpha=0.85)
        axes.plot((found.low, found.high), (row, row), color="0.15", linewidth=1.3)
    axes.axvspan(-1, 1, color=D_COLOUR, alpha=0.14, linewidth=0, zorder=0)
    axes.set_xscale("symlog", linthresh=1)
    axes.set(xlim=(-3, 150), yticks=range(len(readings)), yticklabels=[TITLES[key] for key in readings], ylim=(len(readings) - 0.4, -0.6))
    axes.set_xticks(TICKS, [str(tick) for tick in TICKS])
    axes.minorticks_off()
    axes.set_xlabel("floors (blue band: as real films)", fontsize=9)
    axes.tick_params(axis="y", length=0, labelsize=9)
    axes.spines[["top", "right", "left"]].set_visible(False)
