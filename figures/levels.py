"""figures/levels.png: the same latents at every level of one run.

    make run && .venv/bin/python figures/levels.py runs/NAME
"""

import sys
from pathlib import Path

import numpy as np

from idcgan.checkpoint import atomically
from idcgan.plots import plot_rows, to_png
from idcgan.sampling import load_generator, picture

run, out = Path(sys.argv[1]), Path(__file__).with_suffix(".png")
levels = [int(path.stem.split("-")[1]) for path in sorted(run.glob("generator-*.safetensors"))]
rows = {}
for level in levels:
    source = load_generator(run, level)
    rows[f"{level} x {level}"] = np.stack([picture(source, seed=0, index=i) for i in range(7)])
png = to_png(plot_rows(rows, side=1.6), dpi=110)
atomically(out, lambda path: path.write_bytes(png))
print(f"{out}: {', '.join(rows)}")
