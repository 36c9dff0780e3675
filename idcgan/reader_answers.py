"""A study as it lies on disk, and a reader's answers: answers-READER.json, the same file from the page and from the widget."""

from __future__ import annotations

import base64
import json
import math
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .checkpoint import write_json
from .errors import InputError
from .reader import FORMAT
from .reader_films import KINDS


@dataclass(frozen=True)
class Study:
    """`kinds` says of every film id, in the order shown, whether it is real or synthetic."""

    path: Path
    id: str
    kinds: dict[str, str]
    patients: bool

    @classmethod
    def open(cls, folder: str | Path) -> Study:
        """A folder that `make_study` wrote. Raises InputError."""
        path = Path(folder) / "key.json"
        if not path.is_file():
            raise InputError(f"{folder} holds no key.json; give the folder of a study (see idcgan study make).")
        key = _json(path)
        try:
            kinds = {name: film["kind"] for name, film in key["films"].items()}
            if key["format"] != FORMAT or not kinds or not set(kinds.values()) <= set(KINDS):
                raise ValueError
            return cls(Path(folder), str(key["study"]), kinds, bool(key["patients"]))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise InputError(f"{path} is not the key of a study of this version of idcgan; restore it, or make the study again.") from error

    def pictures(self) -> dict[str, bytes]:
        """The films as PNG bytes by id, from study.html. Raises InputError where the page is missing, damaged or another study's."""
        path = self.path / "study.html"
        try:
            content = re.search(r'<script id="study" type="application/json">(.*?)</script>', path.read_text(encoding="utf-8"), re.DOTALL)
            page = json.loads(content[1])
            films = {film["id"]: base64.b64decode(film["png"].partition(",")[2]) for film in page["films"]}
        except (OSError, TypeError, KeyError, ValueError, AttributeError) as error:
            raise InputError(f"{path} is missing or damaged; restore it from a copy, or make the study again.") from error
        if page.get("id") != self.id or list(films) != list(self.kinds):
            raise InputError(f"{path} is the page of another study than key.json beside it; restore the pair from a copy.")
        return films


@dataclass(frozen=True)
class Answer:
    """What a reader said of one film, "real" or "synthetic", and the seconds from seeing it to saying so."""

    said: str
    seconds: float


@dataclass
class Answers:
    """One reader's answers by film id; `finished`: the reader has seen the result, and no answer may change any more."""

    study: str
    reader: str
    answers: dict[str, Answer] = field(default_factory=dict)
    finished: bool = False

    @classmethod
    def read(cls, path: str | Path, study: Study) -> Answers:
        """Raises InputError naming file and field: damaged, of another study, unknown films, wrong values."""
        path = Path(path)
        content = _json(path)
        if not isinstance(content, dict) or not isinstance(content.get("answers"), dict):
            raise InputError(f"{path} holds no answers of a reader study; give an answers-READER.json.")
        if content.get("study") != study.id:
            raise InputError(f"{path}: study is {content.get('study')!r}, but {study.path} is study {study.id!r}; take the file out.")
        try:
            reader = reader_name(content.get("reader"))
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
        given = {name: _answer(path, name, value, study) for name, value in content["answers"].items()}
        finished = content.get("finished", False)
        if not isinstance(finished, bool):
            raise InputError(f"{path}: finished is {finished!r}; it must be true or false.")
        return cls(study.id, reader, {name: given[name] for name in study.kinds if name in given}, finished)

    def save(self, folder: str | Path) -> Path:
        """answers-READER.json, whole or not at all. Raises WorkError where the disk refuses."""
        path = Path(folder) / f"answers-{self.reader}.json"
        write_json(path, asdict(self))
        return path


def reader_name(name: Any) -> str:
    """1 to 40 letters, digits, - and _: it becomes part of a file's name. Raises InputError."""
    if not isinstance(name, str) or not 1 <= len(name) <= 40 or not all(c.isalnum() or c in "-_" for c in name):
        raise InputError(f"reader is {name!r}; give 1 to 40 letters, digits, - or _, such as initials.")
    return name


def _answer(path: Path, name: str, value: Any, study: Study) -> Answer:
    if name not in study.kinds:
        raise InputError(f"{path}: answers.{name} names a film that the study does not have; restore the file from a copy.")
    said, seconds = (value.get("said"), value.get("seconds")) if isinstance(value, dict) else (value, None)
    if said not in KINDS:
        raise InputError(f"{path}: answers.{name}.said is {said!r}; it must be real or synthetic.")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not (math.isfinite(seconds) and seconds >= 0):
        raise InputError(f"{path}: answers.{name}.seconds is {seconds!r}; it must be a number of 0 or more.")
    return Answer(said, float(seconds))


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}; check name and rights.") from error
    except ValueError as error:
        raise InputError(f"{path} is damaged (no JSON); restore it from a copy.") from error
