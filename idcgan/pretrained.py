"""Generators that come with the package, small enough to be in it: `idcgan sample pretrained:normal -n 16 --out films` without any training.

A card beside each says what films it saw, under which terms, how it was made, how good it is and what is wrong with it. A new one:

    python -m idcgan.pretrained RUN NAME     # half precision, weights/NAME.safetensors; write weights/NAME.md by hand

And both players of a run on phantoms, for `from_phantoms` to begin with: `python -m idcgan.pretrained RUN players/phantom-RESOLUTION`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from . import checkpoint
from .checkpoint import atomically
from .errors import InputError

PREFIX = "pretrained:"
WEIGHTS = Path(__file__).with_name("weights")


def names() -> list[str]:
    """What can stand behind `pretrained:`."""
    return sorted(path.stem for path in WEIGHTS.glob("*.safetensors"))


def is_pretrained(source: str | Path) -> bool:
    """Does this name a generator of the package rather than a path?"""
    return str(source).startswith(PREFIX)


def weights_of(source: str | Path) -> Path:
    """The file behind "pretrained:normal". Raises InputError for a name that is not there."""
    name = str(source).removeprefix(PREFIX)
    if name not in names():
        raise InputError(f"pretrained:{name} is not in the package; choose from {', '.join(PREFIX + each for each in names())}.")
    return WEIGHTS / f"{name}.safetensors"


def ship(source: str | Path, name: str) -> Path:
    """Write the averaged generator of a run (its highest level) or of a file into the package as float16: no film changes by more than a grey level.

    Raises InputError where there is no generator.
    """
    from .sampling import load_generator

    made, out = load_generator(source), WEIGHTS / f"{name}.safetensors"
    with safe_open(str(made.path), "pt") as file:
        weights = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (no dict: it has no items)
    WEIGHTS.mkdir(exist_ok=True)
    atomically(out, lambda path: save_file(_halved(weights), str(path), {**made.facts, "run": name}))
    return out


def ship_players(run: str | Path, name: str) -> Path:
    """Write the averaged generator and the discriminator of a run at its first level into the package as float16.

    Raises InputError where the run was trained on anything but phantoms: a discriminator knows the films it has seen.
    """
    facts = json.loads((Path(run) / "run.json").read_text(encoding="utf-8"))
    content = checkpoint.load(Path(run) / "checkpoint.pt")
    if not facts["data"]["films"].startswith("phantom:") or facts["init"] or content["position"]["level"]:
        raise InputError(f"{run} is not a run of one level on phantoms alone; players that may have seen a patient do not go into the package.")
    players = {"generator": content["average"] or content["generator"], "discriminator": content["discriminator"]}
    weights = {f"{who}.{key}": value for who, part in players.items() for key, value in part.items()}
    out = WEIGHTS / f"{name}.safetensors"
    out.parent.mkdir(parents=True, exist_ok=True)
    said = {"config": json.dumps(facts["config"]), "films": facts["data"]["films"], "steps": str(content["position"]["step"])}
    atomically(out, lambda path: save_file(_halved(weights), str(path), said))
    return out


def players(resolution: int) -> tuple[dict[str, Any], dict[str, dict[str, Tensor]]] | None:
    """Those that have seen phantoms at `resolution`, if the package has them: the fields of their config; and the weights of both."""
    path = WEIGHTS / "players" / f"phantom-{resolution}.safetensors"
    if not path.is_file():
        return None
    weights: dict[str, dict[str, Tensor]] = {"generator": {}, "discriminator": {}}
    with safe_open(str(path), "pt") as file:
        for key in file.keys():  # noqa: SIM118 (no dict: it has no items)
            who, _, name = key.partition(".")
            value = file.get_tensor(key)
            weights[who][name] = value.float() if value.is_floating_point() else value
        return json.loads(file.metadata()["config"]), weights


def _halved(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key: value.contiguous().half() if value.is_floating_point() else value for key, value in weights.items()}


if __name__ == "__main__":
    print((ship_players if sys.argv[2].startswith("players/") else ship)(*sys.argv[1:3]))
