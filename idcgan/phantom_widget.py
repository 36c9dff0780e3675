"""Two widgets of notebook 03: a phantom whose factors are sliders, and a batch whose replaced share is one. Each has a `render` twin."""

from __future__ import annotations

from dataclasses import replace
from html import escape
from typing import Any

import ipywidgets as widgets
from matplotlib.figure import Figure

from .batches import TRANSITIONS, MixedBatches
from .brushes import Grid
from .errors import InputError
from .phantom import LABEL_CLASSES, Factors, draw_factors, render
from .plots import G_COLOUR, to_png
from .pyramid import Pyramid
from .pyramid_plots import draw_grey, draw_histogram, plot_batch

RESOLUTION = 256  # pixels of the films that the sliders draw: a tenth of a second each
# factor: words, lowest, highest, step; heart / chest sets heart_width, the others are fields of Factors
SLIDERS: dict[str, tuple[str, float, float, float]] = {
    "cardiothoracic_ratio": ("heart / chest", 0.35, 0.70, 0.01),
    "rib_count": ("ribs", 7, 11, 1),
    "rib_strength": ("rib contrast", 0.0, 1.5, 0.05),
    "lung_opacity": ("lung density", 0.0, 0.5, 0.02),
    "vessel_strength": ("vessels", 0.0, 2.0, 0.1),
    "rotation": ("rotation, °", -8.0, 8.0, 0.5),
    "exposure": ("exposure", 0.5, 2.0, 0.05),
    "contrast": ("contrast", 0.5, 1.6, 0.05),
}


def changed(factors: Factors, **changes: float) -> Factors:
    """These factors with some of SLIDERS set; a finding "cardiomegaly" goes where the heart is made small again. Raises InputError."""
    for name in changes:
        if name not in SLIDERS:
            raise InputError(f"{name!r} is no factor with a slider; choose among {', '.join(SLIDERS)}.")
    fields: dict[str, Any] = dict(changes)
    ratio = fields.pop("cardiothoracic_ratio", None)
    if "rib_count" in fields:
        fields["rib_count"] = int(fields["rib_count"])
    if ratio is not None:
        fields["heart_width"] = ratio * factors.thorax_width
        if ratio <= 0.5:
            fields["findings"] = tuple(f for f in factors.findings if f.kind != "cardiomegaly")
    if "rotation" in fields:  # what is wrong lies in the patient, and turns with him
        was, now = (Grid(1, rotation, factors.centre) for rotation in (factors.rotation, fields["rotation"]))
        places = [(f, now.on_film(*was.in_patient(f.x, f.y))) for f in fields.get("findings", factors.findings)]
        fields["findings"] = tuple(replace(f, x=float(x), y=float(y)) for f, (x, y) in places)
    return replace(factors, **fields)


class PhantomFactors(widgets.VBox):
    """A phantom patient as drawn, the same patient with the factors of the sliders, and what that does to the grey levels.

    `patient` is the seed of `draw_factors`. Choosing a patient or a class sets all sliders to that patient's own factors.
    """

    def __init__(self, label_class: str = "normal", patient: int = 0) -> None:
        self.label_class = widgets.ToggleButtons(options=LABEL_CLASSES, value=label_class, style={"button_width": "90px"})
        self.patient = widgets.BoundedIntText(value=patient, min=0, max=9999, description="patient", layout=widgets.Layout(width="170px"))
        self.reset = widgets.Button(description="Reset sliders", layout=widgets.Layout(width="120px"))
        self.sliders = {name: _slider(*how) for name, how in SLIDERS.items()}
        self.picture, self.text = _picture(), widgets.HTML()
        halves = list(self.sliders.values())
        columns = widgets.HBox([widgets.VBox(halves[::2]), widgets.VBox(halves[1::2])])
        super().__init__([widgets.HBox([self.label_class, self.patient, self.reset]), columns, self.picture, self.text])
        self.add_class("idcgan-widget")
        self._quiet = False
        self.reset.on_click(self._begin)
        for control in (self.label_class, self.patient):
            control.observe(self._begin, "value")
        for slider in self.sliders.values():
            slider.observe(self._draw, "value")
        self._begin()

    @property
    def factors(self) -> Factors:
        """The patient with every slider applied that is not where the patient has it."""
        drawn = draw_factors(self.patient.value, self.label_class.value)
        return changed(drawn, **self._moved(drawn))

    def render(self, label_class: str = "normal", patient: int = 0, **factors: float) -> Figure:
        """What the picture shows for this patient with some factors (keys of SLIDERS) set to other values. Raises InputError."""
        drawn = draw_factors(patient, label_class)
        return _before_and_after(drawn, changed(drawn, **factors), patient)

    def _begin(self, _: object = None) -> None:
        drawn = draw_factors(self.patient.value, self.label_class.value)
        self._quiet = True  # eight sliders move, one picture is drawn
        for name, slider in self.sliders.items():
            slider.value = getattr(drawn, name)
        self._quiet = False
        self._home = {name: slider.value for name, slider in self.sliders.items()}  # as the slider rounds it
        self._draw()

    def _moved(self, drawn: Factors) -> dict[str, float]:
        return {name: slider.value for name, slider in self.sliders.items() if slider.value != self._home[name]}

    def _draw(self, _: object = None) -> None:
        if self._quiet:
            return
        drawn = draw_factors(self.patient.value, self.label_class.value)
        moved = self._moved(drawn)
        now = changed(drawn, **moved)
        self.picture.value = to_png(_before_and_after(drawn, now, self.patient.value))
        ratio = now.cardiothoracic_ratio
        heart = "enlarged (above 0.50)" if ratio > 0.5 else "not enlarged (0.50 or less)"
        kinds = ", ".join(f.kind for f in now.findings) or "none"
        self.text.value = f"heart / chest {ratio:.2f}: {heart}. Findings: {escape(kinds)}. Sliders moved: {len(moved)} of {len(SLIDERS)}."


class ReplacedShare(widgets.VBox):
    """One step's batch of a pyramid, with a slider for the share whose films show their higher-resolution twin."""

    def __init__(self, pyramid: Pyramid, resolution: int, previous: int, batch_size: int = 8, seed: int = 0) -> None:
        self.batches = {way: MixedBatches(pyramid, resolution, batch_size, previous, way, seed) for way in TRANSITIONS}
        last = 3 * self.batches["replace"].steps_per_epoch - 1  # three epochs
        self.share = widgets.FloatSlider(value=0.25, min=0, max=1, step=0.05, description="share", continuous_update=False)
        self.step = widgets.IntSlider(value=0, min=0, max=last, description="step", continuous_update=False)
        self.transition = widgets.Dropdown(options=TRANSITIONS, description="transition", layout=widgets.Layout(width="220px"))
        self.picture, self.text = _picture(), widgets.HTML()
        super().__init__([widgets.HBox([self.share, self.step, self.transition]), self.picture, self.text])
        self.add_class("idcgan-widget")
        for control in (self.share, self.step, self.transition):
            control.observe(self._draw, "value")
        self._draw()

    def render(self, share: float = 0.25, step: int = 0, transition: str = "replace") -> Figure:
        """The batch of this step at this share. Raises InputError for a share outside [0, 1] or an unknown transition."""
        if transition not in self.batches:
            raise InputError(f"transition is {transition!r}: use one of {', '.join(TRANSITIONS)}.")
        return plot_batch(self.batches[transition], step, share)

    def _draw(self, _: object = None) -> None:
        try:
            figure, said = self.render(self.share.value, self.step.value, self.transition.value), ""
            self.picture.value = to_png(figure)
        except InputError as error:
            said = str(error)
        chosen = self.batches[self.transition.value].indices(self.step.value)
        self.text.value = escape(said) or f"Films number {', '.join(map(str, chosen))} of the pyramid, in the order in which this step shows them."


def _slider(words: str, low: float, high: float, step: float) -> widgets.Widget:
    kind = widgets.IntSlider if isinstance(step, int) else widgets.FloatSlider
    wide = {"style": {"description_width": "100px"}, "layout": widgets.Layout(width="360px")}
    return kind(value=low, min=low, max=high, step=step, description=words, continuous_update=False, **wide)


def _picture() -> widgets.Image:
    picture = widgets.Image(format="png", layout=widgets.Layout(max_width="100%", object_fit="contain"))
    picture.add_class("idcgan-picture")
    return picture


def _before_and_after(drawn: Factors, now: Factors, seed: int) -> Figure:
    """As drawn, as changed, and both histograms; the noise is that of the patient's own film."""
    before, after = (render(f, RESOLUTION, seed) for f in (drawn, now))
    figure = Figure(figsize=(9, 3.3), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    for place, film, name in ((left, before, f"patient {seed}, {drawn.label_class}"), (middle, after, "with your factors")):
        draw_grey(place, film)
        place.set_axis_off()
        place.set_title(name, fontsize=9)
    high = draw_histogram(right, before, "0.6", label="as drawn")
    high = max(high, draw_histogram(right, after, G_COLOUR, fill=False, linewidth=1.6, alpha=1.0, label="your factors"))
    right.set_ylim(0, 1.25 * high)
    right.legend(fontsize=8, frameon=False, loc="upper left")
    right.set(xlabel="grey level", ylabel="% of pixels")
    right.set_title(f"mean grey level {before.mean():.2f} → {after.mean():.2f}", fontsize=9)
    return figure
