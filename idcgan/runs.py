"""The run folders below a folder, read from the folders alone: no database, no torch, every run.json read once."""

from __future__ import annotations

import gc
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import InputError, nearest
from .run_record import alive, evaluation_of, figures_of, films_of, glanced, history_rows, one_line

STATUSES = ("finished", "running", "interrupted", "stopped", "failed", "damaged")
NOT_SEARCHED = {"pyramids", "descriptions"}  # what lies beside runs and holds thousands of files
# of two evaluations
OTHER_JUDGES = "against other held-out films, by other features, at another resolution, with another number of films or of latents farther out or in"


@dataclass(frozen=True)
class Run:
    """One run as its folder tells it. `figures`: numbers by name; `judged`: the entries of its evaluation (value, interval, floor)."""

    name: str  # the path below the folder that was asked for
    path: Path
    status: str  # of STATUSES
    sentence: str = ""  # why it failed, or what is damaged
    films: str = ""  # the folder's name and how many; runs with the same here are taken for runs on the same films
    config: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)
    levels: dict[int, dict[str, Any]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    judged: dict[str, dict[str, Any]] = field(default_factory=dict)
    judge: tuple[str, ...] = ()  # held-out films, features, resolution, number of films, spread: figures of other judges are others
    fingerprint: str = ""  # of the pyramid: of its films and its options
    glanced: int = 0  # films that its distances were measured with; 0: not known

    @property
    def label_class(self) -> str:
        """ "normal", "abnormal", ... or nothing."""
        return str(self.config.get("label_class", ""))

    @property
    def resolution(self) -> int:
        """Pixels per side of the highest finished level; 0: none."""
        return max(self.levels, default=0)

    @property
    def grid(self) -> Path | None:
        """The sample grid of the highest level that has one."""
        paths = (self.path / "samples" / f"{resolution:04d}.png" for resolution in sorted(self.levels, reverse=True))
        return next((path for path in paths if path.is_file()), None)

    def value(self, name: str) -> Any:
        """A parameter or a figure by its name; None where this run has none."""
        if name in ("name", "status", "films"):
            return getattr(self, name)
        return self.figures[name] if name in self.figures else self.config.get(name)

    def history(self, most: int = 0) -> list[dict[str, float]]:
        """The rows of history.csv as floats, `most` of them evenly spread (0: all); a row that was cut off is left out."""
        try:
            head, *lines = (self.path / "history.csv").read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError):
            return []
        if most and len(lines) > most:
            lines = [lines[i * (len(lines) - 1) // (most - 1)] for i in range(most)]
        return history_rows([head, *lines])


def read_runs(folder: str | Path) -> list[Run]:
    """All runs below `folder`, by name. A damaged or failed run is one of them. Raises InputError where there is none."""
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder; give the folder that holds the runs, such as runs.")
    collects = gc.isenabled()
    gc.disable()  # nothing here refers to itself, and looking through half a million small objects for such would take a fifth of the time
    try:
        runs = [_run(path, _name(path, folder), content) for path, content in _contents(str(folder))]
    finally:
        if collects:
            gc.enable()
    if not runs:
        raise InputError(f"{folder} holds no run: neither it nor a folder below it has a run.json; idcgan train makes one.")
    return sorted(runs, key=lambda run: run.name)


def find(runs: list[Run], name: str) -> Run:
    """The run of this name, or whose folder this is. Raises InputError with the nearest name."""
    for run in runs:
        if printable(name) == run.name or (Path(name).exists() and Path(name).resolve() == run.path.resolve()):
            return run
    raise InputError(f"there is no run {name!r}; {nearest_of(name, [run.name for run in runs])}")


def nearest_of(name: str, known: list[str]) -> str:
    """How a refusal ends: the nearest of the known names, or the first of them."""
    return nearest(name, known, f"there are {', '.join(known[:12])}{' and more' if len(known) > 12 else ''}.")


def _contents(folder: str) -> Iterator[tuple[str, bytes | OSError | None]]:
    """Each run's folder and run.json, as bytes (or why not); None: there is only a failure.txt. The inside of a run is not searched."""
    todo = [folder]
    while todo:
        here = todo.pop()
        try:
            with open(f"{here}/run.json", "rb", buffering=0) as handle:  # plain strings: a Path for each file would take half of the time
                yield here, handle.readall()
                continue
        except FileNotFoundError:
            pass
        except OSError as error:
            if not isinstance(error, PermissionError) or os.access(here, os.X_OK):  # else the folder itself is closed to us, such as lost+found
                yield here, error
            continue
        if os.path.isfile(f"{here}/failure.txt"):
            yield here, None
            continue
        try:
            with os.scandir(here) as entries:
                todo += [e.path for e in entries if e.name not in NOT_SEARCHED and e.name[0] != "." and e.is_dir(follow_symlinks=False)]
        except OSError:  # a folder that is closed to us, or has just gone
            continue


def _name(path: str, folder: Path) -> str:
    root = str(folder)
    return printable(path[len(root) :].strip("/" + os.sep).replace(os.sep, "/") if path != root else folder.resolve().name)


def printable(text: str) -> str:
    """With the bytes of a file's name that are no UTF-8 spelt out, for a terminal, a page or CSV cannot hold them; two names stay two."""
    return text.encode("utf-8", "backslashreplace").decode()


def _run(path: str, name: str, content: bytes | OSError | None) -> Run:
    failure = one_line(f"{path}/failure.txt")
    if content is None:
        return Run(name, Path(path), "failed", failure or "it says nothing of why.")
    try:
        if isinstance(content, OSError):
            raise content
        return _told(path, name, json.loads(content), failure)
    except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
        why = f"the field {error} is missing" if isinstance(error, KeyError) else getattr(error, "strerror", None) or str(error)
        return Run(name, Path(path), "damaged", printable(f"run.json is damaged and cannot be read: {why}.{f' {failure}' if failure else ''}"))


def _told(path: str, name: str, run: dict[str, Any], failure: str) -> Run:
    """Raises ValueError, TypeError, AttributeError or KeyError where run.json is not what RunFolder writes."""
    levels = {int(resolution): dict(level) for resolution, level in run["levels"].items()}
    status = run["status"]
    if status not in STATUSES:
        raise ValueError(f"its status is {status!r}")
    if status == "running" and not alive(path, run.get("updated", "")):
        status = "stopped"
    if failure and status != "running":
        status = "failed"
    judged, judge = evaluation_of(path)
    sentence = failure or str(run.get("error", "")) if status in ("failed", "interrupted") else ""
    data, warnings = run.get("data") or {}, tuple(printable(str(warning)) for warning in run["warnings"])
    return Run(name, Path(path), status, printable(" ".join(sentence.split())), printable(films_of(data)), dict(run["config"]),
               figures_of(run, levels, judged), levels, warnings, judged, judge, str(data.get("fingerprint") or ""),
               glanced(run["config"], data))  # fmt: skip
