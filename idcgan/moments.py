"""The saved moments of a run: the same eight latents as the generator drew them while it trained, and as it drew them at the end of each level."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from .config import RunConfig
from .errors import InputError
from .records import RunFolder

LATENTS = 8  # on a strip, see `levels._take_moment`
GAP = 2  # pixels between the films of a sheet, see `records.grid`


@dataclass(frozen=True)
class Moment:
    """A picture of a run folder that shows the run's first latents. `step` counts in the level, from 1; None where the file does not tell."""

    path: Path
    level: int  # from 1
    resolution: int
    step: int | None
    count: int  # films
    columns: int
    finished: bool  # the level is: drawn from its average, with standing statistics

    @property
    def name(self) -> str:
        """What to call it."""
        at = "end of the level" if self.finished else f"step {self.step:,}" if self.step else f"moment {int(self.path.stem[-3:])}"
        return f"{self.resolution} x {self.resolution}, {at}"

    def films(self) -> np.ndarray:
        """(count, side, side) uint8, cut out of the sheet; large films are reduced there. Colour becomes grey."""
        with Image.open(self.path) as picture:
            sheet = np.asarray(picture.convert("L"))
        pitch = (sheet.shape[1] - GAP) // self.columns
        places = [divmod(i, self.columns) for i in range(self.count)]
        return np.stack([sheet[GAP + row * pitch : (row + 1) * pitch, GAP + column * pitch : (column + 1) * pitch] for row, column in places])


def read_moments(run: str | Path) -> list[Moment]:
    """Every saved moment of a run folder in the order of training, each level closed by its end. Raises InputError for what is no run."""
    folder = RunFolder.open(run)
    config, found = RunConfig.from_dict(folder.run["config"]), []
    count = min(LATENTS, config.samples)
    for level, resolution in enumerate(config.resolutions, 1):
        for path in sorted((folder.path / "samples").glob(f"moment-{resolution:04d}-*.png")):
            found.append(Moment(path, level, resolution, _step(path), count, LATENTS, False))
        path, steps = folder.path / "samples" / f"{resolution:04d}.png", folder.run["levels"].get(str(resolution), {}).get("steps")
        if path.exists() and steps:
            found.append(Moment(path, level, resolution, steps, count, int(np.ceil(np.sqrt(config.samples))), True))
    return found


def newest_moment(run: str | Path) -> Moment | None:
    """The last one, also while the run trains; None before the first, and before there is a run."""
    try:
        return (read_moments(run) or [None])[-1]
    except InputError:
        return None


def _step(path: Path) -> int | None:
    with Image.open(path) as picture:
        text = getattr(picture, "text", {}).get("idcgan:step", "")
    return int(text) if text.isdecimal() else None
