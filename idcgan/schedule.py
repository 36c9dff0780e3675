"""How long each level trains, in steps or in minutes; how far into a level a step is; the clock it is told by."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .config import RunConfig
from .errors import InputError

if TYPE_CHECKING:
    from .pyramid import Pyramid


@dataclass(frozen=True)
class Schedule:
    """Per level either `steps[level]`, or the second of the run's training clock at which the level ends, `until[level]`."""

    resolutions: tuple[int, ...]
    steps: tuple[int, ...]  # empty when the wall clock rules
    until: tuple[float, ...]  # empty when steps rule
    transition_share: float
    crops_from: int = 0  # levels from here on are each trained by themselves; 0: none
    settled: int = 0  # index of the highest level that needs no transition: the first, or one that a finished run is gone on with at
    only_enlarged: frozenset[int] = frozenset()  # indices of levels that are not trained, see `only_enlarged`

    @classmethod
    def plan(cls, config: RunConfig, films: int, first: int = 0, settled: bool = False, only_enlarged: Iterable[int] = ()) -> Schedule:
        """From the config and the number of films; levels before index `first` are skipped and leave their share to the others.

        `settled`: the networks that the run begins with have been through the transition of level `first`. `only_enlarged`: indices of levels that
        are not trained, and leave their share too.

        Raises InputError where a level would get no step at all, and where no level would be trained.
        """
        settled_at, enlarged = first if settled else 0, frozenset(only_enlarged)
        trained = [level for level in range(first, len(config.resolutions)) if level not in enlarged]
        if not trained:
            below = config.resolutions[first - 1]
            raise InputError(
                f"too few films are larger than {below} x {below} to teach level {config.resolutions[first]} anything; "
                f"give larger films, or train without --init at resolutions that end at {below} or below."
            )
        largest = max(config.batch_at(level) for level in trained)
        if largest > films:
            raise InputError(f"batch_size is {largest} and there are {films} films; give {films} or less.")
        rises = 0.0 if config.transition == "jump" else config.transition_share
        raw = [share if level in trained else 0.0 for level, share in enumerate(config.shares())]
        shares = [share / sum(raw) for share in raw]
        if config.minutes:
            until = tuple(60 * config.minutes * sum(shares[: i + 1]) for i in range(len(shares)))
            return cls(config.resolutions, (), until, rises, config.crops_from, settled_at, enlarged)
        steps = tuple(_level_steps(config, level, films, share) if level in trained else 0 for level, share in enumerate(shares))
        return cls(config.resolutions, steps, (), rises, config.crops_from, settled_at, enlarged)

    def progress(self, level: int, step: int, seconds: float) -> float:
        """How much of level `level` is behind us, 0 to 1: after `step` steps in it, `seconds` into the run."""
        if self.steps:
            return min(1.0, step / self.steps[level])
        start = self.until[level - 1] if level else 0.0
        return min(1.0, max(0.0, (seconds - start) / (self.until[level] - start)))

    def warmth(self, level: int, step: int, seconds: float, cool_down: float) -> float:
        """What the learning rates are multiplied by: 1, and over the last `cool_down` of the run in a line to a fiftieth.

        A level on crops, whose layers are all new, has a fall of its own, and those below end theirs before the first of them.
        """
        cropped = [self._on_crops(each) for each in range(len(self.resolutions))]
        first = level if cropped[level] else 0
        end = level + 1 if cropped[level] else len(cropped) - sum(cropped)
        if self.steps:
            gone = (sum(self.steps[first:level]) + step) / sum(self.steps[first:end])
        else:
            start = self.until[first - 1] if first else 0.0
            gone = (seconds - start) / (self.until[end - 1] - start)
        return min(1.0, max(0.02, (1.0 - gone) / cool_down)) if cool_down else 1.0

    def finished(self, level: int, step: int, seconds: float) -> bool:
        """A level ends when its steps or its minutes are used up; by the clock it still makes one step, so that every level trains.

        One whose films are only enlarged ends as it begins.
        """
        return level in self.only_enlarged or (self.progress(level, step, seconds) >= 1.0 and step > 0)

    def replaced(self, level: int, progress: float) -> float:
        """The share of the batch that shows its higher-resolution twin: rises from 0 to 1, then stays (paper, section 4).

        The first level, one that a finished run is gone on with at (`--init`), and those on crops, where new layers alone learn, have nothing to
        replace and show their own films throughout.
        """
        if level <= self.settled or self.transition_share == 0 or self._on_crops(level):
            return 1.0
        return min(1.0, progress / self.transition_share)

    def _on_crops(self, level: int) -> bool:
        return 0 < self.crops_from <= self.resolutions[level]


def only_enlarged(config: RunConfig, pyramid: Pyramid) -> list[int]:
    """Indices of levels on crops that would have nothing to learn: fewer films than a batch holds are larger than the level below. With the levels
    above, so that none is trained on top of one that was not.
    """
    levels = range(1, len(config.resolutions))
    poor = [k for k in levels if config.on_crops(k) and len(pyramid.larger_than(config.resolutions[k - 1])) < config.batch_at(k)]
    return list(range(poor[0], len(config.resolutions))) if poor else []


class Clock:
    """The run's training clock in seconds, over all sittings, and when to save."""

    def __init__(self, seconds: float) -> None:
        self._zero = time.monotonic() - seconds
        self._saved, self._cost = time.monotonic(), 0.0

    def now(self) -> float:
        """Seconds of training so far."""
        return time.monotonic() - self._zero

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """What is done meanwhile takes no time of the run's."""
        began = time.monotonic()
        try:
            yield
        finally:
            passed = time.monotonic() - began
            self._zero += passed
            self._saved += passed

    def time_to_save(self, every: float) -> bool:
        """After `every` seconds, or later where saving takes so long that it would be more than a twentieth of the time."""
        return time.monotonic() - self._saved > max(every, 20 * self._cost)

    def timed(self, work: Callable[[], None]) -> None:
        """Save, and remember what it cost."""
        began = time.monotonic()
        work()
        self._saved = time.monotonic()
        self._cost = self._saved - began


def _level_steps(config: RunConfig, level: int, films: int, share: float) -> int:
    per_epoch = films // config.batch_at(level)  # the short last batch is dropped
    epochs = config.epochs * (share if config.epochs_for == "run" else 1.0)
    steps = round(epochs * per_epoch)
    if steps < 1:
        raise InputError(
            f"epochs is {config.epochs} for {len(config.resolutions)} levels and {films} films, which leaves level "
            f"{config.resolutions[level]} without a single step; raise epochs or lower batch_size."
        )
    return steps
