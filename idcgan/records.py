"""The run folder: run.json, samples and generators are whole at any moment; history.csv grows by rows."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import platform
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, PngImagePlugin
from safetensors.torch import save_file

from . import __version__
from .checkpoint import atomically, write_json
from .config import RunConfig
from .errors import InputError, WorkError
from .locks import locked
from .networks import Generator
from .run_record import history_rows

BUSY = "{} is being trained by another process; stop that one first, or wait."
PAPERMILLS = ("notebook.ipynb", "stderr.txt", "parameters.json")  # what lies in a run folder before the run begins

COLUMNS = ("level", "resolution", "step", "films_seen", "seconds", "loss_d", "loss_g", "d_real", "d_fake", "replaced")


class RunFolder:
    """One run's records on disk. `run` is the content of run.json."""

    def __init__(self, path: Path, run: dict[str, Any]) -> None:
        self.path, self.run = Path(path), run
        self._written = 0.0

    @staticmethod
    def refuse(path: str | Path) -> None:
        """Raises InputError where no run can be put; a notebook that papermill has put there already may stay."""
        path = Path(path)
        if (path / "run.json").exists():
            rest = f"go on with --resume {shlex.quote(str(path))}" if (path / "checkpoint.pt").exists() else "delete it, for it was never saved"
            raise InputError(f"{path} already holds a run; choose another --out, or {rest}.")
        if path.exists() and not path.is_dir():
            raise InputError(f"{path} is a file; --out must name a folder.")
        others = (
            [p.name for p in path.iterdir() if p.name not in PAPERMILLS and not p.name.startswith(".")] if path.exists() else []
        )
        if others:
            raise InputError(f"{path} is not empty ({others[0]} is in it); choose another --out.")

    @classmethod
    def create(cls, path: str | Path, config: RunConfig, **facts: Any) -> RunFolder:
        """A fresh folder. Raises InputError if a run is there."""
        cls.refuse(path)
        path = Path(path)
        try:
            (path / "samples").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{path} cannot be made: {error.strerror}; choose another --out.") from error
        folder = cls(path, {"status": "running", "config": config.to_dict(), "config_hash": config.hash(), **facts,
                            **surroundings(), "started": _now(), "levels": {}, "warnings": []})  # fmt: skip
        with open(path / "history.csv", "w", newline="", encoding="utf-8") as handle:
            csv.writer(handle).writerow(COLUMNS)
        folder.write()
        return folder

    @classmethod
    def open(cls, path: str | Path) -> RunFolder:
        """An existing run. Raises InputError."""
        path = Path(path)
        try:
            run = json.loads((path / "run.json").read_text(encoding="utf-8"))
            if not {"status", "config", "data", "levels", "warnings"} <= set(run):
                raise ValueError("fields are missing")
            return cls(path, run)
        except FileNotFoundError:
            raise InputError(f"{path} is not a run folder: it has no run.json.") from None
        except (OSError, ValueError) as error:
            raise WorkError(f"{path / 'run.json'} is damaged and cannot be read: {error}.") from error

    def write(self, **changes: Any) -> None:
        """Put changes into run.json."""
        self.run.update(changes)
        self.run["updated"] = _now()
        write_json(self.path / "run.json", self.run)
        self._written = time.monotonic()

    def show_progress(self, **progress: Any) -> None:
        """For whoever watches the folder from outside; at most once a second."""
        if time.monotonic() - self._written > 1.0:
            self.write(progress=progress)

    def log(self, row: dict[str, Any]) -> None:
        """Append one row to history.csv."""
        try:
            with open(self.path / "history.csv", "a", newline="", encoding="utf-8") as handle:
                csv.writer(handle).writerow([_short(row[name]) for name in COLUMNS])
        except OSError as error:
            raise WorkError(f"{self.path / 'history.csv'} could not be written: {error.strerror}.") from error

    def history(self) -> list[dict[str, float]]:
        """All rows, numbers as floats; a row that was cut off is left out."""
        return history_rows((self.path / "history.csv").read_text(encoding="utf-8").splitlines())

    def settle_history(self) -> None:
        """See to it that what was logged so far is on the disk."""
        try:
            with open(self.path / "history.csv", "rb+") as handle:
                os.fsync(handle.fileno())
        except OSError as error:
            raise WorkError(f"{self.path / 'history.csv'} could not be written: {error.strerror}.") from error

    def cut_history(self, rows: int) -> None:
        """Drop what was logged after the checkpoint that a resume starts from."""
        lines = (self.path / "history.csv").read_text(encoding="utf-8").splitlines(keepends=True)[: rows + 1]
        atomically(self.path / "history.csv", lambda p: p.write_text("".join(lines), encoding="utf-8"))

    def warn(self, sentence: str) -> None:
        """Keep a warning in run.json."""
        self.run["warnings"].append(sentence)
        self.write()

    def save_generator(self, generator: Generator) -> Path:
        """generator-0256.safetensors: the weights, with all that is needed to build the network in the metadata."""
        resolution = generator.levels[-1]
        path = self.path / f"generator-{resolution:04d}.safetensors"
        facts = {"format": "idcgan generator 1", "config": json.dumps(self.run["config"]), "config_hash": self.run["config_hash"],
                 "run": self.path.name, "resolution": str(resolution), "code_version": self.trained_by(),
                 "batch_norm": "standing statistics", "synthetic": "a picture made by a neural network, not a patient's film"}  # fmt: skip
        if self.run.get("began_with"):  # whose films this generator has seen as well
            facts["init"] = self.run["began_with"]
        if "by_hand" in self.run:
            facts["by_hand"] = json.dumps(self.run["by_hand"])  # the config alone does not make this generator again
        weights = {k: v.detach().cpu().contiguous() for k, v in generator.state_dict().items()}
        atomically(path, lambda p: save_file(weights, str(p), facts))
        return path

    def trained_by(self) -> str:
        """The code of the first sitting, and of each later one that went on with other code."""
        return " then ".join(dict.fromkeys([self.run["code_version"], *(sitting["code_version"] for sitting in self.run.get("resumed", []))]))

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """One process at a time trains in a folder. Raises InputError where another one does. (No lock on Windows.)"""
        with locked(self.path / ".lock", BUSY.format(self.path)):
            yield

    @staticmethod
    def wait_until_free(path: str | Path, seconds: float) -> None:
        """Wait for a process that still trains in the folder, such as one that is about to die. Raises InputError after `seconds`."""
        with locked(Path(path) / ".lock", BUSY.format(path), seconds):
            pass

    def resumed(self, level: int, step: int, differences: list[str]) -> None:
        """Keep in run.json where the run was gone on with, by which code, and what was other than when it was started."""
        sitting = {"level": level, "step": step, "at": _now(), "code_version": code_version(), "differences": differences}
        self.write(resumed=[*self.run.get("resumed", []), sitting])

    def level_done(self, resolution: int, steps: int, seconds: float, peak_memory: int, figures: dict[str, float]) -> None:
        """What a level cost, and the figures of a glance at its films."""
        self.run["levels"][str(resolution)] = {"steps": steps, "seconds": round(seconds, 2), **figures}
        self.write(peak_memory=max(peak_memory, self.run.get("peak_memory", 0)))

    def save_grid(self, name: str, films: np.ndarray, columns: int = 0, most: int = 4096, facts: dict[str, str] | None = None) -> Path:
        """samples/NAME.png from uint8 films (n, c, r, r), see `grid`; `facts` are kept in the file as text."""
        path, info = self.path / "samples" / f"{name}.png", PngImagePlugin.PngInfo()
        for key, text in (facts or {}).items():
            info.add_text(key, text)
        atomically(path, lambda p: Image.fromarray(grid(films, columns, most=most)).save(p, "PNG", pnginfo=info))
        return path

    def save_timelapse(self) -> None:
        """timelapse.png: a row per moment from the first to the last, a column per latent."""
        rows = [Image.open(p).convert("RGB") for p in sorted((self.path / "samples").glob("moment-*.png"))]
        if not rows:
            return
        width = max(row.width for row in rows)
        width = min(width, 8 * 128)
        scaled = [row.resize((width, round(row.height * width / row.width)), Image.Resampling.LANCZOS) for row in rows]
        sheet = Image.new("RGB", (width, sum(row.height for row in scaled)))
        top = 0
        for row in scaled:
            sheet.paste(row, (0, top))
            top += row.height
        atomically(self.path / "timelapse.png", lambda p: sheet.save(p, "PNG"))


def grid(films: np.ndarray, columns: int = 0, gap: int = 2, most: int = 4096) -> np.ndarray:
    """Films (n, c, r, r) uint8 side by side, (rows, columns) near square, as (h, w) or (h, w, 3); reduced to `most` pixels a side, gaps apart."""
    count, channels, side, _ = films.shape
    columns = columns or int(np.ceil(np.sqrt(count)))
    rows = -(-count // columns)
    room = max(16, most // max(columns, rows))
    if side > room:
        films = np.stack([[np.asarray(Image.fromarray(c).resize((room, room), Image.Resampling.LANCZOS)) for c in f] for f in films])
        side = room
    sheet = np.zeros((channels, rows * (side + gap) + gap, columns * (side + gap) + gap), np.uint8)
    for i, film in enumerate(films):
        top, left = gap + i // columns * (side + gap), gap + i % columns * (side + gap)
        sheet[:, top : top + side, left : left + side] = film
    return sheet[0] if channels == 1 else sheet.transpose(1, 2, 0)


def to_bytes(pictures: torch.Tensor) -> np.ndarray:
    """(n, c, r, r) in [-1, 1] -> uint8, rounded."""
    return ((pictures.float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).cpu().numpy()


def default_out(films: str, label_class: str) -> Path:
    """runs/ and a name that says what and when."""
    what = "phantom" if films.startswith("phantom:") else Path(films).resolve().name
    return Path("runs") / "-".join(filter(None, (what, label_class, time.strftime("%Y%m%d-%H%M%S"))))


def surroundings() -> dict[str, Any]:
    """What a run depends on beside its config: code, packages, system."""
    packages = {name: _version(name) for name in ("torch", "numpy", "pillow", "safetensors")}
    return {"code_version": code_version(), "packages": packages, "python": platform.python_version(), "system": platform.platform(),
            "command": [Path(sys.argv[0]).name, *sys.argv[1:]]}  # fmt: skip


def code_version() -> str:
    """Package version, with the git commit where the package runs from a checkout ("+" marks uncommitted changes)."""
    version = __version__
    here = Path(__file__).parent
    if not (here.parent / ".git").exists():
        return version
    ask = ["git", "-C", str(here), "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"]
    try:
        commit = subprocess.run(ask, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
        return f"{version} {commit}"
    except (OSError, subprocess.SubprocessError):
        return version


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")


def _short(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value


def command_name() -> str:
    """How this program was called, so that the commands it prints can be pasted."""
    return shlex.quote(sys.argv[0]) if Path(sys.argv[0]).name == "idcgan" else "idcgan"
