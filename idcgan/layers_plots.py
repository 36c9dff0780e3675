"""Figures of notebook 02 about shapes and counts: overlapping stamps, widths, where parameters and work lie, the generator for any resolution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Rectangle

from .checkerboards import overlaps
from .layers_view import Stage, said
from .paper_figures import draw_generator
from .plots import D_COLOUR, G_COLOUR


def roomy(width: float, height: float) -> Figure:
    """An empty figure of that many inches that keeps its labels and legends off its edges."""
    return Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.14, h_pad=0.08))


def plot_overlaps(shapes: Sequence[tuple[int, int, int]], size: int = 4) -> Figure:
    """For each (kernel, stride, padding): every output of a transposed convolution of size x size inputs with the number of stamps that reach it.

    Two neighbouring stamps are framed; what lies beyond the dashed frame is cut off by the padding.
    """
    figure, framed = roomy(4.4 * len(shapes), 5.1), {}
    for axes, (kernel, stride, padding) in zip(figure.subplots(1, len(shapes), squeeze=False)[0], shapes, strict=True):
        count = overlaps(size, kernel, stride)
        axes.imshow(count, cmap="Blues", vmin=0, vmax=1.6 * count.max())
        for (y, x), number in np.ndenumerate(count):
            axes.text(x, y, f"{number:.0f}", ha="center", va="center", fontsize=9, color="0.15")
        for place, colour, words in ((1, G_COLOUR, "one stamp"), (2, "black", "the next stamp")):
            frame = Rectangle((place * stride - 0.5, stride - 0.5), kernel, kernel, fill=False, ec=colour, lw=2.6)
            framed[words] = axes.add_patch(frame)
        if padding:
            kept = len(count) - 2 * padding
            frame = Rectangle((padding - 0.5, padding - 0.5), kept, kept, fill=False, ec="0.35", lw=1.4, ls="--")
            framed["what padding leaves"] = axes.add_patch(frame)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        after = len(count) - 2 * padding
        axes.set_title(f"kernel {kernel}, stride {stride}, padding {padding}: {size} → {after}", fontsize=10)
    figure.legend(framed.values(), framed, loc="outside lower center", ncols=len(framed), fontsize=8.5, frameon=False, handlelength=1.2)
    return figure


def plot_dense(resolutions: Sequence[int], dense: Sequence[int], convolution: Sequence[int], maps: int) -> Figure:
    """Parameters of the last layer of G, fully connected and as a transposed convolution, by resolution."""
    figure = roomy(8.4, 3.4)
    axes, at = figure.subplots(), np.arange(len(resolutions))
    axes.bar(at - 0.2, dense, 0.4, color="0.45", label="fully connected")
    axes.bar(at + 0.2, convolution, 0.4, color=G_COLOUR, label="transposed convolution, 4 x 4")
    for place, numbers in enumerate(zip(dense, convolution, strict=True)):
        for side, number in zip((-0.2, 0.2), numbers, strict=True):
            axes.text(place + side, number * 1.4, said(number).replace(" ", "\n"), ha="center", va="bottom", fontsize=7.5)
    axes.set(yscale="log", ylim=(10, max(dense) * 1e3), xticks=at, xticklabels=[f"{r}" for r in resolutions])
    axes.set(xlabel=f"resolution of the film ({maps} feature maps before it)", ylabel="parameters")
    axes.legend(loc="upper left", fontsize=8, frameon=False, ncols=2)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def plot_widths(widths: Mapping[str, Mapping[int, int]]) -> Figure:
    """Feature maps held at each resolution, a line per rule of doubling; both axes in doublings."""
    figure = roomy(8.8, 3.4)
    axes = figure.subplots()
    for (name, maps), colour, mark in zip(widths.items(), (G_COLOUR, D_COLOUR, "0.3", "#2a7f62"), "osD^", strict=False):
        axes.plot(list(maps), list(maps.values()), marker=mark, color=colour, label=name, linewidth=1.6)
    every = sorted({r for maps in widths.values() for r in maps})
    heights = sorted({count for maps in widths.values() for count in maps.values()})
    axes.set_xscale("log", base=2)
    axes.set_yscale("log", base=2)
    axes.set(xticks=every, xticklabels=every, yticks=heights, yticklabels=heights, xlabel="resolution of the features", ylabel="feature maps")
    axes.minorticks_off()
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8.5, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def plot_diagram(latent_dim: int, found: Sequence[Stage]) -> Figure:
    """The paper's unnumbered diagram of the generator (section 3.1) for any resolution."""
    figure = roomy(9, 3.2)
    draw_generator(figure.subplots(), latent_dim, [(stage.resolution, stage.maps) for stage in found])
    figure.axes[0].set_title("height: feature maps, width: resolution, both on scales of doublings", fontsize=9)
    return figure


def plot_architecture(latent_dim: int, found: Sequence[Stage], batch_size: int, title: str = "") -> Figure:
    """The paper's diagram of the generator, and beneath each resolution its share of parameters, multiplications and memory."""
    figure = roomy(9.6, 6.6)
    top, bottom = figure.subfigures(2, 1, height_ratios=(1.0, 1.05))
    draw_generator(top.subplots(), latent_dim, [(stage.resolution, stage.maps) for stage in found])
    left, middle, right = bottom.subplots(1, 3, sharey=True)
    _bars(left, found, [stage.parameters for stage in found], "parameters", "0.45")
    _bars(middle, found, [stage.multiplies for stage in found], "multiplications, one film", G_COLOUR)
    memory = [4 * batch_size * stage.kept for stage in found]
    _bars(right, found, memory, f"memory of features, batch {batch_size}", D_COLOUR, megabytes)
    if title:
        figure.suptitle(title, fontsize=11)
    return figure


def _bars(axes: Axes, found: Sequence[Stage], values: Sequence[float], title: str, colour: str, words=said) -> None:
    at, most = np.arange(len(found)), max(values) or 1
    axes.barh(at, values, color=colour, alpha=0.75, height=0.7)
    for place, value in enumerate(values):
        axes.text(value + 0.02 * most, place, words(value), va="center", fontsize=8)
    axes.set_yticks(at, [f"{stage.resolution} x {stage.resolution}" for stage in found])
    axes.set(xlim=(0, 1.45 * most), ylim=(-0.6, len(found) - 0.4), xticks=[])
    axes.tick_params(labelsize=8)
    axes.set_title(title, fontsize=9.5)
    axes.spines[["top", "right", "bottom"]].set_visible(False)


def megabytes(count: float) -> str:
    """Bytes as a person says them, also small ones."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"
