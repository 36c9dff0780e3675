"""From films to the next batch on the device: the pyramid is found or built, and worker threads prepare batches ahead."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import torch
from torch import Tensor

from .batches import MixedBatches, ResidentBatches
from .config import RunConfig
from .errors import InputError
from .films import READING, classes_in, find_films
from .locks import locked
from .memory import memory_free
from .pyramid import Pyramid
from .tuning import memory_format, sent

PATIENCE = 1800.0  # seconds to wait for another process that builds the same pyramid


def open_or_build(films: str | Path, config: RunConfig, shelf: Path, progress: bool = True) -> Pyramid:
    """The pyramid of `films`: itself if it is one, else built on `shelf`, once for all runs with the same films and options.

    `films` is a folder of films, a pyramid, or "phantom:normal". Raises InputError.
    """
    films = films if _is_phantom(films) else Path(films).expanduser()
    if not _is_phantom(films) and (Path(films) / "manifest.json").is_file():
        pyramid = Pyramid.open(films)
        missing = [r for r in config.resolutions if r not in pyramid.resolutions]
        if missing:
            raise InputError(f"{films} has no level {missing[0]} (it has {pyramid.resolutions}); build it again with that level.")
        for name in ("channels", "square", "label_class"):
            theirs, ours = getattr(pyramid, name), getattr(config, name)
            if theirs and ours and theirs != ours:
                raise InputError(f"{films} was built with {name}={theirs} and {name} is {ours} here; make them the same.")
        return pyramid
    source = str(films) if _is_phantom(films) else str(Path(films).resolve())
    label_class = None if _is_phantom(films) else class_in(Path(films), config.label_class)
    options = [source, label_class, list(config.resolutions), config.square, config.channels, READING]
    key = hashlib.sha256(json.dumps(options).encode()).hexdigest()[:8]
    name = source.replace(":", "-") if _is_phantom(films) else "-".join(filter(None, (Path(source).name, label_class)))
    where = shelf / f"{name}-{key}"
    made = [folder for folder in (shelf, *shelf.parents) if not folder.exists()]
    try:
        with _builder(where):
            return Pyramid.build(source, where, config.resolutions, config.square, config.channels, label_class, progress=progress)
    finally:
        with contextlib.suppress(OSError):
            for folder in made or [shelf]:
                folder.rmdir()  # where nothing could be built, nothing is left, an empty shelf neither


def _builder(where: Path) -> contextlib.AbstractContextManager[None]:
    """One process at a time builds a pyramid; the next one finds it done. Where nothing can be written there is nothing to wait for."""
    with contextlib.suppress(OSError):
        where.parent.mkdir(parents=True, exist_ok=True)
    if not where.parent.is_dir() or not os.access(where.parent, os.W_OK):
        return contextlib.nullcontext()
    return locked(where.with_name(f".{where.name}.lock"), f"{where} is being built by another process; try again when that one is done.", PATIENCE)


def check_source(films: str | Path, config: RunConfig) -> None:
    """Raises InputError where `films` cannot be trained on, as far as can be told without reading a film."""
    if _is_phantom(films) or (Path(films).expanduser() / "manifest.json").is_file():
        return
    count = len(find_films(films, class_in(Path(films), config.label_class)))
    # levels on crops are perhaps not trained, which the films' sizes say
    largest = max(config.batch_at(level) for level in range(len(config.resolutions)) if not config.on_crops(level))
    if count < largest:
        raise InputError(f"{films} holds {count} films and batch_size is {largest}; add films or --set batch_size={max(2, count)}.")


def class_in(films: Path, label_class: str) -> str | None:
    """The classes are trained separately (paper, section 4): a folder that has both is not taken as it is. Raises InputError."""
    classes = classes_in(films)
    if classes and not label_class:
        raise InputError(f"{films} holds films by class ({', '.join(classes)}); choose one with --class {classes[0]}.")
    return label_class or None


def _is_phantom(films: str | Path) -> bool:
    return str(films).startswith("phantom:")


class Loader:
    """Iterates over (films on the device (b, c, r, r) in [-1, 1], replaced share), from step `at` on, `workers` batches ahead.

    A batch is a pure function of its step (and of `share`, asked when the batch is begun), so neither threads nor a
    resume can change what comes. workers = 0: prepared in place.
    """

    def __init__(self, batches: MixedBatches, share: Callable[[int], float], at: int, workers: int, device: torch.device) -> None:
        self._batches, self._share, self._at, self._device = batches, share, at, device
        self._resident = ResidentBatches(batches, device) if lies_there(batches, device) else None
        self._pool = ThreadPoolExecutor(workers) if workers and not self._resident else None
        self._ahead, self._queue = max(1, workers), deque[Future]()

    def __enter__(self) -> Loader:
        return self

    def __exit__(self, *error: object) -> None:
        if self._pool:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def __next__(self) -> tuple[Tensor, float]:
        if self._pool is None:
            films, share = (self._resident.batch if self._resident else self._prepare)(self._at, self._share(self._at))
            self._at += 1
        else:
            while len(self._queue) < self._ahead:
                self._queue.append(self._pool.submit(self._prepare, self._at, self._share(self._at)))
                self._at += 1
            films, share = self._queue.popleft().result()
        return sent(films, self._device), share

    def _prepare(self, step: int, share: float) -> tuple[Tensor, float]:
        films, replaced = self._batches.batch(step, share)
        tensor = torch.from_numpy(films).contiguous(memory_format=memory_format(self._device))
        return (tensor.pin_memory() if self._device.type == "cuda" else tensor), replaced


def lies_there(batches: MixedBatches, device: torch.device) -> bool:
    """Whether the films of a level are put on the device as a whole: on a GPU, where they take a quarter of its free memory at most."""
    return device.type != "cpu" and ResidentBatches.size(batches) < memory_free(device) // 4
