"""Which films a source names, and each of them read, made square and reduced: what a pyramid and an evaluation both begin with.

A source is a folder of films, or phantoms ("phantom:normal[:COUNT[:SEED]]"). No torch here: the processes start quickly.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm.auto import tqdm

from idcgan.errors import InputError, WorkError
from idcgan.films import find_films, read_film, resize, to_square
from idcgan.tied import end_with

PHANTOMS = {"normal": 138, "abnormal": 76}  # the paper's numbers of films (section 4)
PHANTOM_VERSION = 1  # raise it when phantoms are drawn in another way: pyramids of the old ones are then built again
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Candidate:
    """A film to be: a file, or the seed of a phantom."""

    source: str
    path: Path | None = None
    phantom: tuple[str, int, int] | None = None  # label_class, seed, resolution
    sha256: str | None = None


class Planes(NamedTuple):
    """One film, prepared: the size of its file and its grey levels (resolution, resolution) uint8, level by level."""

    width: int
    height: int
    side: int
    planes: list[np.ndarray]


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def candidates(source: str | Path, label_class: str | None, resolution: int) -> tuple[list[Candidate], str | None]:
    """The films of a source, and their class where the source says it; phantoms are drawn at `resolution`. Raises InputError."""
    if not str(source).startswith("phantom:"):
        folder = Path(source).expanduser()
        paths = find_films(folder, label_class)
        return [Candidate(path.relative_to(folder).as_posix(), path) for path in paths], label_class
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


def _phantom(name: str, seed: int, number: int, own: int, resolution: int) -> Candidate:
    identity = hashlib.sha256(f"phantom {PHANTOM_VERSION}:{name}:{own}:{resolution}".encode()).hexdigest()
    return Candidate(f"phantom:{name} {number} of seed {seed}", None, (name, own, resolution), identity)


def sha256_of(path: Path) -> str | OSError:
    """Of a file's bytes, 64 hexadecimal digits; or why it cannot be read."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        return error
    return digest.hexdigest()


def identified(films: list[Candidate], threads: int, progress: bool, alike: bool = False) -> tuple[list[Candidate], list[dict]]:
    """Hash the files (threads: hashing lets go of the interpreter) and leave out second copies, unless films may be `alike`."""
    first: dict[str, str] = {}
    kept, left_out = [], []
    files = [film for film in films if film.path]
    with ThreadPoolExecutor(threads) as pool:
        found = pool.map(sha256_of, [film.path for film in files])
        bar = tqdm(found, desc="checking films", total=len(files), unit="film", leave=False, disable=not progress)
        hashes = [film.sha256 for film in films if not film.path] + list(bar)
    for film, sha in zip(films, hashes, strict=True):
        if isinstance(sha, OSError):
            reason = f"{film.path} cannot be read ({sha.strerror}): check the rights."
            left_out.append({"source": film.source, "sha256": None, "reason": reason})
        elif sha in first and not alike:
            left_out.append({"source": film.source, "sha256": sha, "reason": f"same as {first[sha]}"})
        else:
            first.setdefault(sha, film.source)
            kept.append(replace(film, sha256=sha))
    return kept, left_out


def prepare(film: Candidate, resolutions: list[int], square: str) -> Planes | str:
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
        return Planes(grey.shape[1], grey.shape[0], native.shape[0], planes)
    except InputError as error:
        return str(error)
    except MemoryError:
        return f"{film.source} does not fit into memory: use fewer workers or reduce the film first."


def _leave_interrupts_to_the_parent(parent: int) -> None:
    """And end with it: one that is killed closes no pool, and its workers would wait for films for ever."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with(parent)


def prepared(films: list[Candidate], options: dict, workers: int | None) -> Iterator[Planes | str]:
    """prepare for each film, in order. At most two results per worker wait, so memory does not grow with the films."""
    if workers is None:  # a process takes most of a second to start: a handful of films is read sooner without
        workers = min(cores(), 8, len(films) // 4)
    arguments = options["resolutions"], options["square"]
    if workers <= 1 or len(films) <= 1:
        yield from (prepare(film, *arguments) for film in films)
        return
    # spawn, not fork: the parent may have torch's threads running, and a forked lock held by one of them never opens
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(workers, len(films)), context, _leave_interrupts_to_the_parent, (os.getpid(),))
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    # the workers inherit this: with a thread per core each, they get in each other's way (138 phantoms in 7.5 s instead of 3.3 s)
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    try:
        waiting: deque = deque()
        for film in films:
            waiting.append(pool.submit(prepare, film, *arguments))
            if len(waiting) >= 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise WorkError(
            "A process that reads films died (out of memory, or a script without `if __name__ == '__main__':`): use workers=1 or add that line."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
