"""The checks of notebook 04 name the mistakes that are typical. (That stubs fail and solutions pass is tested for all notebooks together.)"""

import re

import pytest
from torch.nn.functional import avg_pool2d

from idcgan.exercises import incremental_training as check
from idcgan.objectives import generator_loss, loss_on_fake, loss_on_real

ONE_STEP = """
def one_step(g, d, opt_g, opt_d, real, z):
    opt_d.zero_grad()
    fake = g(z)
    loss_d = loss_on_real(d(real)) + loss_on_fake(d(fake.detach()))
    loss_d.backward()
    opt_d.step()
    opt_g.zero_grad()
    loss_g = generator_loss(d(fake))
    loss_g.backward()
    opt_g.step()
"""


def made(source: str):
    space = {"loss_on_real": loss_on_real, "loss_on_fake": loss_on_fake, "generator_loss": generator_loss}
    exec(source, space)
    return space["one_step"]


@pytest.mark.parametrize(
    "changes",
    [
        [],
        [("loss_d = loss_on_real(d(real)) + loss_on_fake(d(fake.detach()))\n    loss_d.backward()",
          "loss_on_real(d(real)).backward()\n    loss_on_fake(d(fake.detach())).backward()")],
        [("loss_d.backward()", "(loss_d / 2).backward()")],
        [("opt_d.zero_grad()", "d.zero_grad()"), ("opt_g.zero_grad()", "g.zero_grad()")],
        [("generator_loss(d(fake))", "generator_loss(d(g(z)))")],
        [("    opt_d.zero_grad()\n", ""), ("    opt_g.zero_grad()\n", ""),
         ("    opt_g.step()\n", "    opt_g.step()\n    opt_d.zero_grad()\n    opt_g.zero_grad()\n")],
        [("generator_loss(d(fake))", "generator_loss(d(fake), kind='saturating')")],
    ],
)  # fmt: skip
def test_every_right_order_passes(changes):
    source = ONE_STEP
    for old, new in changes:
        assert old in source
        source = source.replace(old, new)
    verdict = check.order_of_updates(made(source))
    assert verdict.passed, verdict.sentence


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("fake.detach()", "fake", r"with \.detach\(\)"),
        ("    opt_d.zero_grad()\n", "", "what G's last move had left"),
        ("    opt_g.zero_grad()\n", "", r"optimizer_g\.zero_grad\(\) before G's backward"),
        ("    opt_d.step()\n", "", r"optimizer_d\.step\(\) was called 0 times"),
        ("    opt_d.step()\n    opt_g.zero_grad()\n    loss_g = generator_loss(d(fake))",
         "    opt_g.zero_grad()\n    loss_g = generator_loss(d(fake))\n    opt_d.step()", "judged by the old D"),
        ("    loss_d.backward()\n", "", "D moved without a gradient"),
        ("    loss_d.backward()\n", "    loss_d.backward()\n    opt_d.zero_grad()\n", "zeroed after backward"),
        ("loss_on_real(d(real)) + ", "", "without having looked at real films"),
        ("loss_on_real(d(real)) + loss_on_fake(d(fake.detach()))", "loss_on_fake(d(real)) + loss_on_real(d(fake.detach()))", "the wrong way round"),
        ("generator_loss(d(fake))", "generator_loss(d(fake.detach()))", "requires_grad|must not be detached"),
        ("generator_loss(d(fake))", "loss_on_fake(d(fake))", "pulled the wrong way"),
        ("    opt_g.step()\n", "    opt_g.step()\n    opt_d.step()\n", r"optimizer_d\.step\(\) was called 2 times"),
    ],
)  # fmt: skip
def test_a_wrong_order_is_named(old, new, says):
    assert old in ONE_STEP
    verdict = check.order_of_updates(made(ONE_STEP.replace(old, new)))
    assert not verdict.passed
    assert re.search(says, verdict.sentence), verdict.sentence


def test_g_first_is_named():
    d_part, g_part = ONE_STEP.split("    opt_g.zero_grad()\n")
    head = "\ndef one_step(g, d, opt_g, opt_d, real, z):\n    opt_g.zero_grad()\n    fake = g(z)\n"
    body = d_part.replace("\ndef one_step(g, d, opt_g, opt_d, real, z):\n", "").replace("    fake = g(z)\n", "")
    verdict = check.order_of_updates(made(head + g_part + body))
    assert "G moved before D" in verdict.sentence


def share(step, steps, part):
    return min(1.0, step / steps / part)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda level, step, steps, part, films: int(share(step, steps, part) * films + 0.5) if part else films, "the first level has no level"),
        (lambda level, step, steps, part, films: int(share(step, steps, part) * films + 0.5) if level else films, "do not divide by it"),
        (lambda level, step, steps, part, films: int(step / steps / part * films + 0.5) if level and part else films, "there are not so many"),
        (lambda level, step, steps, part, films: int(step / steps * films + 0.5) if level and part else films, "over transition_share"),
        (lambda level, step, steps, part, films: int(share(step, steps, part) * films) if level and part else films, "rounds down"),
        (lambda level, step, steps, part, films: round(share(step, steps, part) * films) if level and part else films, "halves to the even"),
        (lambda level, step, steps, part, films: share(step, steps, part) * films if level and part else films, "a whole number of films"),
    ],
)
def test_a_wrong_share_is_named(answer, says):
    verdict = check.films_replaced(answer)
    assert not verdict.passed
    assert says in verdict.sentence


def factor(old, new):
    return new.shape[-1] // old.shape[-1]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda old, new: (avg_pool2d(new, 2) - old).abs().mean().item() * 127.5, "take the factor from the shapes"),
        (lambda old, new: (new[..., :: factor(old, new), :: factor(old, new)] - old).abs().mean() * 127.5, "mean of each block"),
        (lambda old, new: (avg_pool2d(new, factor(old, new)) - old).abs().mean(), r"times 127\.5"),
        (lambda old, new: (avg_pool2d(new, factor(old, new)) - old).mean().abs() * 127.5, "absolute difference before the mean"),
        (lambda old, new: 0.0, r"times 127\.5|mean of each block"),
    ],
)
def test_a_wrong_gap_is_named(answer, says):
    verdict = check.growth_gap(answer)
    assert not verdict.passed
    assert re.search(says, verdict.sentence), verdict.sentence


def sure(row):
    return row["d_real"] > 0.9 and row["d_fake"] < 0.1


def by_all(rows, fooled=lambda row: row["d_fake"] >= row["d_real"]):
    return "discriminator" if all(map(sure, rows)) else "generator" if all(map(fooled, rows)) else "nobody"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda rows: "discriminator" if rows and sure(rows[-1]) else "nobody", "as good as it gets|at least as much|one row is noise"),
        (lambda rows: "discriminator" if all(map(sure, rows)) else "nobody", "only the last 20 rows count"),
        (lambda rows: by_all(rows[-20:]), "ten rows are too few"),
        (lambda rows: by_all(rows[-20:], lambda row: row["d_fake"] > row["d_real"]) if len(rows) > 19 else "nobody", "equal to D"),
        (lambda rows: "D", "yours is 'D'"),
    ],
)
def test_a_wrong_verdict_is_named(answer, says):
    verdict = check.who_won(answer)
    assert not verdict.passed
    assert re.search(says, verdict.sentence), verdict.sentence
