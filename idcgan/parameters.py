"""The `parameters` cell of a notebook: which names it has, of which types, and what they make of a run."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .config import RunConfig, configure, parse_changes
from .errors import InputError, nearest

WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text (in quotes)", list: "a list", dict: "a mapping"}
NAMES = {kind.__name__: kind for kind in WORDS}
OPTIONS = ("label_class", "resolutions", "epochs", "minutes", "seed")  # of `configure`, beside preset and films


def parameters_of(notebook: Path) -> dict[str, tuple[type | None, Any]]:
    """Name: (type, default) of every parameter; None for a type that the cell does not tell. Raises InputError."""
    if not notebook.is_file():
        raise InputError(f"{notebook} is not there; run this from the project's folder, or name the notebook.")
    return _read(notebook, notebook.stat().st_mtime_ns)


@functools.lru_cache(maxsize=8)
def _read(notebook: Path, changed: int) -> dict[str, tuple[type | None, Any]]:
    from papermill import inspect_notebook

    try:
        found = inspect_notebook(str(notebook))
    except Exception as error:  # nbformat, papermill and json each raise their own
        raise InputError(f"{notebook} cannot be read as a notebook: {str(error).splitlines()[0]}") from None
    known = {}
    for name, parameter in found.items():
        try:
            default = ast.literal_eval(parameter["default"])
        except (ValueError, SyntaxError):
            default = None
        kind = NAMES.get(parameter["inferred_type_name"])
        known[name] = (kind or (type(default) if type(default) in WORDS else None), default)
    return known


def check_parameters(notebook: Path, parameters: dict[str, Any]) -> None:
    """Raises InputError where the notebook has no such parameter, or one of another type, or is not there."""
    known = parameters_of(notebook)
    for name, value in parameters.items():
        if name not in known:
            hint = nearest(name, known, f"it has {', '.join(known) or 'none'}.")
            raise InputError(f"{notebook} has no parameter {name!r}; {hint}")
        kind = known[name][0]
        if kind and not _fits(value, kind):
            raise InputError(f"{name} is {value!r}; it must be {WORDS[kind]}{_numeral(value, kind)}.")


def parse_parameter(notebook: Path, name: str, text: str) -> Any:
    """A value typed in a terminal as the type that the notebook's parameter has; text that does not fit is left to `check_parameters`."""
    kind = parameters_of(notebook).get(name, (None, None))[0]
    if kind is str:
        return text
    try:
        return kind(text) if kind in (int, float) else ast.literal_eval({"true": "True", "false": "False"}.get(text.lower(), text))
    except (ValueError, SyntaxError):
        return text


def changes_of(text: str, notebook: str = "this notebook", parameters: Iterable[str] = OPTIONS) -> dict[str, str]:
    """The parameter `changes`, fields with blanks between, as a dict. Raises InputError, also where a field is a parameter itself."""
    changes = parse_changes(text.split())
    if twice := sorted(changes.keys() & set(parameters)):
        raise InputError(f"{twice[0]} is a parameter of {notebook}; give it as one, not in changes.")
    return changes


def config_of(notebook: Path, parameters: dict[str, Any]) -> tuple[str, RunConfig] | None:
    """The films and the config that notebook 04 makes of its parameters; None for a notebook that has not the same ones. Raises InputError."""
    known = parameters_of(notebook)
    values = {**{name: default for name, (_, default) in known.items()}, **parameters}
    if not {"films", "preset"} <= values.keys() or values["films"] is None:
        return None
    options = {name: values[name] for name in OPTIONS if values.get(name) is not None}
    changes = changes_of(values.get("changes") or "", notebook.name, options)
    return values["films"], configure(values["preset"], values["films"], **options, **changes)


def _fits(value: Any, kind: type) -> bool:
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, kind) and not (kind is int and isinstance(value, bool))


def _numeral(value: Any, kind: type) -> str:
    """What to write instead, for numbers such as 1e-4, which YAML takes for text."""
    try:
        return f", and YAML takes this for text: write {float(value):f}" if kind is float and isinstance(value, str) else ""
    except ValueError:
        return ""
