"""figures/from_phantoms.png: what the players of the package draw after phantoms, and the same latents after a run that began with them.

    idcgan train FILMS/train --class normal --preset quick --out runs/quick-0
    .venv/bin/python figures/from_phantoms.py runs/quick-0
"""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import torch

from idcgan import RunConfig
from idcgan.checkpoint import atomically
from idcgan.origin import begin
from idcgan.plots import plot_rows, to_png
from idcgan.records import RunFolder
from idcgan.sampling import load_generator, picture
from idcgan.state import finished_generator

COLUMNS, ROWS = 8, 2

out, run = Path(__file__).with_suffix(".png"), RunFolder.open(sys.argv[1]).run
after = load_generator(sys.argv[1], run["config"]["resolutions"][0])
config = RunConfig.from_dict(run["config"])
before = dataclasses.replace(after, generator=finished_generator(begin(config, torch.device("cpu"))[0], config))
rows = {}
for row in range(ROWS):
    for words, source in (("after phantoms", before), ("after real films", after)):
        rows[words + " " * row] = np.stack([picture(source, seed=0, index=row * COLUMNS + i) for i in range(COLUMNS)])
png = to_png(plot_rows(rows, side=1.4), dpi=120)
atomically(out, lambda path: path.write_bytes(png))
print(f"{out}: {out.stat().st_size / 1e6:.1f} MB")
