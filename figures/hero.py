"""figures/hero.png: the same latents from 64 to 2048, whole and the same part of each enlarged.

    .venv/bin/python figures/hero.py runs/NAME [BELOW]      # BELOW: what the run began with, such as pretrained:normal
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from idcgan.checkpoint import atomically
from idcgan.sampling import load_generator, picture

OUT = Path(__file__).with_suffix(".png")
LATENTS, SIDE, GAP, LABEL = (0, 1), 300, 4, 22
LOWEST, PART, AT = 64, 8, (0.27, 0.24)  # a part is an eighth of the side, and lies there (row, column) in the film


def sources(run: str, below: str = "") -> dict:
    """{resolution: generator} of every level of the run, and of what it began with."""
    levels = sorted(int(path.stem.split("-")[1]) for path in Path(run).glob("generator-*.safetensors"))
    found = [*([load_generator(below)] if below else []), *(load_generator(run, level) for level in levels)]
    return {source.resolution: source for source in found}


def films(made_by: dict, latent: int) -> dict[int, np.ndarray]:
    """{resolution: film (r, r)}: levels below the lowest generator are its films halved."""
    found = {r: picture(source, 0, latent)[0] for r, source in made_by.items()}
    while min(found) > LOWEST:
        film = found[min(found)]
        found[min(found) // 2] = film.reshape(len(film) // 2, 2, len(film) // 2, 2).mean((1, 3)).round().astype(np.uint8)
    return dict(sorted(found.items()))


def part(film: np.ndarray) -> np.ndarray:
    """An eighth of the film's side, pixel by pixel."""
    side = len(film) // PART
    row, column = (round(share * len(film)) for share in AT)
    return film[row : row + side, column : column + side]


def draw(rows: list[dict[int, np.ndarray]]) -> Image.Image:
    """Two rows for each latent, a column for each resolution."""
    columns, step = list(rows[0]), SIDE + GAP
    sheet = Image.new("L", (len(columns) * step - GAP, LABEL + 2 * len(rows) * step - GAP), 255)
    pen = ImageDraw.Draw(sheet)
    for column, resolution in enumerate(columns):
        pen.text((column * step + SIDE // 2, LABEL // 2), f"{resolution} x {resolution}", 0, anchor="mm", font_size=15)
        for row, found in enumerate(rows):
            film = found[resolution]
            whole = Image.fromarray(film).resize((SIDE, SIDE), Image.Resampling.LANCZOS if len(film) > SIDE else Image.Resampling.NEAREST)
            near = Image.fromarray(part(film)).resize((SIDE, SIDE), Image.Resampling.NEAREST)
            for below, picture_ in enumerate((whole, near)):
                sheet.paste(picture_, (column * step, LABEL + (2 * row + below) * step))
    return sheet


if __name__ == "__main__":
    made_by = sources(*sys.argv[1:3])
    sheet = draw([films(made_by, latent) for latent in LATENTS])
    atomically(OUT, lambda path: sheet.save(path, format="PNG", optimize=True))
    print(f"{OUT}: {', '.join(map(str, made_by))}, {OUT.stat().st_size / 1e6:.1f} MB")
