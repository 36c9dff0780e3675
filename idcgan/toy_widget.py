"""The toy GAN with buttons: step D, step G, both, run, pause, slow motion; rules and learning rates that act while it plays."""

from __future__ import annotations

from html import escape
from threading import Event, Thread

import ipywidgets as widgets
import torch
from matplotlib.figure import Figure

from . import toy
from .errors import InputError
from .plots import to_png
from .toy_drawing import Drawing
from .toy_plots import plot_game, times
from .toy_shapes import SHAPES, Shape, drawn

OWN = "your own drawing"
LOSSES = {"non-saturating": ("non_saturating", "bce"), "saturating": ("saturating", "bce"),
          "hinge": ("non_saturating", "hinge"), "least squares": ("non_saturating", "least_squares")}  # fmt: skip
RATES = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01)
TURNS = 3000  # after so many a run pauses by itself, so that none is forgotten
AT_ONCE = 20  # turns between two pictures
BREATH = 0.8  # seconds between two moves in slow motion


class ToyGan(widgets.VBox):
    """A game in the plane to play with; `render` is what its picture shows. Nothing moves until a button is pressed. Raises InputError."""

    def __init__(self, shape: str = SHAPES[0], seed: int = 0) -> None:
        self.game, self.seed = toy.new_game(shape, seed), seed
        self.drawing: Drawing | None = None  # made when first asked for: a hundred buttons
        self._stop, self._thread = Event(), None
        self._refused = ""  # why there is no game by the rules that the menus show
        self._make_controls(shape)
        self.picture = widgets.Image(format="png", layout=widgets.Layout(width="100%", max_width="960px", object_fit="contain"))
        self.picture.add_class("idcgan-picture")
        self.text = widgets.HTML()
        self._below = widgets.VBox()
        super().__init__([self._rules, self._buttons, self.text, self.picture, self._below])
        self.add_class("idcgan-widget")
        self._draw("Press <b>Step D</b> a few times and watch the colours, then <b>Step G</b> and watch the triangles.")

    @property
    def running(self) -> bool:
        """Is a thread playing?"""
        return self._thread is not None and self._thread.is_alive()

    def step(self, d: bool = True, g: bool = True) -> None:
        """What the step buttons do: pause, then so many moves of D, of G, or turns of both as the slider says."""
        self.pause()
        if self._says_why_not():
            return
        before, count = toy.look(self.game), self.at_a_press.value
        for _ in range(count):
            said = (toy.move_d(self.game) if d else {}) | (toy.move_g(self.game) if g else {})
        toy.log(self.game, said)
        who = "Both players" if d and g else "D" if d else "G"
        stood_still = {
            (True, False): " G stood still: the colours changed, and with them the arrows.",
            (False, True): " D stood still: each fake went where it looks more real.",
        }
        self._draw(f"{who} moved {times(count)}.{stood_still.get((d, g), '')}", before if g and not d else None)

    def run(self) -> None:
        """Play in a thread until paused, or for TURNS turns; in slow motion one move at a time."""
        if not self.running and not self._says_why_not():
            self._stop.clear()
            self._thread = Thread(target=self._play, daemon=True)
            self._thread.start()

    def pause(self) -> None:
        """Stop the thread, if one plays, and wait for it: at most a picture's time."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def reset(self) -> None:
        """A new game of the same seed with the rules as they are set."""
        self.pause()
        try:
            self._begin(self._chosen())
        except InputError as error:
            self._refused = str(error)
            self._says_why_not()
            return
        self._refused = ""
        self._draw("A new game: neither player has moved.")

    def render(self, shape: str | None = None, turns: int = 0) -> Figure:
        """What the picture shows now; with a shape, what a game about it looks like after `turns` turns. Raises InputError."""
        if shape is None:
            return plot_game(self.game)
        game = toy.new_game(shape, self.seed)
        toy.play(game, turns)
        return plot_game(game)

    def _says_why_not(self) -> bool:
        """Is there no game by these rules? The one before is not played under their name."""
        if self._refused:
            self.text.value = escape(self._refused)
        return bool(self._refused)

    def _begin(self, shape: str | Shape) -> None:
        kind, objective = LOSSES[self.loss.value]
        rules = {"kind": kind, "objective": objective, "labels": self.labels.value}
        self.game = toy.new_game(shape, self.seed, self.rate_d.value, self.rate_g.value, **rules)

    def _chosen(self) -> str | Shape:
        return drawn(self.drawing.cells) if self.shape.value == OWN else self.shape.value

    def _play(self) -> None:
        """In the thread: trains and sets traits, nothing else."""
        try:
            turns = 0
            while turns < TURNS:
                turns += 1 if self.slow.value else AT_ONCE
                if self.slow.value:
                    self._slowly()
                else:
                    toy.play(self.game, AT_ONCE, self.moves_d.value, self.moves_g.value)
                    self._draw("Playing.")
                if self._stop.is_set() or not self._sound():
                    break
            words = "Paused." if self._stop.is_set() else f"Paused after {TURNS} turns; press Run to go on."
            self.text.value = self._words(words if self._sound() else "The losses are no longer finite: lower a learning rate and press Reset.")
        except Exception as error:  # a thread has nowhere else to say it
            self.text.value = f"The game stopped: {escape(str(error))}"

    def _slowly(self) -> None:
        for _ in range(self.moves_d.value):
            said = toy.move_d(self.game)
            toy.log(self.game, said)
            self._draw("<b>D's move.</b> It saw real points and fakes and moved its colours; the arrows say how each fake would look more real.")
            if self._stop.wait(BREATH):
                return
        for _ in range(self.moves_g.value):
            before = toy.look(self.game)
            toy.log(self.game, toy.move_g(self.game))
            self._draw("<b>G's move.</b> It followed the arrows, as far as one net can: the empty triangles are where the fakes were.", before)
            if self._stop.wait(BREATH):
                return

    def _sound(self) -> bool:
        players = (self.game.generator, self.game.discriminator)
        return all(torch.isfinite(weights).all() for player in players for weights in player.parameters())

    def _draw(self, words: str, before: toy.View | None = None) -> None:
        self.picture.value = to_png(plot_game(self.game, before=before))
        self.text.value = self._words(words)

    def _words(self, words: str) -> str:
        if not self.game.history:
            return words
        row = self.game.history[-1]
        return (f"{words} Divergence {row['divergence']:.2f} (floor {self.game.floor:.2f}), "
                f"{row['covered']} of {len(self.game.source.modes)} places visited.")  # fmt: skip

    def _make_controls(self, shape: str) -> None:
        self.shape = widgets.Dropdown(options=(*SHAPES, OWN), value=shape, description="shape")
        self.loss = widgets.Dropdown(options=tuple(LOSSES), description="losses")
        self.labels = widgets.Dropdown(options=("standard", "flipped"), description="labels")
        self.moves_d, self.moves_g = (_slider(f"moves of {player}", 1, 0, 10) for player in "DG")
        self.rate_d, self.rate_g = (widgets.SelectionSlider(options=RATES, value=0.002, description=f"rate of {player}", **LATE) for player in "DG")
        self.at_a_press = _slider("moves a press", 5, 1, 50)
        self._rules = widgets.VBox([
            widgets.HBox([self.shape, self.loss, self.labels], layout=WRAP),
            widgets.HBox([self.moves_d, self.moves_g, self.at_a_press], layout=WRAP),
            widgets.HBox([self.rate_d, self.rate_g], layout=WRAP),
        ])  # fmt: skip
        self.slow = widgets.ToggleButton(description="Slow motion", layout=widgets.Layout(width="110px"))
        acts = {"Step D": lambda: self.step(g=False), "Step G": lambda: self.step(d=False), "Step both": self.step,
                "Run": self.run, "Pause": self.pause, "Reset": self.reset}  # fmt: skip
        self.buttons = {name: _button(name, act) for name, act in acts.items()}
        self._buttons = widgets.HBox([*self.buttons.values(), self.slow], layout=WRAP)
        self.shape.observe(self._choose, "value")
        self.labels.observe(lambda _: self.reset(), "value")
        for rule in (self.loss, self.rate_d, self.rate_g):
            rule.observe(self._set_rules, "value")

    def _choose(self, _: object) -> None:
        own = self.shape.value == OWN
        if own and self.drawing is None:
            self.drawing = Drawing(self.reset)
        self._below.children = (self.drawing,) if own else ()
        self.reset()

    def _set_rules(self, _: object) -> None:
        """What can change in the middle of a game; labels cannot, for D has learnt by them."""
        self.game.kind, self.game.objective = LOSSES[self.loss.value]
        for optimizer, rate in ((self.game.optimizer_d, self.rate_d), (self.game.optimizer_g, self.rate_g)):
            for group in optimizer.param_groups:
                group["lr"] = rate.value


LATE = {"continuous_update": False, "style": {"description_width": "100px"}}
WRAP = widgets.Layout(flex_flow="row wrap")


def _slider(text: str, value: int, low: int, high: int) -> widgets.IntSlider:
    return widgets.IntSlider(value=value, min=low, max=high, description=text, **LATE)


def _button(text: str, act) -> widgets.Button:
    button = widgets.Button(description=text, layout=widgets.Layout(width="90px"))
    button.on_click(lambda _: act())
    return button
