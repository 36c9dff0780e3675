"""A batch on Dask: many runs at a time, on this machine or on a cluster, and what becomes of them when a worker dies.

A worker only starts the run's own process (see `batch.execute`) and waits for it. What is known about a run lies in its folder,
so that a batch can be killed at any moment and begun again; Dask hands runs out and notices lost workers.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .attempt import ATTEMPT, attempt
from .batch_folder import FAILURE, begin_run, build_pyramids, refuse, remember, status_of
from .batch_line import BatchLine
from .errors import InputError, WorkError
from .grids import Grid
from .locks import is_locked, locked

GONE = "the Dask scheduler is gone; start it again, then the same idcgan batch: finished runs are kept, the others go on."


@dataclass
class Outcome:
    """What became of the runs, by name; a sentence for each that failed or was lost."""

    finished: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    unfinished: dict[str, str] = field(default_factory=dict)
    interrupted: bool = False


def run_batch(grid: Grid, out: Path, workers: int = 1, scheduler: str = "", retry_failed: bool = False, progress: bool = True) -> Outcome:
    """Every run of the grid that is not finished yet, each in OUT/NAME; the batch goes on where one fails.

    `workers` processes on this machine, or the workers of the Dask scheduler at `scheduler` ("tcp://host:8786"). Ctrl-C has the runs
    save and stop. Raises InputError before anything starts, WorkError where the cluster is lost.
    """
    _distributed()
    if workers < 1:
        raise InputError(f"--workers is {workers}; give 1 or more.")
    refuse(grid, out)
    with locked(out / ".lock", f"another idcgan batch is at work in {out}; wait for it, or stop it first."):
        says = remember(grid, out)
        wanted = ("unfinished", "failed") if retry_failed else ("unfinished",)
        todo = [name for name in grid.runs if status_of(out / name) in wanted]
        build_pyramids(grid, todo, out, progress)
        for name in todo:
            (out / name / FAILURE).unlink(missing_ok=True)
        lost: dict[str, str] = {}
        interrupted = False
        if todo:
            with _client(workers, scheduler) as (client, gpus):
                line = BatchLine(len(grid.runs), len(grid.runs) - len(todo), out, progress)
                for sentence in says:
                    line.say(sentence)
                lost, interrupted = _work(client, grid, out, todo, gpus, line)
        return _outcome(grid, out, lost, interrupted)


def _work(client: Any, grid: Grid, out: Path, todo: list[str], gpus: int, line: BatchLine) -> tuple[dict[str, str], bool]:
    """Hand out runs as workers become free, until all have ended. Returns what was lost, and whether Ctrl-C was pressed."""
    waiting, running, lost = deque(todo), {}, {}
    interrupted = False
    try:
        while waiting or running:
            try:
                _hand_out(client, grid, out, waiting, running, gpus)
                for name in [name for name, future in running.items() if future.done()]:
                    lost.update(_ended(name, running.pop(name), out, line))
                line.show(running, len(waiting))
                for name in running if interrupted else ():  # again and again: a run that is only starting sweeps it away
                    (out / name / "stop").touch()
                time.sleep(0.5)
            except KeyboardInterrupt:
                if interrupted:
                    break
                interrupted = True
                waiting.clear()
                line.say("stopping every run after its step and saving; press Ctrl-C again to stop at once.")
    finally:
        line.close()
    return lost, interrupted


def _hand_out(client: Any, grid: Grid, out: Path, waiting: deque[str], running: dict[str, Any], gpus: int) -> None:
    """No more runs than there are places: with a longer queue, one dead worker would count against all that it held."""
    if not waiting:
        return
    there = _workers(client)
    needs = {"GPU": 1} if any(w["resources"].get("GPU") for w in there.values()) else {}
    sharing: Counter[str] = Counter()
    for address, worker in there.items():
        sharing[urlsplit(address).hostname or ""] += int(worker["resources"].get("GPU", 0)) if needs else worker["nthreads"]
    for _ in range(len(waiting)):
        if len(running) >= sharing.total():
            return
        name = waiting.popleft()
        if is_locked(out / name / ATTEMPT):  # a worker is at it still, since before this batch was killed
            waiting.append(name)
        elif status_of(out / name) == "unfinished":
            begin_run(grid, out, name)
            running[name] = client.submit(attempt, str(grid.notebook), grid.runs[name], str((out / name).resolve()), "out" in grid.takes,
                                          dict(sharing), gpus, key=f"{name}-{time.time_ns()}", pure=False, resources=needs or None)  # fmt: skip


def _ended(name: str, future: Any, out: Path, line: BatchLine) -> dict[str, str]:
    """Say how a run ended; returns {name: sentence} where it was lost, through no fault of its own."""
    from distributed.scheduler import KilledWorker

    if future.status in ("cancelled", "lost"):
        raise WorkError(GONE)
    error = future.exception()
    if isinstance(error, KilledWorker):
        sentence = f"its workers died {error.allowed_failures + 1} times; is their memory large enough?"
    elif error is not None:
        sentence = f"the worker could not start it: {type(error).__name__}: {' '.join(str(error).split())}"
    else:
        status, sentence = future.result()
        line.ended += status in ("finished", "failed")
        if status == "failed":
            line.say(f"{name} failed: {sentence}")
        if status != "unfinished":
            return {}
    line.say(f"{name} was lost: {sentence}")
    return {name: sentence}


def _outcome(grid: Grid, out: Path, lost: dict[str, str], interrupted: bool) -> Outcome:
    """From the folders, which are all that counts."""
    outcome = Outcome(interrupted=interrupted)
    for name in grid.runs:
        status = status_of(out / name)
        if status == "finished":
            outcome.finished.append(name)
        elif status == "failed":
            outcome.failed[name] = (out / name / FAILURE).read_text(encoding="utf-8").strip()
        else:
            outcome.unfinished[name] = lost.get(name, "it goes on with the same command.")
    return outcome


@contextlib.contextmanager
def _client(workers: int, scheduler: str) -> Iterator[tuple[Any, int]]:
    """(a client of the scheduler, GPUs of this machine to share out). Raises InputError where nothing answers."""
    import logging

    distributed = _distributed()
    if scheduler:
        try:
            client = distributed.Client(scheduler, timeout=10)
        except (OSError, ValueError) as error:
            raise InputError(f"no Dask scheduler answers at {scheduler}; give its address, such as tcp://host:8786.") from error
        with client:
            yield client, 0
        return
    import torch

    gpus = torch.cuda.device_count()
    count = min(workers, gpus) if gpus else workers
    with (
        # no limit of Dask's own: it would count the worker, not the run
        distributed.LocalCluster(n_workers=count, threads_per_worker=1, processes=True, dashboard_address=None, memory_limit=0,
                                 preload=["idcgan.attempt"], resources={"GPU": 1} if gpus else None, silence_logs=logging.CRITICAL) as local,
        distributed.Client(local) as client,
    ):  # fmt: skip
        yield client, gpus


def _workers(client: Any) -> dict[str, Any]:
    try:
        info = client.scheduler_info(n_workers=-1)
    except TypeError:  # before 2025, all of them come unasked
        info = client.scheduler_info()
    if "workers" not in info:  # which a client without a scheduler answers
        raise WorkError(GONE)
    return info["workers"]


def _distributed() -> Any:
    try:
        import distributed
    except ImportError:
        raise InputError("batches need Dask, which is not installed; install it with: pip install -e '.[cluster]' -c constraints.txt.") from None
    return distributed
