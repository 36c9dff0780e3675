"""Dashboard and time machine without a browser: their handlers are called as buttons and sliders would call them."""

import io
import json
import shutil

import numpy as np
import pytest
from conftest import assert_same_run, history_of, until
from PIL import Image

from idcgan.config import preset
from idcgan.errors import InputError, WorkError
from idcgan.locks import is_locked
from idcgan.moments import newest_moment, read_moments
from idcgan.records import RunFolder
from idcgan.schedule import Schedule
from idcgan.training_plots import Scene, plot_plan, plot_scene
from idcgan.training_widget import Dashboard, TimeMachine, with_growth

# ---- saved moments and the time machine --------------------------------------------------------------------------------------


def test_moments_are_in_order_and_know_their_step(finished_run):
    moments = read_moments(finished_run)
    assert [(m.level, m.resolution, m.step, m.finished) for m in moments] == [
        (1, 16, 3, False), (1, 16, 6, False), (1, 16, 6, True), (2, 32, 3, False), (2, 32, 6, False), (2, 32, 6, True),
    ]  # fmt: skip
    assert [m.name for m in moments[3:]] == ["32 x 32, step 3", "32 x 32, step 6", "32 x 32, end of the level"]
    assert newest_moment(finished_run) == moments[-1]
    assert newest_moment(finished_run.parent) is None


def test_films_are_cut_out_of_a_sheet_as_they_were_put_in(tmp_path):
    films = np.random.default_rng(0).integers(0, 256, (6, 1, 16, 16), dtype=np.uint8)
    run = {"status": "running", "config": preset("tiny", samples=6).to_dict(), "data": {}, "levels": {"16": {"steps": 9}}, "warnings": []}
    (tmp_path / "samples").mkdir()
    (tmp_path / "run.json").write_text(json.dumps(run))
    folder = RunFolder.open(tmp_path)
    folder.save_grid("moment-0016-001", films, columns=8, facts={"idcgan:step": "5"})
    folder.save_grid("0016", films)
    strip, sheet = read_moments(tmp_path)
    assert (strip.step, sheet.step) == (5, 9)
    for moment in (strip, sheet):
        assert np.array_equal(moment.films(), films[:, 0])


def test_an_older_run_does_not_tell_the_step(run_copy):
    path = run_copy / "samples" / "moment-0016-001.png"
    Image.fromarray(np.asarray(Image.open(path))).save(path)  # without its text
    first = read_moments(run_copy)[0]
    assert (first.step, first.name) == (None, "16 x 16, moment 1")
    TimeMachine(run_copy).render(1)


def test_the_time_machine_draws_what_was_saved(finished_run):
    machine = TimeMachine(finished_run)
    for moment in machine.moments:
        if moment.finished:
            for latent, film in enumerate(moment.films(), 1):
                drawn = machine.end(moment.resolution, latent).astype(int)
                assert abs(drawn - film).max() <= 1, "the generator of the level and the saved grid show other films"


def picture(widget) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(widget.picture.value)).convert("L"))


def test_sliders_move_through_levels_and_moments(finished_run):
    machine = TimeMachine(finished_run)
    first = picture(machine)
    machine.moment.value = 5
    assert machine.level.label == "32 x 32"
    assert not np.array_equal(picture(machine), first)
    machine.level.value = dict(machine.level.options)["16 x 16"]
    assert machine.moment.value == 1
    assert np.array_equal(picture(machine), first)
    machine.latent.value = 3
    assert not np.array_equal(picture(machine), first)


@pytest.mark.parametrize(("moment", "latent", "says"), [(0, 1, "moment is 0; choose one from 1 to 6"), (1, 5, "latent is 5; choose one from 1 to 4")])
def test_what_was_not_saved_cannot_be_drawn(finished_run, moment, latent, says):
    with pytest.raises(InputError, match=says):
        TimeMachine(finished_run).render(moment, latent)


def test_a_run_without_moments_is_refused(run_copy, tmp_path):
    shutil.rmtree(run_copy / "samples")
    with pytest.raises(InputError, match="has saved no moment yet"):
        TimeMachine(run_copy)
    with pytest.raises(InputError, match="is not a run folder"):
        TimeMachine(tmp_path)


def test_a_row_that_was_cut_off_is_left_out(run_copy):
    """The disk was full, or the process was killed, while it was appended."""
    whole = len(RunFolder.open(run_copy).history())
    with open(run_copy / "history.csv", "a") as handle:
        handle.write("1,16,7,2")
    assert len(RunFolder.open(run_copy).history()) == len(Scene.read(run_copy).rows) == whole
    TimeMachine(run_copy)
    Dashboard(preset("tiny"), run_copy, run_copy.parent).render(run_copy)


def test_losses_below_zero_are_drawn(finished_run):
    scene = Scene.read(finished_run)
    below = [{**row, "loss_g": -0.3} for row in scene.rows]
    assert plot_scene(Scene("", below)).axes[0].get_ylim()[0] < -0.3


# ---- the dashboard -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def dashboard(pyramid_path, tmp_path, monkeypatch):
    monkeypatch.setattr("idcgan.forecast.time_step", lambda *_: 0.01)
    found = Dashboard(preset("tiny"), pyramid_path, tmp_path / "runs")
    yield found
    found.stop()
    found.join(20)


def pressable(board) -> list[str]:
    buttons = (board.train_button, board.pause_button, board.resume_button, board.stop_button)
    return [button.description for button in buttons if not button.disabled]


def ended(board) -> str:
    board.join(30)
    until(lambda: not board.training)
    return json.loads((board.run / "run.json").read_text())["status"]


def pause_at_first_row(board, monkeypatch):
    """The run pauses itself after its first step, as quick a hand as can be."""
    real = board._on_log

    def on_log(row):
        if (row["level"], row["step"]) == (1, 1):
            board.pause()
        real(row)

    monkeypatch.setattr(board, "_on_log", on_log)


def test_train_makes_the_run_of_its_config(dashboard, finished_run):
    before = picture(dashboard)
    assert pressable(dashboard) == ["Train"]
    dashboard.train_button.click()
    assert ended(dashboard) == "finished"
    assert_same_run(dashboard.run, finished_run)
    until(lambda: pressable(dashboard) == ["Train"])
    assert "finished after" in dashboard.text.value
    assert not np.array_equal(picture(dashboard), before)


def test_pause_slider_resume(dashboard, monkeypatch):
    pause_at_first_row(dashboard, monkeypatch)
    dashboard.train_button.click()
    until(lambda: pressable(dashboard) == ["Resume", "Stop"])
    dashboard.rate.value = 0.01
    assert "by hand: learning rate 0.01" in dashboard.text.value
    dashboard.resume_button.click()
    assert ended(dashboard) == "finished"
    run = json.loads((dashboard.run / "run.json").read_text())
    assert run["by_hand"] == [{"step": 2, "level": 1, "field": "learning_rate", "value": 0.01}]
    until(lambda: "steered by hand" in dashboard.text.value)


def test_stop_and_resume_where_it_stands(dashboard, monkeypatch, finished_run):
    pause_at_first_row(dashboard, monkeypatch)
    dashboard.train_button.click()
    until(lambda: dashboard.live.paused)
    dashboard.stop_button.click()
    assert ended(dashboard) == "interrupted"
    until(lambda: pressable(dashboard) == ["Train", "Resume"])
    first = dashboard.run
    dashboard.resume_button.click()
    assert ended(dashboard) == "finished"
    assert dashboard.run == first
    assert_same_run(first, finished_run)


def test_close_ends_a_paused_run_saved_and_lets_go_of_its_folder(dashboard, monkeypatch):
    pause_at_first_row(dashboard, monkeypatch)
    dashboard.train()
    until(lambda: dashboard.live.paused)
    dashboard.close()
    assert not dashboard.training
    assert not is_locked(dashboard.run / ".lock")
    assert json.loads((dashboard.run / "run.json").read_text())["status"] == "interrupted"
    assert dashboard.comm is None


def test_sliders_moved_before_the_start_count_from_the_first_step(dashboard):
    dashboard.replaced.value, dashboard.strength.value = 0.5, 0.0
    assert "from the first step of the next run" in dashboard.text.value
    dashboard.train_button.click()
    assert ended(dashboard) == "finished"
    run = json.loads((dashboard.run / "run.json").read_text())
    assert {(e["level"], e["step"], e["field"], e["value"]) for e in run["by_hand"]} == {(1, 1, "replaced", 0.5), (1, 1, "augment_strength", 0.0)}
    assert [float(row["replaced"]) for row in history_of(dashboard.run)[6:]] == [0.5] * 6


def test_back_to_the_config_forgets_the_hand(dashboard):
    dashboard.rate.value, dashboard.replaced.value = 0.01, 0.2
    assert dashboard.live.wanted == {"learning_rate": 0.01, "replaced": 0.2}
    dashboard.back_button.click()
    assert dashboard.live.wanted == {}
    assert (dashboard.rate.value, dashboard.replaced.value) == (preset("tiny").learning_rate, 1.0)


def test_both_rates_keep_their_relation(pyramid_path, tmp_path):
    board = Dashboard(preset("tiny", learning_rate=0.001, learning_rate_d=0.0005), pyramid_path, tmp_path)
    board.rate.value = 0.004
    assert board.live.wanted == pytest.approx({"learning_rate": 0.004, "learning_rate_d": 0.002})


def test_what_ends_a_run_is_a_sentence(tmp_path):
    board = Dashboard(preset("tiny"), tmp_path / "no films", tmp_path / "runs")
    board.train_button.click()
    board.join(20)
    until(lambda: pressable(board) == ["Train"])
    assert "the run failed: " in board.text.value
    assert "no films" in board.text.value


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_run_that_cannot_be_drawn_gives_the_buttons_back(dashboard, tmp_path):
    def work(_):
        (tmp_path / "torn").mkdir()
        (tmp_path / "torn" / "run.json").write_text('{"status": "fin')
        raise WorkError("the disk is full.")

    dashboard._begin(tmp_path / "torn", work)
    dashboard.join(20)
    until(lambda: pressable(dashboard) == ["Train"])
    assert "the disk is full" in dashboard.text.value


def test_render_shows_any_run(dashboard, finished_run):
    losses, share, *strip = dashboard.render(finished_run).axes
    assert [line.get_label() for line in losses.lines][1:4:2] == ["discriminator", "generator"]
    assert len(losses.lines[0].get_xdata()) == 12
    assert list(share.lines[0].get_ydata()[:6]) == [100.0] * 6
    assert sum(bool(axes.images) for axes in strip) == 4
    with pytest.raises(InputError, match="is not a run folder"):
        dashboard.render(finished_run.parent)


def test_the_mark_of_a_hand_stands_at_its_step(finished_run):
    scene = Scene.read(finished_run)
    assert scene.by_hand == []
    steered = Scene("", scene.rows, [{"level": 2, "step": 3, "field": "replaced", "value": 0.5}])
    (marks,) = [line for line in plot_scene(steered).axes[1].lines if line.get_label() == "by hand"]
    assert list(marks.get_xdata()) == [6 + 3], "the first level has six steps"


@pytest.mark.parametrize("minutes", [0.0, 2.0])
def test_the_plan_rises_in_every_level_but_the_first(minutes):
    bound = {"minutes": minutes} if minutes else {"epochs": 40}
    axes = plot_plan(Schedule.plan(preset("tiny", **bound, transition_share=0.25), 12), 4).axes[0]
    first, second = (line for line in axes.lines if len(line.get_xdata()) > 2)
    assert set(first.get_ydata()) == {100.0}
    assert sorted(set(second.get_ydata())) == [0.0, 25.0, 50.0, 75.0, 100.0]
    assert np.mean(second.get_ydata() == 100.0) == pytest.approx(1 - 0.25 * 0.875, abs=0.01)


@pytest.mark.parametrize(("resolutions", "grown"), [((16,), (16, 32)), ((64,), (32, 64)), ((16, 32), (16, 32))])
def test_what_is_not_grown_to_is_shown_grown(resolutions, grown):
    assert with_growth(preset("tiny", resolutions=resolutions)).resolutions == grown
