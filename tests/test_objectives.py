"""The losses are equation 1, both ways to label are one game, and nothing overflows."""

import math
from dataclasses import replace

import pytest
import torch

from idcgan.config import preset
from idcgan.moves import step
from idcgan.objectives import Verdicts, discriminator_loss, generator_loss, loss_on_real, over_verdicts, probability_real
from idcgan.state import start

REAL, FAKE = torch.tensor([2.0, -0.5, 0.1]), torch.tensor([-1.0, 0.3, 4.0])


def log_d(logits):
    return -torch.log1p(torch.exp(-logits.double()))


def log_1_minus_d(logits):
    return -torch.log1p(torch.exp(logits.double()))


def test_d_maximises_equation_1():
    expected = -(log_d(REAL).mean() + log_1_minus_d(FAKE).mean())
    assert discriminator_loss(REAL, FAKE).item() == pytest.approx(expected.item(), rel=1e-6)


def test_g_minimises_equation_1_or_its_non_saturating_twin():
    assert generator_loss(FAKE, kind="saturating").item() == pytest.approx(log_1_minus_d(FAKE).mean().item(), rel=1e-6)
    assert generator_loss(FAKE, kind="non_saturating").item() == pytest.approx(-log_d(FAKE).mean().item(), rel=1e-6)


def test_an_undecided_d_pays_two_log_two():
    zeros = torch.zeros(5)
    assert discriminator_loss(zeros, zeros).item() == pytest.approx(2 * math.log(2))
    assert generator_loss(zeros).item() == pytest.approx(math.log(2))
    assert generator_loss(zeros, kind="saturating").item() == pytest.approx(-math.log(2))


def test_smoothing_moves_the_real_label_only():
    expected = -(0.9 * log_d(REAL) + 0.1 * log_1_minus_d(REAL)).mean() - log_1_minus_d(FAKE).mean()
    assert discriminator_loss(REAL, FAKE, smoothing=0.1).item() == pytest.approx(expected.item(), rel=1e-6)
    assert discriminator_loss(-REAL, -FAKE, "flipped", 0.1).item() == pytest.approx(expected.item(), rel=1e-6)


def test_flipped_labels_call_a_film_real_at_zero():
    """The paper's text: D(x) = 0 is real, 1 is fake."""
    sure = torch.full((3,), -9.0)  # D(x) = 0.0001
    assert discriminator_loss(sure, -sure, "flipped").item() < 0.001
    assert discriminator_loss(sure, -sure, "standard").item() > 15
    assert probability_real(sure, "flipped").min() > 0.999
    assert probability_real(sure, "standard").max() < 0.001


def test_hinge_and_least_squares_are_their_formulas():
    real, fake = REAL.double(), FAKE.double()
    hinge = (1 - real).clamp(min=0).mean() + (1 + fake).clamp(min=0).mean()
    assert discriminator_loss(real, fake, objective="hinge").item() == pytest.approx(hinge.item())
    assert generator_loss(fake, objective="hinge").item() == pytest.approx(-fake.mean().item())
    squares = ((real - 1) ** 2).mean() + (fake**2).mean()
    assert discriminator_loss(real, fake, objective="least_squares").item() == pytest.approx(squares.item())
    assert generator_loss(fake, objective="least_squares").item() == pytest.approx(((fake - 1) ** 2).mean().item())


@pytest.mark.parametrize("objective", ["hinge", "least_squares"])
def test_flipped_labels_change_the_sign_for_every_objective(objective):
    there, back = discriminator_loss(REAL, FAKE, objective=objective), discriminator_loss(-REAL, -FAKE, "flipped", objective=objective)
    assert there.item() == pytest.approx(back.item())
    assert generator_loss(FAKE, objective=objective).item() == pytest.approx(generator_loss(-FAKE, "flipped", objective=objective).item())
    assert torch.equal(probability_real(REAL, objective=objective), probability_real(-REAL, "flipped", objective=objective))


def test_patches_weigh_as_much_as_whole_films_and_borrowed_features_as_much_again():
    loss = loss_on_real
    assert [value.item() for value in over_verdicts(loss, Verdicts(REAL))] == [loss(REAL).item()] * 2
    both, logged = over_verdicts(loss, Verdicts(REAL, (FAKE[:, None].expand(3, 4), 2 * REAL)))
    assert both.item() == pytest.approx((loss(REAL) + (loss(FAKE) + loss(2 * REAL)) / 2).item())
    assert logged.item() == loss(REAL).item()
    total, logged = over_verdicts(loss, Verdicts(REAL, (FAKE,), (2 * FAKE, 3 * REAL)))
    assert total.item() == pytest.approx((loss(REAL) + loss(FAKE) + (loss(2 * FAKE) + loss(3 * REAL)) / 2).item())
    assert logged.item() == loss(REAL).item()


def test_a_hinge_lets_go_of_films_that_d_is_sure_of():
    sure = torch.tensor([3.0, 1.5], requires_grad=True)
    (gradient,) = torch.autograd.grad(loss_on_real(sure, objective="hinge"), sure)
    assert gradient.tolist() == [0, 0]


@pytest.mark.parametrize("kind", ["saturating", "non_saturating"])
@pytest.mark.parametrize("labels", ["standard", "flipped"])
@pytest.mark.parametrize("size", [100.0, -100.0])
def test_sure_logits_give_finite_losses_and_gradients(kind, labels, size):
    logits = torch.full((4,), size, requires_grad=True)
    losses = (discriminator_loss(logits, -logits, labels), discriminator_loss(-logits, logits, labels), generator_loss(logits, labels, kind))
    for loss in losses:
        (gradient,) = torch.autograd.grad(loss, logits)
        assert math.isfinite(loss.item())
        assert torch.isfinite(gradient).all()
        assert abs(loss.item()) <= 201


def test_where_d_wins_only_the_non_saturating_loss_pulls():
    logits = torch.tensor([-8.0], requires_grad=True)  # D(G(z)) = 0.0003
    flat = torch.autograd.grad(generator_loss(logits, kind="saturating"), logits)[0].item()
    steep = torch.autograd.grad(generator_loss(logits, kind="non_saturating"), logits)[0].item()
    assert flat == pytest.approx(-torch.sigmoid(torch.tensor(-8.0)).item(), rel=1e-5)
    assert steep == pytest.approx(-1, abs=1e-3)
    assert steep < 1000 * flat < 0  # the same direction, a thousand times as strong


@pytest.mark.parametrize("kind", ["saturating", "non_saturating"])
def test_flipped_labels_are_the_same_game(kind):
    """D's last layer with its sign changed is 1 - D: two runs in lockstep end with the same generator, bit for bit."""
    config = preset("tiny", generator_loss=kind, label_smoothing=0.1, ema=0.9)
    one, other = start(config, torch.device("cpu")), start(config, torch.device("cpu"))
    with torch.no_grad():
        other.discriminator.last.weight.neg_()
    began = [p.clone() for p in one.generator.parameters()]
    films = torch.Generator().manual_seed(1)
    for _ in range(5):
        real = torch.rand(4, 1, 16, 16, generator=films) * 2 - 1
        ours, theirs = step(one, config, real.clone()), step(other, replace(config, labels="flipped"), real.clone())
        for name in ("loss_d", "loss_g", "d_real", "d_fake"):
            assert torch.equal(ours[name], theirs[name]), name
    for (name, p), q, before in zip(one.generator.named_parameters(), other.generator.parameters(), began, strict=True):
        assert torch.equal(p, q), name
        assert not torch.equal(p, before), name
    assert torch.equal(one.discriminator.last.weight, -other.discriminator.last.weight)
