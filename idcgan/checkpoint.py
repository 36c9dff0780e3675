"""Files that are whole or absent: a checkpoint is written beside the old one and takes its place in one move."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import pickle
import re
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from .errors import InputError, WorkError

FORMAT = 1  # of checkpoint.pt
UMASK = os.umask(0)  # can only be read by setting it, which threads that write at the same time must not
os.umask(UMASK)
TRIES = 10 if os.name == "nt" else 1  # to put a file in the place of one that somebody reads just now, which Windows refuses


def atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Run `write` on a temporary path in the same folder, then move it to `path`; on any failure nothing is left.

    Raises WorkError naming the file when the disk is full or refuses.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        write(temporary)
        with open(temporary, "rb+") as handle:
            os.fsync(handle.fileno())
        os.chmod(temporary, 0o666 & ~UMASK)  # safetensors makes files that only their owner can read
        _move(temporary, path)
    except (OSError, RuntimeError, SafetensorError) as error:
        # torch.save turns a full disk into a RuntimeError of its zip writer ("inline_container ... unexpected pos"), safetensors
        # into an error of its own ("I/O error: ... (os error 28)")
        if isinstance(error, RuntimeError) and not any(word in str(error) for word in ("writ", "PytorchStreamWriter", "inline_container")):
            raise
        said = re.search(r"os error (\d+)", str(error))
        number = int(said[1]) if said else getattr(error, "errno", None)
        full = isinstance(error, RuntimeError) or number in (errno.ENOSPC, errno.EDQUOT)
        again = "the disk is full; free some space and give the same command again (a run goes on with --resume)"
        why = again if full else (getattr(error, "strerror", None) or str(error))
        raise WorkError(f"{path} could not be written: {why}.") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _move(temporary: Path, path: Path) -> None:
    for left in reversed(range(TRIES)):
        try:
            os.replace(temporary, path)
            return
        except PermissionError:
            if not left:
                raise
            time.sleep(0.05)


def write_json(path: Path, value: Any) -> None:
    """Indented JSON, atomically."""
    atomically(path, lambda p: p.write_text(json.dumps(value, indent=1, allow_nan=True) + "\n", encoding="utf-8"))


def save(path: Path, state: dict[str, Any]) -> None:
    """A dict of tensors, numbers, strings, lists and dicts. Raises WorkError."""
    atomically(path, lambda p: torch.save(state, p))


def load(path: Path) -> dict[str, Any]:
    """What `save` wrote; nothing but tensors and plain values is unpickled. Raises InputError or WorkError."""
    if not path.is_file():
        raise InputError(f"{path.parent} holds no checkpoint.pt; there is nothing to go on from; start a new run, or name another one.")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, KeyError, ValueError, OSError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        raise WorkError(f"{path} is damaged and cannot be read; start the run again, or restore the file from a copy.") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise WorkError(f"{path} is not a checkpoint of this version of idcgan; start the run again, or restore the file from a copy.")
    return content
