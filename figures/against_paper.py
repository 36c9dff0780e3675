r"""figures/against_paper.png: the paper's setting, cut to its first two levels, and `quick` at equal minutes, first latents, none picked.

    idcgan train FILMS/train --preset paper-normal-15 --resolutions 64,128 --minutes 4 \
        --set feature_maps_g=64 --set feature_maps_d=64 --out runs/paper           # as wide as it is at these levels on its way to 2048
    idcgan train FILMS/train --class normal --preset quick --out runs/quick-0
    .venv/bin/python figures/against_paper.py runs/paper runs/quick-0
"""

import sys
from pathlib import Path

from pretrained import rows_of

from idcgan.checkpoint import atomically
from idcgan.plots import plot_rows, to_png

out = Path(__file__).with_suffix(".png")
rows = rows_of(dict(zip(("the paper's setting", "quick"), sys.argv[1:], strict=True)), columns=8, rows=2)
png = to_png(plot_rows(rows, side=1.4), dpi=120)
atomically(out, lambda path: path.write_bytes(png))
print(f"{out}: {out.stat().st_size / 1e6:.1f} MB")
