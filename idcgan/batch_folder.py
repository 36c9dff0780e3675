"""The folder of a batch: a run folder per run, what the batch was asked to do, and on what machine with which packages.

    OUT/batch.json          the grid: notebook, and every run with its parameters
    OUT/environment.json    packages, git commit, machine
    OUT/pyramids/           the films at every level, shared by the runs
    OUT/NAME/               a run folder, with parameters.json, notebook.ipynb, stderr.txt, and failure.txt where it failed
"""

from __future__ import annotations

import json
import time
from importlib import metadata
from pathlib import Path
from typing import Any

from . import machine
from .batch import BATCH
from .checkpoint import write_json
from .errors import InputError
from .grids import Grid
from .intake import cores
from .loader import open_or_build
from .parameters import config_of
from .records import surroundings

FAILURE = "failure.txt"


def refuse(grid: Grid, out: Path) -> None:
    """Raises InputError where `out` cannot be the batch's folder, or a run there was begun with other parameters."""
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; --out must name a folder.")
    if out.is_dir() and not (out / "batch.json").is_file() and any(not entry.name.startswith(".") for entry in out.iterdir()):
        raise InputError(f"{out} is not empty and holds no batch; choose another --out.")
    for name, parameters in grid.runs.items():
        _refuse_changes(grid, out / name, name, parameters)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out} cannot be made: {error.strerror}; choose another --out.") from error


def remember(grid: Grid, out: Path) -> list[str]:
    """Write batch.json and, once, environment.json. Returns sentences where the batch goes on with other code or another torch."""
    write_json(out / "batch.json", {"grid": grid.path.name, "notebook": grid.notebook.name, "runs": grid.runs})
    path, now = out / "environment.json", environment()
    if not path.exists():
        write_json(path, now)
        return []
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
        pairs = [("idcgan", before["code_version"], now["code_version"]), ("torch", before["packages"]["torch"], now["packages"]["torch"])]
    except (OSError, ValueError, KeyError, TypeError):
        return [f"{path} is damaged; what this batch was begun with is not known."]
    return [f"the batch was begun with {name} {a} and goes on with {b}." for name, a, b in pairs if a != b]


def begin_run(grid: Grid, out: Path, name: str) -> None:
    """Make a run's folder, with its parameters in it."""
    (out / name).mkdir(exist_ok=True)
    if not (out / name / BATCH).exists():
        write_json(out / name / BATCH, {"notebook": grid.notebook.name, "parameters": grid.runs[name]})


def status_of(folder: Path) -> str:
    """finished, failed (its code; failure.txt says why) or unfinished: never begun, interrupted, or lost with its machine."""
    if (folder / FAILURE).exists():
        return "failed"
    try:
        run = json.loads((folder / "run.json").read_text(encoding="utf-8")) if (folder / "run.json").exists() else {"status": "finished"}
        notebook = json.loads((folder / "notebook.ipynb").read_text(encoding="utf-8"))["metadata"]["papermill"]
    except (OSError, ValueError, KeyError, TypeError):
        return "unfinished"
    ended = notebook.get("end_time") and not notebook.get("exception")
    return "finished" if ended and run.get("status") == "finished" else "unfinished"


def build_pyramids(grid: Grid, names: list[str], out: Path, progress: bool) -> None:
    """The pyramids of these runs, each once and before the runs start, or one would wait for the other.

    Raises InputError where a run of the grid, finished or not, was begun with other films than are there now.
    """
    built, todo = {}, set(names)
    for name in sorted(grid.runs, key=lambda name: name not in todo):  # those that need films first
        found = config_of(grid.notebook, grid.runs[name])
        if found is None or "out" not in grid.takes:
            continue
        films, config = found
        key = (films, config.label_class, config.resolutions, config.square, config.channels)
        if name in todo and key not in built:
            built[key] = open_or_build(films, config, out / "pyramids", progress).fingerprint
        before = _fingerprint(out / name)
        if before and built.get(key, before) != before:
            raise InputError(f"the films in {films} are not those that {out / name} was begun with; put those back, or choose another --out.")


def _fingerprint(folder: Path) -> str | None:
    """Of the films that the run there was begun with; None where it does not say."""
    try:
        return json.loads((folder / "run.json").read_text(encoding="utf-8"))["data"]["fingerprint"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def environment() -> dict[str, Any]:
    """What a run depends on beside its parameters, for whoever wants to repeat it."""
    import torch

    packages = {d.metadata["Name"]: d.version for d in metadata.distributions() if d.metadata["Name"]}
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    here = {"processor": machine.processor(), "cores": cores(), "memory_free": machine.memory_available(), "gpus": gpus}
    return {**surroundings(), "machine": here, "packages": dict(sorted(packages.items(), key=lambda item: item[0].lower())),
            "started": time.strftime("%Y-%m-%dT%H:%M:%S%z")}  # fmt: skip


def _refuse_changes(grid: Grid, folder: Path, name: str, parameters: dict[str, Any]) -> None:
    if not folder.exists() or (folder.is_dir() and all(entry.name.startswith(".") for entry in folder.iterdir())):  # nothing was written yet
        return
    try:
        before = json.loads((folder / BATCH).read_text(encoding="utf-8"))
        notebook, values = before["notebook"], dict(before["parameters"])
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"{folder} is there already and is no run of a batch; move it away, or choose another --out.") from None
    now = json.loads(json.dumps(parameters))
    changed = [f"{k} was {values.get(k)!r} and is {now.get(k)!r}" for k in sorted({*values, *now}) if values.get(k) != now.get(k)]
    changed += [f"the notebook was {notebook} and is {grid.notebook.name}"] if notebook != grid.notebook.name else []
    if changed:
        raise InputError(f"{folder} was begun otherwise ({', '.join(changed)}); give the run another name in {grid.path}, or choose another --out.")
