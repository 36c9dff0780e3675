"""One process at a time: a lock file that the system lets go of when its holder dies, however it dies."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path

from .errors import InputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

NO_LOCKS = {errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.ENOSYS}  # what a file system without locks answers, such as Lustre without -o flock
HELD = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES}  # another process has it


@contextlib.contextmanager
def locked(lock: Path, refusal: str, patience: float = 0.0) -> Iterator[None]:
    """Hold the file `lock`, which is gone afterwards; waits up to `patience` seconds for another holder.

    Raises InputError(refusal) where another process still holds it then. (No lock on Windows.)
    """
    if fcntl is None:
        yield
        return
    deadline = time.monotonic() + patience
    while (held := _take(lock)) is None:
        if time.monotonic() >= deadline:
            raise InputError(refusal)
        time.sleep(0.2)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        os.close(held)


def is_locked(lock: str | Path) -> bool:
    """Whether a living process holds it. Asked without taking it, so that nobody who would is turned away; of no file, or one closed to us: no."""
    try:
        handle = open(lock, "rb")  # noqa: SIM115 (that it cannot be opened says something else than that it cannot be locked)
    except OSError:
        return False
    with handle:
        try:
            if fcntl is not None:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError as error:
            return error.errno in HELD
    return False


def _take(lock: Path) -> int | None:
    """The open file, locked; None where another process has it."""
    handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(handle).st_ino == os.stat(lock).st_ino:  # else its last holder has just deleted it, and another may hold a new one
            return handle
    except OSError as error:
        if error.errno in NO_LOCKS:  # there every process may go on
            return handle
    os.close(handle)
    return None
