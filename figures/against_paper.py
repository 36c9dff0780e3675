r"""figures/against_paper.png: the paper's setting, cut to its first two levels, and ours at equal minutes, first latents, none picked.

    idcgan train FILMS/train --preset paper-normal-15 --resolutions 64,128 --minutes 4 --out runs/paper
    idcgan train FILMS/train --class normal --preset growing --resolutions 128 --minutes 4 \
        --set feature_maps_g=32 --set feature_maps_d=32 --out runs/ours
    .venv/bin/python figures/against_paper.py runs/paper runs/ours
"""

import sys
from pathlib import Path

from pretrained import rows_of

from idcgan.checkpoint import atomically
from idcgan.plots import plot_rows, to_png

out = Path(__file__).with_suffix(".png")
rows = rows_of(dict(zip(("the paper's setting", "growing"), sys.argv[1:], strict=True)), columns=8, rows=2)
png = to_png(plot_rows(rows, side=1.4), dpi=120)
atomically(out, lambda path: path.write_bytes(png))
print(f"{out}: {out.stat().st_size / 1e6:.1f} MB")
