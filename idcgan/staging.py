"""How a pyramid's folder appears: built beside its place, moved there when it is complete, gone when it is not."""

from __future__ import annotations

import errno
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from idcgan.errors import WorkError

OURS = re.compile(r"manifest\.json|level-\d{4}\.npy")  # names of files that are a pyramid's, and may be deleted with it


@contextmanager
def staged(out: Path, needed: int) -> Iterator[Path]:
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
        if not OURS.fullmatch(entry.name):
            entry.rename(out / entry.name)  # someone's notes
    _discard(aside)


def _discard(folder: Path) -> None:
    """Delete a folder of ours, but nothing in it that is not."""
    try:
        for entry in folder.iterdir():
            if OURS.fullmatch(entry.name):
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
