"""figures/timelapse.gif: the same latents while a run grows, a frame for each saved moment.

    .venv/bin/python figures/timelapse.py runs/growing-256/half-at-64-and-128-minutes10.0-seed0      # grids/growing-256.yaml
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from idcgan.checkpoint import atomically
from idcgan.moments import Moment, read_moments

OUT = Path(__file__).with_suffix(".gif")
SHOWN, SIDE, GAP, LABEL = 5, 160, 4, 24
MILLISECONDS, AT_THE_END = 500, 1500  # that a moment is shown, and the end of a level


def frame(moment: Moment) -> Image.Image:
    """The first latents side by side, each pixel as it is, under the level and the step."""
    step = SIDE + GAP
    sheet = Image.new("L", (SHOWN * step - GAP, LABEL + SIDE), 255)
    ImageDraw.Draw(sheet).text((0, LABEL // 2), moment.name, 0, anchor="lm", font_size=15)
    for column, film in enumerate(moment.films()[:SHOWN]):
        way = Image.Resampling.LANCZOS if len(film) > SIDE else Image.Resampling.NEAREST
        sheet.paste(Image.fromarray(np.ascontiguousarray(film)).resize((SIDE, SIDE), way), (column * step, LABEL))
    return sheet.quantize(48)


if __name__ == "__main__":
    moments = read_moments(sys.argv[1])
    frames = [frame(moment) for moment in moments]
    shown_for = [AT_THE_END if moment.finished else MILLISECONDS for moment in moments]
    save = dict(format="GIF", save_all=True, append_images=frames[1:], duration=shown_for, loop=0, optimize=True)
    atomically(OUT, lambda path: frames[0].save(path, **save))
    print(f"{OUT.name}: {len(frames)} moments, {OUT.stat().st_size / 1e6:.1f} MB")
