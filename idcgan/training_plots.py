"""Figures about a run that trains: the plan of its levels, who moves when, the dashboard, the time machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from .moments import LATENTS, Moment, newest_moment
from .plots import D_COLOUR, G_COLOUR, _run_steps, _smooth
from .records import RunFolder
from .schedule import Schedule

CANNOT_TELL = 2 * float(np.log(2))  # D's loss where it answers one half to every film
SHARE_COLOUR = "#4d8f5b"


@dataclass(frozen=True)
class Scene:
    """What the dashboard draws of a run: rows of the history, what was set by hand, the newest films (n, side, side) uint8, a headline."""

    headline: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    by_hand: list[dict[str, Any]] = field(default_factory=list)
    moment: Moment | None = None

    @classmethod
    def read(cls, run: str | Path) -> Scene:
        """From a run folder, finished or still training. Raises InputError."""
        folder = RunFolder.open(run)
        rows = folder.history()
        now = f"level {int(rows[-1]['level'])}, {int(rows[-1]['resolution'])} x {int(rows[-1]['resolution'])}, " if rows else ""
        last = f"step {int(rows[-1]['step']):,}, {rows[-1]['replaced']:.0%} replaced" if rows else "no step logged yet"
        return cls(f"{folder.run['status']}: {now}{last}", rows, folder.run.get("by_hand", []), newest_moment(run))


def plot_scene(scene: Scene) -> Figure:
    """Losses (Figures 2-4 of the paper), the share replaced, and below them the same latents as the generator drew them last.

    Grey lines: the resolution rises. Black marks: something was set by hand.
    """
    figure = Figure(figsize=(9, 5.6))
    grid = figure.add_gridspec(2, 1, height_ratios=(3, 1), left=0.075, right=0.855, top=0.89, bottom=0.335, hspace=0.12)
    losses, share = figure.add_subplot(grid[0]), figure.add_subplot(grid[1])
    figure.suptitle(scene.headline, fontsize=11, x=0.075, ha="left")
    _draw_losses(losses, scene.rows)
    at, edges = _run_steps(scene.rows)
    share.fill_between(at, [100 * row["replaced"] for row in scene.rows], color=SHARE_COLOUR, alpha=0.35, linewidth=0)
    share.plot(at, [100 * row["replaced"] for row in scene.rows], color=SHARE_COLOUR, linewidth=1.4)
    share.set(ylim=(0, 108), yticks=(0, 50, 100), ylabel="% replaced", xlabel="step of the run")
    share.xaxis.set_label_coords(1.095, -0.1)
    share.spines[["top", "right"]].set_visible(False)
    losses.tick_params(labelbottom=False)
    offsets = {level: start for level, (start, _) in zip(_levels(scene.rows), edges, strict=True)}
    touched = [offsets[entry["level"]] + entry["step"] for entry in scene.by_hand if entry["level"] in offsets]
    for axes in (losses, share):
        axes.set_xlim(0, max([10.0, *at, *touched]) * 1.01)
        for place in touched:
            axes.axvline(place, color="0.1", linewidth=0.8, linestyle=":", zorder=0)
    share.plot(touched, [104] * len(touched), "v", color="0.1", markersize=6, clip_on=False, label="by hand")
    if touched:
        share.legend(loc="upper left", bbox_to_anchor=(1.0, 1.15), fontsize=8, frameon=False)
    figure.text(0.012, 0.245, scene.moment.name if scene.moment else "no films yet", fontsize=9, va="center")
    _draw_strip(figure, figure.add_gridspec(1, 1, left=0.01, right=0.99, top=0.23, bottom=0.01)[0], scene.moment)
    return figure


def plot_time_machine(moments: list[Moment], at: int, latent: int, ends: dict[int, np.ndarray], rows: list[dict[str, Any]]) -> Figure:
    """Moment `at` of a run: its eight latents, one of them at the end of every level, and where in the losses that is.

    `latent` from 0; `ends`: that latent's film (r, r) uint8 by resolution, as the generator of each finished level draws it.
    """
    moment = moments[at]
    figure = Figure(figsize=(9, 5.6))
    figure.suptitle(f"{moment.name} (moment {at + 1} of {len(moments)})", fontsize=11, x=0.012, ha="left")
    _draw_strip(figure, figure.add_gridspec(1, 1, left=0.01, right=0.99, top=0.93, bottom=0.72)[0], moment, latent)
    tiles = {f"latent {latent + 1}, now": moment.films()[latent], **{f"end of {r} x {r}": film for r, film in ends.items()}}
    row = figure.add_gridspec(1, max(5, len(tiles)), left=0.01, right=0.99, top=0.67, bottom=0.34, wspace=0.08)
    for place, (name, film) in enumerate(tiles.items()):
        axes = figure.add_subplot(row[place])
        _film(axes, film)
        axes.set_anchor("S")
        axes.set_title(name, fontsize=9)
        if place == 0:
            _frame(axes)
    losses = figure.add_axes((0.075, 0.09, 0.78, 0.17))
    _draw_losses(losses, rows)
    losses.set_xlabel("step of the run")
    starts = {level: start for level, (start, _) in zip(_levels(rows), _run_steps(rows)[1], strict=True)}
    if moment.step and moment.level in starts:
        losses.axvline(starts[moment.level] + moment.step, color="0.1", linewidth=1.6)
    return figure


def plot_plan(schedule: Schedule, batch_size: int = 0) -> Figure:
    """The levels that a run trains, one after the other, as wide as they do, and the share replaced in each. With `batch_size`: in whole films."""
    ends = [sum(schedule.steps[: i + 1]) for i in range(len(schedule.steps))] if schedule.steps else [s / 60 for s in schedule.until]
    figure = Figure(figsize=(9, 2.3), layout="constrained")
    axes = figure.subplots()
    start = 0.0
    for level, (end, resolution) in enumerate(zip(ends, schedule.resolutions, strict=True)):
        if level in schedule.only_enlarged:
            continue
        inside = np.linspace(0, 1, 401)
        share = np.array([schedule.replaced(level, progress) for progress in inside])
        if batch_size:
            share = np.floor(share * batch_size + 0.5) / batch_size
        at = start + inside * (end - start)
        axes.fill_between(at, 100 * share, color=SHARE_COLOUR, alpha=0.35, linewidth=0)
        axes.plot(at, 100 * share, color=SHARE_COLOUR, linewidth=1.4)
        axes.axvline(end, color="0.75", linewidth=0.8)
        axes.annotate(f"D{level + 1}: {resolution} x {resolution}", ((start + end) / 2, 1.0), xycoords=("data", "axes fraction"),
                      ha="center", va="bottom", fontsize=9)  # fmt: skip
        start = end
    axes.set(xlim=(0, ends[-1]), ylim=(0, 105), ylabel="% of the batch replaced", xlabel="steps" if schedule.steps else "minutes")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def plot_moves() -> Figure:
    """The two moves of one step, side by side: what goes forward (drawn through), and where the gradient goes (dashed)."""
    figure = Figure(figsize=(9, 2.6), layout="constrained")
    titles = ("first D, on real films and on fakes cut off from G", "then G, against the new D")
    for axes, title, moves_d in zip(figure.subplots(1, 2), titles, (True, False), strict=True):
        axes.set(xlim=(0, 10), ylim=(0, 4.4))
        axes.set_axis_off()
        axes.set_title(title, fontsize=10, color=D_COLOUR if moves_d else G_COLOUR)
        _box(axes, (0.7, 1.0), "z", "white", "0.3")
        _box(axes, (3.0, 1.0), "G", "white" if moves_d else G_COLOUR, G_COLOUR)
        _box(axes, (5.3, 1.0), "fake", "white", "0.3")
        _box(axes, (7.4, 2.2 if moves_d else 1.0), "D" if moves_d else "new D", D_COLOUR if moves_d else "white", D_COLOUR)
        for begin, end in ((1.25, 2.4), (3.6, 4.7)):
            _arrow(axes, (begin, 1.0), (end, 1.0), "0.3")
        if moves_d:
            _box(axes, (5.3, 3.4), "real x", "white", "0.3")
            _arrow(axes, (5.95, 3.25), (6.8, 2.55), "0.3")
            _arrow(axes, (5.95, 1.2), (6.8, 1.85), "0.3")
            axes.text(4.1, 1.55, "detach", ha="center", fontsize=9, color="0.3")
            axes.plot((4.0, 4.2), (0.7, 1.3), color="0.1", linewidth=2)
            _arrow(axes, (9.6, 2.2), (8.1, 2.2), D_COLOUR, "--")
            axes.text(9.0, 2.4, "loss D", ha="center", fontsize=9, color=D_COLOUR)
        else:
            _arrow(axes, (5.9, 1.0), (6.6, 1.0), "0.3")
            axes.plot((9.4, 9.4, 3.0), (1.0, 2.9, 2.9), color=G_COLOUR, linestyle="--", linewidth=1.3)
            _arrow(axes, (3.0, 2.9), (3.0, 1.55), G_COLOUR, "--")
            _arrow(axes, (8.2, 1.0), (9.3, 1.0), "0.3")
            axes.text(6.2, 3.1, "loss G, through D and the fake back to G's weights", ha="center", fontsize=9, color=G_COLOUR)
    return figure


def _box(axes: Axes, centre: tuple[float, float], word: str, fill: str, edge: str) -> None:
    wide = 0.6 + 0.07 * max(0, len(word) - 3)
    axes.add_patch(FancyBboxPatch((centre[0] - wide, centre[1] - 0.4), 2 * wide, 0.8, boxstyle="round,pad=0.02", fc=fill, ec=edge, linewidth=1.3))
    axes.text(*centre, word, ha="center", va="center", fontsize=10, color="white" if fill != "white" else "0.15")


def _arrow(axes: Axes, begin: tuple[float, float], end: tuple[float, float], colour: str, style: str = "-") -> None:
    axes.annotate("", end, begin, arrowprops={"arrowstyle": "->", "color": colour, "linestyle": style, "linewidth": 1.3, "shrinkA": 0, "shrinkB": 0})


def _levels(rows: list[dict[str, Any]]) -> list[int]:
    return list(dict.fromkeys(int(row["level"]) for row in rows))


def _draw_losses(axes: Axes, rows: list[dict[str, Any]]) -> None:
    at, edges = _run_steps(rows)
    low, high = 0.0, 2.0
    for name, label, colour in (("loss_d", "discriminator", D_COLOUR), ("loss_g", "generator", G_COLOUR)):
        values = np.array([row[name] for row in rows], dtype=float)
        axes.plot(at, values, color=colour, alpha=0.25, linewidth=0.7)
        axes.plot(at, _smooth(values), color=colour, linewidth=1.7, label=label)
        if len(finite := values[np.isfinite(values)]):
            low, high = min(low, 1.05 * np.percentile(finite, 1)), max(high, 1.05 * np.percentile(finite, 99))
    for step, resolution in edges:
        axes.axvline(step, color="0.75", linewidth=0.8, zorder=0)
        axes.annotate(f" {resolution} x {resolution}", (step, 1.0), xycoords=("data", "axes fraction"), va="bottom", fontsize=8, color="0.35")
    axes.axhline(CANNOT_TELL, color=D_COLOUR, linestyle=":", linewidth=1, label="D cannot tell:\n2 ln 2 = 1.39")
    axes.set(ylim=(low, high), ylabel="loss")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 0.99), fontsize=8, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_strip(figure: Figure, place: Any, moment: Moment | None, chosen: int = -1) -> None:
    row = place.subgridspec(1, LATENTS, wspace=0.05)
    films = [] if moment is None else list(moment.films())
    for column in range(LATENTS):
        axes = figure.add_subplot(row[column])
        if column < len(films):
            _film(axes, films[column])
        else:
            axes.set_axis_off()
        if column == chosen:
            _frame(axes)


def _film(axes: Axes, film: np.ndarray) -> None:
    axes.imshow(film, cmap="gray", vmin=0, vmax=255, interpolation="antialiased")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def _frame(axes: Axes) -> None:
    axes.spines[:].set(visible=True, color=G_COLOUR, linewidth=2.5)
