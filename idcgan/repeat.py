"""`idcgan train --like RUN`: a run again, from its first step, with its config and its films; and what may make it end otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from .config import RunConfig
from .errors import InputError
from .loader import open_or_build
from .origin import lineage
from .records import RunFolder, surroundings
from .tuning import in_16_bits

NAMES = {"label_class": "class"}  # options of the terminal with another name


def like(source: Path, given: dict[str, Any], shelf: Path, where: torch.device, processes: int = 1,
         progress: bool = True) -> tuple[RunConfig, str, str | None, list[str]]:  # fmt: skip
    """(config, films, init) of the run in `source`, and a sentence for each thing that may make the new run end otherwise.

    `given`: the options of the terminal that would change the run. Raises InputError where there are any, where the films are
    others now, and where `source` is no run.
    """
    named = [name if name.isupper() else f"--{NAMES.get(name, name)}" for name, value in given.items() if value not in ("", None)]
    if named:
        raise InputError(f"--like repeats a run as it was; leave out {', '.join(named)} (or start a run of your own without --like).")
    run = RunFolder.open(source).run
    config, films, init = RunConfig.from_dict(run["config"]), run["data"]["films"], run.get("init")
    says = [f"{source} was trained with {other}: the runs may differ." for other in differences(run, config, where, processes)]
    later = [other for sitting in run.get("resumed", []) for other in sitting["differences"]]
    says += [f"{source} did not go on as it began ({other} when it was resumed): the runs may differ." for other in dict.fromkeys(later)]
    if init and run.get("began_with") not in (None, lineage(init, config)):
        says.append(f"{source} began with the networks of {init}, and those are others now: the runs will differ.")
    if "by_hand" in run:
        says.append(f"{source} was steered by hand (by_hand in its run.json); this run is made from its config alone.")
    if config.minutes:
        says.append(f"{source} was bounded by minutes: how many steps fit into them is never quite the same twice.")
    pyramid = open_or_build(films, config, shelf, progress)
    if pyramid.fingerprint != run["data"].get("fingerprint"):
        raise InputError(f"the films in {films} are not those that {source} was trained on; put those back, or start a run of your own.")
    return config, films, init, says


def differences(run: dict[str, Any], config: RunConfig, where: torch.device, processes: int) -> list[str]:
    """"NAME WAS, now IS" for each thing beside config and films that decides the last digits; what run.json does not say is left out."""
    now, bits = surroundings(), {True: "sixteen bits", False: "thirty-two bits", None: None}
    pairs = [
        ("idcgan", run.get("code_version"), now["code_version"]),
        ("torch", run.get("packages", {}).get("torch"), now["packages"]["torch"]),
        ("device", run.get("device_type"), where.type),
        ("arithmetic in", bits[run.get("in_16_bits")], bits[in_16_bits(config, where)]),
        ("threads:", run.get("threads"), torch.get_num_threads()),
        ("processes:", run.get("processes"), processes),
    ]
    return [f"{name} {before}, now {here}" for name, before, here in pairs if before not in (None, here)]
