"""The figures that only notebook 03 draws: films, grey levels, squares, spectra, factors, a mixed batch. Each returns a Figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle

from .batches import MixedBatches
from .description import _spectrum
from .phantom import Factors, render
from .plots import D_COLOUR, G_COLOUR
from .pyramid import Pyramid


def plot_panels(pictures: Mapping[str, np.ndarray], columns: int = 4, side: float = 2.4, title: str = "") -> Figure:
    """Pictures (h, w), each under its name, `side` inches wide: uint8, or float in [0, 1]; every pixel a sharp square."""
    rows = -(-len(pictures) // columns)
    tallest = max(p.shape[0] / p.shape[1] for p in pictures.values())
    lines = max(name.count("\n") + 1 for name in pictures)
    height = rows * (side * tallest + 0.2 * lines + 0.1) + (0.35 if title else 0)
    figure = Figure(figsize=(side * columns, height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for place in axes:
        place.set_axis_off()
    for place, (name, picture) in zip(axes, pictures.items(), strict=False):
        draw_grey(place, picture)
        place.set_title(name, fontsize=9)
    if title:
        figure.suptitle(title, fontsize=11)
    return figure


def plot_sizes(pyramid: Pyramid, film: int = 0) -> Figure:
    """One film at every level, each drawn as large as it is beside the others: D1 is a stamp beside D5."""
    sizes = pyramid.resolutions
    gap, at = 0.09 * sizes[-1], 0.0
    total = sum(sizes) + gap * (len(sizes) - 1)
    figure = Figure(figsize=(10, 10 * 1.13 * sizes[-1] / total), layout="constrained")
    axes = figure.subplots()
    for number, size in enumerate(sizes, 1):
        axes.imshow(pyramid.level(size)[film, 0], cmap="gray", vmin=0, vmax=255, extent=(at, at + size, 0, size), interpolation="antialiased")
        axes.text(at + size / 2, size + 0.015 * total, f"D{number}\n{size}", ha="center", va="bottom", fontsize=9)
        at += size + gap
    axes.set(xlim=(-0.5 * gap, total + 0.5 * gap), ylim=(0, 1.12 * sizes[-1]), aspect="equal")
    axes.set_axis_off()
    return figure


def plot_grey_levels(films: Mapping[str, np.ndarray]) -> Figure:
    """Films, float in [0, 1], above the share of their pixels at each of 64 grey levels."""
    figure = Figure(figsize=(2.6 * len(films), 4.4), layout="constrained")
    top, bottom = figure.subplots(2, len(films), height_ratios=(3, 1.4), squeeze=False)
    for above, below, (name, film) in zip(top, bottom, films.items(), strict=True):
        draw_grey(above, film)
        above.set_axis_off()
        above.set_title(name, fontsize=9)
        below.set_ylim(0, 1.15 * draw_histogram(below, film, D_COLOUR))
        below.set_xlabel("grey level", fontsize=8)
    bottom[0].set_ylabel("% of pixels", fontsize=8)
    return figure


def plot_squares(film: np.ndarray, squares: Mapping[str, np.ndarray]) -> Figure:
    """A film (h, w), with the frame of its centre square, beside the squares that were made of it."""
    figure = Figure(figsize=(9, 2.9), layout="constrained")
    places = figure.subplots(1, 1 + len(squares), width_ratios=(film.shape[1] / film.shape[0], *[1] * len(squares)))
    height, width = film.shape
    side = min(film.shape)
    draw_grey(places[0], film)
    corner = ((width - side) // 2 - 0.5, (height - side) // 2 - 0.5)
    places[0].add_patch(Rectangle(corner, side, side, fill=False, edgecolor=G_COLOUR, linewidth=2.5))
    places[0].set_title(f"the film, {width} x {height}", fontsize=9)
    for place, (name, square) in zip(places[1:], squares.items(), strict=True):
        draw_grey(place, square)
        place.set_title(f"{name}: {square.shape[1]} x {square.shape[0]}", fontsize=9)
    for place in places:
        place.set_axis_off()
    return figure


def plot_zoom(pyramid: Pyramid, film: int, corner: tuple[float, float], share: float = 0.25) -> Figure:
    """The same square of one film at every level; `corner` (x, y) and `share` are fractions of the film's side."""
    cuts = {}
    for number, size in enumerate(pyramid.resolutions, 1):
        left, top, wide = (round(v * size) for v in (*corner, share))
        cuts[f"D{number}: {wide} x {wide} of {size}"] = pyramid.level(size)[film, 0][top : top + wide, left : left + wide]
    return plot_panels(cuts, columns=len(cuts), side=10 / len(cuts))


def power_spectrum(film: np.ndarray) -> np.ndarray:
    """Power of a film (r, r), float in [0, 1], at 1, 2, ... r / 2 cycles per film, dB, averaged over directions: as the evaluation measures it."""
    return _spectrum(np.asarray(film, np.float32))[0]


def plot_spectra(spectra: Mapping[str, np.ndarray], half: int) -> Figure:
    """Power spectra as from `power_spectrum`; grey from `half` on, which a film of 2 * half pixels a side cannot hold."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    axes = figure.subplots()
    styles = ((D_COLOUR, "-"), (G_COLOUR, "--"), ("#2a9d8f", "-."))
    for (name, power), (colour, dashes) in zip(spectra.items(), styles, strict=False):
        axes.plot(np.arange(1, len(power) + 1), power, dashes, color=colour, linewidth=1.6, label=name)
    last = max(map(len, spectra.values()))
    axes.axvspan(half, last, color="0.93", zorder=0)
    axes.set(xlabel="cycles per film", ylabel="power, dB", xlim=(1, last), xscale="log")
    marks = [2**k for k in range(0, int(np.log2(last)) + 1)]
    axes.set_xticks(marks, [str(m) for m in marks], fontsize=8)
    axes.minorticks_off()
    axes.set_title(f"grey: finer than {2 * half} pixels can hold", fontsize=9, loc="right", color="0.3")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=9, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def plot_findings(films: Sequence[tuple[np.ndarray, Factors]]) -> Figure:
    """Phantom films with what is wrong in each circled and named; an enlarged heart is named only, for its place is no circle."""
    figure = Figure(figsize=(2.4 * len(films), 2.85), layout="constrained")
    for place, (film, factors) in zip(figure.subplots(1, len(films), squeeze=False)[0], films, strict=True):
        draw_grey(place, film)
        place.set_axis_off()
        for finding in factors.findings:
            if finding.kind != "cardiomegaly":
                radius = len(film) * max(0.035, finding.size * (0.5 if finding.kind == "effusion" else 1.0))
                centre = (finding.x * len(film), finding.y * len(film))
                place.add_patch(Circle(centre, radius, fill=False, edgecolor=G_COLOUR, linewidth=1.8))
        names = ", ".join(sorted({f.kind for f in factors.findings})) or "nothing"
        place.set_title(f"{names}\nheart / chest {factors.cardiothoracic_ratio:.2f}", fontsize=8)
    return figure


def plot_factors(rows: Mapping[str, Sequence[Factors]], values: Mapping[str, Sequence[float]], resolution: int = 128) -> Figure:
    """A row per factor: the same patient with one thing changed, its value above each film."""
    columns = max(map(len, rows.values()))
    figure = Figure(figsize=(1.6 * columns + 1.2, 1.85 * len(rows)), layout="constrained")
    for line, (name, patients) in zip(figure.subplots(len(rows), columns, squeeze=False), rows.items(), strict=True):
        for place, factors, value in zip(line, patients, values[name], strict=True):
            draw_grey(place, render(factors, resolution))
            place.set(xticks=[], yticks=[])
            place.set_title(f"{value:g}", fontsize=8)
            place.spines[:].set_visible(False)
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
    return figure


def plot_batch(batches: MixedBatches, step: int, share: float) -> Figure:
    """The films of one step with a frame around those that show their higher-resolution twin, or what fading makes of all of them."""
    films, said = batches.batch(step, share)
    _, twins, weight, _ = batches.plan(step, share)
    columns = min(4, len(films))
    rows = -(-len(films) // columns)
    figure = Figure(figsize=(2.1 * columns, 2.35 * rows + 0.35), layout="constrained")
    low = batches.resolution if batches.lower is None else batches.lower.shape[-1]
    for number, place in enumerate(figure.subplots(rows, columns, squeeze=False).ravel()):
        place.set(xticks=[], yticks=[])
        place.spines[:].set_visible(False)
        if number >= len(films):
            continue
        twin = number < twins
        draw_grey(place, (films[number, 0] + 1) / 2)
        place.spines[:].set(visible=twin, color=G_COLOUR, linewidth=4)
        blend = f"{weight:.0%} {batches.resolution}, {1 - weight:.0%} {low}"
        enlarged = blend if batches.transition == "fade" else f"{low} x {low}, enlarged"
        place.set_title(f"{batches.resolution} x {batches.resolution}" if twin else enlarged, fontsize=9, color=G_COLOUR if twin else "0.3")
    faded = "all films blended" if weight < 1 else f"all films at {batches.resolution} x {batches.resolution}"
    words = {"replace": f"{twins} of {len(films)} replaced", "fade": faded, "jump": "all films at once"}
    figure.suptitle(f"{batches.transition}: {words[batches.transition]}, share told to the history: {said:g}", fontsize=10)
    return figure


def draw_grey(axes: Axes, film: np.ndarray) -> None:
    """A film, uint8 or float in [0, 1], black to white whatever it holds."""
    axes.imshow(film, cmap="gray", vmin=0, vmax=255 if film.dtype == np.uint8 else 1, interpolation="antialiased" if len(film) > 300 else "nearest")


def draw_histogram(axes: Axes, film: np.ndarray, colour: str, **style) -> float:
    """64 bars in [0, 1]; returns the highest, in per cent, of those that are not the very first or last (black rims would dwarf the rest)."""
    share, edges = np.histogram(film, 64, (0, 1))
    share = 100 * share / film.size
    axes.stairs(share, edges, color=colour, **{"fill": True, "alpha": 0.8, **style})
    axes.set(xlim=(0, 1), xticks=(0, 0.5, 1))
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    return float(share[1:-1].max())
