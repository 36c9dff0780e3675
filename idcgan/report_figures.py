"""The figures of an evaluation, one function each; all return a matplotlib Figure."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from .description import PERIODS, scales

MADE, REAL, HALVES, OTHER, BLURRED, NOISE = "#c2571a", "#1f5fa8", "#8fb4dc", "#3f8f5f", "#8a8a8a", "#222222"
MARKS = {
    "made": (MADE, "D", "the films in question"),
    "real": (REAL, "o", "real films: training against held-out (what a copy machine has, too)"),
    "halves of held-out": (HALVES, "o", "real films: held-out halves (fewer films)"),
    "other class": (OTHER, "s", "real films of the other class"),
    "blurred 4x": (BLURRED, "^", "real films, blurred fourfold"),
    "noise": (NOISE, "x", "noise"),
    "copy machine": ("#b0233a", "*", "copy machine"),
}


def plot_places(report: dict[str, Any]) -> Figure:
    """Each measure on an axis of its own: where the films stand, with their interval, among real and spoilt ones."""
    entries = {k: e for k, e in report.items() if isinstance(e, dict) and "placed" in e}
    columns, rows = 2, -(-len(entries) // 2)
    figure = Figure(figsize=(11, 0.72 * rows + 1.0), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    used: set[str] = set()
    for cell in axes.ravel()[len(entries) :]:
        cell.set_axis_off()
    for cell, entry in zip(axes.ravel(), entries.values(), strict=False):
        used |= _place(cell, entry)
    labels = {k: words for k, (*_, words) in MARKS.items()}
    if not report["about"]["seen"]:
        labels["real"] = "real films: one half against the other"
    handles = [Line2D([], [], color=MARKS[k][0], marker=MARKS[k][1], linestyle="", label=labels[k]) for k in MARKS if k in used]
    figure.legend(handles=handles, loc="outside upper center", ncols=3, fontsize=8, frameon=False)
    return figure


def _place(cell: Any, entry: dict[str, Any]) -> set[str]:
    points = {"made": entry["value"], **{k: v for k, v in entry["placed"].items() if k in MARKS and np.isfinite(v)}}
    for name, value in points.items():
        colour, mark, _ = MARKS[name]
        cell.plot(value, 0, marker=mark, color=colour, markersize=8 if name == "made" else 6, zorder=3 if name == "made" else 2, clip_on=False)
    cell.plot(entry["interval"], (0, 0), color=MADE, linewidth=3, alpha=0.5, solid_capstyle="butt")
    values = np.abs([v for v in points.values() if v])
    if len(values) and values.max() > 10 * np.median(values):
        cell.set_xscale("symlog", linthresh=max(1e-3, float(np.median(values))))
    arrow = {"high": "lower is better", "low": "higher is better"}[entry["worse"]]
    unit = f", {entry['unit']}" if entry["unit"] else ""
    cell.set_title(f"{entry['title']}{unit} ({arrow})", fontsize=8.5, loc="left", pad=2)
    cell.set(yticks=[], ylim=(-1, 1))
    cell.spines[["top", "left", "right"]].set_visible(False)
    cell.tick_params(labelsize=7)
    return set(points)


def plot_spectrum(report: dict[str, Any]) -> Figure:
    """Radial power spectra: a line that drops early is blur, spikes at the marked frequencies are grids."""
    figure = Figure(figsize=(7.5, 3.6), layout="constrained")
    axes = figure.subplots()
    curves, side = report["curves"]["spectrum"], report["about"]["resolution"]
    styles = {
        "made": (MADE, 1.8, "the films in question"),
        "real": (REAL, 1.4, "real training films" if report["about"]["seen"] else "real films, the other half"),
        "held-out": (HALVES, 1.4, "held-out real films"),
    }
    for name in ("held-out", "real", "made"):
        colour, width, label = styles[name]
        frequency = np.arange(1, len(curves[name]) + 1) / (side / 2)
        axes.plot(frequency, curves[name], color=colour, linewidth=width, label=label)
    for period in PERIODS:
        axes.axvline(2 / period, color="0.8", linewidth=0.8, zorder=0)
        axes.annotate(
            f"{period} pixels", (2 / period, 1.0), xycoords=("data", "axes fraction"), ha="right", va="top", fontsize=7, color="0.45", rotation=90
        )
    axes.set(xlabel="frequency, 1 = finest that the pixels hold (Nyquist)", ylabel="power, dB", xlim=(0, 1.01))
    axes.legend(fontsize=8, frameon=False, loc="lower left")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def plot_scales(report: dict[str, Any]) -> Figure:
    """Sliced Wasserstein distance scale by scale, from the whole chest to single pixels."""
    figure = Figure(figsize=(7.5, 3.2), layout="constrained")
    axes = figure.subplots()
    names = [n for n in ("noise", "blurred 4x", "other class", "real", "made") if n in report["swd"]["scales"]]
    sides = scales(report["about"]["resolution"])
    for name in names:
        colour, mark, label = MARKS[name]
        axes.plot(range(len(sides)), report["swd"]["scales"][name][::-1], color=colour, marker=mark, markersize=5, label=label.split(":")[0])
    axes.set_yscale("log")
    axes.set_xticks(range(len(sides)), [str(s) for s in sides[::-1]])
    axes.set(xlabel="pixels per side of the scale: coarse to fine", ylabel="distance x 1000")
    axes.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def plot_nearest(report: dict[str, Any]) -> Figure:
    """How near films come to their nearest training film: held-out films set the line, and a film left of it is flagged."""
    figure = Figure(figsize=(9.5, 2.9), layout="constrained")
    found, axes = report["copies"], figure.subplots(1, 2)
    titles = {"features": "by features (cosine distance)", "pixels": "by pixels after registration (1 - correlation)"}
    for cell, (key, title) in zip(axes, titles.items(), strict=True):
        made, held = np.array(found["distances"]["made"][key]), np.array(found["distances"]["held-out"][key])
        bins = np.linspace(0, max(made.max(), held.max()) * 1.02, 40)
        cell.hist(held, bins, color=HALVES, alpha=0.8, density=True, label="held-out real films")
        cell.hist(made, bins, histtype="step", color=MADE, linewidth=1.8, density=True, label="the films in question")
        cell.axvline(found["thresholds"][key], color="#b0233a", linewidth=1.2, linestyle="--", label="nearest held-out film")
        cell.set_title(title, fontsize=9)
        cell.set(xlabel="distance to the nearest training film", yticks=[])
        cell.spines[["top", "left", "right"]].set_visible(False)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3, fontsize=8, frameon=False)
    return figure


def plot_pairs(pairs: list[tuple[np.ndarray, np.ndarray, str, bool]]) -> Figure:
    """Rows of pairs: a film (r, r) uint8, its nearest training film, words under them, and whether it is flagged."""
    columns = 3
    rows = -(-len(pairs) // columns)
    figure = Figure(figsize=(11.5, 2.25 * rows), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.03, wspace=0.02)
    axes = figure.subplots(rows, columns, squeeze=False)
    for cell in axes.ravel():
        cell.set_axis_off()
    for cell, (film, training, words, flagged) in zip(axes.ravel(), pairs, strict=False):
        gap = np.full((len(film), max(2, len(film) // 64)), 255, np.uint8)
        cell.imshow(np.hstack([film, gap, training]), cmap="gray", vmin=0, vmax=255, interpolation="antialiased")
        cell.set_title(words, fontsize=8, color="#b0233a" if flagged else "0.2")
    return figure


def plot_usefulness(found: dict[str, Any]) -> Figure:
    """AUC on held-out real films by what the classifier learnt from."""
    figure = Figure(figsize=(7.5, 2.2), layout="constrained")
    axes = figure.subplots()
    names = ["shuffled labels", "synthetic", "both", "real"]
    colours = {"shuffled labels": NOISE, "synthetic": MADE, "both": OTHER, "real": REAL}
    for y, name in enumerate(names):
        row = found["trained_on"][name]["auc"]
        axes.plot(row["interval"], (y, y), color=colours[name], linewidth=3, alpha=0.5)
        axes.plot(row["value"], y, "o", color=colours[name])
    axes.axvline(0.5, color="0.8", linewidth=0.8, zorder=0)
    axes.set_yticks(range(len(names)), ["real films, shuffled labels", "made films", "real and made films", "real films"])
    axes.set(xlabel="AUC on held-out real films, 95 % over seeds", xlim=(0.2, 1.0))
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def plot_history(levels: list[dict[str, Any]]) -> Figure:
    """Sliced Wasserstein distance to the training films at the end of each level, beside what their own halves have."""
    figure = Figure(figsize=(7.5, 2.6), layout="constrained")
    axes = figure.subplots()
    at = range(len(levels))
    axes.plot(at, [level["swd"] for level in levels], color=MADE, marker="D", label="made films")
    axes.plot(at, [level["swd_floor"] for level in levels], color=REAL, marker="o", label="halves of the training films")
    axes.set_xticks(at, [f"{level['resolution']} x {level['resolution']}" for level in levels])
    axes.set(ylabel="distance x 1000", ylim=(0, None))
    axes.legend(fontsize=8, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure
