"""Spoil films and watch the measures: choose what is wrong and by how much, see the films and every measure in floors."""

from __future__ import annotations

from html import escape

import ipywidgets as widgets
import numpy as np
from matplotlib.figure import Figure

from .distortions import DISTORTIONS, Distortion
from .errors import InputError
from .evaluation_plots import plot_before_after
from .filmset import FilmSet
from .plots import to_png
from .yardstick import TITLES, Reading, Yardstick

SHOWN = 3  # films


class SpoilFilms(widgets.VBox):
    """A menu of distortions, a slider of amounts, films before and after, and every measure in floors; `render` is what the picture shows.

    What was asked for once is kept; a new amount takes about a second on two cores.
    """

    def __init__(self, yardstick: Yardstick, distortion: str = "blurred") -> None:
        self.yardstick, self._found = yardstick, {}
        names = [d.name for d in DISTORTIONS.values() if len(d.amounts) > 1]
        self.menu = widgets.Dropdown(options=names, value=distortion, description="wrong is")
        wide = widgets.Layout(width="420px")
        self.slider = widgets.SelectionSlider(options=[("none", 0.0)], description="how much", continuous_update=False, layout=wide)
        self.picture = widgets.Image(format="png", layout=widgets.Layout(max_width="100%", object_fit="contain"))
        self.picture.add_class("idcgan-picture")
        self.text = widgets.HTML()
        super().__init__([widgets.HBox([self.menu, self.slider]), self.picture, self.text])
        self.add_class("idcgan-widget")
        self.menu.observe(self._offer, "value")
        self.slider.observe(self._draw, "value")
        self._offer()

    def render(self, distortion: str, amount: float) -> Figure:
        """The picture for a distortion and an amount, 0 for films as they are. Raises InputError for what is not on offer."""
        chosen, made, readings = self._asked(distortion, amount)
        return plot_before_after(_shown(self.yardstick.fresh), _shown(made), readings, _title(chosen, amount), SHOWN)

    def _asked(self, distortion: str, amount: float) -> tuple[Distortion, FilmSet, dict[str, Reading]]:
        if distortion not in DISTORTIONS:
            raise InputError(f"the distortion is {distortion!r}; choose one of {', '.join(DISTORTIONS)}.")
        chosen = DISTORTIONS[distortion if amount else "as they are"]
        if (chosen.name, amount) not in self._found:
            made = self.yardstick.look(chosen.items(self.yardstick.films, amount))
            self._found[chosen.name, amount] = made, self.yardstick.judge(made)
        return chosen, *self._found[chosen.name, amount]

    def _offer(self, _: object = None) -> None:
        """The amounts of the chosen distortion, none of it first; its usual amount is set."""
        chosen = DISTORTIONS[self.menu.value]
        self.slider.unobserve(self._draw, "value")  # one picture, not one more for the amount that stands first
        self.slider.options = [("none", 0.0), *((_words(chosen, amount), amount) for amount in chosen.amounts)]
        self.slider.value = chosen.usual
        self.slider.observe(self._draw, "value")
        self._draw()

    def _draw(self, _: object = None) -> None:
        try:
            self.picture.value = to_png(self.render(self.menu.value, self.slider.value))
            chosen, _made, readings = self._asked(self.menu.value, self.slider.value)
            self.text.value = f"<p>{escape(said(chosen, readings))}</p>"
        except InputError as error:
            self.picture.value, self.text.value = b"", f"<p>{escape(str(error))}</p>"


def said(chosen: Distortion, readings: dict[str, Reading]) -> str:
    """What is wrong, and who notices, in a sentence."""
    names = [TITLES[key] for key, found in readings.items() if found.noticed]
    return f"The truth: {chosen.truth} Noticed by {', '.join(names)}." if names else f"The truth: {chosen.truth} Nothing notices."


def _title(chosen: Distortion, amount: float) -> str:
    return f"{chosen.name}, {_words(chosen, amount)}" if chosen.unit else chosen.name


def _words(chosen: Distortion, amount: float) -> str:
    if chosen.unit.startswith("of "):
        return f"{amount:.0%} {chosen.unit}"
    return f"{amount:g} {chosen.unit.rstrip('s') if amount == 1 else chosen.unit}"


def _shown(films: FilmSet) -> np.ndarray:
    return np.stack([item.film() for item in films.items[:SHOWN]])
