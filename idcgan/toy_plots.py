"""The board of a toy GAN: D as a heat map, G as a warped grid, real and fake points, the pull on each fake; and what it says over the moves."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from torch import Tensor

from .plots import D_COLOUR, G_COLOUR
from .toy import Game, View, look
from .toy_shapes import EXTENT, Shape

BELIEF = LinearSegmentedColormap.from_list(  # fake, cannot tell, real; steep in the middle, where a fair game is played
    "belief", [(0, "#e89a62"), (0.38, "#f9dcc6"), (0.5, "white"), (0.62, "#d3e3f3"), (1, "#6fa3d6")]
)
REAL_COLOUR, NET_COLOUR = "#0b2e57", "#5e2b7e"  # the net is another colour than the fakes: its threads run between them
ARROW, LONGEST = 0.10, 0.6  # window units per unit of pull, and where an arrow ends at the latest


def plot_game(game: Game, view: View | None = None, title: str = "", before: View | None = None) -> Figure:
    """The board beside losses, D's beliefs and the divergence so far. With `before`, the fakes' way since then in place of their pull."""
    figure = Figure(figsize=(9.6, 5.3))  # places by hand: the layout engine would take as long as everything else, and this one is drawn live
    board = figure.add_axes((0.01, 0.1, 0.47, 0.85))
    draw_board(board, view or look(game), before)
    board.set_title(title or f"D has moved {times(game.moves_d)}, G {times(game.moves_g)}", fontsize=10)
    board.legend(handles=_legend(before is not None), loc="upper center", bbox_to_anchor=(0.5, -0.005), ncols=3, fontsize=8, frameon=False)
    losses, beliefs, divergences = (figure.add_axes((0.55, bottom, 0.43, 0.22)) for bottom in (0.73, 0.41, 0.09))
    _curves(losses, game, (("loss_d", D_COLOUR, "-", "D"), ("loss_g", G_COLOUR, "-", "G")), "losses")
    _curves(beliefs, game, (("d_real", D_COLOUR, "-", "real"), ("d_fake", G_COLOUR, "--", "fakes")), "how real D holds them")
    beliefs.set_ylim(-0.03, 1.03)
    _curves(divergences, game, (("divergence", "0.25", "-", "G"),), "Jensen-Shannon divergence")
    divergences.axhline(game.floor, color=REAL_COLOUR, linestyle=":", linewidth=1.3)
    across = divergences.get_yaxis_transform()
    divergences.text(1, game.floor + 0.02, "floor: real against real", transform=across, ha="right", fontsize=7.5, color=REAL_COLOUR)
    divergences.axhline(math.log(2), color="0.5", linestyle=":", linewidth=1)
    divergences.text(1, math.log(2) + 0.02, "log 2: nothing in common", transform=across, ha="right", fontsize=7.5, color="0.35")
    divergences.set(ylim=(0, 0.88), xlabel="moves of D")
    return figure


def plot_boards(views: dict[str, View], side: float = 3.2, blue: str = "D: real", orange: str = "D: fake", span: float = 0.5,
                arrow: float = ARROW) -> Figure:  # fmt: skip
    """Boards beside each other, each under its name. `blue`, `orange`: what the legend calls the two ends of the ground, which are 1/2 + `span`
    and 1/2 - `span`; `arrow`: window units per unit of pull. In a fair game both are small, and a wider ground would look white.
    """
    figure = Figure(figsize=(side * len(views), side + 0.65), layout="constrained")
    for axes, (name, view) in zip(figure.subplots(1, len(views), squeeze=False)[0], views.items(), strict=True):
        draw_board(axes, view, span=span, arrow=arrow)
        axes.set_title(name, fontsize=9.5)
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.08)  # nothing touches the edge
    figure.legend(handles=_legend(False, blue, orange), loc="outside lower center", ncols=6, fontsize=8, frameon=False)
    return figure


def plot_shapes(shapes: list[Shape], samples: list[Tensor]) -> Figure:
    """Real points of each shape, and the places that a generator should visit."""
    figure = Figure(figsize=(2.4 * len(shapes), 2.75), layout="constrained")
    for axes, shape, points in zip(figure.subplots(1, len(shapes), squeeze=False)[0], shapes, samples, strict=True):
        axes.plot(*points.T, ".", color=REAL_COLOUR, markersize=2, alpha=0.6)
        axes.plot(*shape.modes.T, "o", color="none", markeredgecolor=G_COLOUR, markersize=9)
        _window(axes)
        axes.set_title(shape.name, fontsize=10)
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.08)
    return figure


def draw_board(axes: Axes, view: View, before: View | None = None, span: float = 0.5, arrow: float = ARROW) -> None:
    """One board on one axes; `span` and `arrow` as in `plot_boards`."""
    extent = (-EXTENT, EXTENT, -EXTENT, EXTENT)
    axes.imshow(view.field, cmap=BELIEF, vmin=0.5 - span, vmax=0.5 + span, origin="lower", extent=extent, interpolation="bilinear")
    lattice = view.grid.numpy()
    axes.add_collection(LineCollection([*lattice, *lattice.swapaxes(0, 1)], colors=NET_COLOUR, linewidths=0.7, alpha=0.5))
    axes.plot(*view.real.T, "o", color=REAL_COLOUR, markersize=3, alpha=0.75, markeredgewidth=0)
    start, way = (view.fake, _arrows(view.pull, arrow)) if before is None else (before.fake, (view.fake - before.fake).numpy())
    if before is not None:
        axes.plot(*before.fake.T, "^", color="none", markeredgecolor=G_COLOUR, markersize=4, markeredgewidth=0.5, alpha=0.5)
    some = slice(None, None, 1 if before is None else 3)  # where the fakes lie close, their ways would make one blot
    axes.quiver(*start[some].T, *way[some].T, angles="xy", scale_units="xy", scale=1, width=0.003, headwidth=4, color="#4d4d4d", alpha=0.75)
    axes.plot(*view.fake.T, "^", color=G_COLOUR, markersize=4.5, markeredgecolor="white", markeredgewidth=0.4)
    _window(axes)


def times(count: int) -> str:
    """In words."""
    return "once" if count == 1 else f"{count} times"


def _arrows(pull: Tensor, arrow: float = ARROW) -> np.ndarray:
    """As long as the pull is strong, so that a loss without pull shows none; the longest are cut."""
    way = arrow * pull.numpy()
    length = np.linalg.norm(way, axis=1, keepdims=True)
    return way * np.minimum(1, LONGEST / np.maximum(length, 1e-9))


def _window(axes: Axes) -> None:
    axes.set(xlim=(-EXTENT, EXTENT), ylim=(-EXTENT, EXTENT), xticks=[], yticks=[], aspect="equal")
    axes.spines[:].set_color("0.7")


def _legend(moved: bool, blue: str = "D: real", orange: str = "D: fake") -> list[Line2D]:
    nothing = {"linestyle": "none"}
    return [
        Line2D([], [], marker="o", color=REAL_COLOUR, markersize=4, label="real", **nothing),
        Line2D([], [], marker="^", color=G_COLOUR, markersize=5, label="fake", **nothing),
        Line2D([], [], marker=r"$\rightarrow$", color="#4d4d4d", markersize=11, label="the way it went" if moved else "pull of G's loss", **nothing),
        Line2D([], [], color=NET_COLOUR, alpha=0.7, linewidth=1, label="G's net"),
        Line2D([], [], marker="s", color=BELIEF(1.0), markersize=8, label=blue, **nothing),
        Line2D([], [], marker="s", color=BELIEF(0.0), markersize=8, label=orange, **nothing),
    ]


def _curves(axes: Axes, game: Game, lines: tuple[tuple[str, str, str, str], ...], title: str) -> None:
    at = [row["step"] for row in game.history]
    for name, colour, style, label in lines:
        values = [row.get(name, math.nan) for row in game.history]
        axes.plot(at, values, style, color=colour, linewidth=1.3, marker="." if len(at) < 3 else "", label=label)
    axes.set_title(title, fontsize=9, loc="left")
    axes.tick_params(labelsize=8)
    axes.locator_params(axis="x", integer=True)
    axes.locator_params(nbins=4)  # each number takes a millisecond to draw
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlim(0, max([*at, 10]))
    if not at:
        axes.set_ylim(0, 2)
        axes.text(0.5, 0.45, "no move yet", transform=axes.transAxes, ha="center", fontsize=8, color="0.5")
    if len(lines) > 1:
        axes.legend(fontsize=8, frameon=False, ncols=2, loc="lower right", bbox_to_anchor=(1.0, 0.97), borderaxespad=0)
