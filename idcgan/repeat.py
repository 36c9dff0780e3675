"""`idcgan train --like RUN`: a run again, from its first step, with its config and its films."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from .config import RunConfig
from .errors import InputError
from .loader import open_or_build
from .records import RunFolder, surroundings

NAMES = {"label_class": "class"}  # options of the terminal with another name


def like(source: Path, given: dict[str, Any], shelf: Path, progress: bool = True) -> tuple[RunConfig, str, str | None, list[str]]:
    """(config, films, init) of the run in `source`, and a sentence for each thing that may make the new run end otherwise.

    `given`: the options of the terminal that would change the run. Raises InputError where there are any, where the films are
    others now, and where `source` is no run.
    """
    named = [name if name.isupper() else f"--{NAMES.get(name, name)}" for name, value in given.items() if value]
    if named:
        raise InputError(f"--like repeats a run as it was; leave out {', '.join(named)} (or start a run of your own without --like).")
    run = RunFolder.open(source).run
    config, films, init = RunConfig.from_dict(run["config"]), run["data"]["films"], run.get("init")
    pyramid = open_or_build(films, config, shelf, progress)
    if pyramid.fingerprint != run["data"].get("fingerprint"):
        raise InputError(f"the films in {films} are not those that {source} was trained on; put those back, or start a run of your own.")
    return config, films, init, _differences(source, run)


def _differences(source: Path, run: dict[str, Any]) -> list[str]:
    now = surroundings()
    pairs = [
        ("idcgan", run.get("code_version"), now["code_version"]),
        ("torch", run.get("packages", {}).get("torch"), now["packages"]["torch"]),
        ("threads", run.get("threads"), torch.get_num_threads()),
    ]
    says = [f"{source} was trained with {name} {before}, this run with {here}: they may differ." for name, before, here in pairs if here != before]
    if "by_hand" in run:
        says.append(f"{source} was steered by hand (by_hand in its run.json); this run is made from its config alone.")
    if RunConfig.from_dict(run["config"]).minutes:
        says.append(f"{source} was bounded by minutes: how many steps fit into them is never quite the same twice.")
    return says
