"""Build the generator for any resolution: five sliders, and what they do to layers, parameters, multiplications and memory. Nothing is allocated."""

from __future__ import annotations

from html import escape

import ipywidgets as widgets
import torch
from matplotlib.figure import Figure

from .errors import InputError
from .layers_plots import megabytes, plot_architecture
from .layers_view import Stage, layers, plain_generator, said, stages, training_memory
from .plots import to_png

RESOLUTIONS = (64, 128, 256, 512, 1024, 2048)
MAPS = (1, 2, 4, 8, 16, 32, 64)
CAPS = (16, 32, 64, 128, 256, 512, 0)  # 0: doubling without end


class BuildGenerator(widgets.VBox):
    """Sliders for resolution, feature maps, their cap, latent and batch size; the paper's diagram with its costs, and a table by resolution.

    `render` draws the same picture for values of one's own.
    """

    def __init__(self, resolution: int = 2048, feature_maps: int = 8, cap: int = 64, latent_dim: int = 100, batch_size: int = 8) -> None:
        self.resolution = _choice("resolution", RESOLUTIONS, resolution)
        self.feature_maps = _choice("feature maps", MAPS, feature_maps)
        self.cap = _choice("at most", [(str(cap) if cap else "no limit", cap) for cap in CAPS], cap)
        self.latent_dim = _choice("latent size", (10, 50, 100, 200, 512), latent_dim)
        self.batch_size = _choice("batch size", (2, 4, 8, 16, 32, 64), batch_size)
        self.picture = widgets.Image(format="png", layout=widgets.Layout(max_width="100%", object_fit="contain"))
        self.picture.add_class("idcgan-picture")
        self.text = widgets.HTML()
        sliders = (self.resolution, self.feature_maps, self.cap, self.latent_dim, self.batch_size)
        super().__init__([widgets.HBox(sliders[:3], layout=_row()), widgets.HBox(sliders[3:], layout=_row()), self.picture, self.text])
        self.add_class("idcgan-widget")
        for slider in sliders:
            slider.observe(self._draw, "value")
        self._draw()

    def render(self, resolution: int = 2048, feature_maps: int = 8, cap: int = 64, latent_dim: int = 100, batch_size: int = 8) -> Figure:
        """The generator from the latent vector to the film, with what each resolution costs.

        `feature_maps` are those before the film, doubling towards 4 x 4 up to `cap` (0: no limit).
        Raises InputError for values that no run could have.
        """
        found = count(resolution, feature_maps, cap, latent_dim)
        memory = training_memory(resolution, feature_maps, cap, latent_dim, batch_size)
        totals = [f"{said(sum(getattr(stage, what) for stage in found))} {what}" for what in ("parameters", "multiplies")]
        title = f"{totals[0]} · {totals[1].replace('multiplies', 'multiplications a film')} · training takes about {megabytes(memory)}"
        return plot_architecture(latent_dim, found, batch_size, title)

    def _draw(self, _: object = None) -> None:
        values = [slider.value for slider in (self.resolution, self.feature_maps, self.cap, self.latent_dim)]
        try:
            self.picture.value = to_png(self.render(*values, self.batch_size.value))
            self.text.value = as_table(count(*values), self.batch_size.value)
        except InputError as error:
            self.picture.value, self.text.value = b"", f"<p>{escape(str(error))}</p>"


def count(resolution: int, feature_maps: int, cap: int, latent_dim: int) -> list[Stage]:
    """What each resolution of the generator costs, from 4 x 4 to the film. Raises InputError."""
    generator = plain_generator(resolution, feature_maps, cap, latent_dim)
    return stages(layers(generator, torch.empty(2, latent_dim, device="meta")))


def as_table(found: list[Stage], batch_size: int) -> str:
    """The same numbers as an HTML table, a row per resolution."""
    head = ("layer", "puts out", "parameters", "multiplications, one film", f"memory of features, batch {batch_size}")
    rows = []
    for place, stage in enumerate(found):
        last = place == len(found) - 1
        what = "transposed convolution, " + ("Tanh" if last else "batch norm, ReLU")
        shape = f"{stage.maps} x {stage.resolution} x {stage.resolution}"
        rows.append((what, shape, f"{stage.parameters:,}", f"{stage.multiplies:,}", megabytes(4 * batch_size * stage.kept)))
    style = "text-align:right;padding:2px 10px"
    lines = "".join("<tr>" + "".join(f"<td style='{style}'>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{''.join(f'<th style={style!r}>{cell}</th>' for cell in head)}</tr>{lines}</table>"


def _choice(text: str, options: object, value: int) -> widgets.SelectionSlider:
    looks = {"layout": widgets.Layout(width="300px"), "style": {"description_width": "90px"}}
    return widgets.SelectionSlider(options=options, value=value, description=text, continuous_update=False, **looks)


def _row() -> widgets.Layout:
    return widgets.Layout(flex_flow="row wrap")
