"""Figures 1-8 of the paper, and its unnumbered diagram of the generator, drawn from our own runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .paper import TRAININGS
from .plots import D_COLOUR, G_COLOUR, plot_losses, plot_rows, to_png
from .pyramid import Pyramid
from .records import RunFolder
from .runs import Run
from .sampling import load_generator, picture

FILMS = 8  # in Figures 5-8
CLASSES = (("normal", 5, 7), ("abnormal", 6, 8))  # a class, the figure of its original films, that of its generated ones


def figures(runs: dict[str, Run]) -> Iterator[tuple[str, Figure, str]]:
    """(name, figure, alt text), in the paper's order; what needs a run that is not there is left out.

    `runs` as from `paper.paper_runs`. Figures 5 and 6 show films that were trained on: where these are patients', so is what is drawn.
    """
    yield "figure-1", plot_gan(), "Figure 1: noise z goes into G, its film and a real one into D, and D's error goes back to both."
    if runs:
        best = max(runs.values(), key=lambda run: run.resolution)
        alt = f"The generator of {best.name}: from a latent vector through transposed convolutions to a film, layer by layer."
        yield "generator", plot_generator(best), alt
    for training in TRAININGS:
        if training.figure and (run := runs.get(training.name)):
            title = f"Figure {training.figure}: losses, {training.describe()}"
            alt = f"{title}. Discriminator and generator by step, with D's belief below."
            yield f"figure-{training.figure}", plot_losses(run.history(), title), alt
    ours = [(class_, numbers, run) for class_, *numbers in CLASSES if (run := _longest(runs, class_))]
    for class_, (number, _), run in ours:
        title = f"Figure {number}: {class_} films that were trained on, at {run.resolution} x {run.resolution}"
        yield f"figure-{number}", plot_originals(run, title), f"{title}."
    for class_, (_, number), run in ours:
        title = f"Figure {number}: generated {class_} films, {run.name}, at {run.resolution} x {run.resolution}"
        yield f"figure-{number}", plot_generated(run, title), f"{title}."


def write_figure(figure: Figure, path: Path) -> None:
    """As PNG. Raises WorkError."""
    from .checkpoint import atomically

    png = to_png(figure)
    atomically(path, lambda temporary: temporary.write_bytes(png))


def plot_originals(run: Run, title: str = "") -> Figure:
    """Figures 5 and 6: the first films of the run's pyramid at its highest level. Raises InputError where the pyramid is gone."""
    pyramid = Pyramid.open(RunFolder.open(run.path).run["data"]["pyramid"])
    return _two_rows(pyramid.level(run.resolution)[:FILMS], title)


def plot_generated(run: Run, title: str = "") -> Figure:
    """Figures 7 and 8: films of the run's highest level, latents 0 to 7 of seed 0, none picked."""
    source = load_generator(run.path, run.resolution)
    return _two_rows(np.stack([picture(source, seed=0, index=i) for i in range(FILMS)]), title)


def _two_rows(films: np.ndarray, title: str) -> Figure:
    half = -(-len(films) // 2)
    return plot_rows({"": films[:half], " ": films[half:]}, side=2.2, title=title)


def _longest(runs: dict[str, Run], label_class: str) -> Run | None:
    """The run of the most epochs of a class: the paper does not say which of them its films are from."""
    ours = [training for training in TRAININGS if training.label_class == label_class and training.name in runs]
    return runs[max(ours, key=lambda training: training.epochs).name] if ours else None


def plot_gan() -> Figure:
    """Figure 1: who gives what to whom."""
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    axes = _canvas(figure, (0, 10), (-0.1, 3.2))
    boxes = {
        "z": (0.8, 1.0, "noise z", "0.35"),
        "G": (2.8, 1.0, "generator G", G_COLOUR),
        "fake": (5.0, 1.0, "fake film\nG(z)", G_COLOUR),
        "real": (5.0, 2.6, "real film\nx", "0.35"),
        "D": (7.1, 1.8, "discriminator D", D_COLOUR),
        "belief": (9.2, 1.8, "real?\nD(x), D(G(z))", "0.35"),
    }
    drawn = {}
    for name, (x, y, text, colour) in boxes.items():
        box = {"boxstyle": "round,pad=0.5", "fc": "white", "ec": colour}
        drawn[name] = axes.text(x, y, text, ha="center", va="center", fontsize=10, bbox=box)
    for giver, taker in (("z", "G"), ("G", "fake"), ("fake", "D"), ("real", "D"), ("D", "belief")):
        ends = {"patchA": drawn[giver].get_bbox_patch(), "patchB": drawn[taker].get_bbox_patch(), "shrinkA": 3, "shrinkB": 3}
        axes.annotate("", boxes[taker][:2], boxes[giver][:2], arrowprops={"arrowstyle": "->", "color": "0.35", **ends})
    for learner, start, low, text in (("D", 9.0, 1.15, "D learns to tell"), ("G", 9.4, 0.15, "G learns to pass")):
        x, y, _, colour = boxes[learner]
        axes.plot((start, start, x), (1.45, low, low), "--", color=colour, linewidth=1)
        axes.annotate("", (x, y - 0.3), (x, low - 0.02), arrowprops={"arrowstyle": "->", "color": colour})
        axes.text((x + start) / 2, low + 0.05, text, ha="center", va="bottom", fontsize=9, color=colour)
    return figure


def plot_generator(run: Run) -> Figure:
    """The paper's diagram of the generator, from the run's own: maps as height, resolution as width, each on a scale of doublings."""
    generator = load_generator(run.path, run.resolution).generator
    stages = [(int(name), block[1].num_features) for name, block in generator.blocks.items()]
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    draw_generator(figure.subplots(), generator.latent_dim, [*stages, (run.resolution, run.config["channels"])])
    arrows = "Each arrow: a transposed convolution of 4 x 4; then batch norm and ReLU, at the film Tanh"
    figure.axes[0].set_title(f"{arrows}. Heights and widths on scales of doublings", fontsize=9)
    return figure


def draw_generator(axes: Axes, latent_dim: int, stages: Sequence[tuple[int, int]]) -> None:
    """The diagram itself: `stages` are (resolution, maps), from 4 x 4 to the film."""
    _bare(axes, (-1.6, 1.7 * len(stages)), (-1.5, 1.6 + np.log2(max(maps for _, maps in stages))))
    axes.text(-1.1, 0.8, f"z\n{latent_dim}", ha="center", va="center", fontsize=10)
    for place, (resolution, maps) in enumerate(stages):
        last = place == len(stages) - 1
        width, height = 0.16 + 0.11 * np.log2(resolution), 0.5 + np.log2(maps)
        axes.bar(1.7 * place, height, width, color="0.35" if last else G_COLOUR, alpha=0.35)
        axes.text(1.7 * place, height + 0.15, f"{maps} map{'s' if maps > 1 else ''}", ha="center", fontsize=8)
        axes.text(1.7 * place, -0.15, f"{resolution} x {resolution}", ha="center", va="top", fontsize=8)
        axes.annotate("", (1.7 * place - width / 2 - 0.05, 0.25), (1.7 * place - 1.2 + 0.2, 0.25), arrowprops={"arrowstyle": "->", "color": "0.35"})


def _canvas(figure: Figure, x: tuple[float, float], y: tuple[float, float]) -> Axes:
    axes = figure.subplots()
    _bare(axes, x, y)
    return axes


def _bare(axes: Axes, x: tuple[float, float], y: tuple[float, float]) -> None:
    axes.set(xlim=x, ylim=y)
    axes.set_axis_off()
