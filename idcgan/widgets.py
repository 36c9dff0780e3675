"""Widgets for notebooks; each has a `render(...)` twin that returns a matplotlib Figure: what shows where nothing can be clicked."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from pathlib import Path

import ipywidgets as widgets
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from . import plots
from .errors import InputError
from .reader_answers import Answer, Answers, Study, reader_name
from .reader_films import KINDS
from .reader_score import as_table, reader_figures

DOUBLE_CLICK = 0.3  # seconds: nobody has looked at a film for less


class ReaderStudy(widgets.VBox):
    """The reader study of a folder that `make_study` wrote, in a notebook: a film, two buttons and a way back.

    Every answer is on disk at once, in answers-READER.json of that folder; the same folder and reader go on where they
    stopped, and take in what another widget of theirs has put there since. The last answer is followed by a button that
    shows the result and closes the reading. Raises InputError.
    """

    def __init__(self, folder: str | Path, reader: str) -> None:
        self.study, self.reader = Study.open(folder), reader_name(reader)
        self._films, self.answers = self.study.pictures(), _answers_so_far(self.study, self.reader)
        self.names, self._since = list(self.study.kinds), 0.0
        self.progress = widgets.HTML()
        self.film = widgets.Image(format="png", layout=widgets.Layout(width="480px", height="480px", object_fit="contain"))
        self.real = _button("Real", lambda: self._click("real"))
        self.synthetic = _button("Synthetic", lambda: self._click("synthetic"))
        self.back = _button("Back one", self.go_back)
        self.result = _button("Show the result", self.finish)
        self.text = widgets.HTML()
        notice = "Not for diagnosis."
        if self.study.patients:
            notice += " These are films of patients: clear this output before the notebook is passed on."
        buttons = widgets.HBox([self.real, self.synthetic, self.back, self.result])  # above the film, so that no window cuts them off
        super().__init__([self.progress, buttons, self.film, self.text, widgets.HTML(f"<small>{notice}</small>")])
        self._next()

    @property
    def at(self) -> int:
        """The number of the film that is shown, from 0; as many as there are films when all are answered."""
        return self._at

    def answer(self, said: str) -> None:
        """What the buttons do: keep "real" or "synthetic" for the film that is shown, and go on to the next one without one. Raises InputError."""
        if said not in KINDS:
            raise InputError(f"the answer is {said!r}; give real or synthetic.")
        if self._closed() or self.at == len(self.names):
            return
        self.answers.answers[self.names[self.at]] = Answer(said, round(time.monotonic() - self._since, 3))
        self.answers.save(self.study.path)
        self._next()

    def go_back(self) -> None:
        """Show the film before, to correct its answer; not once the result has been seen."""
        if not self._closed() and self.at > 0:
            self._show(self.at - 1)

    def finish(self) -> None:
        """Show the result; from now on the answers stay as they are. Does nothing while a film has no answer."""
        if self._closed() or len(self.answers.answers) < len(self.names):
            return
        self.answers.finished = True
        self.answers.save(self.study.path)
        self._show(len(self.names))

    def render(self) -> Figure:
        """What the widget shows now: the film, or, once it has been asked for, the result."""
        if self.answers.finished:
            return plots.plot_readers({self.reader: reader_figures(self.study, self.answers)})
        number = min(self.at, len(self.names) - 1)
        return plots.plot_film(np.asarray(Image.open(io.BytesIO(self._films[self.names[number]]))), self._where(number))

    def _click(self, said: str) -> None:
        if time.monotonic() - self._since >= DOUBLE_CLICK:  # the second half of a double click meets a film that nobody has seen
            self.answer(said)

    def _closed(self) -> bool:
        """Takes in what is on disk, which may be of another widget; whether the reading is finished. Raises InputError."""
        there = _answers_so_far(self.study, self.reader)
        if there.finished and not self.answers.finished:
            self.answers = there
            self._show(len(self.names))
        elif not self.answers.finished:
            self.answers.answers.update(there.answers)
        return self.answers.finished

    def _next(self) -> None:
        self._show(next((i for i, name in enumerate(self.names) if name not in self.answers.answers), len(self.names)))

    def _show(self, number: int) -> None:
        self._at, over = number, number == len(self.names)
        name = "" if over else self.names[number]
        before = self.answers.answers.get(name)
        self.progress.value = f"<b>{self._where(number)}</b>" + (f", your answer: {before.said}" if before else "")
        self.film.layout.display = self.real.layout.display = self.synthetic.layout.display = "none" if over else ""
        self.result.layout.display = "" if over and not self.answers.finished else "none"
        self.back.disabled = number == 0 or self.answers.finished
        if not over:
            self.film.value = self._films[name]
        if self.answers.finished:
            found = {"readers": {self.reader: reader_figures(self.study, self.answers)}, "films": len(self.names), "agreement": None}
            self.text.value = f"<pre>{as_table(found)}</pre>"
        self._since = time.monotonic()

    def _where(self, number: int) -> str:
        total = len(self.names)
        return f"{number + 1} of {total}" if number < total else f"all {total} films are answered"


def _button(text: str, act: Callable[[], None]) -> widgets.Button:
    button = widgets.Button(description=text, layout=widgets.Layout(width="115px", height="40px"))
    button.on_click(lambda _: act())
    return button


def _answers_so_far(study: Study, reader: str) -> Answers:
    path = study.path / f"answers-{reader}.json"
    if not path.exists():
        return Answers(study.id, reader)
    answers = Answers.read(path, study)
    if answers.reader != reader:
        raise InputError(f"{path} holds the answers of reader {answers.reader!r}; rename it, or read as {answers.reader}.")
    return answers
