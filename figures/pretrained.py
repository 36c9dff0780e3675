"""figures/pretrained.png and walk.gif: films of the generators that come with the package, first latents, none picked; and a walk between latents.

    .venv/bin/python figures/pretrained.py
"""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from idcgan.checkpoint import atomically
from idcgan.plots import plot_rows, to_png
from idcgan.records import to_bytes
from idcgan.sampling import latent, load_generator, picture

OUT = Path(__file__).parent
COLUMNS, ROWS = 6, 2  # films of each class
STOPS, BETWEEN, SHOWN = 5, 7, 4  # latents of a walk, pictures from one to the next, walks beside each other
SIDE = 160


def rows_of(sources: dict[str, str], columns: int, rows: int) -> dict[str, np.ndarray]:
    """{words: films (columns, r, r)}: the first latents of each source in `rows` rows, the first of them with the source's name beside it."""
    out = {}
    for name, path in sources.items():
        source = load_generator(path)
        made = np.stack([picture(source, seed=0, index=i) for i in range(columns * rows)])
        for row in range(rows):
            out[name if row == 0 else " " * len(out)] = made[row * columns : (row + 1) * columns]
    return out


def films() -> None:
    """Two rows of each class."""
    rows = rows_of({name: f"pretrained:{name}" for name in ("normal", "abnormal")}, COLUMNS, ROWS)
    png = to_png(plot_rows(rows, side=1.6), dpi=120)
    atomically(OUT / "pretrained.png", lambda path: path.write_bytes(png))


@torch.no_grad()
def walk() -> None:
    """From latent to latent on the sphere that they lie on, and back to the first. Grain is left out: it would flicker."""
    source = load_generator("pretrained:normal")
    for grain in source.generator.grain.values():
        grain.weight.zero_()
    frames = []
    for step in range(STOPS * BETWEEN):
        stop, share = step // BETWEEN, step % BETWEEN / BETWEEN
        ends = [[latent(0, 100 * walk + (stop + k) % STOPS, source.generator.latent_dim) for k in (0, 1)] for walk in range(SHOWN)]
        z = torch.stack([between(*pair, share) for pair in ends])
        strip = np.concatenate([film[0] for film in to_bytes(source.generator(z))], 1)
        frames.append(Image.fromarray(strip).resize((SHOWN * SIDE, SIDE), Image.Resampling.LANCZOS).quantize(48))
    save = dict(format="GIF", save_all=True, append_images=frames[1:], duration=90, loop=0, optimize=True)
    atomically(OUT / "walk.gif", lambda path: frames[0].save(path, **save))


def between(a: torch.Tensor, b: torch.Tensor, share: float) -> torch.Tensor:
    """A share of the way from latent a to latent b, on the arc: a straight line would lead through films that no latent makes."""
    angle = torch.arccos(torch.dot(a, b) / (a.norm() * b.norm()))
    return (torch.sin((1 - share) * angle) * a + torch.sin(share * angle) * b) / torch.sin(angle)


if __name__ == "__main__":
    films()
    walk()
    print(*(f"{name}: {(OUT / name).stat().st_size / 1e6:.1f} MB" for name in ("pretrained.png", "walk.gif")), sep="\n")
