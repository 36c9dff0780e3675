"""One function per figure, each returns a matplotlib Figure. Drawn with Agg: no display needed, safe in a thread."""

from __future__ import annotations

import base64
import io
from html import escape
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from PIL import Image as Picture

G_COLOUR, D_COLOUR = "#c2571a", "#1f5fa8"  # told apart in print and by colour-blind readers
LINES = "thin: each logged step\nthick: running mean"


def plot_losses(rows: list[dict[str, Any]], title: str = "") -> Figure:
    """Figures 2-4 of the paper: both losses over the steps of the whole run. Below, which the paper has not, D's belief in real and fake films.

    `rows` as in history.csv. Grey lines mark where the resolution rises; the thin lines are the logged steps, the thick
    ones a running mean.
    """
    figure = Figure(figsize=(9, 5.6), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    at, edges = _run_steps(rows)
    for axes, names in ((top, (("loss_d", "discriminator", D_COLOUR), ("loss_g", "generator", G_COLOUR))),
                        (bottom, (("d_real", "D(x), real films", D_COLOUR), ("d_fake", "D(G(z)), generated", G_COLOUR)))):  # fmt: skip
        for name, label, colour in names:
            values = np.array([row[name] for row in rows], dtype=float)
            axes.plot(at, values, color=colour, alpha=0.25, linewidth=0.7)
            axes.plot(at, _smooth(values), color=colour, linewidth=1.6, label=label)
        for step, resolution in edges:
            axes.axvline(step, color="0.75", linewidth=0.8, zorder=0)
            if axes is top:
                axes.annotate(f" {resolution} x {resolution}", (step, 1.0), xycoords=("data", "axes fraction"), va="bottom", fontsize=8, color="0.35")
        title_of_lines = LINES if axes is top and _window(len(rows)) > 1 else None
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8, frameon=False, title=title_of_lines, title_fontsize=8,
                    alignment="left")  # beside the curves, never over them  # fmt: skip
        axes.spines[["top", "right"]].set_visible(False)
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.08)  # nothing touches the edge
    losses = np.array([[row["loss_d"], row["loss_g"]] for row in rows], dtype=float)
    if np.isfinite(losses).any():
        top.set_ylim(min(0.0, np.nanmin(losses)), 1.05 * min(np.nanmax(losses), 1.5 * np.nanpercentile(losses, 99.5)))  # only a wild spike is cut
    top.set_ylabel("loss")
    bottom.set(ylabel="belief that it is real", xlabel="step", ylim=(0, 1))
    if title:
        figure.suptitle(title)
    return figure


def plot_loss_curves(runs: dict[str, list[dict[str, Any]]], against: str = "step") -> Figure:
    """The losses of several runs on one axis: a colour per run, D's loss dashed and G's drawn through, each a running mean.

    `runs`: rows as in history.csv by name. `against`: "step" of the whole run, "films_seen" or "seconds", the fair one where steps cost differently.
    """
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    axes, colours, ends = figure.subplots(), colormaps["tab10"].colors, [0.0]
    for number, (name, rows) in enumerate(runs.items()):
        at = _run_steps(rows)[0] if against == "step" else np.array([row[against] for row in rows])
        for key, style, player in (("loss_g", "-", "G"), ("loss_d", "--", "D")):
            values = np.array([row[key] for row in rows], dtype=float)
            axes.plot(at, _smooth(values, 20), style, color=colours[number % 10], linewidth=1.5, label=f"{name}: {player}")
            finite = values[np.isfinite(values)]
            ends += [*np.percentile(finite, (0.5, 99.5))] if len(finite) else []
    if any(ends):
        axes.set_ylim(1.05 * min(ends), 1.05 * max(ends))  # below 0 where an objective's losses are: the saturating one, hinge
    axes.set(xlabel={"step": "step", "films_seen": "films seen", "seconds": "seconds"}[against], ylabel="loss")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def plot_side_by_side(pictures: dict[str, Any], width: float = 10.0) -> Figure:
    """Picture files beside each other, each under its name; `width` inches in all, and no more pixels than that shows."""
    sheets = {name: Picture.open(path).convert("L") for name, path in pictures.items()}
    each = width / len(sheets)
    figure = Figure(figsize=(width, 0.3 + each * max(sheet.height / sheet.width for sheet in sheets.values())), layout="constrained")
    for axes, (name, sheet) in zip(figure.subplots(1, len(sheets), squeeze=False)[0], sheets.items(), strict=True):
        sheet.thumbnail((int(150 * each), int(150 * each)), Picture.Resampling.LANCZOS)
        axes.imshow(np.asarray(sheet), cmap="gray", vmin=0, vmax=255, interpolation="antialiased")
        axes.set_title(name, fontsize=9)
        axes.set_axis_off()
    return figure


def plot_rows(rows: dict[str, np.ndarray], side: float = 1.1, title: str = "") -> Figure:
    """Labelled rows of films: each value (n, r, r) or (n, c, r, r), uint8, or float in [-1, 1]; `side` inches per film."""
    columns = max(len(films) for films in rows.values())
    labels = 1.3 if any(rows) else 0.0
    figure = Figure(figsize=(side * columns + labels, side * len(rows) + (0.35 if title else 0)), layout="constrained")
    if title:
        figure.suptitle(title, fontsize=11)
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.01, wspace=0.0, hspace=0.0, rect=(0.01, 0, 0.98, 1))  # no label touches the edge
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for line, (label, films) in zip(axes, rows.items(), strict=True):
        for place, cell in enumerate(line):
            cell.set(xticks=[], yticks=[])
            cell.spines[:].set_visible(False)
            if place < len(films):
                film = films[place] if films.dtype == np.uint8 else (films[place] + 1) * 127.5
                cell.imshow(film[0] if film.ndim == 3 else film, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        line[0].set_ylabel(label, rotation=0, ha="right", va="center", fontsize=9)
    return figure


def plot_film(film: np.ndarray, title: str = "") -> Figure:
    """One film (h, w), uint8, as large as a cell allows, bright = dense."""
    figure = Figure(figsize=(5.4, 5.4 * film.shape[0] / film.shape[1] + (0.3 if title else 0)), layout="constrained")
    axes = figure.subplots()
    axes.imshow(film, cmap="gray", vmin=0, vmax=255, interpolation="antialiased")
    axes.set_axis_off()
    axes.set_title(title, fontsize=10)
    return figure


def plot_readers(readers: dict[str, dict[str, Any]]) -> Figure:
    """A reader study: accuracy, sensitivity and specificity of every reader, with exact intervals, beside guessing.

    `readers` as under "readers" in `reader_score.score`; a reader who has answered nothing of a kind has no point there.
    """
    names = ("accuracy", "sensitivity", "specificity")
    figure = Figure(figsize=(9, 1.3 + 0.32 * len(readers)), layout="constrained")
    for axes, name in zip(figure.subplots(1, 3, sharey=True), names, strict=True):
        for row, figures in enumerate(readers.values()):
            if found := figures[name]:
                axes.plot(found["interval"], (row, row), color=D_COLOUR, linewidth=3, solid_capstyle="round", alpha=0.5)
                axes.plot(found["value"], row, "o", color=D_COLOUR)
        axes.axvline(0.5, color=G_COLOUR, linestyle="--", linewidth=1, zorder=0)
        axes.set(xlim=(-0.02, 1.02), ylim=(len(readers) - 0.5, -0.5), yticks=range(len(readers)), yticklabels=readers, title=name)
        axes.spines[["top", "right"]].set_visible(False)
    figure.supxlabel("share of the films told rightly; dashed: guessing", fontsize=9)
    return figure


def show_picture(path: Any, title: str = "", width: float = 8.0) -> Figure:
    """A picture file as wide as asked (inches), nothing around it."""
    sheet = np.asarray(Picture.open(path).convert("RGB"))
    height = width * sheet.shape[0] / sheet.shape[1]
    figure = Figure(figsize=(width, height + (0.35 if title else 0)), layout="constrained")
    axes = figure.subplots()
    axes.imshow(sheet, interpolation="antialiased")
    axes.set_axis_off()
    if title:
        axes.set_title(title, fontsize=10)
    return figure


class Shown:
    """A picture as a notebook shows it: an HTML image with its words, for JupyterLab drops those of a plain PNG; and the PNG for all others."""

    def __init__(self, png: bytes, alt: str) -> None:
        self.png, self.alt = png, alt

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        data = base64.b64encode(self.png).decode()
        image = f'<img alt="{escape(self.alt)}" style="max-width:100%" src="data:image/png;base64,{data}">'
        return {"text/plain": self.alt, "image/png": data, "text/html": image}


def show(figure: Figure, alt: str) -> Shown:
    """The figure as a notebook shows it, with words for those who do not see it."""
    return Shown(to_png(figure), alt)


def to_png(figure: Figure, dpi: int = 100) -> bytes:
    """A figure as PNG bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def _run_steps(rows: list[dict[str, Any]]) -> tuple[np.ndarray, list[tuple[float, int]]]:
    """Steps counted over the whole run, and where each level begins."""
    at, edges, offset, last = [], [], 0.0, 0.0
    level = None
    for row in rows:
        if row["level"] != level:
            level, offset = row["level"], offset + last
            edges.append((offset, int(row["resolution"])))
        last = row["step"]
        at.append(offset + row["step"])
    return np.array(at), edges


def _window(rows: int, parts: int = 50) -> int:
    return max(1, rows // parts)


def _smooth(values: np.ndarray, parts: int = 50) -> np.ndarray:
    window = _window(len(values), parts)
    if window == 1:
        return values
    padded = np.pad(values, (window // 2, window - 1 - window // 2), mode="edge")
    return np.convolve(padded, np.ones(window) / window, mode="valid")
