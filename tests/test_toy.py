"""The toy GAN: known densities, moves of one player only, the formula of the best D, measures, the board, and the widget without a browser."""

import copy
import math
import threading
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

pytest.importorskip("ipywidgets")

from idcgan import plots, toy, toy_curves, toy_films, toy_widget
from idcgan.errors import InputError
from idcgan.exercises import gan_basics as check
from idcgan.toy_drawing import STAMPS, Drawing
from idcgan.toy_measures import Still, covered, divergence, jensen_shannon, lattice, value
from idcgan.toy_plots import plot_boards, plot_game, plot_shapes
from idcgan.toy_shapes import CELLS, EXTENT, SHAPES, Shape, drawn, shape

CROSS = drawn([(i, i) for i in range(CELLS)])


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def weights(player):
    return [p.detach().clone() for p in player.parameters()]


def equal(one, other):
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


# shapes


@pytest.mark.parametrize("cloud", [*map(shape, SHAPES), CROSS], ids=lambda s: s.name)
def test_a_shape_lies_in_the_window_and_has_the_density_of_its_samples(cloud):
    points = cloud.sample(6000, rng())
    assert (points.abs() < EXTENT).float().mean() > 0.98
    places, area = lattice()
    p = cloud.density(places).double()
    assert p.sum().item() * area == pytest.approx(1, abs=2e-3)
    right = places[:, 0] > 0.3
    assert (p[right].sum() * area).item() == pytest.approx((points[:, 0] > 0.3).float().mean().item(), abs=0.02)
    assert covered(points, cloud) == len(cloud.modes)


def test_a_drawing_is_where_it_was_painted():
    corner, middle = drawn([(0, CELLS - 1)]).centres[0], drawn([(CELLS // 2, CELLS // 2)]).centres[0]
    assert corner[0] > 1.4  # right
    assert corner[1] > 1.4  # above
    assert middle.tolist() == [0, 0]
    with pytest.raises(InputError, match="nothing is painted"):
        drawn([])
    with pytest.raises(InputError, match="outside the grid"):
        drawn([(0, CELLS)])
    with pytest.raises(InputError, match="the shape is 'square'; choose one of eight Gaussians"):
        shape("square")


# moves


def test_each_move_moves_its_own_player_and_counts():
    game = toy.new_game()
    before = weights(game.generator), weights(game.discriminator)
    said = toy.move_d(game)
    assert equal(weights(game.generator), before[0])
    assert not equal(weights(game.discriminator), before[1])
    assert all(p.grad is None for p in game.generator.parameters()), "D's move sends nothing into G"
    assert said.keys() == {"loss_d", "d_real", "d_fake"}
    d = weights(game.discriminator)
    assert toy.move_g(game).keys() == {"loss_g"}
    assert equal(weights(game.discriminator), d)
    assert not equal(weights(game.generator), before[0])
    assert (game.moves_d, game.moves_g) == (1, 1)


def test_the_same_seed_plays_the_same_game_and_looking_does_not_change_it():
    torch.manual_seed(5)
    state = torch.get_rng_state()
    one, other, third = toy.new_game("ring", 4), toy.new_game("ring", 4), toy.new_game("ring", 5)
    for game in (one, other, third):
        toy.play(game, 12, every=4)
    toy.look(one)
    toy.log(one, {})
    toy.play(one, 5)
    toy.play(other, 5)
    assert equal(weights(one.generator), weights(other.generator))
    assert not equal(weights(one.generator), weights(third.generator))
    assert torch.equal(torch.get_rng_state(), state), "the global generator is left alone"
    assert [row["step"] for row in other.history] == [4, 8, 12]


def test_two_d_moves_clear_what_gs_move_left_in_d():
    """A D whose gradients were full of G's move goes the same way as one with none."""
    one, other = toy.new_game(), toy.new_game()
    for p in one.discriminator.parameters():
        p.grad = torch.full_like(p, 9.0)
    toy.move_d(one)
    toy.move_d(other)
    assert equal(weights(one.discriminator), weights(other.discriminator))


def test_flipped_labels_are_the_same_game_to_the_last_bit():
    ours, papers = toy.new_game("ring", 1), toy.new_game("ring", 1, labels="flipped")
    with torch.no_grad():
        for p in papers.discriminator[-1].parameters():
            p.neg_()
    for game in (ours, papers):
        toy.play(game, 20)
    assert equal(weights(ours.generator), weights(papers.generator))
    assert ours.history == papers.history
    assert torch.allclose(toy.look(ours, raw=True).field, 1 - toy.look(papers, raw=True).field, atol=1e-6)
    assert torch.allclose(toy.look(ours).field, toy.look(papers).field, atol=1e-6)


def test_the_pull_is_minus_the_gradient_of_each_fakes_own_loss():
    game = toy.new_game(objective="least_squares")
    toy.play(game, 10)
    fake = torch.tensor([[0.3, -0.2], [1.0, 0.5]])
    pull, tiny = toy.pull(game, fake), 1e-3
    for axis in (0, 1):
        move = torch.zeros(2)
        move[axis] = tiny
        with torch.no_grad():
            there, back = ((game.discriminator(fake + sign * move)[:, 0] - 1) ** 2 for sign in (1, -1))
        assert torch.allclose(pull[:, axis], -(there - back) / (2 * tiny), atol=2e-2, rtol=2e-2)


def test_far_ahead_d_gives_the_saturating_loss_nothing_to_pull_with():
    pulls = []
    for kind in ("saturating", "non_saturating"):
        game = toy.new_game(kind=kind)
        for _ in range(200):
            said = toy.move_d(game)
        pulls.append(toy.look(game).pull.norm(dim=1).mean().item())
    assert said["d_fake"] < 0.01
    assert 0 < pulls[0] < pulls[1] / 100


# measures


def test_divergence_is_nothing_of_the_same_and_log_2_of_strangers():
    here, there = CROSS.sample(500, rng()), torch.full((500, 2), 1.9)
    assert divergence(here, here) == 0
    assert divergence(here, there) == pytest.approx(math.log(2))
    assert divergence(here, there * 100) == pytest.approx(math.log(2))
    assert divergence(there * 100, -there * 100) == 0, "outside is one cell"
    assert divergence(here, torch.full((9, 2), math.nan)) == pytest.approx(math.log(2))
    one, other = CROSS.sample(500, rng(1)), shape("ring").sample(500, rng(2))
    assert divergence(one, other) == pytest.approx(divergence(other, one))


def test_the_floor_is_what_a_perfect_generator_scores():
    game = toy.new_game("spiral")
    perfect = divergence(game.source.sample(2000, rng(8)), game.source.sample(2000, rng(9)))
    assert perfect == pytest.approx(game.floor, rel=0.4)
    assert 0 < game.floor < 0.05


def test_modes_covered_counts_neither_strays_nor_what_lies_between():
    eight = shape("eight Gaussians")
    one = eight.modes[:1] + 0.05 * torch.randn(792, 2, generator=rng())
    assert covered(eight.sample(800, rng()), eight) == 8
    assert covered(one, eight) == 1
    assert covered(torch.cat([one, eight.modes]), eight) == 1
    assert covered(torch.zeros(100, 2), eight) == 0


def test_the_best_d_reaches_minus_log_4_and_twice_the_divergence_and_no_other_more():
    places, area = lattice()
    p, q = (Shape("", torch.tensor([[x, 0.0]]), 0.5, torch.zeros(1, 2)).density(places).double() for x in (-0.4, 0.6))
    best = p / (p + q)
    highest = value(p, q, best, area)
    assert highest == pytest.approx(-math.log(4) + 2 * jensen_shannon(p * area, q * area), abs=1e-4)
    for other in (best * 0.95, 0.9 * best + 0.05, torch.full_like(best, 0.5), 1 - best):
        assert value(p, q, other, area) < highest
    assert value(p, q, torch.full_like(best, 0.5), area) == pytest.approx(-math.log(4), abs=1e-4)


def test_a_trained_d_finds_the_formula():
    wide, fog = replace(shape("two moons"), sigma=0.3), Shape("fog", torch.zeros(1, 2), 0.8, torch.zeros(1, 2))
    places, area = lattice()
    p, q = wide.density(places).double(), fog.density(places).double()
    best, errors = p / (p + q), []
    game = toy.new_game(wide, batch=512)
    game.generator = Still(fog)
    for moves in (0, 250):
        for _ in range(moves):
            toy.move_d(game)
        with torch.no_grad():
            d = torch.sigmoid(game.discriminator(places)[:, 0]).double()
        errors.append(((d - best).abs() * (p + q) / 2 * area).sum().item())
        assert value(p, q, d, area) < value(p, q, best, area)
    assert errors[1] < 0.08 < 0.12 < errors[0]


def test_a_hasty_g_collapses():
    game = toy.new_game()
    toy.play(game, 80, moves_g=5, every=20)
    assert all(row["covered"] <= 2 for row in game.history)
    assert (game.moves_d, game.moves_g) == (80, 400)


# films


def test_the_same_moves_play_with_films():
    films = toy_films.phantom_films(6)
    assert films.points.shape == (6, 1024)
    assert -1 <= films.points.min() < films.points.max() <= 1
    game = toy_films.new_film_game(films, batch=8)
    z = game.latents(3)
    before = toy_films.films_of(game, z)
    toy.play(game, 10)
    after = toy_films.films_of(game, z)
    assert after.shape == (3, 32, 32)
    assert abs(after).max() <= 1
    assert abs(after - before).max() > 0.01
    assert game.history[-1].keys() == {"loss_d", "loss_g", "d_real", "d_fake", "step", "moves_g"}
    assert math.isnan(game.floor)
    assert toy_films.roughness(after * 0 + 0.5) == 0
    assert toy_films.roughness(torch.tensor([[[0.0, 1.0]]]).numpy()) == 127.5


# pictures


def reaches_beyond_its_frame(figure) -> bool:
    return min(margins(figure)) < -0.01


def margins(figure) -> tuple[float, float, float, float]:
    """Left, below, right, above what is drawn, in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    box, (width, height) = figure.get_tightbbox(canvas.get_renderer()), figure.get_size_inches()
    return box.x0, box.y0, width - box.x1, height - box.y1


def test_the_frame_is_missed_where_words_leave_it():
    from matplotlib.figure import Figure

    figure = Figure()
    figure.text(0.95, 0.5, "words that leave")
    assert reaches_beyond_its_frame(figure)


def test_no_figure_cuts_its_words_off():
    game = toy.new_game()
    assert not reaches_beyond_its_frame(plot_game(game))
    view = toy.look(game)
    toy.play(game, 20)
    game.moves_d = 123456  # a long title
    figures = [plot_game(game), plot_game(game, before=view), plot_boards({"a": view, "b": toy.look(game)})]
    figures += [plot_shapes([CROSS], [CROSS.sample(9, rng())]), toy_curves.plot_charges(), toy_curves.plot_pull()]
    figures.append(toy_curves.plot_coverage({"one": game.history, "other": game.history}, 8, game.floor))
    places, _ = lattice(20)
    p = CROSS.density(places)
    figures.append(toy_curves.plot_best(p, p, p * 0 + 0.5, p * 0 + 0.5, [(0, -1.4), (1, -1.3)], -1.2, 3.0))
    for figure in figures:
        assert not reaches_beyond_its_frame(figure)


def test_labels_keep_off_the_edge_and_the_losses_name_their_lines():
    rows = [{"step": step, "level": 1, "resolution": 32, "loss_d": 1.0, "loss_g": 1 + step % 3, "d_real": 0.6, "d_fake": 0.4} for step in range(120)]
    losses = plots.plot_losses(rows)
    top, bottom = losses.axes
    assert "thick: running mean" in top.get_legend().get_title().get_text()
    assert bottom.get_legend().get_title().get_text() == ""
    assert plots.plot_losses(rows[:40]).axes[0].get_legend().get_title().get_text() == "", "few rows are drawn as they are"
    assert top.get_ylim()[1] >= 3, "the thin line is not cut"
    wild = plots.plot_losses([*rows, *[rows[-1]] * 880, {**rows[-1], "loss_g": 900.0}])
    assert wild.axes[0].get_ylim()[1] < 10, "but a wild spike is"
    films = torch.zeros(10, 8, 8).numpy()
    labelled = plots.plot_rows({"before the\nfirst move": films, "after 1200\nturns": films}, side=0.95)
    assert margins(labelled)[0] > 0.05
    for figure in (losses, toy_curves.plot_pull()):
        assert min(margins(figure)) > 0.05


def test_the_ground_of_a_fair_game_can_be_stretched_and_its_arrows_drawn_longer():
    view = toy.look(toy.new_game())
    plain, stretched = plot_boards({"a": view}).axes[0], plot_boards({"a": view}, span=0.05, arrow=0.2).axes[0]
    assert plain.images[0].get_clim() == (0, 1)
    assert stretched.images[0].get_clim() == pytest.approx((0.45, 0.55))
    short, long = (next(each for each in axes.collections if hasattr(each, "U")).U for axes in (plain, stretched))
    assert long == pytest.approx(2 * short, rel=1e-5)


# the widget


@pytest.fixture
def drawing_widget():
    made = toy_widget.ToyGan()
    yield made
    made.pause()


@pytest.fixture
def widget(monkeypatch):
    """One whose picture is two words: drawing takes most of the time, and is tested elsewhere."""
    monkeypatch.setattr(toy_widget, "plot_game", lambda game, before=None: (game.moves_d, game.moves_g))
    monkeypatch.setattr(toy_widget, "to_png", lambda counts: str(counts).encode())
    made = toy_widget.ToyGan()
    yield made
    made.pause()


def test_nothing_runs_until_a_button_is_pressed(drawing_widget):
    before = set(threading.enumerate())
    drawing_widget.render("ring", turns=1)
    assert toy_widget.ToyGan("spiral").drawing is None
    assert set(threading.enumerate()) <= before
    assert not drawing_widget.running
    assert (drawing_widget.game.moves_d, drawing_widget.game.moves_g) == (0, 0)
    assert bytes(drawing_widget.picture.value[:4]) == b"\x89PNG"
    assert "idcgan-widget" in drawing_widget._dom_classes
    assert "idcgan-picture" in drawing_widget.picture._dom_classes


def test_step_buttons_move_who_they_say(widget):
    widget.at_a_press.value = 3
    pictures = [widget.picture.value]
    for name, moves in (("Step D", (3, 0)), ("Step G", (3, 3)), ("Step both", (6, 6))):
        widget.buttons[name].click()
        assert (widget.game.moves_d, widget.game.moves_g) == moves
        pictures.append(widget.picture.value)
    assert len(set(pictures)) == 4
    assert "Both players moved 3 times" in widget.text.value
    assert not widget.running
    widget.buttons["Reset"].click()
    assert (widget.game.moves_d, widget.game.history) == (0, [])


def test_run_plays_until_paused_and_the_thread_is_gone(widget):
    drawn_ = threading.Event()
    widget.picture.observe(lambda _: drawn_.set(), "value")
    widget.buttons["Run"].click()
    assert drawn_.wait(20)
    thread = widget._thread
    widget.buttons["Run"].click()
    assert widget._thread is thread, "a second press starts no second thread"
    widget.buttons["Pause"].click()
    assert not thread.is_alive()
    assert not widget.running
    moves = widget.game.moves_d
    assert moves >= toy_widget.AT_ONCE
    assert widget.text.value.startswith("Paused. Divergence")
    widget.pause()
    assert widget.game.moves_d == moves


def test_a_run_ends_by_itself(widget, monkeypatch):
    monkeypatch.setattr(toy_widget, "TURNS", 4)
    monkeypatch.setattr(toy_widget, "AT_ONCE", 2)
    widget.run()
    widget._thread.join(20)
    assert not widget.running
    assert widget.game.moves_d == 4
    assert "Paused after 4 turns" in widget.text.value


def test_slow_motion_makes_one_move_at_a_time_and_stops_at_once(widget):
    seen, first = [], threading.Event()
    widget.text.observe(lambda change: (seen.append(change["new"]), first.set()), "value")
    widget.slow.value = True
    widget.run()
    assert first.wait(20)
    widget.pause()
    assert "D's move" in seen[0]
    assert widget.game.moves_d == 1


def test_what_goes_wrong_in_the_thread_is_a_sentence(widget, monkeypatch):
    def broken(*_):
        raise RuntimeError("no more <dice>")

    monkeypatch.setattr(toy_widget.toy, "play", broken)
    widget.run()
    widget._thread.join(20)
    assert widget.text.value == "The game stopped: no more &lt;dice&gt;"


def test_losses_that_blow_up_are_said(widget):
    with torch.no_grad():
        widget.game.generator[0].weight.fill_(math.nan)
    widget.run()
    widget._thread.join(20)
    assert "no longer finite" in widget.text.value


def test_rules_and_rates_act_on_the_game_at_hand_and_labels_begin_a_new_one(widget):
    widget.step()
    game = widget.game
    widget.loss.value, widget.rate_g.value = "saturating", 0.01
    assert widget.game is game
    assert (game.kind, game.objective) == ("saturating", "bce")
    assert [group["lr"] for group in game.optimizer_g.param_groups] == [0.01]
    assert [group["lr"] for group in game.optimizer_d.param_groups] == [0.002]
    widget.labels.value = "flipped"
    assert widget.game is not game
    assert (widget.game.labels, widget.game.kind, widget.game.moves_d) == ("flipped", "saturating", 0)
    assert widget.game.optimizer_g.param_groups[0]["lr"] == 0.01


def test_a_drawing_is_learnt_and_an_empty_one_is_a_sentence(widget):
    widget.shape.value = "two moons"
    assert widget.game.source.name == "two moons"
    widget.shape.value = toy_widget.OWN
    assert widget.drawing in widget._below.children
    assert len(widget.game.source.centres) == len(widget.drawing.cells) > 10
    widget.drawing.stamp("Empty")
    widget.drawing.squares[5, 5].value = True
    assert widget.drawing.squares[5, 5].button_style == "primary"
    widget.drawing.learn.click()
    assert widget.game.source.centres.tolist() == [[0, 0]]
    widget.drawing.stamp("Empty")
    widget.drawing.learn.click()
    assert "nothing is painted" in widget.text.value
    before = widget.game.moves_d
    for button in ("Step both", "Run"):
        widget.text.value = ""
        widget.buttons[button].click()
        assert "nothing is painted" in widget.text.value, "the game before is not played under the drawing's name"
    assert (widget.running, widget.game.moves_d) == (False, before)
    widget.shape.value = "ring"
    widget.buttons["Step D"].click()
    assert widget.game.moves_d > 0
    assert widget._below.children == ()


def test_every_stamp_fits_the_grid():
    for rows in STAMPS.values():
        assert all(len(row) == CELLS for row in rows.split("|") if row)
        assert len(rows.split("|")) <= CELLS
    drawing = Drawing(lambda: None)
    drawing.stamp("Five dots")
    assert len(drawing.cells) == 5


def test_render_is_the_picture_and_a_rendered_game_leaves_the_widgets_alone(drawing_widget):
    from idcgan.plots import to_png

    drawing_widget.step()
    assert to_png(drawing_widget.render()) == drawing_widget.picture.value
    before = copy.deepcopy(weights(drawing_widget.game.generator))
    assert "D has moved 7 times" in drawing_widget.render("ring", turns=7).axes[0].get_title()
    assert equal(weights(drawing_widget.game.generator), before)


# the exercises: what usual mistakes are told


def said(check_, answer) -> str:
    verdict = check_(answer)
    assert not verdict.passed, verdict
    return verdict.sentence


@pytest.mark.parametrize(("answer", "hint"), [
    (lambda r, f: -F.logsigmoid(r).mean() - F.logsigmoid(-f).mean(), "the sign"),
    (lambda r, f: F.logsigmoid(r).sum() + F.logsigmoid(-f).sum(), "a sum"),
    (lambda r, f: F.logsigmoid(f).mean() + F.logsigmoid(-r).mean(), "exchanged"),
    (lambda r, f: F.logsigmoid(r).mean() + F.logsigmoid(f).mean(), "not log D"),
    (lambda r, f: torch.log(torch.sigmoid(r)).mean() + torch.log(1 - torch.sigmoid(f)).mean(), "not finite"),
    (lambda r, f: torch.log(torch.sigmoid(r) + 1e-9).mean() + torch.log(1 - torch.sigmoid(f) + 1e-9).mean(), "small number"),
    (lambda r, f: F.logsigmoid(r), "one number"),
])  # fmt: skip
def test_mistakes_about_the_value_are_named(answer, hint):
    assert hint in said(check.value, answer)


@pytest.mark.parametrize(("answer", "hint"), [
    (lambda p, q, labels="": q / (p + q), "is fake"),
    (lambda p, q, labels="": p / (p + q), "0 / 0"),
    (lambda p, q, labels="": p / (p + q + 1e-8), "say 1/2"),
    (lambda p, q, labels="": (p + 1e-8) / (p + q + 2e-8), "tiny"),
    (lambda p, q, labels="": torch.where(p + q > 0, p / (p + q), 0.5), "flipped"),
    (lambda p, q, labels="": torch.log(p) - torch.log(q), "the logit"),
    (lambda p, q, labels="": p.div_(p + q), "changed"),
    (lambda p, q, labels="": None, "given back with return"),
])  # fmt: skip
def test_mistakes_about_the_best_d_are_named(answer, hint):
    assert hint in said(check.optimal_discriminator, answer)


def test_a_right_d_in_64_bits_is_right():
    def answer(p, q, labels="standard"):
        p, q = p.double(), q.double()
        best = torch.where(p + q > 0, p / (p + q).clamp(min=1e-300), 0.5)
        return best if labels == "standard" else 1 - best

    assert check.optimal_discriminator(answer).passed


def move(cut=True, clear=True, turn=lambda r, f: F.softplus(-r).mean() + F.softplus(f).mean(), steps=True, wipe=False, freeze=False, after=False):
    def answer(generator, discriminator, optimizer_d, real, latents):
        if freeze:
            generator.requires_grad_(False)
        fake = generator(latents)
        loss = turn(discriminator(real), discriminator(fake.detach() if cut else fake))
        if clear:
            optimizer_d.zero_grad()
        loss.backward()
        if wipe:
            generator.zero_grad()
        if steps:
            optimizer_d.step()
        if after:  # too late for what G's move leaves behind
            optimizer_d.zero_grad()

    return answer


@pytest.mark.parametrize(("answer", "hint"), [
    (move(cut=False), "flowed into G"),
    (move(cut=False, wipe=True), "flowed into G"),
    (move(cut=False, freeze=True), "requires_grad off"),
    (torch.no_grad()(move()), "only the fakes"),
    (move(clear=False), "zero_grad"),
    (move(clear=False, after=True), "zero_grad"),
    (move(steps=False), "must step"),
    (move(turn=lambda r, f: -F.softplus(-r).mean() - F.softplus(f).mean()), "wrong way"),
    (move(turn=lambda r, f: F.softplus(r).mean() + F.softplus(-f).mean()), "exchanged"),
    (move(turn=lambda r, f: F.softplus(-r).mean()), "real films only"),
    (move(turn=lambda r, f: F.softplus(f).mean()), "fakes only"),
    (move(turn=lambda r, f: (F.softplus(-r).mean() + F.softplus(f).mean()) / 2), "half as far"),
    (move(turn=lambda r, f: r.square().mean() + f.square().mean()), "not by one step"),
])  # fmt: skip
def test_mistakes_in_ds_move_are_named(answer, hint):
    assert hint in said(check.step_d, answer)


def test_a_g_that_moves_in_ds_move_is_seen():
    def answer(generator, discriminator, optimizer_d, real, latents):
        move()(generator, discriminator, optimizer_d, real, latents)
        with torch.no_grad():
            generator[0].weight.add_(1)

    assert "G has moved" in said(check.step_d, answer)
    assert check.step_d(move()).passed


def test_a_g_that_is_frozen_for_ds_move_and_thawed_is_a_right_answer():
    def answer(generator, *others):
        move(cut=False, freeze=True)(generator, *others)
        generator.requires_grad_(True)

    assert check.step_d(answer).passed


def near(x, m, reach):
    return torch.cdist(x, m) <= reach


def covered_by_nearest(x, m, reach, share):
    distance, nearest = torch.cdist(x, m).min(1)
    return int((torch.bincount(nearest[distance <= reach], minlength=len(m)) >= share * len(x)).sum())


def test_covered_modes_counted_rightly_pass():
    assert check.modes_covered(lambda x, m, reach, share: int((near(x, m, reach).sum(0) >= share * len(x)).sum())).passed


@pytest.mark.parametrize(("answer", "hint"), [
    (lambda x, m, reach, share: int((torch.cdist(x, m) <= reach).any(0).sum()), "single stray"),
    (lambda x, m, reach, share: int((torch.bincount(torch.cdist(x, m).argmin(1), minlength=4) >= share * len(x)).sum()), "nearest mode"),
    (lambda x, m, reach, share: 4, "around one mode"),
    (lambda x, m, reach, share: int(((x[:, None] - m).abs().amax(2) <= reach).sum(0).ge(share * len(x)).sum()), "straight distance"),
    (lambda x, m, reach, share: int((torch.cdist(x, m) <= reach).sum(0).gt(share * len(x)).sum()), "at least 0.1"),
    (lambda x, m, reach, share: (torch.cdist(x, m) <= reach).sum(0), "whole number"),
    (lambda x, m, reach, share: int((near(x, m, reach).sum(0) >= share * near(x, m, reach).any(1).sum().clamp(min=1)).sum()), "near none"),
    (lambda x, m, reach, share: int(((x[:, None] - m).square().sum(2) <= reach).sum(0).ge(share * len(x)).sum()), "square root"),
    (lambda x, m, reach, share: int((near(x, m, reach).sum(0) >= share * len(x) / len(m)).sum()), "fair share"),
    (lambda x, m, reach, share: int((near(x, m, reach).sum(0) >= 0.1 * len(x)).sum()), "40 of 400 are 0.1, less"),
    (lambda x, m, reach, share: int((near(x, m, 0.5).sum(0) >= share * len(x)).sum()), "passed in"),
    (lambda x, m, reach, share: covered_by_nearest(x, m, reach, share), "counts for each"),
])  # fmt: skip
def test_mistakes_about_covered_modes_are_named(answer, hint):
    assert hint in said(check.modes_covered, answer)
