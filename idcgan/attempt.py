"""What a worker of the cluster does with one run: start its process, wait, and keep in its folder what became of it."""

from __future__ import annotations

import functools
import os
import signal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from . import machine
from .batch import execute
from .batch_folder import FAILURE, status_of
from .checkpoint import atomically
from .errors import InputError, WorkError
from .intake import cores
from .locks import locked

ATTEMPT = ".attempt"  # in the run folder: held by the worker that is at it
PATIENCE = 60.0  # seconds to wait for an attempt that is about to die
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def attempt(notebook: str, parameters: dict[str, Any], out: str, takes_out: bool, sharing: dict[str, int], gpus: int) -> tuple[str, str]:
    """In a worker: one run, from its checkpoint if it has one. Returns (status, sentence); a failure is kept in failure.txt.

    sharing: runs at a time by host. gpus: of this machine, to be shared out by the workers' numbers; 0: the workers have their own.
    """
    folder = Path(out)
    try:
        with locked(folder / ATTEMPT, f"another worker is still at {folder.name}; start the batch again later.", PATIENCE):
            if status_of(folder) == "finished":
                return "finished", ""
            try:
                given = {**parameters, **({"out": out} if takes_out else {})}
                return execute(Path(notebook), given, folder, progress=False, go_on=True, environment=_environment(sharing, gpus)), ""
            except (InputError, WorkError) as error:
                sentence = " ".join(str(error).split())
                atomically(folder / FAILURE, lambda path: path.write_text(sentence + "\n", encoding="utf-8"))
                return "failed", sentence
    except InputError as error:  # the folder is not free: the run itself has not failed
        return "unfinished", str(error)


def _environment(sharing: dict[str, int], gpus: int) -> dict[str, str]:
    """Of a run's process: its share of the cores and of the memory, and a GPU of its own."""
    from distributed import get_worker

    worker = get_worker()
    at_once = sharing.get(urlsplit(worker.address).hostname or "", worker.state.nthreads)
    threads = {name: str(max(1, cores() // max(1, at_once))) for name in THREADS}
    environment = {**os.environ, **threads, machine.SHARE: str(_free_at_first() // max(1, at_once))}
    environment.pop("MALLOC_TRIM_THRESHOLD_", None)  # Dask's: memory given back after each step costs more than the step's arithmetic
    if gpus:
        seen = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if os.environ.get("CUDA_VISIBLE_DEVICES") else [str(i) for i in range(gpus)]
        environment["CUDA_VISIBLE_DEVICES"] = seen[int(worker.name) % len(seen)]
    return environment


@functools.cache
def _free_at_first() -> int:
    """Bytes, when this worker was first given a run: what is free later, its neighbours' runs may have taken already or be about to take."""
    return machine.memory_available()


def dask_setup(worker: Any) -> None:
    """Dask calls this in each worker of ours: Ctrl-C reaches them too, and must not end them before their runs have saved."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
