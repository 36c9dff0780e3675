"""Checks of notebook 01's exercises: the value of the game, the best discriminator, D's move, modes covered."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..course import exercise


@exercise
def value(answer: Callable) -> str:
    """`answer(real_logits, fake_logits)`: equation 1 from logits (b,) and (c,), a scalar, finite however sure D is."""
    undecided = _number(answer(torch.zeros(3), torch.zeros(3)))
    assert undecided is not None, "return one number (a float or a tensor with one element)."
    assert not _near(undecided, 2 * math.log(2)), "the sign is that of D's loss; equation 1 is what D maximises, -2 log 2 when it cannot tell."
    assert not _near(undecided, -6 * math.log(2)), "this is a sum over the films; E in equation 1 is a mean."
    assert _near(undecided, -2 * math.log(2)), f"a D that says 1/2 everywhere has the value -2 log 2 = -1.386, not {undecided:.3f}."
    real, fake = torch.tensor([2.0, -0.5, 0.1]), torch.tensor([-1.0, 0.3, 4.0, -2.5])
    said, wanted = _number(answer(real, fake)), _equation_1(real, fake)
    assert not _near(said, _equation_1(fake, real)), "real and fake are exchanged."
    assert not _near(said, F.logsigmoid(real).mean().item() + F.logsigmoid(fake).mean().item()), "for fakes it is log(1 - D), not log D."
    assert _near(said, wanted), f"for real logits {real.tolist()} and fake ones {fake.tolist()} the value is {wanted:.3f}, not {said:.3f}."
    sure = _number(answer(torch.tensor([200.0, -200.0]), torch.tensor([-200.0, 200.0])))
    assert math.isfinite(sure), "for logits of 200 this is not finite: the sigmoid is 0 or 1 before the log; use torch.nn.functional.logsigmoid."
    assert _near(sure, -200.0), f"for logits of 200 and -200 the value is -200, not {sure:.3f}; a small number added inside the log changes it."
    return "this is equation 1; it stays finite however sure D is."


@exercise
def optimal_discriminator(answer: Callable) -> str:
    """`answer(p, q, labels="standard")`: the D that maximises equation 1, from densities (n,); 1/2 where nothing ever lies."""
    p, q = torch.tensor([1.0, 3.0, 0.0, 2.0]), torch.tensor([1.0, 1.0, 2.0, 0.0])
    kept = (p.clone(), q.clone())
    said, wanted = _beliefs(answer(p, q)), torch.tensor([0.5, 0.75, 0.0, 1.0])
    assert said.shape == p.shape, f"give one belief per place: shape {tuple(p.shape)}, not {tuple(said.shape)}."
    assert all(map(torch.equal, (p, q), kept)), "the densities that were passed in have been changed; work on new tensors."
    assert not torch.allclose(said, 1 - wanted), "this is q / (p + q): the belief that a place is fake."
    assert not torch.allclose(said, torch.log(p) - torch.log(q)), "this is the logit of the best D; put it through a sigmoid."
    assert torch.allclose(said, wanted, atol=1e-5), f"for p = {p.tolist()} and q = {q.tolist()} it is {wanted.tolist()}, not {_rounded(said)}."
    empty = _beliefs(answer(torch.zeros(2), torch.zeros(2)))
    assert not torch.isnan(empty).any(), "where p and q are both 0 this is 0 / 0, not a number; any D is as good there: say 1/2."
    assert torch.allclose(empty, torch.full((2,), 0.5)), f"where p and q are both 0 say 1/2, not {_rounded(empty)}."
    empty = _beliefs(answer(torch.zeros(2), torch.zeros(2), labels="flipped"))
    assert torch.allclose(empty, torch.full((2,), 0.5)), f"where p and q are both 0 say 1/2 for flipped labels too, not {_rounded(empty)}."
    thin = _beliefs(answer(torch.tensor([3e-12]), torch.tensor([1e-12])))
    assert torch.allclose(thin, torch.tensor([0.75])), "where both densities are tiny their ratio still counts: add nothing to p + q."
    flipped = _beliefs(answer(p, q, labels="flipped"))
    assert torch.allclose(flipped, 1 - wanted, atol=1e-5), "with flipped labels D(x) = 0 is real and 1 is fake: the best D is 1 less what it was."
    return "p / (p + q), 1/2 where nothing lies, and 1 - D for the paper's flipped labels."


@exercise
def step_d(answer: Callable) -> str:
    """`answer(generator, discriminator, optimizer_d, real, latents)`: one move of D; G is left alone."""
    ours, theirs = _table(), _table()
    for turn in range(2):  # the second shows what was not cleared
        if turn:
            for weights in theirs[1].parameters():  # G's move between the two leaves gradients in D, as `toy.move_g` does
                weights.grad = torch.ones_like(weights)
        before = copy.deepcopy(theirs)
        gradients = _reference(ours, turn)
        generator, discriminator, _ = theirs
        flowed = _watched(generator, lambda table=theirs, turn=turn: answer(*table, *_batch(turn)))
        assert _same(generator, before[0]), "G has moved; in D's move only D's optimiser may step."
        assert all(p.requires_grad for p in generator.parameters()), (
            "G's weights have been left with requires_grad off, so G cannot learn in its own move: use fake.detach() and leave its weights alone."
        )
        assert not flowed, "gradients have flowed into G: cut the fakes off with fake.detach(), or make them under torch.no_grad()."
        assert not _same(discriminator, before[1]), "D has not moved: after backward its optimiser must step (and its gradient must still be there)."
        if not _same(discriminator, ours[1]):
            _explain(discriminator, before, gradients, turn)
    return "D moved on real and fake films, and G stood still without a gradient."


@exercise
def modes_covered(answer: Callable) -> str:
    """`answer(points, modes, reach, share)`: how many modes have at least `share` of all points within `reach`."""
    rng = torch.Generator().manual_seed(0)
    modes = torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0], [4.0, 4.0]])
    near = 0.05 * torch.randn(400, 2, generator=rng)

    def asked(points: Tensor, reach: float = 0.5, share: float = 0.05) -> int:
        found = _number(answer(points, modes, reach, share))
        assert found in range(5), "return one whole number: how many modes are covered."
        return int(found)

    everywhere = near + modes.repeat(100, 1)
    assert asked(everywhere) == 4, f"points around all four modes cover 4, not {asked(everywhere)}."
    assert asked(near) == 1, f"400 points around one mode cover 1, not {asked(near)}: this is what collapse looks like."
    strays = torch.cat([near, modes[1:]])
    assert asked(strays) == 1, "a mode with a single stray point is not covered: it needs its share of all points."
    between = torch.full((400, 2), 1.5) + near
    assert asked(between) == 0, "points in the middle of nowhere are near no mode; the nearest mode may be farther than reach."
    half = torch.cat([near[:40] + modes[1], near[:360]])
    assert asked(half, share=0.1) == 2, "40 of 400 points are a share of 0.1, which is at least 0.1: that mode is covered."
    if asked(half, share=0.11) != 1:
        assert asked(half, share=0.5) != 1, "the share is of all points, not of one mode's fair share: do not divide by the number of modes."
        raise AssertionError("the share is of all points: 40 of 400 are 0.1, less than 0.11.")
    scattered = torch.cat([near[:10], between.repeat(3, 1)[:990]])
    assert asked(scattered) == 0, "10 points at a mode and 990 near none are a share of 0.01: divide by all points, not only by those near a mode."
    ring, beside = (modes[0] + torch.tensor([at]).repeat(400, 1) for at in ([0.4, 0.4], [0.6, 0.0]))
    assert asked(beside) == 0, "points at (0.6, 0) are 0.6 from the mode at (0, 0), farther than 0.5: is a square root missing in the distance?"
    assert asked(ring) == 0, (
        "points at (0.4, 0.4) are 0.57 from the mode at (0, 0), farther than 0.5: take the straight distance, not that along each axis."
    )
    assert asked(ring, reach=0.6) == 1, "points 0.57 from a mode are within a reach of 0.6: use the reach that is passed in."
    middle = torch.full((400, 2), 2.0) + near
    assert asked(middle, reach=3.5, share=0.9) == 4, "a point within reach of several modes counts for each of them, not only for the nearest."
    return "collapse now has a number."


def _equation_1(real: Tensor, fake: Tensor) -> float:
    return (F.logsigmoid(real).mean() + F.logsigmoid(-fake).mean()).item()


def _beliefs(answer: object) -> Tensor:
    assert answer is not None, "nothing came back: is the answer given back with return?"
    return torch.as_tensor(answer).float()


def _number(answer: object) -> float | None:
    try:
        return float(answer)  # a float, or a tensor of one element
    except (TypeError, ValueError, RuntimeError):
        return None


def _near(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=1e-4, abs_tol=1e-5)


def _rounded(values: Tensor) -> list[float]:
    return [round(value, 3) for value in values.tolist()]


def _table() -> tuple[nn.Module, nn.Module, torch.optim.Optimizer]:
    """Two small players and D's optimiser, always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        generator = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2))
        discriminator = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
    return generator, discriminator, torch.optim.SGD(discriminator.parameters(), lr=0.1)


def _batch(turn: int) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(turn)
    return torch.randn(16, 2, generator=rng) + 1, torch.rand(16, 2, generator=rng)


def _reference(table: tuple, turn: int) -> dict[str, tuple[Tensor, ...]]:
    """The right gradients of D, and those of usual mistakes by what to say of them; the table's D has made the right move."""
    generator, discriminator, optimizer_d = table
    real, latents = _batch(turn)
    on_real, on_fake = discriminator(real), discriminator(generator(latents).detach())
    called_real, called_fake = F.softplus(-on_real).mean(), F.softplus(on_fake).mean()
    losses = {
        "": called_real + called_fake,
        "D went the wrong way: minimise its loss, which is maximising equation 1.": -called_real - called_fake,
        "real and fake are exchanged: D has learnt to call fakes real.": F.softplus(on_real).mean() + F.softplus(-on_fake).mean(),
        "D has learnt from the real films only; its loss has a half for the fakes.": called_real,
        "D has learnt from the fakes only; its loss has a half for the real films.": called_fake,
        "D moved half as far: the two halves of its loss are added, not averaged.": (called_real + called_fake) / 2,
    }
    weights = list(discriminator.parameters())
    gradients = {said: torch.autograd.grad(loss, weights, retain_graph=True) for said, loss in losses.items()}
    for each, gradient in zip(weights, gradients[""], strict=True):
        each.grad = gradient
    optimizer_d.step()
    return gradients


def _watched(generator: nn.Module, move: Callable[[], None]) -> bool:
    """Make the move. Has a gradient reached G's weights, even if it was wiped afterwards?"""
    reached: list[bool] = []
    hooks = [p.register_hook(lambda gradient: reached.append(bool(gradient.abs().sum() > 0))) for p in generator.parameters()]
    try:
        move()
    except RuntimeError as error:
        if "does not require grad" in str(error):
            raise AssertionError("the loss has no way back into D: make only the fakes under torch.no_grad(), all else outside it.") from error
        raise
    finally:
        for hook in hooks:
            hook.remove()
    return any(reached) or any(p.grad is not None and p.grad.abs().sum() > 0 for p in generator.parameters())


def _same(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.allclose(p, q, atol=1e-6) for p, q in zip(one.parameters(), other.parameters(), strict=True))


def _explain(discriminator: nn.Module, before: tuple, gradients: dict[str, tuple[Tensor, ...]], turn: int) -> None:
    """Which usual mistake would have moved D to where it is?"""
    moved = [(old - new.detach()) / 0.1 for new, old in zip(discriminator.parameters(), before[1].parameters(), strict=True)]
    for said, gradient in gradients.items():
        assert not all(torch.allclose(m, g, atol=1e-4) for m, g in zip(moved, gradient, strict=True)), said
    assert turn == 0, "the second move went wrong: gradients that were left in D were still there; begin with optimizer_d.zero_grad()."
    raise AssertionError("D moved, but not by one step down discriminator_loss(logits on real, logits on fakes); are the two in this order?")
