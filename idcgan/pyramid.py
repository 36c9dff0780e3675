"""The films as a pyramid: the same films at every resolution, D1 64 to D5 2048 (paper, section 4; six with 256),
ready for training.

A pyramid is a folder: level-0064.npy, level-0128.npy, ... (films, channels, resolution, resolution) uint8 in numpy's
own format, read through a memory map, and manifest.json: what every film is, where it is from, what was left out.
Every level is made from the film itself, not from the level above: one reduction, one rounding.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import operator
import os
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import BinaryIO

import numpy as np
from tqdm.auto import tqdm

from idcgan.errors import InputError
from idcgan.films import READING, SQUARES, is_synthetic
from idcgan.intake import Candidate, Planes, candidates, cores, identified, prepared
from idcgan.staging import OURS, staged

DEFAULT_RESOLUTIONS = (64, 128, 256, 512, 1024, 2048)
ALLOWED_RESOLUTIONS = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
FORMAT = 1


def check_resolutions(resolutions: Iterable[int]) -> tuple[int, ...]:
    """The resolutions as a tuple: powers of two from 16 to 4096, each 2 or 4 times the one before. Else InputError.

    Steps of 4 are allowed because the paper goes from 128 to 512 (section 4).
    """
    try:
        values = tuple(operator.index(r) for r in resolutions)
    except TypeError:
        raise InputError(f"resolutions is {resolutions!r}: give whole numbers such as 64, 128, 256.") from None
    if not values:
        raise InputError("resolutions is empty: give whole numbers such as 64, 128, 256.")
    for value in values:
        if value not in ALLOWED_RESOLUTIONS:
            raise InputError(f"resolution {value} is not possible: choose among {_listed(ALLOWED_RESOLUTIONS)}.")
    for low, high in itertools.pairwise(values):
        if high not in (2 * low, 4 * low):
            raise InputError(f"resolution {high} cannot follow {low}: each must be 2 or 4 times the one before.")
    return values


class Pyramid:
    """Films at every resolution, on disk. Made by `Pyramid.build`, read by `Pyramid.open`.

    resolutions, channels, label_class, square, path: as built.
    films: one dict per film, in the arrays' order: source, sha256, width, height (of the file), side (of its square).
    left_out: one dict per film that is not in: source, sha256 (None if unreadable), reason.
    """

    def __init__(self, path: Path, manifest: dict, levels: dict[int, np.ndarray]):
        self.path, self._levels, self.options = path, levels, manifest["options"]
        self.resolutions = tuple(self.options["resolutions"])
        self.channels: int = self.options["channels"]
        self.label_class: str | None = self.options["label_class"]
        self.square: str = self.options["square"]
        self.films: list[dict] = manifest["films"]
        self.left_out: list[dict] = manifest["left_out"]

    def __len__(self) -> int:
        return len(self.films)

    def __repr__(self) -> str:
        return f"Pyramid({len(self)} films, {_listed(self.resolutions)}, {self.path})"

    def level(self, resolution: int) -> np.ndarray:
        """All films at one resolution: (films, channels, resolution, resolution) uint8, memory-mapped, read-only."""
        self._check_level(resolution)
        return self._levels[resolution]

    def native(self, resolution: int) -> int:
        """How many films really have that many pixels; the others are up-sampled and hold no more than their own."""
        self._check_level(resolution)
        return sum(film["side"] >= resolution for film in self.films)

    def larger_than(self, resolution: int) -> np.ndarray:
        """(n,) int: the films that had more pixels than that, and can teach a level above."""
        return np.flatnonzero([film["side"] > resolution for film in self.films])

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that change with any film, their order or an option, not with where the files lie or which code read them."""
        options = {name: value for name, value in self.options.items() if name != "reading"}
        content = json.dumps([FORMAT, options, [film["sha256"] for film in self.films]], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def _check_level(self, resolution: int) -> None:
        if resolution not in self._levels:
            raise InputError(f"{self.path} has no level {resolution}: it holds {_listed(self.resolutions)}.")

    @classmethod
    def open(cls, path: str | Path) -> Pyramid:
        """Read a pyramid. InputError where the folder is none, or a file is missing, cut short or does not fit."""
        path = Path(path)
        if not (path / "manifest.json").is_file():
            raise InputError(f"{path} is not a pyramid (it has no manifest.json): make one with `idcgan build`.")
        try:
            manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
            if manifest["kind"] != "idcgan pyramid" or manifest["format"] != FORMAT:
                raise ValueError("manifest.json is of another kind or format")
            count, channels = len(manifest["films"]), manifest["options"]["channels"]
            shapes = {r: (count, channels, r, r) for r in manifest["options"]["resolutions"]}
            levels = {r: _open_level(path / _file_name(r), shape) for r, shape in shapes.items()}
            return cls(path, manifest, levels)
        except (OSError, EOFError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise InputError(f"{path} is a damaged pyramid ({error}): build it again.") from error

    @classmethod
    def build(
        cls,
        source: str | Path,
        out: str | Path,
        resolutions: Iterable[int] = DEFAULT_RESOLUTIONS,
        square: str = "crop",
        channels: int = 1,
        label_class: str | None = None,
        workers: int | None = None,
        progress: bool = True,
    ) -> Pyramid:
        """Make the pyramid of a folder of films, or of phantoms ("phantom:normal[:COUNT[:SEED]]"), in the folder `out`.

        channels: 1, or 3 (the grey levels three times, for networks that want colour). label_class: see `find_films`.
        workers: processes that read films; 0 and 1 read in this process; None: one per core, 8 at most.
        A pyramid already in `out` keeps its films that did not change (same options, same SHA-256); if none did,
        nothing is written. Films that cannot be read, that a generator made and second copies are left out, and said. The folder appears
        when it is complete: after an error or Ctrl-C it is as it was before.
        Raises InputError (wrong option, `out` is something else, fewer than 2 films) and WorkError (disk full).
        """
        out = Path(out).expanduser().resolve()
        options = _checked_options(resolutions, square, channels)
        if workers is not None and (not isinstance(workers, int) or workers < 0):
            raise InputError(f"workers is {workers!r}: give a whole number of at least 0.")
        old = _previous(out)
        films, options["label_class"] = candidates(source, label_class, options["resolutions"][-1])
        films, left_out = identified(films, workers or cores(), progress)
        films, made = _real_ones(films)
        left_out += made
        if old is not None and old.options != options:
            old = None
        known = {film["sha256"]: i for i, film in enumerate(old.films)} if old else {}
        fresh = [film for film in films if film.sha256 not in known]
        with closing(prepared(fresh, options, workers)) as results:
            first, refused = _leading_refusals(results)
            if old and first is None and _same(old, films, left_out + _left_out(fresh, refused)):
                return old
            needed = len(films) * options["channels"] * sum(r * r for r in options["resolutions"])
            with staged(out, needed) as folder:
                results = itertools.chain(refused, [] if first is None else [first], results)
                pieces = _pieces(films, known, old, results)
                bar = tqdm(pieces, desc=out.name, total=len(films), unit="film", disable=not progress)
                _write(folder, str(source), options, bar, left_out)
        built = cls.open(out)
        if built.left_out:
            reason = built.left_out[0]["reason"]
            total = len(built) + len(built.left_out)
            tqdm.write(f"{len(built.left_out)} of {total} films left out, the first: {reason}", file=sys.stderr)
        return built


def _listed(values: Iterable[int]) -> str:
    return ", ".join(map(str, values))


def _file_name(resolution: int) -> str:
    return f"level-{resolution:04d}.npy"


def _checked_options(resolutions: Iterable[int], square: str, channels: int) -> dict:
    if square not in SQUARES:
        raise InputError(f"square is {square!r}: use one of {', '.join(SQUARES)}.")
    if channels not in (1, 3):
        raise InputError(f"channels is {channels!r}: use 1, or 3 for networks that want colour.")
    return {"resolutions": list(check_resolutions(resolutions)), "square": square, "channels": int(channels), "reading": READING}


# ---- the films that are in the pyramid already ---------------------------------------------------------------------


def _real_ones(films: list[Candidate]) -> tuple[list[Candidate], list[dict]]:
    """The films that do not say that a generator made them; and those that do, as left out: nobody is to learn from them unnoticed."""
    real, made = [], []
    with ThreadPoolExecutor(cores()) as pool:
        for film, synthetic in zip(films, pool.map(lambda film: bool(film.path) and is_synthetic(film.path), films), strict=True):
            (made if synthetic else real).append(film)
    return real, _left_out(made, [f"{film.path} was made by a generator (it says so itself): a pyramid holds real films only." for film in made])


def _previous(out: Path) -> Pyramid | None:
    """The pyramid in `out`; None where there is nothing, or a damaged pyramid; InputError where something else is."""
    if out.is_file():
        raise InputError(f"{out} is a file: give a folder for the pyramid.")
    names = [entry.name for entry in out.iterdir()] if out.is_dir() else []
    try:
        return Pyramid.open(out) if names else None
    except InputError as error:
        if all(map(OURS.fullmatch, names)):
            return None
        raise InputError(f"{out} is not empty and holds no sound pyramid: give another folder or empty it.") from error


def _leading_refusals(results: Iterator[Planes | str]) -> tuple[Planes | None, list[str]]:
    """The first usable film and the refusals before it. Last time's are tried again: a decoder may be there now."""
    refused = []
    for result in results:
        if isinstance(result, Planes):
            return result, refused
        refused.append(result)
    return None, refused


def _left_out(films: list[Candidate], reasons: list[str]) -> list[dict]:
    pairs = zip(films, reasons, strict=False)
    return [{"source": film.source, "sha256": film.sha256, "reason": reason} for film, reason in pairs]


def _same(old: Pyramid, films: list[Candidate], left_out: list[dict]) -> bool:
    gone = {entry["source"] for entry in left_out}
    now = [(film.source, film.sha256) for film in films if film.source not in gone]
    return now == [(film["source"], film["sha256"]) for film in old.films] and left_out == old.left_out


# ---- writing ---------------------------------------------------------------------------------------------------------


def _pieces(films: list[Candidate], known: dict[str, int], old: Pyramid | None, results: Iterator) -> Iterator[tuple]:
    """(film, planes or reason) for each film, in order: from the old arrays if it is known, else from the workers."""
    for film in films:
        index = known.get(film.sha256)
        if index is None:
            yield film, next(results)
        else:
            was = old.films[index]
            planes = [old.level(r)[index, 0] for r in old.resolutions]
            yield film, Planes(was["width"], was["height"], was["side"], planes)


def _write(folder: Path, source: str, options: dict, pieces: Iterable[tuple], left_out: list[dict]) -> None:
    """Level files and manifest. Written, not mapped: a full disk is then an error, not a killed process."""
    films: list[dict] = []
    left_out = list(left_out)
    resolutions, channels = options["resolutions"], options["channels"]
    with ExitStack() as stack:
        files = [stack.enter_context(open(folder / _file_name(r), "wb")) for r in resolutions]
        for file, r in zip(files, resolutions, strict=True):
            _write_header(file, (0, channels, r, r))
        for film, result in pieces:
            if isinstance(result, str):
                left_out += _left_out([film], [result])
                continue
            for file, plane in zip(files, result.planes, strict=True):
                for _ in range(channels):
                    file.write(plane)
            size = {"width": result.width, "height": result.height, "side": result.side}
            films.append({"source": film.source, "sha256": film.sha256, **size})
        if len(films) < 2:
            first = f"the first left out: {left_out[0]['reason']}" if left_out else "put more films there."
            raise InputError(f"{source} has {len(films)} usable film(s) and a pyramid needs 2; {first}")
        for file, r in zip(files, resolutions, strict=True):
            _write_header(file, (len(films), channels, r, r))
            file.flush()
            os.fsync(file.fileno())  # before the folder gets its name
    native = {str(r): sum(film["side"] >= r for film in films) for r in resolutions}
    manifest = {"kind": "idcgan pyramid", "format": FORMAT, "source": source, "options": options}
    manifest |= {"native": native, "films": films, "left_out": left_out}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1, ensure_ascii=False), encoding="utf-8")


def _write_header(file: BinaryIO, shape: tuple[int, ...]) -> None:
    """numpy pads its header so that the first length can grow in place: written first for none, at the end for all."""
    file.seek(0)
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})


def _open_level(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if array.shape != shape or array.dtype != np.uint8:
        raise ValueError(f"{path.name} holds {array.dtype} {array.shape} and not uint8 {shape}")
    if path.stat().st_size != array.offset + array.nbytes:
        raise ValueError(f"{path.name} has another length than its header says")
    return array
