"""A hand on a run while it trains: values set between two steps, a pause, a stop. Empty, it changes nothing.

What was set stays in run.json under "by_hand", so that a run that was steered never passes for its config. A resume starts
again from the config: hand-set values are no part of a checkpoint (the dashboard of notebook 04 sets again what its sliders say).
"""

from __future__ import annotations

import dataclasses
import functools
import threading
import time
from collections.abc import Callable
from typing import Any

from .config import RunConfig
from .errors import InputError
from .fields import RANGES
from .records import RunFolder

FIELDS = ("learning_rate", "learning_rate_d", "augment_strength", "replaced")  # what a hand can set; replaced is no field of a config
STEERED = "steered by hand"  # how the warning begins


class Live:
    """Values for a run that trains, its pause and its stop; any thread may set them, the loop reads them once per step.

    `learning_rate`, `learning_rate_d` and `augment_strength` take the place of the config's from the next step on; `replaced`, in
    [0, 1], that of the schedule, from the batch on that is prepared next.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wanted: dict[str, float] = {}
        self.in_force: dict[str, float] = {}  # what the step at hand is made with; only the loop writes it
        self._paused = self._stopped = False

    def set(self, **values: float | None) -> None:
        """Set fields by name; None gives a field back to the config. Raises InputError for another field or a value out of range."""
        for name, value in values.items():
            if name not in FIELDS:
                raise InputError(f"{name} cannot be set while a run trains; choose from {', '.join(FIELDS)}.")
            low, high = RANGES.get(name, (0.0, 1.0))
            if value is not None and not low <= value <= high:
                raise InputError(f"{name} is {value}; it must lie between {low} and {high}.")
        with self._lock:
            wanted = {**self._wanted, **values}
            self._wanted = {name: float(value) for name, value in wanted.items() if value is not None}

    def release(self) -> None:
        """Give everything back to the config."""
        with self._lock:
            self._wanted = {}

    @property
    def wanted(self) -> dict[str, float]:
        """What is set now."""
        with self._lock:
            return dict(self._wanted)

    def pause(self) -> None:
        """Wait after the step at hand. A run that is bounded by minutes loses none of them."""
        self._paused = True

    def resume(self) -> None:
        """Go on."""
        self._paused = False

    def stop(self) -> None:
        """End after the step at hand, saved and resumable, as Ctrl-C does."""
        self._stopped = True

    @property
    def paused(self) -> bool:
        """Has someone asked it to wait?"""
        return self._paused

    @property
    def stopped(self) -> bool:
        """Has someone asked it to end?"""
        return self._stopped

    def wait(self, asked: Callable[[], bool]) -> bool:
        """Between two steps: wait while it is paused. True where the run was asked to stop meanwhile, here or by `asked`."""
        while self._paused and not (self._stopped or asked()):
            time.sleep(0.05)
        return self._stopped or asked()


def steer(live: Live, config: RunConfig, folder: RunFolder, level: int, step: int) -> RunConfig:
    """The config of step `step` of level number `level` (both from 1), with what the hand has set; a change is put into run.json."""
    wanted = live.wanted
    entries = folder.run.get("by_hand", [])
    before = in_force(entries)
    live.in_force = wanted
    if wanted != before:
        changed = [name for name in FIELDS if wanted.get(name) != before.get(name)]
        entries = [*entries, *({"step": step, "level": level, "field": name, "value": wanted.get(name)} for name in changed)]
        if "by_hand" not in folder.run:
            sentence = f"{STEERED} from level {level}, step {step} on: the run is not what its config says; see by_hand in run.json."
            folder.run["warnings"].append(sentence)
        folder.write(by_hand=entries)
    return _changed(config, tuple(sorted(wanted.items()))) if wanted else config


@functools.lru_cache(maxsize=8)
def _changed(config: RunConfig, values: tuple[tuple[str, float], ...]) -> RunConfig:
    return dataclasses.replace(config, **{name: value for name, value in values if name != "replaced"})


def in_force(entries: list[dict[str, Any]]) -> dict[str, float]:
    """What is set by hand after these entries of "by_hand"; a value of None gave its field back to the config."""
    last = {entry["field"]: entry["value"] for entry in entries}
    return {name: value for name, value in last.items() if value is not None}


def let_go(folder: RunFolder, level: int, step: int) -> None:
    """Before a resume after `step` steps of level number `level`: what was set later goes, with its steps; what still held ends here."""
    if "by_hand" not in folder.run:
        return
    entries = [entry for entry in folder.run["by_hand"] if (entry["level"], entry["step"]) <= (level, step)]
    if not entries:  # the checkpoint is from before the first touch
        del folder.run["by_hand"]
        folder.run["warnings"] = [sentence for sentence in folder.run["warnings"] if not sentence.startswith(STEERED)]
        return
    folder.run["by_hand"] = entries + [{"step": step + 1, "level": level, "field": name, "value": None} for name in in_force(entries)]
