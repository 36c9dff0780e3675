"""Two runs beside each other in a notebook: choose them, look at losses or films."""

from __future__ import annotations

from html import escape

import ipywidgets as widgets
from matplotlib.figure import Figure

from . import compare
from .errors import InputError
from .plots import to_png
from .runs import Run, find

VIEWS = ("losses by step", "losses by seconds", "films")


class ChooseTwo(widgets.VBox):
    """Three menus, a picture, and the parameters that differ; `render` is what the picture shows.

    Raises InputError without a run, or for one that is not among them.
    """

    def __init__(self, runs: list[Run], a: str = "", b: str = "") -> None:
        if not runs:
            raise InputError("there are no runs to choose from.")
        self.runs, names = runs, [run.name for run in runs]
        self.a = widgets.Dropdown(options=names, value=find(runs, a).name if a else names[0], description="run")
        self.b = widgets.Dropdown(options=names, value=find(runs, b).name if b else names[min(1, len(names) - 1)], description="beside")
        self.view = widgets.Dropdown(options=VIEWS, description="show")
        self.picture = widgets.Image(format="png", layout=widgets.Layout(max_width="100%", object_fit="contain"))
        self.text = widgets.HTML()
        super().__init__([widgets.HBox([self.a, self.b, self.view]), self.picture, self.text])
        for menu in (self.a, self.b, self.view):
            menu.observe(self._draw, "value")
        self._draw()

    def render(self, a: str, b: str, view: str = VIEWS[0]) -> Figure:
        """Losses on one axis, or the grids of the highest level that both have. Raises InputError where there is nothing to draw."""
        one, two = find(self.runs, a), find(self.runs, b)
        if view not in VIEWS:
            raise InputError(f"view is {view!r}; choose one of {', '.join(VIEWS)}.")
        if view == "films":
            return compare.plot_grids_together(one, two)
        return compare.plot_losses_together(one, two, view.rsplit(" ", 1)[1])

    def _draw(self, _: object = None) -> None:
        one, two = find(self.runs, self.a.value), find(self.runs, self.b.value)
        try:
            self.picture.value, said = to_png(self.render(one.name, two.name, self.view.value)), ""
        except InputError as error:
            self.picture.value, said = b"", f"<p>{escape(str(error))}</p>"
        self.text.value = f"{said}<pre>{escape(compare.as_text(one, two))}</pre>"
