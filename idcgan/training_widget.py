"""The dashboard of notebook 04: a run that is steered while it trains. Going back through a run is `time_machine.py`."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets as widgets
from matplotlib.figure import Figure

from .config import RunConfig
from .live import Live
from .plots import to_png
from .records import RunFolder
from .time_machine import TimeMachine, look, picture_box
from .training import resume, train
from .training_plots import Scene, plot_scene

WORDS = {"learning_rate": "learning rate", "learning_rate_d": "learning rate of D", "augment_strength": "augmentation", "replaced": "replaced share"}
__all__ = ["Dashboard", "TimeMachine", "practice"]


class Dashboard(widgets.VBox):
    """Train a run of `config` on `films` with sliders that act while it trains; every run is a folder of its own below `shelf`.

    Losses above, the share replaced, the newest films; Pause, Resume, Stop. What a slider changes is kept in the run's run.json under
    "by_hand". `run` is the folder of the last run, or None; `render` draws a run folder as the dashboard does.
    """

    def __init__(self, config: RunConfig, films: str | Path, shelf: str | Path) -> None:
        self.config, self.films, self.shelf = config, films, Path(shelf)
        self.live, self.run = Live(), None
        self._thread: threading.Thread | None = None
        self._quiet, self._drawn, self._cost, self._told = False, 0.0, 0.0, 0.0
        self.train_button, self.pause_button = _button("Train", self.train, "success"), _button("Pause", self.pause)
        self.resume_button, self.stop_button = _button("Resume", self.go_on), _button("Stop", self.stop, "warning")
        self.back_button = _button("Back to the config", self.release)
        self.rate = widgets.FloatLogSlider(config.learning_rate, base=10, min=-5, max=-1.5, step=0.1, readout_format=".1e", **look("learning rate"))
        self.replaced = widgets.FloatSlider(1.0, min=0.0, max=1.0, step=0.05, readout_format=".0%", **look("replaced"))
        self.strength = widgets.FloatSlider(config.augment_strength, min=0.0, max=1.0, step=0.05, readout_format=".0%", **look("augmentation"))
        self.strength.disabled = not config.augment
        self.text, self.picture = widgets.HTML(), picture_box()
        buttons = widgets.HBox([self.train_button, self.pause_button, self.resume_button, self.stop_button, self.back_button])
        super().__init__([buttons, widgets.HBox([self.rate, self.replaced, self.strength]), self.text, self.picture])
        self.add_class("idcgan-widget")
        for slider, name in ((self.rate, "learning_rate"), (self.replaced, "replaced"), (self.strength, "augment_strength")):
            slider.observe(self._set(name), "value")
        for box in (buttons, self.children[1]):
            box.layout.flex_flow = "row wrap"
        self._show_state()
        self._say(f"Train takes {self._length()} at {' → '.join(map(str, config.resolutions))}. Untouched sliders leave everything to the config.")
        self._draw()

    @property
    def training(self) -> bool:
        """Is a run at work, or paused?"""
        return self._thread is not None and self._thread.is_alive()

    def train(self) -> None:
        """Begin a new run in a folder of its own, with what the sliders say."""
        if self.training:
            return
        name, number = f"dashboard-{time.strftime('%Y%m%d-%H%M%S')}", 1
        while (out := self.shelf / (name if number == 1 else f"{name}-{number}")).exists():
            number += 1
        self._begin(out, lambda live: train(self.config, self.films, out, progress=False, on_log=self._on_log, live=live))

    def go_on(self) -> None:
        """Resume: go on after a pause, or with a run that was stopped, where its checkpoint stands."""
        if self.training:
            self.live.resume()
            self._say("going on")
        elif self._resumable():
            self._begin(self.run, lambda live: resume(self.run, progress=False, on_log=self._on_log, live=live))
        self._show_state()

    def pause(self) -> None:
        """Wait after the step at hand; a pause costs none of the run's minutes."""
        if self.training:
            self.live.pause()
            self._say(f"paused{self._by_hand()}: the clock stands still; move a slider, then Resume.")
            self._show_state()
            self._draw()

    def stop(self) -> None:
        """End after the step at hand, saved."""
        if self.training:
            self.live.stop()
            self._say("stopping after this step and saving")

    def close(self) -> None:
        """As `stop`, paused or not, and wait for that; then take the widget away."""
        self.live.stop()
        self.join(20)
        super().close()

    def release(self) -> None:
        """Back to the config: sliders and run forget what was set by hand."""
        self._quiet = True
        self.rate.value, self.replaced.value, self.strength.value = self.config.learning_rate, 1.0, self.config.augment_strength
        self._quiet = False
        self.live.release()
        self._say("learning rate, replaced share and augmentation are those of the config again")

    def join(self, seconds: float | None = None) -> None:
        """Wait until the run has ended."""
        thread = self._thread  # which sets it to None when it ends
        if thread:
            thread.join(seconds)

    def render(self, run: str | Path | None = None) -> Figure:
        """What the dashboard shows of a run folder; left out: of its own last run. Raises InputError for what is no run."""
        if run is None and (self.run is None or not (self.run / "run.json").exists()):
            return plot_scene(Scene("No run yet: press Train."))
        return plot_scene(Scene.read(run or self.run))

    def _begin(self, out: Path, work: Callable[[Live], RunFolder]) -> None:
        wanted = self.live.wanted  # sliders that were moved before the start count from the first step
        self.live, self.run = Live(), out
        self.live.set(**wanted)
        self._say("preparing the films and the networks")
        self._thread = threading.Thread(target=self._work, args=(work, self.live), daemon=True)
        self._thread.start()
        self._show_state()

    def _work(self, work: Callable[[Live], RunFolder], live: Live) -> None:
        """In the thread: nothing but traits is set here, for text that is printed in a thread is lost."""
        try:
            folder = work(live)
            then = "" if folder.run["status"] == "finished" else " Resume goes on with it."
            steered = ", steered by hand: its config alone does not make it again" if "by_hand" in folder.run else ""
            self._say(f"{folder.run['status']} after {folder.run['seconds'] / 60:.1f} minutes of training, in {folder.path.name}{steered}.{then}")
        except Exception as error:  # whatever ends a run ends as a sentence here
            self._say(f"the run failed: {error}")
        self._thread = None
        try:
            self._draw()
        finally:  # a run that cannot be drawn must not keep the buttons
            self._show_state()

    def _on_log(self, row: dict[str, Any]) -> None:
        """After a logged step, in the thread. Drawing takes at most about a tenth of the time."""
        now = time.monotonic()
        if now - self._told > 0.3 and not self.live.paused:
            self._told = now
            self._say(f"level {row['level']} of {len(self.config.resolutions)}, {row['resolution']} x {row['resolution']}, step {row['step']:,}: "
                      f"{row['replaced']:.0%} replaced, D(x) {row['d_real']:.2f}, D(G(z)) {row['d_fake']:.2f}{self._by_hand()}")  # fmt: skip
        if now - self._drawn > max(1.0, 9 * self._cost):
            self._draw()

    def _draw(self) -> None:
        began = time.monotonic()
        with contextlib.suppress(ValueError):  # a row was being written
            self.picture.value = to_png(self.render())
        self._drawn = time.monotonic()
        self._cost = self._drawn - began

    def _set(self, name: str) -> Callable[[Any], None]:
        def moved(change: Any) -> None:
            if self._quiet:
                return
            values = {name: change["new"]}
            if name == "learning_rate" and self.config.learning_rate_d:  # both rates keep their relation
                values["learning_rate_d"] = min(1.0, change["new"] * self.config.learning_rate_d / self.config.learning_rate)
            self.live.set(**values)
            self._say(f"set{self._by_hand()}" + ("" if self.training else ", from the first step of the next run on"))

        return moved

    def _by_hand(self) -> str:
        said = ", ".join(f"{WORDS[name]} {value:.2g}" for name, value in self.live.wanted.items())
        return f"; by hand: {said}" if said else ""

    def _say(self, sentence: str) -> None:
        self.text.value = f"<div>{escape(sentence)}</div>"

    def _resumable(self) -> bool:
        return self.run is not None and (self.run / "checkpoint.pt").exists() and RunFolder.open(self.run).run["status"] == "interrupted"

    def _show_state(self) -> None:
        at_work, paused = self.training, self.training and self.live.paused
        self.train_button.disabled = at_work
        self.pause_button.disabled = not at_work or paused
        self.resume_button.disabled = not (paused or (not at_work and self._resumable()))
        self.stop_button.disabled = not at_work

    def _length(self) -> str:
        return f"{self.config.minutes:g} minutes" if self.config.minutes else f"{self.config.epochs} epochs"


def with_growth(config: RunConfig) -> RunConfig:
    """The config itself where its second level is grown to; else one that grows to its first from half of it (from 16 to 32, where that is 16).

    `quick` and `recommended` have one level, and the second of `long` is on crops.
    """
    if len(config.resolutions) > 1 and not config.on_crops(1):
        return config
    low = max(16, config.resolutions[0] // 2)  # the lowest that there can be
    return dataclasses.replace(config, resolutions=(low, 2 * low), level_shares=(), batch_size=config.batch_size[:1],
                               detail=config.detail[:1], crops_from=0)  # fmt: skip


def practice(config: RunConfig, minutes: float) -> RunConfig:
    """The two lowest levels of a config for a few minutes, with many rows and moments: to be steered and looked at."""
    return dataclasses.replace(config, resolutions=config.resolutions[:2], level_shares=(), batch_size=config.batch_size[:1],
                               detail=config.detail[:1], epochs=0, minutes=minutes, log_every=2, samples=16, moments=25)  # fmt: skip


def _button(text: str, act: Callable[[], None], style: str = "") -> widgets.Button:
    button = widgets.Button(description=text, button_style=style, layout=widgets.Layout(width="auto", min_width="85px"))
    button.on_click(lambda _: act())
    return button
