"""Figures of notebook 01 beside the board: what equation 1 charges, the best discriminator, the pull of G's two losses, mode collapse."""

from __future__ import annotations

import math
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from .objectives import generator_loss, loss_on_fake, loss_on_real
from .plots import D_COLOUR, G_COLOUR
from .toy_plots import BELIEF, REAL_COLOUR


def plot_charges() -> Figure:
    """What binary cross entropy charges D for a belief: on a real film, on a fake one."""
    belief = torch.linspace(0.003, 0.997, 300)
    logits = torch.logit(belief)
    figure = Figure(figsize=(6.4, 3.1), layout="constrained")
    axes = figure.subplots()
    for loss, colour, style, label in ((loss_on_real, REAL_COLOUR, "-", "on a real film: -log D(x)"),
                                       (loss_on_fake, G_COLOUR, "--", "on a fake: -log(1 - D(G(z)))")):  # fmt: skip
        axes.plot(belief, [loss(logit[None]).item() for logit in logits], style, color=colour, label=label)
    axes.plot(0.5, math.log(2), "o", color="0.3")
    axes.annotate("cannot tell: log 2 each", (0.5, math.log(2)), (0.5, 1.6), ha="center", fontsize=9, arrowprops={"arrowstyle": "->", "color": "0.4"})
    axes.set(xlabel="what D says", ylabel="D's loss", ylim=(0, 5), xlim=(0, 1))
    _finish(axes)
    return figure


def plot_best(p: Tensor, q: Tensor, best: Tensor, trained: Tensor, climb: list[tuple[int, float]], highest: float, reach: float) -> Figure:
    """Two densities, the best discriminator between them, a trained one (each (n^2,) on `toy_measures.lattice`), and its value over its moves."""
    side, extent = math.isqrt(len(p)), (-reach, reach, -reach, reach)
    figure = Figure(figsize=(11, 2.9), layout="constrained")
    clouds, ideal, found, way = figure.subplots(1, 4, width_ratios=(1, 1, 1, 1.25))
    for density, colour, style in ((p, REAL_COLOUR, "solid"), (q, G_COLOUR, "dashed")):
        levels = [share * density.max().item() for share in (0.1, 0.4, 0.8)]
        clouds.contour(density.reshape(side, side), levels, colors=colour, linestyles=style, extent=extent, linewidths=1)
    clouds.set_title("p, real (solid); q, fake (dashed)", fontsize=9)
    clouds.set_xlabel("lines: 10, 40, 80 % of the top", fontsize=9)
    for axes, field, title in ((ideal, best, "the formula: p / (p + q)"), (found, trained, f"D after {climb[-1][0]} moves")):
        axes.imshow(field.reshape(side, side), cmap=BELIEF, vmin=0, vmax=1, origin="lower", extent=extent)
        axes.set_title(title, fontsize=9)
        axes.set_xlabel("blue: 1, white: 1/2, orange: 0", fontsize=9)
    for axes in (clouds, ideal, found):
        axes.set(xticks=[], yticks=[], aspect="equal", xlim=(-reach, reach), ylim=(-reach, reach))
    way.plot(*zip(*climb, strict=True), ".-", color=D_COLOUR, linewidth=1.3, label="D's value")
    way.axhline(highest, color="0.2", linestyle=":", label="-log 4 + 2 JSD")
    way.set_title("value of equation 1", fontsize=9)
    way.set_xlabel("moves of D", fontsize=9)
    _finish(way, "lower right")
    return figure


def plot_pull() -> Figure:
    """How strongly each of G's losses pulls at the logit of a fake, by what D says of it: |dL/dlogit|, 1 - D and D."""
    logits = torch.linspace(-8, 4, 200)
    figure = Figure(figsize=(6.4, 3.1), layout="constrained")
    axes = figure.subplots()
    for kind, colour, style, size in (("non_saturating", G_COLOUR, "-", "1 - D"), ("saturating", "0.35", "--", "D")):
        at = logits.clone().requires_grad_(True)
        loss = generator_loss(at, kind=kind) * len(at)  # a mean: times its count, each fake's own
        axes.plot(torch.sigmoid(logits), torch.autograd.grad(loss, at)[0].abs(), style, color=colour, label=f"{kind.replace('_', '-')}: {size}")
    axes.annotate("early on, fakes are here", (0.01, 0.03), (0.16, 0.48), fontsize=9, arrowprops={"arrowstyle": "->", "color": "0.4"})
    axes.set(xlabel="what D says of the fake, D(G(z))", ylabel="pull: size of dL/dlogit", xlim=(0, 1), ylim=(0, 1.05))
    _finish(axes, "center right")
    return figure


def plot_coverage(histories: dict[str, list[dict[str, Any]]], modes: int, floor: float) -> Figure:
    """Modes covered and divergence over D's moves, a line per game."""
    figure = Figure(figsize=(9, 3.0), layout="constrained")
    left, right = figure.subplots(1, 2)
    for (name, rows), colour, style in zip(histories.items(), (D_COLOUR, G_COLOUR, "0.3"), ("-", "--", "-."), strict=False):
        at = [row["step"] for row in rows]
        for axes, key in ((left, "covered"), (right, "divergence")):
            axes.plot(at, [row[key] for row in rows], style, color=colour, linewidth=1.4, label=name)
    left.set(ylim=(-0.3, modes + 0.5), xlabel="moves of D")
    left.set_title(f"modes covered, of {modes}", fontsize=10)
    right.axhline(floor, color=REAL_COLOUR, linestyle=":", linewidth=1.3, label="floor: real against real")
    right.axhline(math.log(2), color="0.5", linestyle=":", linewidth=1, label="log 2: nothing in common")
    right.set(ylim=(0, 0.75), xlabel="moves of D")
    right.set_title("Jensen-Shannon divergence", fontsize=10)
    left.spines[["top", "right"]].set_visible(False)
    right.spines[["top", "right"]].set_visible(False)
    figure.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8.5, frameon=False)
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.08)  # nothing touches the edge
    return figure


def _finish(axes: Axes, place: str = "upper center") -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    axes.legend(loc=place, fontsize=8.5, frameon=False)
    axes.figure.get_layout_engine().set(w_pad=0.1, h_pad=0.08)  # nothing touches the edge
