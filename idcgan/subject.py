"""What is judged, and what it is judged against: names on a command line become lists of films."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from .errors import InputError
from .films import classes_in, find_films, is_synthetic, read_film
from .filmset import Item, generated_items, real_items
from .loader import class_in
from .pyramid import ALLOWED_RESOLUTIONS, Pyramid
from .records import RunFolder
from .sampling import load_generator

SMALLEST = 32  # pixels: below that a film has no patches to speak of


@dataclass(frozen=True)
class Subject:
    """Made films: a run, a generator file, or a folder. `training` is where the run's own films are, or ""."""

    name: str
    items: list[Item]
    resolution: int
    label_class: str = ""
    square: str = ""  # how the films of its training were made square, where it says so
    drawn: int = 0  # where phantoms of its training were drawn, see `real_films`
    training: str = ""
    run: RunFolder | None = None
    projected: bool = False  # whether D was lent the features of `projected.py`
    init: str = ""  # whose networks the run began with


def subject(source: str | Path, count: int, seed: int, resolution: int = 0, device: str = "auto", spread: float = 1.0) -> Subject:
    """`count` films of a run or generator (those of `idcgan sample` with that seed), or all films of a folder, whichever `source` is.

    `resolution` 0 is the highest of the run, or what the folder's first film has, rounded down to a power of two.
    Raises InputError.
    """
    path = Path(source)
    if not 0 <= seed < 2**31:
        raise InputError(f"seed is {seed}; it must lie between 0 and {2**31 - 1}.")
    if path.is_dir() and not (path / "run.json").is_file():
        if spread != 1:
            raise InputError(f"{path} is a folder of films, which are as they are; --spread asks a run or a generator how far out it draws.")
        return _folder(path, resolution)
    run = RunFolder.open(path) if path.is_dir() else None
    made = load_generator(path, resolution or None, device, spread)
    if made.resolution < SMALLEST:
        raise InputError(f"{path} makes films of {made.resolution} x {made.resolution}, and the measures need {SMALLEST}; train to a higher level.")
    items, config = generated_items(made, count, seed), json.loads(made.facts["config"])
    label_class, square, projected = config.get("label_class", ""), config.get("square", "crop"), bool(config.get("projected"))
    init = made.facts.get("init") or (run.run.get("init") if run else "") or ""
    if run is None:
        return Subject(path.stem, items, made.resolution, label_class, square, projected=projected, init=init)
    pyramid = Path(run.run["data"]["pyramid"])
    there = (pyramid / "manifest.json").is_file() and made.resolution in Pyramid.open(pyramid).resolutions
    return Subject(path.name, items, made.resolution, label_class, square, training=str(pyramid) if there else "", run=run, projected=projected,
                   init=init)  # fmt: skip


def refuse_other_films(about: Subject) -> None:
    """InputError where the run's pyramid holds other films than those it was trained on: they would pass for what it has not seen."""
    if about.run and about.training and Pyramid.open(about.training).fingerprint != about.run.run["data"]["fingerprint"]:
        raise InputError(
            f"the films in {about.training} are not those that {about.run.path} was trained on: they were changed since. "
            "Name the right ones with --train."
        )


def own_films(about: Subject) -> list[Item]:
    """The films that a run was trained on, where they are at hand and as they were then; none where nothing says which these are."""
    unchanged = about.run and about.training and Pyramid.open(about.training).fingerprint == about.run.run["data"]["fingerprint"]
    return real_items(about.training, None, about.resolution) if unchanged else []


def _folder(path: Path, resolution: int) -> Subject:
    if found := classes_in(path):
        raise InputError(f"{path} holds films by class ({', '.join(found)}); name one of these folders, such as {path / found[0]}.")
    films = find_films(path)
    side = min(read_film(films[0]).shape)
    resolution = resolution or max((r for r in ALLOWED_RESOLUTIONS if r <= side), default=SMALLEST)
    if resolution not in ALLOWED_RESOLUTIONS or resolution < SMALLEST:
        choices = ", ".join(str(r) for r in ALLOWED_RESOLUTIONS if r >= SMALLEST)
        raise InputError(f"resolution is {resolution}; the films of a folder are compared at one of {choices}.")
    return Subject(path.resolve().name, real_items(path, None, resolution, alike=True), resolution)


def real_films(source: str | Path, label_class: str, resolution: int, square: str, option: str, drawn: int = 0) -> list[Item]:
    """Real films as `real_items` has them, with what an option must not name refused: films that this program made.

    `drawn`: where phantoms are drawn, as those of a pyramid are at its highest level, and reduced from there. 0: at `resolution`.
    Raises InputError naming the option.
    """
    source = str(source)
    if source.startswith("phantom:"):
        if label_class and source.split(":")[1] != label_class.lower():
            raise InputError(f"{option} is {source} and the films are of class {label_class!r}; name phantom:{label_class}.")
        return real_items(source, None, resolution, square or "crop", drawn=drawn)
    path = Path(source).expanduser()
    if not (path / "manifest.json").is_file():
        wanted = class_in(path, label_class)
        for film in find_films(path, wanted):
            if is_synthetic(film):
                raise InputError(f"{film} was made by a generator (it says so itself); {option} must name real films only.")
        return real_items(path, wanted, resolution, square or "crop")
    pyramid = Pyramid.open(path)
    for name, theirs, ours in (("class", pyramid.label_class, label_class), ("square", pyramid.square, square)):
        if theirs and ours and theirs.lower() != ours.lower():
            raise InputError(f"{option} {path} is a pyramid of {name} {theirs!r}, and the films are of {name} {ours!r}; name one of theirs.")
    return real_items(path, None, resolution)


def made_as(*sources: str | Path) -> tuple[str, int]:
    """How the first pyramid among sources of real films made its films square, and its highest level; "" and 0 where there is none."""
    folders = [Path(source).expanduser() for source in sources if source]
    pyramids = (Pyramid.open(path) for path in folders if (path / "manifest.json").is_file())
    return next(((pyramid.square, pyramid.resolutions[-1]) for pyramid in pyramids), ("", 0))


def other_class(source: str | Path, label_class: str) -> tuple[str, str] | None:
    """(source, class) of the other class beside this one, or None where there is no such thing."""
    source = str(source)
    if source.startswith("phantom:"):
        _, name, *numbers = source.split(":")
        other = "abnormal" if name == "normal" else "normal"
        return ":".join(["phantom", other, *numbers]), other
    others = [name for name in classes_in(Path(source)) if name.lower() != label_class.lower()]
    return (source, others[0]) if label_class and len(others) == 1 else None


def fingerprint(items: list[Item]) -> str:
    """Sixteen hexadecimal digits that change with any film of a set."""
    return hashlib.sha256("\n".join(sorted(item.key for item in items)).encode()).hexdigest()[:16]
