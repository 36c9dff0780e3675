"""figures/spectrum.png: how far the power spectrum of the films of `long` lies from that of held-out real ones, level by level.

    idcgan train FILMS/train --class normal --preset long --out runs/long
    for R in 256 512 1024 2048; do idcgan evaluate runs/long --real FILMS/val --resolution $R -n 100 --out runs/long/evaluation-$R; done
    .venv/bin/python figures/spectrum.py runs/long/evaluation-*

The picture that is kept is of seed 1, of three runs (docs/recipe.md#how-good-the-films-are). It prints the smallest and the largest difference of
twentieths of the spectrum, up to half the Nyquist frequency and above.
"""

import json
import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from idcgan.checkpoint import atomically
from idcgan.plots import to_png

OUT = Path(__file__).with_suffix(".png")
BANDS = 20


def smooth(decibels: np.ndarray) -> np.ndarray:
    """(frequencies,) -> (BANDS,): the mean of each twentieth."""
    return np.array([band.mean() for band in np.array_split(decibels, BANDS)])


def main(folders: list[str]) -> None:
    """A panel for each report, the lowest level first."""
    reports = [json.loads((Path(folder) / "report.json").read_text()) for folder in folders]
    curves = sorted((report["curves"]["spectrum"] for report in reports), key=lambda spectrum: len(spectrum["made"]))
    figure = Figure(figsize=(3.1 * len(curves), 2.9), layout="constrained")
    centres = (np.arange(BANDS) + 0.5) / BANDS
    for axes, spectrum in zip(figure.subplots(1, len(curves), sharey=True, squeeze=False)[0], curves, strict=True):
        made, real = (smooth(np.subtract(spectrum[who], spectrum["held-out"])) for who in ("made", "real"))
        half = BANDS // 2
        side = 2 * len(spectrum["made"])
        below, above = (f"{part.min():.1f} to {part.max():.1f} dB" for part in (made[:half], made[half:]))
        print(f"{side}: {below} up to half the Nyquist frequency, {above} above")
        axes.fill_between((0, 0.5), -3, 3, color="0.93", zorder=0, linewidth=0)
        axes.axhline(0, color="0.8", linewidth=0.8, zorder=0)
        axes.plot(centres, real, color="0.45", linewidth=1.2, label="real training films")
        axes.plot(centres, made, color="C0", linewidth=1.8, label="made films")
        axes.set(title=f"{side} x {side}", xlabel="frequency / Nyquist", xlim=(0, 1))
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("dB beside held-out films")
    figure.axes[0].legend(fontsize=8, frameon=False, loc="lower left")
    png = to_png(figure, dpi=120)
    atomically(OUT, lambda path: path.write_bytes(png))
    print(f"{OUT.name}: {OUT.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main(sys.argv[1:])
