"""The films as a pyramid: the same films at every resolution, D1 64 to D6 2048 (paper, section 4), ready for training.

A pyramid is a folder: level-0064.npy, level-0128.npy, ... (films, channels, resolution, resolution) uint8 in numpy's
own format, read through a memory map, and manifest.json: what every film is, where it is from, what was left out.
Every level is made from the film itself, not from the level above: one reduction, one rounding.
"""

from __future__ import annotations

import errno
import hashlib
import itertools
import json
import multiprocessing
import operator
import os
import re
import shutil
import signal
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from tqdm.auto import tqdm

from idcgan.errors import InputError, WorkError
from idcgan.films import SQUARES, find_films, read_film, resize, to_square

DEFAULT_RESOLUTIONS = (64, 128, 256, 512, 1024, 2048)
ALLOWED_RESOLUTIONS = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
PHANTOMS = {"normal": 138, "abnormal": 76}  # the paper's numbers of films (section 4)
PHANTOM_VERSION = 1  # raise it when phantoms are drawn in another way: pyramids of the old ones are then built again
FORMAT = 1
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_OURS = re.compile(r"manifest\.json|level-\d{4}\.npy")


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

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that change with any film, their order or an option, not with where the files lie."""
        content = json.dumps([FORMAT, self.options, [film["sha256"] for film in self.films]], sort_keys=True)
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
        nothing is written. Films that cannot be read and second copies are left out, and said. The folder appears
        when it is complete: after an error or Ctrl-C it is as it was before.
        Raises InputError (wrong option, `out` is something else, fewer than 2 films) and WorkError (disk full).
        """
        out = Path(out).expanduser().resolve()
        options = _checked_options(resolutions, square, channels)
        if workers is not None and (not isinstance(workers, int) or workers < 0):
            raise InputError(f"workers is {workers!r}: give a whole number of at least 0.")
        old = _previous(out)
        films, options["label_class"] = _candidates(source, label_class, options["resolutions"][-1])
        films, left_out = _identified(films, workers or _cores(), progress)
        if old is not None and old.options != options:
            old = None
        known = {film["sha256"]: i for i, film in enumerate(old.films)} if old else {}
        fresh = [film for film in films if film.sha256 not in known]
        with closing(_prepared(fresh, options, workers)) as results:
            first, refused = _leading_refusals(results)
            if old and first is None and _same(old, films, left_out + _left_out(fresh, refused)):
                return old
            needed = len(films) * options["channels"] * sum(r * r for r in options["resolutions"])
            with _staged(out, needed) as folder:
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


@dataclass(frozen=True)
class _Candidate:
    """A film to be: a file, or the seed of a phantom."""

    source: str
    path: Path | None = None
    phantom: tuple[str, int, int] | None = None  # label_class, seed, resolution
    sha256: str | None = None


class _Planes(NamedTuple):
    """One film, prepared: the size of its file and its grey levels (resolution, resolution) uint8, level by level."""

    width: int
    height: int
    side: int
    planes: list[np.ndarray]


def _listed(values: Iterable[int]) -> str:
    return ", ".join(map(str, values))


def _file_name(resolution: int) -> str:
    return f"level-{resolution:04d}.npy"


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _checked_options(resolutions: Iterable[int], square: str, channels: int) -> dict:
    if square not in SQUARES:
        raise InputError(f"square is {square!r}: use one of {', '.join(SQUARES)}.")
    if channels not in (1, 3):
        raise InputError(f"channels is {channels!r}: use 1, or 3 for networks that want colour.")
    return {"resolutions": list(check_resolutions(resolutions)), "square": square, "channels": int(channels)}


# ---- which films -----------------------------------------------------------------------------------------------------


def _candidates(source: str | Path, label_class: str | None, resolution: int) -> tuple[list[_Candidate], str | None]:
    if not str(source).startswith("phantom:"):
        folder = Path(source).expanduser()
        paths = find_films(folder, label_class)
        return [_Candidate(path.relative_to(folder).as_posix(), path) for path in paths], label_class
    _, name, *numbers = str(source).split(":")
    if name not in PHANTOMS or len(numbers) > 2 or not all(n.isdecimal() for n in numbers):
        raise InputError(f"{source!r} names no phantoms: write phantom:normal or phantom:abnormal, then :COUNT:SEED.")
    if label_class not in (None, name):
        raise InputError(f"label_class is {label_class!r} but the source is {source!r}: drop one of them.")
    count, seed = [*map(int, numbers), *(PHANTOMS[name], 0)[len(numbers) :]]
    if not 2 <= count <= 100_000:
        raise InputError(f"{source!r} asks for {count} phantoms: ask for 2 to 100000.")
    # the seeds of phantom.films(count, name, seed=seed), so that a worker can draw film i without the ones before
    seeds = (int(np.random.SeedSequence([seed, i]).generate_state(1)[0]) for i in range(count))
    return [_phantom(name, seed, i, own, resolution) for i, own in enumerate(seeds)], name


def _phantom(name: str, seed: int, number: int, own: int, resolution: int) -> _Candidate:
    identity = hashlib.sha256(f"phantom {PHANTOM_VERSION}:{name}:{own}:{resolution}".encode()).hexdigest()
    return _Candidate(f"phantom:{name} {number} of seed {seed}", None, (name, own, resolution), identity)


def _sha256(path: Path) -> str | OSError:
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        return error
    return digest.hexdigest()


def _identified(films: list[_Candidate], threads: int, progress: bool) -> tuple[list[_Candidate], list[dict]]:
    """Hash the files (threads: hashing lets go of the interpreter) and leave out second copies."""
    kept: dict[str, _Candidate] = {}
    left_out = []
    files = [film for film in films if film.path]
    with ThreadPoolExecutor(threads) as pool:
        found = pool.map(_sha256, [film.path for film in files])
        bar = tqdm(found, desc="checking films", total=len(files), unit="film", leave=False, disable=not progress)
        hashes = [film.sha256 for film in films if not film.path] + list(bar)
    for film, sha in zip(films, hashes, strict=True):
        if isinstance(sha, OSError):
            reason = f"{film.path} cannot be read ({sha.strerror}): check the rights."
            left_out.append({"source": film.source, "sha256": None, "reason": reason})
        elif sha in kept:
            left_out.append({"source": film.source, "sha256": sha, "reason": f"same as {kept[sha].source}"})
        else:
            kept[sha] = replace(film, sha256=sha)
    return list(kept.values()), left_out


# ---- the films that are in the pyramid already ---------------------------------------------------------------------


def _previous(out: Path) -> Pyramid | None:
    """The pyramid in `out`; None where there is nothing, or a damaged pyramid; InputError where something else is."""
    if out.is_file():
        raise InputError(f"{out} is a file: give a folder for the pyramid.")
    names = [entry.name for entry in out.iterdir()] if out.is_dir() else []
    try:
        return Pyramid.open(out) if names else None
    except InputError as error:
        if all(map(_OURS.fullmatch, names)):
            return None
        raise InputError(f"{out} is not empty and holds no sound pyramid: give another folder or empty it.") from error


def _leading_refusals(results: Iterator[_Planes | str]) -> tuple[_Planes | None, list[str]]:
    """The first usable film and the refusals before it. Last time's are tried again: a decoder may be there now."""
    refused = []
    for result in results:
        if isinstance(result, _Planes):
            return result, refused
        refused.append(result)
    return None, refused


def _left_out(films: list[_Candidate], reasons: list[str]) -> list[dict]:
    pairs = zip(films, reasons, strict=False)
    return [{"source": film.source, "sha256": film.sha256, "reason": reason} for film, reason in pairs]


def _same(old: Pyramid, films: list[_Candidate], left_out: list[dict]) -> bool:
    gone = {entry["source"] for entry in left_out}
    now = [(film.source, film.sha256) for film in films if film.source not in gone]
    return now == [(film["source"], film["sha256"]) for film in old.films] and left_out == old.left_out


# ---- reading and reducing, in worker processes -----------------------------------------------------------------------


def _prepare(film: _Candidate, resolutions: list[int], square: str) -> _Planes | str:
    """One film at all resolutions, or the sentence that says why not. Runs in workers: no torch, it starts slowly."""
    try:
        if film.phantom:
            from idcgan import phantom

            name, seed, resolution = film.phantom
            grey, _ = phantom.film(seed, name, resolution)
        else:
            grey = read_film(film.path)
        native = to_square(grey, square)
        planes = [np.rint(resize(native, r) * 255).astype(np.uint8) for r in resolutions]
        return _Planes(grey.shape[1], grey.shape[0], native.shape[0], planes)
    except InputError as error:
        return str(error)
    except MemoryError:
        return f"{film.source} does not fit into memory: use fewer workers or reduce the film first."


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _prepared(films: list[_Candidate], options: dict, workers: int | None) -> Iterator[_Planes | str]:
    """_prepare for each film, in order. At most two results per worker wait, so memory does not grow with the films."""
    if workers is None:  # a process takes most of a second to start: a handful of films is read sooner without
        workers = min(_cores(), 8, len(films) // 4)
    arguments = options["resolutions"], options["square"]
    if workers <= 1 or len(films) <= 1:
        yield from (_prepare(film, *arguments) for film in films)
        return
    # spawn, not fork: the parent may have torch's threads running, and a forked lock held by one of them never opens
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(workers, len(films)), context, _leave_interrupts_to_the_parent)
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    # the workers inherit this: with a thread per core each, they get in each other's way (138 phantoms in 7.5 s instead of 3.3 s)
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    try:
        waiting: deque = deque()
        for film in films:
            waiting.append(pool.submit(_prepare, film, *arguments))
            if len(waiting) >= 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise WorkError(
            "A process that reads films died (out of memory, or a script without `if __name__ == '__main__':`): "
            "use workers=1 or add that line."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})


# ---- writing ---------------------------------------------------------------------------------------------------------


def _pieces(films: list[_Candidate], known: dict[str, int], old: Pyramid | None, results: Iterator) -> Iterator[tuple]:
    """(film, planes or reason) for each film, in order: from the old arrays if it is known, else from the workers."""
    for film in films:
        index = known.get(film.sha256)
        if index is None:
            yield film, next(results)
        else:
            was = old.films[index]
            planes = [old.level(r)[index, 0] for r in old.resolutions]
            yield film, _Planes(was["width"], was["height"], was["side"], planes)


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


@contextmanager
def _staged(out: Path, needed: int) -> Iterator[Path]:
    """A folder beside `out` that takes its place when the block ends well, and is gone when it does not."""
    space = f"{needed / 1e9:.2f} GB"
    staging = out.with_name(f"{out.name}.building-{os.getpid()}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        _sweep(out)
        free = shutil.disk_usage(out.parent).free
        if free < needed:
            raise WorkError(f"{out} needs {space} and {free / 1e9:.2f} GB are free: free some or drop a resolution.")
        _discard(staging)  # of a dead process that had our number
        staging.mkdir()
        yield staging
        _swap(staging, out)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise WorkError(f"The disk ran full while {out} was written: it needs {space}.") from error
        raise WorkError(f"{out} could not be written ({error.strerror or error}): check the folder.") from error
    finally:
        _discard(staging)


def _swap(staging: Path, out: Path) -> None:
    if not out.exists():
        staging.rename(out)
        return
    aside = staging.with_name(f"{staging.name}-old")
    out.rename(aside)
    try:
        staging.rename(out)
    except BaseException:
        aside.rename(out)
        raise
    for entry in aside.iterdir():
        if not _OURS.fullmatch(entry.name):
            entry.rename(out / entry.name)  # someone's notes
    _discard(aside)


def _discard(folder: Path) -> None:
    """Delete a folder of ours, but nothing in it that is not."""
    try:
        for entry in folder.iterdir():
            if _OURS.fullmatch(entry.name):
                entry.unlink()
        folder.rmdir()
    except OSError:
        pass


def _sweep(out: Path) -> None:
    """Remove what a killed build left beside `out`: untouched for an hour, a living one writes every few seconds."""
    for entry in out.parent.iterdir():
        if entry.name.startswith(f"{out.name}.building-") and entry.is_dir():
            newest = max(item.stat().st_mtime for item in (entry, *entry.iterdir()))
            if newest < time.time() - 3600:
                _discard(entry)
