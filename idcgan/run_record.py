"""What a run folder says of itself, piece by piece: its films, its figures, its evaluation, and whether anybody works on it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import PureWindowsPath
from typing import Any

from .locks import is_locked

GLANCE = 24  # films of a kind that a distance is measured with, at most: a glance at 2048 x 2048 then takes some ten seconds of a level's minutes
QUIET = 600  # seconds without a word after which a run that nobody holds is taken for stopped; ten logged steps at 2048 take five minutes
RENAMED = {"precision": "evaluation_precision"}  # a measure that is called like a field of the config


def times_floor(level: dict[str, Any]) -> float | None:
    """A level's distance to the real films as a multiple of what these have among themselves; None where it was not measured."""
    distance, floor = level.get("swd"), level.get("swd_floor")
    return distance / floor if floor and distance is not None else None


def films_of(data: dict[str, Any]) -> str:
    """Without the way to the folder: the same films are named differently from different places, and a page need not tell where they lie."""
    films, pyramid = str(data.get("films", "")), str(data.get("pyramid", ""))
    if films.startswith("phantom:"):
        return films
    name = PureWindowsPath(films).name  # which knows both separators, wherever the run was made
    if name in ("", ".."):  # "." was asked for; a pyramid on the shelf is called like its films, with a key behind
        name = re.sub("-[0-9a-f]{8}$", "", PureWindowsPath(pyramid).name)
    return ", ".join(filter(None, (name, f"{data.get('count', '?')} films" if data else "")))


def glanced(config: dict[str, Any], data: dict[str, Any]) -> int:
    """How many films of a kind the levels' distances were measured with, as `glance` counts them; 0: not known."""
    samples, count = config.get("samples"), data.get("count")
    return min(GLANCE, samples, count // 2) if isinstance(samples, int) and isinstance(count, int) else 0


def history_rows(lines: Sequence[str]) -> list[dict[str, float]]:
    """The rows of history.csv, head first, as floats; one that a full disk or a kill cut off, or that is being written just now, is left out."""
    names, rows = lines[0].split(",") if lines else [], []
    for line in lines[1:]:
        try:
            rows.append({name: float(cell) for name, cell in zip(names, line.split(","), strict=True)})
        except ValueError:
            continue
    return rows


def figures_of(run: dict[str, Any], levels: dict[int, dict[str, Any]], judged: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What can be sorted by; a figure that the run does not have is left out."""
    now, top = run.get("progress") or {}, levels[max(levels)] if levels else {}
    steps = sum(level["steps"] for level in levels.values()) + (now.get("step", 0) if now.get("resolution") not in (None, *levels) else 0)
    seconds = run.get("seconds") or now.get("seconds") or sum(level["seconds"] for level in levels.values())
    found = {"resolution": max(levels, default=None), "seconds": seconds, "steps": steps, "variety": top.get("variety"),
             "distance": times_floor(top),
             **run.get("final", {}), "warnings": len(run["warnings"]), "peak_memory": run.get("peak_memory")}  # fmt: skip
    found |= {key: entry["value"] for key, entry in judged.items()}
    return {key: value for key, value in found.items() if isinstance(value, int | float) and value == value}


def evaluation_of(path: str) -> tuple[dict[str, dict[str, Any]], tuple[str, ...]]:
    """The measures of RUN/evaluation/report.json, and who judged; nothing where there is none that can be read."""
    try:
        with open(f"{path}/evaluation/report.json", "rb") as handle:
            report = json.load(handle)
        about = report["about"]
        sets = (about["fingerprints"]["held_out"], about["features"], about["resolution"], about["compared"])
        judge = (*map(str, sets), f"{about.get('spread', 1.0):g}")
        kept = ("title", "value", "interval", "floor", "told_apart", "worse")
        found = {RENAMED.get(key, key): {name: entry.get(name) for name in kept} for key, entry in report.items() if _measure(entry)}
        return found, judge
    except (OSError, ValueError, TypeError, KeyError):
        return {}, ()


def _measure(entry: Any) -> bool:
    return isinstance(entry, dict) and "family" in entry and isinstance(entry.get("value"), int | float)


def alive(path: str, updated: str) -> bool:
    """Does a process hold the folder, or has one written here just now? (A lock of another machine may not be seen.)"""
    if is_locked(f"{path}/.lock"):
        return True
    try:
        return time.time() - datetime.strptime(updated, "%Y-%m-%dT%H:%M:%S%z").timestamp() < QUIET
    except ValueError:
        return False


def one_line(path: str) -> str:
    """A small text file as one line; nothing where there is none."""
    try:
        with open(path, encoding="utf-8", errors="replace") as handle:
            return " ".join(handle.read(4000).split())
    except OSError:
        return ""
