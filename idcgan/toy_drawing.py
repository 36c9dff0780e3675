"""A grid of squares to paint a shape on: what a toy GAN learns when it is your own."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets as widgets

from .toy_shapes import CELLS

STAMPS = {  # beginnings to change: rows from above, # is painted
    "Heart": "...........|..###.###..|.#...#...#.|.#.......#.|.#.......#.|..#.....#..|...#...#...|....#.#....|.....#.....",
    "Letter S": "...........|...#####...|..#.....#..|..#........|..#........|...#####...|........#..|........#..|..#.....#..|...#####...",
    "Five dots": "...........|..#.....#..|...........|...........|...........|.....#.....|...........|...........|...........|..#.....#..",
    "Empty": "",
}


class Drawing(widgets.VBox):
    """CELLS x CELLS squares that a click paints or wipes; buttons put a figure there to begin with. `use` is called when it is to be learnt."""

    def __init__(self, use: Callable[[], None]) -> None:
        square, slim = widgets.Layout(width="30px", height="30px", margin="1px", padding="0"), widgets.Layout(width="110px")
        self.squares = {
            (row, column): widgets.ToggleButton(tooltip=f"row {row + 1}, column {column + 1}", layout=square)
            for row in range(CELLS)
            for column in range(CELLS)
        }
        for one in self.squares.values():
            one.observe(_colour, "value")
        board = widgets.GridBox(list(self.squares.values()), layout=widgets.Layout(grid_template_columns=f"repeat({CELLS}, 32px)"))
        stamps = []
        for name in STAMPS:
            stamps.append(widgets.Button(description=name, layout=slim))
            stamps[-1].on_click(lambda button: self.stamp(button.description))
        self.learn = widgets.Button(description="Learn this", button_style="primary", layout=slim)
        self.learn.on_click(lambda _: use())
        words = widgets.HTML("Click squares to paint or wipe them,<br>or begin with one of these.")
        super().__init__([widgets.HBox([board, widgets.VBox([words, *stamps, self.learn], layout=widgets.Layout(margin="0 0 0 16px"))])])
        self.stamp("Heart")

    @property
    def cells(self) -> list[tuple[int, int]]:
        """The painted squares, (row, column) from the top left."""
        return [place for place, square in self.squares.items() if square.value]

    def stamp(self, name: str) -> None:
        """Paint a figure of STAMPS and nothing else."""
        rows = STAMPS[name].split("|")
        for (row, column), square in self.squares.items():
            square.value = row < len(rows) and rows[row][column : column + 1] == "#"


def _colour(change: dict) -> None:
    change["owner"].button_style = "primary" if change["new"] else ""
