"""A finished run, or one that still trains, that can be gone back through: a widget for notebook 04."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ipywidgets as widgets
import numpy as np
import torch
from matplotlib.figure import Figure

from .config import RunConfig
from .errors import InputError
from .levels import fixed_latents
from .moments import read_moments
from .plots import to_png
from .records import RunFolder, to_bytes
from .sampling import load_generator
from .training_plots import plot_time_machine

DRAWN = 512  # pixels up to which the time machine draws with the generators; above, the saved samples do


class TimeMachine(widgets.VBox):
    """Slide through the saved levels and steps of a run: the same latents, drawn by the generator as it was then.

    Raises InputError for what is no run, or has saved no moment yet. `render` draws what the sliders ask for.
    """

    def __init__(self, run: str | Path) -> None:
        self.folder = RunFolder.open(run)
        self.config, self.moments = RunConfig.from_dict(self.folder.run["config"]), read_moments(run)
        if not self.moments:
            raise InputError(f"{run} has saved no moment yet; let it train a little longer, with moments of 1 or more.")
        self._rows, self._ends, self._drawn, self._quiet = self.folder.history(), {}, {}, False
        levels = {f"{m.resolution} x {m.resolution}": i for i, m in reversed(list(enumerate(self.moments)))}  # its first moment
        self.level = widgets.ToggleButtons(options=list(reversed(levels.items())), style={"button_width": "110px"})
        self.moment = widgets.IntSlider(value=1, min=1, max=len(self.moments), **look("moment"))
        self.latent = widgets.IntSlider(value=1, min=1, max=self.moments[0].count, **look("latent"))
        self.play = widgets.Play(value=1, min=1, max=len(self.moments), interval=1000)
        self.picture = picture_box()
        row = widgets.HBox([self.play, self.moment, self.latent], layout=widgets.Layout(flex_flow="row wrap"))
        super().__init__([self.level, row, self.picture])
        self.add_class("idcgan-widget")
        widgets.jslink((self.play, "value"), (self.moment, "value"))
        self.level.observe(self._jump, "value")
        for slider in (self.moment, self.latent):
            slider.observe(self._draw, "value")
        self._draw()

    def render(self, moment: int = 1, latent: int = 1) -> Figure:
        """Moment number `moment` with latent number `latent` framed, both from 1. Raises InputError for a number that is not there."""
        for name, number, most in (("moment", moment, len(self.moments)), ("latent", latent, self.moments[0].count)):
            if not 1 <= number <= most:
                raise InputError(f"{name} is {number}; choose one from 1 to {most}.")
        ends = {m.resolution: self.end(m.resolution, latent) for m in self.moments if m.finished}
        return plot_time_machine(self.moments, moment - 1, latent - 1, ends, self._rows)

    @torch.no_grad()
    def end(self, resolution: int, latent: int) -> np.ndarray:
        """(r, r) uint8: latent number `latent` as the generator of the finished level draws it; above 512 as it was saved, reduced."""
        if (resolution, latent) not in self._ends:
            if resolution <= DRAWN:
                z = fixed_latents(self.config)[latent - 1]
                film = to_bytes(load_generator(self.folder.path, resolution).generator(z[None]))[0]
                self._ends[resolution, latent] = film.mean(0).round().astype(np.uint8)  # colour becomes grey
            else:
                saved = next(m for m in self.moments if m.finished and m.resolution == resolution)
                self._ends[resolution, latent] = saved.films()[latent - 1]
        return self._ends[resolution, latent]

    def _jump(self, change: Any) -> None:
        if not self._quiet:
            self.moment.value = change["new"] + 1

    def _draw(self, _: Any = None) -> None:
        at = self.moment.value, self.latent.value
        self._quiet = True  # the level follows the slider, and must not pull it back to the level's first moment
        self.level.value = next(i for i, m in enumerate(self.moments) if m.level == self.moments[at[0] - 1].level)
        self._quiet = False
        if at not in self._drawn:
            self._drawn[at] = to_png(self.render(*at))
        self.picture.value = self._drawn[at]


def look(description: str) -> dict[str, Any]:
    """How a slider looks, and that it acts when it is let go."""
    return {"description": description, "continuous_update": False, "layout": widgets.Layout(width="265px"), "style": {"description_width": "95px"}}


def picture_box() -> widgets.Image:
    """The place of a widget's picture."""
    picture = widgets.Image(format="png", layout=widgets.Layout(max_width="100%", object_fit="contain"))
    picture.add_class("idcgan-picture")
    return picture
