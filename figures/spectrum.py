"""figures/spectrum.png: how far the power spectrum of films of two runs lies from that of held-out real ones, and how far that of real ones does.

    idcgan train FILMS/train --class normal --resolutions 128 --minutes 4 --set feature_maps_g=32 --set feature_maps_d=32 \
        --set learning_rate_d=0.0024 --set cool_down=0.8 --set fine_head=true --out runs/fine        # and without fine_head, --out runs/smooth
    idcgan evaluate runs/fine --real FILMS/val
    idcgan evaluate runs/smooth --real FILMS/val
    .venv/bin/python figures/spectrum.py runs/smooth runs/fine
"""

import json
import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from idcgan.checkpoint import atomically
from idcgan.plots import to_png

out = Path(__file__).with_suffix(".png")
figure = Figure(figsize=(7.5, 3.6), layout="constrained")
axes = figure.subplots()
axes.axhspan(-3, 3, color="0.93", zorder=0)
WORDS = {"a picture out of a smooth enlargement": "C1", "fine_head: maps at the film's own resolution": "C0"}
for path, (words, colour) in zip(sys.argv[1:], WORDS.items(), strict=True):
    curves = json.loads((Path(path) / "evaluation" / "report.json").read_text())["curves"]["spectrum"]
    frequency = np.arange(1, len(curves["made"]) + 1) / len(curves["made"])
    axes.plot(frequency, np.subtract(curves["made"], curves["held-out"]), color=colour, linewidth=1.8, label=words)
axes.plot(frequency, np.subtract(curves["real"], curves["held-out"]), color="0.4", linewidth=1.2, label="real training films")
axes.set(xlabel="frequency, 1 = finest that the pixels hold (Nyquist)", ylabel="dB beside held-out films", xlim=(0, 1.01))
axes.legend(fontsize=8, frameon=False, loc="lower left")
axes.spines[["top", "right"]].set_visible(False)
png = to_png(figure, dpi=120)
atomically(out, lambda path: path.write_bytes(png))
print(f"{out}: {out.stat().st_size / 1e6:.2f} MB")
