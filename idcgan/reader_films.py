"""Where the films of a reader study come from: a generator or folders, each film drawn at random and loaded at the side asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from . import phantom
from .errors import InputError
from .films import find_films, is_synthetic, read_film, resize, to_square
from .loader import class_in
from .sampling import Source, load_generator, picture

KINDS = ("real", "synthetic")
SIDES = (16, 2048)


@dataclass(frozen=True)
class ReaderFilm:
    """One film to be shown: `load(side)` gives it as (side, side) in [0, 1]; it has `side` pixels and no more to give."""

    kind: str
    name: str
    side: int
    load: Callable[[int], np.ndarray]


def open_source(source: str | Path | Source, device: str) -> Source | Path:
    """A generator, or the folder of films that `source` is if it holds no run. Raises InputError, or WorkError for a damaged generator."""
    if isinstance(source, Source):
        return source
    path = Path(source)
    is_run = (path / "run.json").exists() or any(path.glob("generator-*.safetensors"))
    return path if path.is_dir() and not is_run else load_generator(path, device=device)


def same_class(source: Source | Path, label_class: str) -> str:
    """The class of both kinds of films: readers of normal synthetic films among abnormal real ones would tell by the findings.

    Raises InputError where a run was trained on another class than is asked for.
    """
    trained = json.loads(source.facts["config"]).get("label_class", "") if isinstance(source, Source) else ""
    if label_class and trained and label_class.lower() != trained.lower():
        raise InputError(f"{source.path} was trained on films of class {trained!r}, and the class asked for is {label_class!r}; leave it out.")
    return trained or label_class


def same_square(source: Source | Path, square: str) -> str:
    """How both kinds of films are made square: a run's own films show the bars or the cut that it learnt, and framing must not tell them.

    Raises InputError where a run was trained on films made square another way than is asked for.
    """
    if isinstance(source, Path):
        return square or "crop"
    trained = json.loads(source.facts["config"]).get("square", "crop")
    if square and square != trained:
        raise InputError(f"{source.path} was trained on films made square by {trained}, and --square is {square}; leave it out.")
    return trained


def synthetic_films(source: Source | Path, label_class: str, count: int, seed: int, square: str) -> tuple[list[ReaderFilm], dict[str, Any]]:
    """The films and, for the key, where they are from. Raises InputError."""
    if isinstance(source, Path):
        return _drawn("synthetic", source, label_class, count, seed, square), {"folder": str(source)}

    def load(index: int, side: int) -> np.ndarray:
        film = picture(source, seed, index)
        grey = film[0] if len(film) == 1 else np.asarray(Image.fromarray(film.transpose(1, 2, 0)).convert("L"))
        return resize(grey / np.float32(255), side)

    films = [ReaderFilm("synthetic", f"{index}", source.resolution, lambda side, i=index: load(i, side)) for index in range(count)]
    facts = {name: source.facts[name] for name in ("run", "config_hash", "code_version") if name in source.facts}
    return films, {"generator": str(source.path), "resolution": source.resolution, **facts}


def real_films(real: str | Path, label_class: str, count: int, seed: int, square: str) -> list[ReaderFilm]:
    """`count` films of a folder, or phantoms. Raises InputError."""
    if not str(real).startswith("phantom:"):
        return _drawn("real", Path(real), label_class, count, seed, square)
    kind = str(real).removeprefix("phantom:")
    if kind not in phantom.LABEL_CLASSES or label_class.lower() not in ("", kind):
        raise InputError(f"real is {str(real)!r} and the class {label_class or 'left out'}; give phantom:normal or phantom:abnormal and no class.")
    seeds = np.random.SeedSequence([seed, len("study")]).generate_state(count)  # others than the phantoms that runs are trained on
    return [ReaderFilm("real", f"{real} {own}", SIDES[1], lambda side, own=own: phantom.film(own, kind, side)[0]) for own in map(int, seeds)]


def _drawn(kind: str, folder: Path, label_class: str, count: int, seed: int, square: str) -> list[ReaderFilm]:
    """`count` films of a folder, at random, in the order of their names."""
    folder = folder.expanduser()
    paths = find_films(folder, class_in(folder, label_class))
    if len(paths) < count:
        raise InputError(f"{folder} holds {len(paths)} {kind} film(s) and the study asks for {count}; add films, or ask for fewer with -n.")
    chosen = np.random.default_rng([seed, KINDS.index(kind)]).choice(len(paths), count, replace=False)

    def load(path: Path, side: int) -> np.ndarray:
        return resize(to_square(read_film(path), square), side)

    films = []
    for path in (paths[i] for i in sorted(chosen.tolist())):
        if kind == "real" and is_synthetic(path):
            raise InputError(f"{path} says of itself that it is synthetic; take it out of the real films.")
        films.append(ReaderFilm(kind, str(path.relative_to(folder)), len(to_square(read_film(path), square)), lambda side, p=path: load(p, side)))
    return films
