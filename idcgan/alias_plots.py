"""The figures of notebook 03 about aliasing. Pixels are shown as whole squares of the screen: a figure that is resampled again would lie."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from .gratings import ENLARGEMENTS, FILTERS, contrast_left, echo, reduced

LINES = dict(zip((*FILTERS, "polynomials"), ("#777777", "#c2571a", "#2a9d8f", "#1f5fa8", "#8e3b8e"), strict=True))  # also told apart by their dashes
DASHES = dict(zip((*FILTERS, "polynomials"), (":", "--", "-.", "-", (0, (5, 1))), strict=True))
GAP, TITLE, DPI = 12, 24, 100  # pixels, pixels, and what plots.to_png takes


def plot_exact(pictures: Mapping[str, np.ndarray], pixels: int = 200) -> Figure:
    """Square pictures, float in [0, 1], in a row, each pixel enlarged a whole number of times and no more than `pixels` wide in all.

    Drawn pixel by pixel (`figimage`): matplotlib's own resizing would blur fine stripes, or give them aliases.
    """
    wide = len(pictures) * (pixels + GAP) + GAP
    figure = Figure(figsize=(wide / DPI, (pixels + TITLE + GAP) / DPI), dpi=DPI)
    for place, (name, picture) in enumerate(pictures.items()):
        times = max(1, pixels // len(picture))
        shown = np.kron(np.clip(picture, 0, 1), np.ones((times, times)))
        left = GAP + place * (pixels + GAP)
        inset = (pixels - len(shown)) // 2
        figure.figimage(shown, left + inset, GAP + inset, cmap="gray", vmin=0, vmax=1, origin="upper")
        figure.text((left + pixels / 2) / wide, 1 - TITLE / 2 / (pixels + TITLE + GAP), name, ha="center", va="center", fontsize=9)
    return figure


def plot_contrast_left(side: int, resolution: int, points: int = 60) -> Figure:
    """How much of a grating's contrast each of FILTERS lets through from `side` to `resolution` pixels, against its fineness."""
    cycles = np.linspace(1.3, side / 2 - 1.7, points)  # no whole numbers: a grating in step with the pixels is a special case
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    axes = figure.subplots()
    for name in FILTERS:
        left = [contrast_left(lambda film, r, name=name: reduced(film, r, name), side, resolution, c) for c in cycles]
        axes.plot(cycles, left, DASHES[name], color=LINES[name], linewidth=1.8, label=name)
    axes.axvspan(resolution / 2, side / 2, color="0.93", zorder=0)
    axes.text(resolution / 2 * 1.03, 1.16, f"finer than {resolution} pixels can hold: all of this is alias", fontsize=9, va="top", color="0.3")
    axes.set(xlabel="stripes per film", ylabel="contrast left", xlim=(0, side / 2), ylim=(0, 1.2))
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=9, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def plot_echoes(side: int) -> Figure:
    """What each of ENLARGEMENTS keeps of a grating when `side` pixels become twice as many, and how strong its echo is, against its fineness."""
    cycles = np.unique(np.geomspace(2, side / 2 - 3, 24).astype(int))
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    kept, echoes = figure.subplots(1, 2)
    for name in ENLARGEMENTS:
        both = np.array([echo(name, side, int(c)) for c in cycles])
        kept.plot(cycles, both[:, 0], linestyle=DASHES[name], color=LINES[name], linewidth=1.8, label=name)
        echoes.plot(cycles, 20 * np.log10(both[:, 1] + 1e-9), linestyle=DASHES[name], color=LINES[name], linewidth=1.8)
    kept.set(xlabel="stripes per film", ylabel="share of the grating that is kept", ylim=(0, 1.1))
    echoes.set(xlabel="stripes per film", ylabel="its echo, dB beside the grating", ylim=(-125, 5))
    kept.legend(fontsize=9, frameon=False)
    for axes in (kept, echoes):
        axes.set_xlim(0, side / 2)
        axes.spines[["top", "right"]].set_visible(False)
    return figure
