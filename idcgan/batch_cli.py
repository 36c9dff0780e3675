"""`idcgan batch`: a grid of runs, on this machine or on a cluster."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from .errors import InputError


def batch(
    grid: Annotated[Path, typer.Argument(metavar="GRID.yaml", help="which runs: see docs/batches.md, and grids/ for ready ones")],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="the batch's folder, a run folder per run; the same again: to go on")],
    workers: Annotated[int, typer.Option(help="runs at a time on this machine; left out: 1")] = 0,
    scheduler: Annotated[str, typer.Option(metavar="tcp://HOST:PORT", help="use the workers of this Dask scheduler instead")] = "",
    films: Annotated[str, typer.Option(metavar="FILMS", help="a folder of films, a pyramid, or phantom:normal, in place of the grid's")] = "",
    changes: Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="a parameter that all runs share; may be repeated")] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="try runs again that failed")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="no progress bar")] = False,
) -> None:
    """Run a notebook many times, over a grid of its parameters; what is finished already is not run again."""
    from .cluster import run_batch
    from .grids import read_grid
    from .records import command_name

    if scheduler and workers:
        raise InputError("--workers and --scheduler are both given; --scheduler has workers of its own.")
    outcome = run_batch(read_grid(grid, films, changes or ()), out, workers or 1, scheduler, retry_failed, not quiet)
    counts = {"finished": outcome.finished, "failed": outcome.failed, "unfinished": outcome.unfinished}
    total = sum(map(len, counts.values()))
    print(f"{out}: {', '.join(f'{len(names)} {what}' for what, names in counts.items() if names)} of {total} runs")
    for name, sentence in outcome.failed.items():
        print(f"{name} failed: {sentence}", file=sys.stderr)
    if outcome.interrupted:
        print(f"interrupted and saved; go on with: {command_name()} batch with the same options", file=sys.stderr)
        raise typer.Exit(130)
    for name, sentence in outcome.unfinished.items():
        print(f"{name} is not finished: {sentence}", file=sys.stderr)
    if outcome.failed or outcome.unfinished:
        raise typer.Exit(1)
