"""GRID.yaml: many runs of one notebook, written as what they share, what varies, and lists of their own. See docs/batches.md."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .config import parse_changes
from .errors import InputError, nearest
from .loader import check_source
from .parameters import check_parameters, config_of, parameters_of, parse_parameter

NOTEBOOK = "notebooks/04_incremental_training.ipynb"
PARTS = ("notebook", "parameters", "product", "runs")
MOST = 10_000  # runs in a grid; more is a slip of the pen
TAKEN = ("pyramids", "batch.json", "environment.json")  # names that a batch's folder has for other things


@dataclass(frozen=True)
class Grid:
    """A notebook and the parameters of every run, by the name of its folder."""

    path: Path
    notebook: Path
    runs: dict[str, dict[str, Any]]

    @property
    def takes(self) -> frozenset[str]:
        """The names of all parameters that the notebook has."""
        return frozenset(parameters_of(self.notebook))


def read_grid(path: str | Path, films: str = "", changes: Iterable[str] = ()) -> Grid:
    """All runs of a grid, each checked against the notebook before any of them starts.

    `films` takes the place of the grid's own; `changes` ("resolutions=64,128") that of parameters all runs share. A folder of films
    is seen from where the command is run. Raises InputError naming the file, the run and the parameter.
    """
    path = Path(path)
    content = _load(path)
    notebook = _notebook(path, content.get("notebook", NOTEBOOK))
    common = _mapping(path, "parameters", content.get("parameters"))
    product, explicit = _product(path, content.get("product")), _explicit(path, content.get("runs"))
    if not product and not explicit:
        raise InputError(f"{path} has no runs; give it a product, such as seed: [0, 1], or a list of runs.")
    for name, value in {**({"films": films} if films else {}), **parse_changes(changes)}.items():
        if name in product or any(name in run for run in explicit):
            raise InputError(f"{name} is not the same for all runs of {path}; change it in the file.")
        common[name] = parse_parameter(notebook, name, value)
    runs = _expand(path, common, product, explicit)
    seen = set()
    for name, parameters in runs.items():
        try:
            _check(notebook, parameters, seen)
        except InputError as error:
            raise InputError(f"{path}, run {name}: {error}") from None
    return Grid(path, notebook, runs)


def _check(notebook: Path, parameters: dict[str, Any], seen: set) -> None:
    """Names, types, config and films of one run; what was `seen` with the same films and class is not listed again."""
    if "out" in parameters:
        raise InputError("out cannot be set in a grid: every run has a folder of its own below --out.")
    check_parameters(notebook, parameters)
    for name, value in parameters.items():
        try:
            json.dumps(value)
        except TypeError:
            raise InputError(f"{name} is {value}, which YAML takes for something else than text; put it in quotes.") from None
    if parameters.get("films") == "":
        raise InputError("films is empty; name them with --films FOLDER.")
    if isinstance(parameters.get("films"), str) and not re.match(r"phantom(:|$)", parameters["films"]):
        parameters["films"] = str(Path(parameters["films"]).expanduser().resolve())  # the notebook runs in a folder of its own
    found = config_of(notebook, parameters)
    if found is None:
        return
    films, config = found
    if films == "phantom":  # of the run's own class, which a preset may set
        parameters["films"] = films = f"phantom:{config.label_class or 'normal'}"
    if "films" in parameters and (films, config.label_class, config.batch_size) not in seen:
        check_source(films, config)
        seen.add((films, config.label_class, config.batch_size))


def _load(path: Path) -> dict[str, Any]:
    """The YAML file as a mapping of PARTS. A name that is there twice is refused, where YAML would drop the first."""
    import yaml  # comes with papermill

    class Strict(yaml.SafeLoader):
        def construct_mapping(self, node: Any, deep: bool = False) -> dict:
            names = [self.construct_object(key, deep=True) for key, _ in node.value]
            for i, ((key, _), name) in enumerate(zip(node.value, names, strict=True)):
                if name in names[:i]:
                    raise yaml.MarkedYAMLError(problem=f"{name!r} is there twice", problem_mark=key.start_mark)
            return super().construct_mapping(node, deep)

    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Strict)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}; give a grid, such as grids/tiny.yaml.") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not a text file in UTF-8; give a grid, such as grids/tiny.yaml.") from None
    except (yaml.YAMLError, TypeError, ValueError) as error:  # a mapping for a name, a date that is none
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise InputError(f"{path}{where}: {getattr(error, 'problem', None) or error}; correct the YAML.") from None
    content = _mapping(path, "the file", content)
    _known(path, content, PARTS)
    return content


def _known(path: Path, names: Iterable[str], known: Iterable[str]) -> None:
    for name in names:
        if name not in known:
            raise InputError(f"{path}: unknown part {name!r}; " + nearest(name, known, f"a grid has {', '.join(known)}."))


def _mapping(path: Path, what: str, value: Any) -> dict[str, Any]:
    if value is not None and not (isinstance(value, dict) and all(isinstance(name, str) for name in value)):
        raise InputError(f"{path}: {what} must be lines of the form name: value.")
    return dict(value or {})


def _notebook(path: Path, named: Any) -> Path:
    """Seen from the grid's folder, from the folder of the command, or from the project's."""
    if not isinstance(named, str) or not named:
        raise InputError(f"{path}: notebook is {named!r}; give the path of a notebook.")
    for folder in (path.parent, Path(), Path(__file__).resolve().parents[1]):
        if (folder / named).is_file():
            notebook = (folder / named).resolve()
            if not parameters_of(notebook):
                raise InputError(f"{path}: {named} has no parameters; tag one of its cells with: parameters.")
            return notebook
    raise InputError(f"{path}: the notebook {named} is not there; give its path, seen from the grid's folder.")


def _product(path: Path, value: Any) -> dict[str, list]:
    product = _mapping(path, "product", value)
    for name, values in product.items():
        if not isinstance(values, list) or not values:
            raise InputError(f"{path}: product of {name} is {values!r}; give a list of values, such as [0, 1].")
    return product


def _explicit(path: Path, value: Any) -> list[dict[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list) or not value:
        raise InputError(f"{path}: runs must be a list of runs, each with its parameters.")
    return [_mapping(path, f"run {number} of runs", run) for number, run in enumerate(value, 1)]


def _expand(path: Path, common: dict[str, Any], product: dict[str, list], explicit: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Every explicit run times the product, by name."""
    total = max(1, len(explicit)) * math.prod(map(len, product.values()))
    if total > MOST:
        raise InputError(f"{path} has {total:,} runs; {MOST:,} is the most: take a value or two out of the product.")
    runs: dict[str, dict[str, Any]] = {}
    folders: set[str] = set()
    for own in explicit or [{}]:
        for twice in own.keys() & product.keys():
            raise InputError(f"{path}: {twice} is in the product and in one of the runs; take it out of one of them.")
        for values in itertools.product(*product.values()):
            varying = dict(zip(product, values, strict=True))
            name = _name(path, own, varying)
            if name.lower() in folders:  # some systems do not tell Seed from seed
                raise InputError(f"{path}: two runs would be in the folder {name}; give them names of their own with name:.")
            folders.add(name.lower())
            runs[name] = {**common, **{k: v for k, v in own.items() if k != "name"}, **varying}
    return runs


def _name(path: Path, own: dict[str, Any], varying: dict[str, Any]) -> str:
    """The run's `name`, or its own values, and the values that vary: normal-15-seed0."""
    given = own.get("name")
    if given is not None and not (isinstance(given, str) and re.fullmatch(r"[A-Za-z0-9][\w.+-]*", given, re.ASCII) and given not in TAKEN):
        raise InputError(f"{path}: the name {given!r} cannot be a folder's; use letters, digits, '-', '_' and '.', and put numbers in quotes.")
    shown = [given] if given else [_slug(k, v) for k, v in own.items()]
    name = "-".join(filter(None, [*shown, *(_slug(k, v) for k, v in varying.items())])) or "run"
    if len(name) > 150 or name in TAKEN:
        raise InputError(f"{path}: a run would be in a folder named {name[:60]}; give it a shorter name with name:.")
    return name


def _slug(name: str, value: Any) -> str:
    """A value in a folder's name: text as it is, of a path its last part; anything else behind the parameter's name."""
    text = re.split(r"[/\\]", value.rstrip("/\\"))[-1] if isinstance(value, str) else f"{name}{value}"
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", text).strip("-.")
