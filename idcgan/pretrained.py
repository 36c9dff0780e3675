"""Generators that come with the package, small enough to be in it: `idcgan sample pretrained:normal -n 16 --out films` without any training.

A card beside each says what films it saw, under which terms, how it was made, how good it is and what is wrong with it. A new one:

    python -m idcgan.pretrained RUN NAME     # half precision, weights/NAME.safetensors; write weights/NAME.md by hand
"""

from __future__ import annotations

import sys
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file

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


def card(name: str) -> str:
    """The model card, Markdown. Raises InputError for a name that is not there."""
    return weights_of(PREFIX + name).with_suffix(".md").read_text(encoding="utf-8")


def ship(source: str | Path, name: str) -> Path:
    """Write the averaged generator of a run (its highest level) or of a file into the package as float16: no film changes by more than a grey level.

    Raises InputError where there is no generator.
    """
    from .sampling import load_generator

    made, out = load_generator(source), WEIGHTS / f"{name}.safetensors"
    with safe_open(str(made.path), "pt") as file:
        weights = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (no dict: it has no items)
    halved = {key: value.half() if value.is_floating_point() else value for key, value in weights.items()}
    WEIGHTS.mkdir(exist_ok=True)
    atomically(out, lambda path: save_file(halved, str(path), {**made.facts, "run": name}))
    return out


if __name__ == "__main__":
    print(ship(*sys.argv[1:3]))
