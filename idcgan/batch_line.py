"""One line for a whole batch, read from the folders of the runs that are at work."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm


class BatchLine:
    """One line for the whole batch and the runs at work, and sentences above it."""

    def __init__(self, total: int, ended: int, out: Path, shown: bool) -> None:
        self.total, self.ended, self.out, self.shown = total, ended, out, shown
        self.bar = tqdm(total=float(total), initial=float(ended), disable=not shown, file=sys.stderr,
                        bar_format="{desc} {percentage:3.0f}% |{bar:20}| {elapsed} < {remaining}{postfix}")  # fmt: skip

    def show(self, running: Iterable[str], waiting: int, most: int = 4) -> None:
        """Read from the run folders how far the runs at work are."""
        if not self.shown:
            return
        stands = {name: progress_of(self.out / name) for name in running}
        self.bar.set_description_str(f"{self.ended} of {self.total} runs", refresh=False)
        told = [f"{name} {where}" for name, (_, where) in list(stands.items())[:most]]
        told += [f"{len(stands) - most} more"] if len(stands) > most else []
        self.bar.set_postfix_str(", ".join(told) or ("waiting for a worker" if waiting else ""), refresh=False)
        self.bar.n = self.ended + sum(done for done, _ in stands.values())
        self.bar.refresh()

    def say(self, sentence: str) -> None:
        """A sentence of its own, above the bar."""
        tqdm.write(sentence, file=sys.stderr)

    def close(self) -> None:
        """Leave the line as it is."""
        self.bar.close()


def progress_of(folder: Path) -> tuple[float, str]:
    """(share that is done, where it stands) of a run at work."""
    now = position_of(folder)
    return (min(0.99, now["done"]), f"{now['resolution']} x {now['resolution']} {now['done']:.0%}") if now else (0.0, "begins")


def position_of(folder: Path) -> dict[str, Any]:
    """What run.json says of how far a run at work is; nothing before it says so."""
    try:
        return json.loads((folder / "run.json").read_text(encoding="utf-8")).get("progress") or {}
    except (OSError, ValueError):
        return {}
