"""Checks for notebook 04: the order of the two updates, replacement, growth, reading the losses. None of them trains anything."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..building import build, grow
from ..config import preset
from ..course import exercise
from ..objectives import loss_on_fake, loss_on_real
from ..schedule import Schedule
from ..watch import PATIENCE

Event = tuple[str, Any]


class _Player(nn.Module):
    """A network of one weight that writes down what is asked of it, and when a gradient reaches its weight."""

    def __init__(self, name: str, log: list[Event], value: float, real: Tensor) -> None:
        super().__init__()
        self.name, self.log, self.real = name, log, real
        self.weight = nn.Parameter(torch.tensor(value))
        self.weight.register_hook(lambda gradient: self.log.append((f"gradient {name}", None)))

    def forward(self, x: Tensor) -> Tensor:
        """G: (b, 3) -> (b, 1, 2, 2). D: (b, 1, 2, 2) -> logits (b,)."""
        if self.name == "G":
            self.log.append(("G draws", None))
            return (x.mean(1) * self.weight)[:, None, None, None].expand(-1, 1, 2, 2)
        same = x.shape == self.real.shape and torch.equal(x.detach(), self.real)
        self.log.append(("D on real" if same else "D on fake", self.weight.item()))
        return x.mean((1, 2, 3)) * self.weight

    def zero_grad(self, set_to_none: bool = True) -> None:
        """As an optimiser's."""
        self.log.append((f"zero {self.name}", None))
        self.weight.grad = None


class _Recorder:
    """In an optimiser's place: writes down when it is asked to step and with which gradient, and moves the weight by a little."""

    def __init__(self, player: _Player) -> None:
        self.player = player

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradient."""
        self.player.zero_grad()

    def step(self) -> None:
        """Move."""
        gradient = self.player.weight.grad
        self.player.log.append((f"step {self.player.name}", None if gradient is None else gradient.item()))
        self.player.weight.data += 0.25  # behind autograd's back, which would stop a wrong order with an error of its own


@exercise
def order_of_updates(one_step: Callable[..., Any]) -> str:
    """`one_step(generator, discriminator, optimizer_g, optimizer_d, real, z)`: one move of D, then one of G."""
    log: list[Event] = []
    real, z = torch.full((4, 1, 2, 2), 0.8), torch.linspace(0.2, 1.4, 12).reshape(4, 3)
    g, d = _Player("G", log, 0.3, real), _Player("D", log, 0.5, real)
    for _ in range(2):  # the second time finds what the first has left behind
        log.clear()
        g_before, d_before = g.weight.item(), d.weight.item()
        clean = {player.name for player in (g, d) if player.weight.grad is None or not player.weight.grad.any()}
        try:
            one_step(g, d, _Recorder(g), _Recorder(d), real, z)
        except RuntimeError:  # autograd's words for it say little to a beginner
            _check_cut([name for name, _ in log])
            raise
        _check_order([name for name, _ in log], clean)
        _check_gradients(log, real, g_before * z.mean(1), d_before, d.weight.item())
    return "D on real films, D on fakes cut off from G, D moves; then G against the new D. That is one step of the algorithm IDCGAN."


def _check_cut(names: list[str]) -> None:
    before = names[: names.index("step D")] if "step D" in names else names
    assert "gradient G" not in before, "D's loss reached G's weights: show D the fakes with .detach() in its own move."
    detached = "step D" in names and "zero G" in names and "gradient G" not in names
    assert not detached, "G's loss cannot get back to G: in G's move the fakes must not be detached."


def _check_order(names: list[str], clean: set[str]) -> None:
    """`clean`: the players whose gradients were empty when the step began."""
    for player in "DG":
        count = names.count(f"step {player}")
        assert count == 1, f"optimizer_{player.lower()}.step() was called {count} times in one step; each player moves once."
    d_moves, g_moves = names.index("step D"), names.index("step G")
    assert d_moves < g_moves, "G moved before D; in the paper's loop, as in Goodfellow's, D moves first."
    before, after = names[:d_moves], names[d_moves:]
    for seen in ("D on real", "D on fake"):
        words = "real films" if seen == "D on real" else "fakes"
        assert seen in before, f"D moved without having looked at {words}: both halves of equation 1 belong to its loss."
    assert "gradient D" in before, "D moved without a gradient: call backward() on its loss before optimizer_d.step()."
    _check_cut(names)
    first = before.index("gradient D")
    emptied = "D" in clean or "zero D" in before[:first]
    assert emptied, "D moved with what G's last move had left in its gradient: zero_grad() comes before backward()."
    assert "zero D" not in before[first:], "D's gradient was zeroed after backward() and before its step: half of it, or all, is lost."
    assert "D on fake" in after, "G was judged by the old D: call the discriminator on the fakes again after optimizer_d.step()."
    g_part = names[:g_moves]
    assert "gradient G" in g_part, "G moved without a gradient: in G's move the fakes must not be detached, and backward() comes before the step."
    first = g_part.index("gradient G")
    emptied = "G" in clean or "zero G" in g_part[:first]
    assert emptied, "G moved with its last gradient still in it: call optimizer_g.zero_grad() before G's backward()."
    assert "zero G" not in g_part[first:], "G's gradient was zeroed after backward() and before its step."


def _check_gradients(log: list[Event], real: Tensor, fake: Tensor, d_before: float, d_after: float) -> None:
    moved = dict(entry for entry in log if entry[0].startswith("step"))
    weight = torch.tensor(d_before, requires_grad=True)
    halves = [torch.autograd.grad(loss, weight)[0].item() for loss in (loss_on_real(real.mean((1, 2, 3)) * weight), loss_on_fake(fake * weight))]
    swapped = [torch.autograd.grad(loss, weight)[0].item() for loss in (loss_on_fake(real.mean((1, 2, 3)) * weight), loss_on_real(fake * weight))]
    gradient = moved["step D"]
    assert not _near(gradient, sum(swapped)), "D was taught the labels the wrong way round: loss_on_real is for real films, loss_on_fake for fakes."
    for half, other in zip(halves, ("the fakes", "the real films"), strict=True):
        assert not _near(gradient, half), f"D's gradient holds nothing of {other}: add both losses, or call backward() on each."
    right = _near(gradient, sum(halves)) or _near(gradient, sum(halves) / 2)
    assert right, "D's gradient is not that of loss_on_real + loss_on_fake; does something else go through backward() before D's step?"
    assert moved["step G"] < 0, "G was pulled the wrong way: D's belief in the fakes would fall; use generator_loss(logits) for G."
    last = [value for name, value in log if name == "D on fake"][-1]
    assert _near(last, d_after), "G was judged by the old D: call the discriminator on the fakes again after optimizer_d.step()."


def _near(a: float, b: float) -> bool:
    return abs(a - b) < 1e-5


@exercise
def films_replaced(answer: Callable[..., int]) -> str:
    """`films_replaced(level, step, steps, transition_share, batch_size)`: how many films of a batch show their twin."""
    cases = [(1, 0, 100, 0.5, 8), (1, 25, 100, 0.5, 8), (1, 9, 40, 0.5, 8), (1, 50, 100, 0.5, 8), (1, 99, 100, 0.5, 8), (1, 10, 100, 0.25, 8),
             (4, 30, 51, 0.5, 8), (2, 25, 100, 0.5, 5),
             (0, 0, 100, 0.5, 8), (0, 70, 100, 0.25, 8), (3, 0, 100, 0.0, 8), (1, 60, 100, 1.0, 10)]  # fmt: skip
    for level, step, steps, share, batch in cases:
        schedule = Schedule((8, 16, 32, 64, 128), (steps,) * 5, (), share)
        expected = int(schedule.replaced(level, schedule.progress(level, step, 0.0)) * batch + 0.5)
        where = f"level {level}, step {step} of {steps}, transition_share {share}, batch of {batch}"
        try:
            found = answer(level, step, steps, share, batch)
        except ZeroDivisionError:
            raise AssertionError(f"{where}: with a transition_share of 0 all are replaced from the first step on; do not divide by it.") from None
        assert isinstance(found, Integral), f"{where}: give a whole number of films, an int; yours is {found!r}."
        assert found == expected, f"{where}: {expected} films show their twin, not {found}{_hint(level, step / steps, share, batch, found)}."
    return "the share rises to 1 and stays; a number of films is the nearest whole one, halves upwards, as in idcgan/batches.py."


def _hint(level: int, progress: float, share: float, batch: int, found: int) -> str:
    if level == 0:
        return "; the first level has no level below it, and shows its own films throughout"
    if share == 0:
        return "; a transition_share of 0 replaces all from the first step on"
    if found > batch:
        return "; there are not so many films in the batch: the share ends at 1"
    if found == int(progress * batch + 0.5) and share < 1:
        return "; the share rises over transition_share of the level, and not over all of it"
    if batch % 2:
        return "; Python's round() takes halves to the even number: use int(x + 0.5)"
    return "; int() rounds down: add one half first" if found == int(min(1.0, progress / share) * batch) else ""


@exercise
def growth_gap(answer: Callable[[Tensor, Tensor], float]) -> str:
    """`growth_gap(old, new)`: mean grey levels of 255 between `old` (n, c, r, r) and `new` (n, c, f r, f r) brought down to it, both in [-1, 1]."""
    old = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(4)) * 1.2 - 0.6
    twice, four = (F.interpolate(old, scale_factor=f, mode="nearest") for f in (2, 4))
    checkers = torch.tensor([[0.2, -0.2], [-0.2, 0.2]]).repeat(8, 8)
    inner = torch.zeros(4, 4)
    inner[1:3, 1:3] = 0.3
    inner = (inner - inner.mean()).repeat(8, 8)
    signs = torch.tensor([0.1, -0.1, 0.1])[:, None, None, None]
    cases = [
        (old, twice, "the new picture is the old one with every pixel doubled, so that nothing was changed"),
        (old, four, "the new picture is four times as large, as from 128 to 512 in the paper: take the factor from the shapes"),
        (old, twice + checkers, "the new detail is 0 on average in every 2 x 2: bring it down by the mean of each block, not by every second pixel"),
        (old, four + inner, "the new detail is 0 on average in every 4 x 4: take the mean of all 16 pixels, not of those in the middle"),
        (old, twice + 0.1, "everything became a little brighter: grey levels of 255 are [-1, 1] times 127.5"),
        (old, twice + signs, "some films became brighter and some darker: take the absolute difference before the mean"),
    ]
    for before, after, what in cases:
        try:
            expected, found = _gap(before, after), float(answer(before, after))
        except NotImplementedError:  # the stub
            raise
        except RuntimeError as error:
            raise AssertionError(f"{what}. Your code raised: {error}") from None
        assert abs(found - expected) < 0.01, f"{what}. The gap is {expected:.2f} grey levels, yours {found:.2f}."
    config, gaps = preset("tiny"), {}
    generator, discriminator = build(config, 0, 0)
    z = torch.randn(16, config.latent_dim, generator=torch.Generator().manual_seed(1))
    for growth in ("preserve", "reset"):
        taller, _ = grow(preset("tiny", growth=growth), 1, 0, generator, discriminator)
        with torch.no_grad():
            gaps[growth] = float(answer(generator(z), taller(z)))
    assert gaps["preserve"] < gaps["reset"], "growth with preserve should change the picture less than growth with reset; what does your gap measure?"
    said = ", ".join(f"{name} {value:.1f}" for name, value in gaps.items())
    return f"on a small untrained generator the picture moves by: {said} grey levels. Preserved growth has to be near 0."


def _gap(old: Tensor, new: Tensor) -> float:
    return (F.avg_pool2d(new, new.shape[-1] // old.shape[-1]) - old).abs().mean().item() * 127.5


@exercise
def who_won(answer: Callable[[list[dict[str, float]]], str]) -> str:
    """`who_won(rows)`: "discriminator", "generator" or "nobody", from the last 20 rows of a history."""
    won, fooled, even = _rows(0.97, 0.02), _rows(0.4, 0.55), _rows(0.7, 0.3)
    cases = [
        (won, "discriminator", "D(x) was above 0.9 and D(G(z)) below 0.1 in every one of the last 20 rows"),
        (even + won, "discriminator", "only the last 20 rows count, and in all of them D was sure; what came before is past"),
        (won + even, "nobody", "D had won, and lost its lead again: only the last 20 rows count"),
        (fooled, "generator", "D believed the fakes at least as much as the real films in every one of the last 20 rows"),
        (_rows(0.5, 0.5), "generator", "D(G(z)) equal to D(x) is as good as it gets for G: at least as much, not more"),
        (even, "nobody", "D tells most films and is sure of none: there is still a game"),
        (even[1:] + won[:1], "nobody", "one row is noise: D must be sure in all of the last 20, not in the very last"),
        (won[1:] + even[:1], "nobody", "D was sure in 19 of the last 20 rows, and not in the last one"),
        (even[1:] + fooled[:1], "nobody", "one row is noise: D must be fooled in all of the last 20, not in the very last"),
        (fooled[1:] + even[:1], "nobody", "D was fooled in 19 of the last 20 rows, and not in the last one"),
        (even + fooled, "generator", "only the last 20 rows count, and in all of them D was fooled"),
        (fooled[:10], "nobody", "ten rows are too few to say, whoever leads"),
        (_rows(0.5, 0.05), "nobody", "D sees through the fakes, but believes only half of the real films: both beliefs count"),
        (won[:10], "nobody", "ten rows are too few to say; a history shorter than 20 rows has no winner yet"),
        ([], "nobody", "a run that has logged nothing has no winner"),
        (_rows(0.97, 0.5), "nobody", "D is sure of real films, but believes half of the fakes: both beliefs count"),
    ]
    for rows, expected, why in cases:
        try:
            found = answer(rows)
        except (IndexError, ZeroDivisionError):
            raise AssertionError(f"with {len(rows)} rows your function raises an error; {why}.") from None
        assert found in ("discriminator", "generator", "nobody"), f'the answer is "discriminator", "generator" or "nobody"; yours is {found!r}.'
        assert found == expected, f"{why}: {expected!r}, not {found!r}."
    return "one row is noise, twenty in a row are a state; a run raises its alarm by the same marks where D has won (idcgan/watch.py)."


def _rows(d_real: float, d_fake: float) -> list[dict[str, float]]:
    return [{"step": 10.0 * i, "d_real": d_real, "d_fake": d_fake, "loss_d": 1.0, "loss_g": 1.0} for i in range(1, PATIENCE + 1)]
