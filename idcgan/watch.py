"""What a run says while it trains: the progress line, the alarms, and how it is stopped."""

from __future__ import annotations

import contextlib
import math
import signal
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor
from tqdm.auto import tqdm

from .config import RunConfig
from .errors import WorkError

if TYPE_CHECKING:
    from .records import RunFolder
    from .schedule import Schedule
    from .state import State

PATIENCE = 20  # logged rows in a row before an alarm is raised
ALARMS = {"wins": "the discriminator wins", "flat": "the fakes look alike"}


class Watch:
    """Both losses and both beliefs, "check Generator and Discriminator loss" (algorithm IDCGAN): each alarm once per level.

    `said`: what the level gave cause to say before a resume, as `look` returned it.
    """

    def __init__(self, config: RunConfig, said: Iterable[str] = ()) -> None:
        self.config, self._streak = config, dict.fromkeys(ALARMS, 0)
        self._raised = {kind for kind, words in ALARMS.items() if any(words in sentence for sentence in said)}

    def look(self, row: dict[str, Any], fake: Tensor, real: Tensor) -> list[str]:
        """Sentences to show for one logged row; raises WorkError on a NaN. `fake`, `real`: (b, c, r, r) in [-1, 1]."""
        where = f"at {row['resolution']} x {row['resolution']}, step {row['step']}"
        if not (math.isfinite(row["loss_d"]) and math.isfinite(row["loss_g"])):
            raise WorkError(
                f"training failed {where}: a loss is not a number; the last good checkpoint is kept; try a lower learning_rate "
                f"(it is {self.config.learning_rate}) and start again."
            )
        variety = (fake.std(0).mean() / real.std(0).mean().clamp(min=1e-6)).item()
        says = []
        if self._long("wins", row["d_real"] > 0.9 and row["d_fake"] < 0.1):
            augmented = self.config.augment or self.config.on_crops(row["level"] - 1)  # crops are drawn anew as it is
            remedy = "a lower learning_rate_d" if augmented else "augment=brightness,contrast,translation"
            says.append(
                f"{where}: {ALARMS['wins']} (D(x) {row['d_real']:.2f}, D(G(z)) {row['d_fake']:.2f}), and G learns little; try {remedy}."
            )
        if self._long("flat", variety < 0.15):
            says.append(f"{where}: {ALARMS['flat']} (their variety is {variety:.0%} of the films'), a collapse; try a lower learning_rate.")
        return says

    def _long(self, kind: str, now: bool) -> bool:
        self._streak[kind] = self._streak[kind] + 1 if now else 0
        if self._streak[kind] < PATIENCE or kind in self._raised:
            return False
        self._raised.add(kind)
        return True


class ProgressLine:
    """One line with everything in it, and one number for whoever watches run.json."""

    def __init__(self, config: RunConfig, shown: bool, weights: list[float] | None = None) -> None:
        self.config, self._done = config, 0.0
        raw = weights or list(config.shares())
        self._weights = [w / sum(raw) for w in raw]
        self.bar = tqdm(total=1.0, disable=not shown, leave=True, file=sys.stderr, mininterval=0.5,
                        bar_format="{desc} {percentage:3.0f}% |{bar:20}| {elapsed} < {remaining}{postfix}")  # fmt: skip

    def show(self, state: State, row: dict[str, Any], schedule: Schedule, folder: RunFolder) -> None:
        """After a logged step."""
        level, seconds = state.level, state.seconds
        inside = schedule.progress(level, state.step, seconds)
        by_steps = sum(self._weights[:level]) + self._weights[level] * inside
        done = min(1.0, seconds / schedule.until[-1]) if schedule.until else by_steps
        self.bar.set_description_str(f"level {level + 1}/{len(self.config.resolutions)}, {row['resolution']} x {row['resolution']}", refresh=False)
        replaced = f", replaced {row['replaced']:.0%}" if row["replaced"] < 1 else ""
        losses = f"D(x) {row['d_real']:.2f}, D(G(z)) {row['d_fake']:.2f}, loss D {row['loss_d']:.2f} G {row['loss_g']:.2f}{replaced}"
        self.bar.set_postfix_str(f"step {state.step}, {losses}", refresh=False)
        self.bar.update(max(0.0, done - self._done))
        self._done = max(done, self._done)
        folder.show_progress(
            resolution=row["resolution"], level=level + 1, step=state.step, done=round(done, 4), seconds=round(seconds, 1), losses=losses
        )

    def say(self, sentence: str) -> None:
        """A sentence of its own, above the bar. Not from a thread: a notebook would lose it, or show it below another cell."""
        if threading.current_thread() is threading.main_thread():
            tqdm.write(sentence, file=sys.stderr)

    def close(self, complete: bool) -> None:
        """Fill the bar where the work is done, and leave it."""
        if complete:
            self.bar.update(1.0 - self._done)
        self.bar.close()


class Interruption:
    """Ctrl-C asks, the loop answers after the step at hand; a second Ctrl-C does not wait. A file `stop` in the run folder asks too."""

    def __init__(self, folder: Path, listens: bool = True) -> None:
        self._file, self._asked, self._before, self._listens = folder / "stop", False, None, listens

    def asked(self) -> bool:
        """Has someone asked to stop?"""
        return self._asked or self._file.exists()

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._hear)
        return self

    def _hear(self, number: int, frame: Any) -> None:
        if self._asked and self._listens:
            raise KeyboardInterrupt
        self._asked = True
        if not self._listens:  # one of several processes: the first one decides, and says so
            return
        tqdm.write("stopping after this step and saving; press Ctrl-C again to stop at once.", file=sys.stderr)

    def __exit__(self, *error: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
        if self._listens:
            with contextlib.suppress(OSError):
                self._file.unlink(missing_ok=True)
