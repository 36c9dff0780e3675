"""Figures 1-8 of the paper, and its unnumbered diagram of the generator, drawn from our own runs."""

from __future__ import annotations

from collections.abc import Iterator
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
        alt = f"Figure {number}: {class_} films that were trained on, at {run.resolution} x {run.resolution}."
        yield f"figure-{number}", plot_originals(run), alt
    for class_, (_, number), run in ours:
        alt = f"Figure {number}: generated {class_} films at {run.resolution} x {run.resolution}."
        yield f"figure-{number}", plot_generated(run), alt


def write_figure(figure: Figure, path: Path) -> None:
    """As PNG. Raises WorkError."""
    from .checkpoint import atomically

    png = to_png(figure)
    atomically(path, lambda temporary: temporary.write_bytes(png))


def plot_originals(run: Run) -> Figure:
    """Figures 5 and 6: the first films of the run's pyramid at its highest level. Raises InputError where the pyramid is gone."""
    pyramid = Pyramid.open(RunFolder.open(run.path).run["data"]["pyramid"])
    return _two_rows(pyramid.level(run.resolution)[:FILMS], "original")


def plot_generated(run: Run) -> Figure:
    """Figures 7 and 8: films of the run's highest level, latents 0 to 7 of seed 0, none picked."""
    source = load_generator(run.path, run.resolution)
    return _two_rows(np.stack([picture(source, seed=0, index=i) for i in range(FILMS)]), "generated")


def _two_rows(films: np.ndarray, label: str) -> Figure:
    half = -(-len(films) // 2)
    return plot_rows({label: films[:half], " ": films[half:]}, side=2.2)


def _longest(runs: dict[str, Run], label_class: str) -> Run | None:
    """The run of the most epochs of a class: the paper does not say which of them its films are from."""
    ours = [training for training in TRAININGS if training.label_class == label_class and training.name in runs]
    return runs[max(ours, key=lambda training: training.epochs).name] if ours else None


def plot_gan() -> Figure:
    """Figure 1: who gives what to whom."""
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    axes = _canvas(figure, (0, 10), (0, 3.4))
    boxes = (
        (0.9, 0.9, "noise z", "0.35"),
        (3.1, 0.9, "generator G", G_COLOUR),
        (5.3, 0.9, "fake film\nG(z)", G_COLOUR),
        (5.3, 2.4, "real film\nx", "0.35"),
        (7.5, 1.65, "discriminator D", D_COLOUR),
        (9.35, 1.65, "real?\nD(x), D(G(z))", "0.35"),
    )
    for x, y, text, colour in boxes:
        axes.text(x, y, text, ha="center", va="center", fontsize=10, bbox={"boxstyle": "round,pad=0.5", "fc": "white", "ec": colour})
    gives = (
        ((1.45, 0.9), (2.25, 0.9)),
        ((3.95, 0.9), (4.7, 0.9)),
        ((5.9, 1.0), (6.65, 1.4)),
        ((5.9, 2.3), (6.65, 1.9)),
        ((8.35, 1.65), (8.65, 1.65)),
    )
    for start, end in gives:
        axes.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": "0.35"})
    learns = (((7.5, 1.3), D_COLOUR, -0.3, (7.95, 0.62), "D learns to tell"), ((3.1, 0.5), G_COLOUR, -0.2, (6.2, 0.2), "G learns to pass"))
    for end, colour, bend, where, text in learns:
        arrow = {"arrowstyle": "->", "color": colour, "linestyle": "--", "connectionstyle": f"arc3,rad={bend}"}
        axes.annotate("", end, (9.35, 1.2), arrowprops=arrow)
        axes.text(*where, text, ha="center", fontsize=9, color=colour)
    return figure


def plot_generator(run: Run) -> Figure:
    """The paper's diagram of the generator, from the run's own: maps as height, resolution as width, each on a scale of doublings."""
    generator = load_generator(run.path, run.resolution).generator
    stages = [(int(name), block[1].num_features) for name, block in generator.blocks.items()]
    stages.append((run.resolution, run.config["channels"]))
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    high = max(maps for _, maps in stages)
    axes = _canvas(figure, (-1.6, 1.7 * len(stages)), (-1.5, 1.6 + np.log2(high)))
    axes.text(-1.1, 0.8, f"z\n{generator.latent_dim}", ha="center", va="center", fontsize=10)
    for place, (resolution, maps) in enumerate(stages):
        last = place == len(stages) - 1
        width, height = 0.16 + 0.11 * np.log2(resolution), 0.5 + np.log2(maps)
        axes.bar(1.7 * place, height, width, color="0.35" if last else G_COLOUR, alpha=0.35)
        axes.text(1.7 * place, height + 0.15, f"{maps} map{'s' if maps > 1 else ''}", ha="center", fontsize=8)
        axes.text(1.7 * place, -0.15, f"{resolution} x\n{resolution}", ha="center", va="top", fontsize=8)
        axes.annotate("", (1.7 * place - width / 2 - 0.05, 0.25), (1.7 * place - 1.2 + 0.2, 0.25), arrowprops={"arrowstyle": "->", "color": "0.35"})
    axes.set_title("Each arrow: a transposed convolution of 4 x 4; then batch norm and ReLU, at the film Tanh", fontsize=9)
    return figure


def _canvas(figure: Figure, x: tuple[float, float], y: tuple[float, float]) -> Axes:
    axes = figure.subplots()
    axes.set(xlim=x, ylim=y)
    axes.set_axis_off()
    return axes
