"""One move of both players, the loop around it, what it leaves on the disk, and what it says when something goes wrong."""

import copy
import csv
import hashlib
import itertools
import json
import os
import signal
import threading
import time
from types import SimpleNamespace

import pytest
import torch
from conftest import everything_below, history_of, write_films
from PIL import Image
from safetensors import safe_open
from torch import nn

from idcgan import repeat
from idcgan.config import preset
from idcgan.errors import InputError, WorkError
from idcgan.moves import step, update_average
from idcgan.objectives import Verdicts, discriminator_loss, generator_loss
from idcgan.origin import has_finished, start_from
from idcgan.records import COLUMNS, RunFolder
from idcgan.sampling import load_generator, provenance
from idcgan.state import start
from idcgan.training import resume, train
from idcgan.watch import PATIENCE, Watch

CPU = torch.device("cpu")


def run(pyramid, out, on_log=None, init=None, **changes):
    return train(preset("tiny", **changes), pyramid, out, "cpu", init, progress=False, on_log=on_log)


# ---- one step ---------------------------------------------------------------------------------------------------------


class Player(nn.Module):
    """One weight that says in `log` when it is used and how it stands then."""

    def __init__(self, name, log, value):
        super().__init__()
        self.name, self.log, self.skip = name, log, False
        self.weight = nn.Parameter(torch.tensor([value]))

    def forward(self, x, verdicts=False):
        self.log.append((self.name, round(self.weight.item(), 6), self.weight.requires_grad))
        if self.name == "G":
            return x[:, :1, None, None] * self.weight
        logits = (x * self.weight).mean((1, 2, 3))
        return Verdicts(logits) if verdicts else logits


class Optimizer:
    """Says when it steps, which weights have gradients then, and moves its weight by one."""

    def __init__(self, name, log, mine, other):
        self.name, self.log, self.mine, self.other = name, log, mine, other

    def zero_grad(self, set_to_none=True):
        self.mine.weight.grad = None

    def step(self):
        before = self.other.weight.item()
        self.log.append((f"step {self.name}", self.mine.weight.grad is not None))
        with torch.no_grad():
            self.mine.weight += 1
        assert self.other.weight.item() == before


def test_d_moves_first_then_g_against_the_new_d():
    """The order of the two updates, on two players of one weight each: nothing is trained."""
    log: list = []
    generator, discriminator = Player("G", log, 1.0), Player("D", log, 10.0)
    state = SimpleNamespace(
        generator=generator, discriminator=discriminator, average=None, rng=torch.Generator().manual_seed(0), level=0, step=0,
        films_seen=0, optimizer_g=Optimizer("G", log, generator, discriminator), optimizer_d=Optimizer("D", log, discriminator, generator),
        players=lambda: (generator, discriminator),
    )  # fmt: skip
    out = step(state, preset("tiny", augment=(), ema=0.0), torch.ones(4, 1, 1, 1))
    assert log == [
        ("G", 1.0, True),  # the fakes, drawn once
        ("D", 10.0, True),  # on real
        ("D", 10.0, True),  # on fake
        ("step D", True),
        ("D", 11.0, False),  # the new D judges the same fakes; its weights ask for no gradient
        ("step G", True),
    ]
    assert (generator.weight.item(), discriminator.weight.item()) == (2.0, 11.0)
    assert discriminator.weight.requires_grad, "left frozen, D would never learn again"
    assert (state.step, state.films_seen) == (1, 4)
    assert not any(value.requires_grad for value in out.values())


def test_ds_update_leaves_no_gradient_in_g_and_gs_none_in_d():
    config = preset("tiny")
    state = start(config, CPU)
    seen = {}

    def look(name, optimizer, other):
        real = optimizer.step

        def looking():
            seen[name] = [p.grad is None for p in other.parameters()]
            seen[f"{name} before"] = [p.detach().clone() for p in other.parameters()]
            real()
            seen[f"{name} after"] = [p.detach().clone() for p in other.parameters()]

        optimizer.step = looking

    look("D", state.optimizer_d, state.generator)
    look("G", state.optimizer_g, state.discriminator)
    d_before = [p.detach().clone() for p in state.discriminator.parameters()]
    step(state, config, torch.rand(4, 1, 16, 16) * 2 - 1)
    assert all(seen["D"]), "D's loss reached G's weights"
    for name in ("D", "G"):
        assert all(torch.equal(a, b) for a, b in zip(seen[f"{name} before"], seen[f"{name} after"], strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(d_before, state.discriminator.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b in zip(seen["G after"], state.discriminator.parameters(), strict=True))


GAMES = [{}, {"objective": "hinge"}, {"objective": "least_squares"}, {"generator_loss": "saturating"}, {"label_smoothing": 0.3}]


@pytest.mark.parametrize("game", GAMES, ids=lambda game: next(iter(game), "as it is"))
def test_a_step_plays_the_game_that_the_config_names(game):
    config = preset("tiny", augment=(), precision="fp32", **game)
    state = start(config, CPU)
    real = torch.rand(4, 1, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    before = copy.deepcopy(state.discriminator)
    out = step(state, config, real)
    loss_d = discriminator_loss(before(real), before(out["fake"]), smoothing=config.label_smoothing, objective=config.objective)
    assert out["loss_d"].item() == pytest.approx(loss_d.item(), rel=1e-4)
    by_now = copy.deepcopy(before)
    by_now.load_state_dict(state.discriminator.state_dict())
    loss_g = generator_loss(by_now(out["fake"]), kind=config.generator_loss, objective=config.objective)
    assert out["loss_g"].item() == pytest.approx(loss_g.item(), rel=1e-4)


def test_d_sees_changed_films_only_and_crops_as_they_are():
    """Real, fake, and the fake that G learns by: one that is left as it is would teach D to tell films by the change."""
    for resolutions, level, crops_from, changed in (((16,), 0, 0, True), ((64, 128), 1, 128, False)):
        config = preset("tiny", resolutions=resolutions, augment=("brightness",), crops_from=crops_from, crop=64, growth="preserve", precision="fp32",
                        fine_head=bool(crops_from))  # fmt: skip
        state, seen = start(config, CPU, level), []
        state.discriminator.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach().clone()))  # noqa: B023
        real = torch.rand(4, 1, *[config.side_at(level)] * 2, generator=torch.Generator().manual_seed(0)) * 2 - 1
        out = step(state, config, real)
        assert [not torch.equal(view, film) for view, film in zip(seen, (real, out["fake"], out["fake"]), strict=True)] == [changed] * 3


def test_a_step_tells_what_d_believed():
    config = preset("tiny", augment=(), labels="flipped", precision="fp32")  # as D is asked below
    state = start(config, CPU)
    real = torch.rand(4, 1, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    before = copy.deepcopy(state.discriminator)
    out = step(state, config, real)
    assert out["d_real"].item() == pytest.approx(torch.sigmoid(-before(real)).mean().item(), abs=1e-6)
    assert out["d_fake"].item() == pytest.approx(torch.sigmoid(-before(out["fake"])).mean().item(), abs=1e-6)
    assert out["fake"].shape == real.shape


def test_the_average_follows_weights_and_statistics():
    config = preset("tiny", ema=0.9)
    state = start(config, CPU)
    average, network = state.average, copy.deepcopy(state.generator)
    for p in network.parameters():
        p.data.add_(1.0)
    network.blocks["4"][1].running_mean.fill_(2.0)
    network.blocks["4"][1].num_batches_tracked.fill_(7)
    was = [p.clone() for p in average.parameters()]
    update_average(average, network, 0.9, steps=1000)
    for p, q, r in zip(average.parameters(), was, network.parameters(), strict=True):
        assert torch.allclose(p, 0.9 * q + 0.1 * r)
    assert torch.allclose(average.blocks["4"][1].running_mean, torch.tensor(0.2))
    assert average.blocks["4"][1].num_batches_tracked == 7
    update_average(average, network, 0.999, steps=1)  # a young level forgets quickly: decay 2/4
    assert torch.allclose(average.blocks["4"][1].running_mean, torch.tensor(0.5 * 0.2 + 0.5 * 2.0))


# ---- what a run leaves behind ------------------------------------------------------------------------------------------


def test_a_run_folder_is_complete(finished_run):
    names = {str(p.relative_to(finished_run)) for p in finished_run.rglob("*") if p.is_file()}
    moments = {f"samples/moment-{r}-00{i}.png" for r in ("0016", "0032") for i in (1, 2)}
    assert names == {
        "run.json", "history.csv", "checkpoint.pt", "losses.png", "timelapse.png", "generator-0016.safetensors", "generator-0032.safetensors",
        "samples/0016.png", "samples/0032.png", *moments,
    }  # fmt: skip
    for name in names:
        if name.endswith("png"):
            Image.open(finished_run / name).load()
    assert Image.open(finished_run / "samples" / "0032.png").size == (2 * 32 + 6, 2 * 32 + 6)  # four films, two by two, gaps of 2


def test_run_json_says_what_the_run_was(finished_run, pyramid_path):
    said = json.loads((finished_run / "run.json").read_text())
    assert said["status"] == "finished"
    assert said["config"] == preset("tiny").to_dict()
    assert said["config_hash"] == preset("tiny").hash()
    assert said["data"]["count"] == 12
    assert len(said["data"]["fingerprint"]) == 16
    assert {"torch", "numpy", "pillow"} <= said["packages"].keys()
    assert said["code_version"]
    assert {level: cost["steps"] for level, cost in said["levels"].items()} == {"16": 6, "32": 6}
    assert all(cost["seconds"] > 0 for cost in said["levels"].values())
    assert said["forecast"]["level_steps"] == [6, 6]
    assert said["forecast"]["memory"] > 0
    assert said["peak_memory"] > 0
    assert said["warnings"] == []
    assert said["final"].keys() == {"loss_d", "loss_g", "d_real", "d_fake"}
    assert "error" not in said


def test_history_has_its_columns_and_a_row_per_logged_step(finished_run):
    with open(finished_run / "history.csv", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert tuple(rows[0]) == COLUMNS
    assert COLUMNS == ("level", "resolution", "step", "films_seen", "seconds", "loss_d", "loss_g", "d_real", "d_fake", "replaced")
    assert [(r["level"], r["resolution"], r["step"]) for r in rows] == [
        (str(level), str(side), str(at)) for level, side in ((1, 16), (2, 32)) for at in range(1, 7)
    ]
    assert [int(r["films_seen"]) for r in rows] == list(range(4, 52, 4))
    seconds = [float(r["seconds"]) for r in rows]
    assert seconds == sorted(seconds)
    assert all(0 <= float(r[name]) <= 1 for r in rows for name in ("d_real", "d_fake", "replaced"))
    assert [float(r["replaced"]) for r in rows[:6]] == [1.0] * 6
    rising = [float(r["replaced"]) for r in rows[6:]]
    assert rising[0] == 0.0
    assert rising == sorted(rising)
    assert rising[3:] == [1.0] * 3


def test_a_generator_file_is_the_average_with_standing_statistics(finished_run):
    with safe_open(str(finished_run / "generator-0032.safetensors"), "pt") as file:
        facts = file.metadata()
        scale = file.get_tensor("blocks.8.1.weight")
        batches = file.get_tensor("blocks.8.1.num_batches_tracked")
    content = torch.load(finished_run / "checkpoint.pt", weights_only=True)
    assert torch.equal(scale, content["average"]["blocks.8.1.weight"])
    assert not torch.equal(scale, content["generator"]["blocks.8.1.weight"])
    assert batches == 16
    assert facts["batch_norm"] == "standing statistics"
    assert "not a patient" in facts["synthetic"]
    assert json.loads(facts["config"]) == preset("tiny").to_dict()


@pytest.mark.usefixtures("quick")
def test_log_every_and_moments_are_kept(pyramid_path, tmp_path):
    folder = run(pyramid_path, tmp_path / "run", log_every=4, moments=0)
    assert [(row["level"], row["step"]) for row in history_of(folder.path)] == [("1", "4"), ("2", "4")]
    assert not list(folder.path.glob("samples/moment*"))
    assert not (folder.path / "timelapse.png").exists()


def test_a_run_too_short_to_log_still_ends_well(pyramid_path, tmp_path):
    folder = run(pyramid_path, tmp_path / "run", log_every=1000)
    assert folder.run["status"] == "finished"
    assert history_of(folder.path) == []
    assert (folder.path / "losses.png").exists()


# ---- options -----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("growth", ["preserve", "reset", "scratch"])
@pytest.mark.parametrize("transition", ["replace", "fade", "jump"])
def test_every_growth_goes_with_every_transition(pyramid_path, tmp_path, growth, transition):
    folder = run(pyramid_path, tmp_path / "run", growth=growth, transition=transition)
    assert folder.run["status"] == "finished"
    source = load_generator(folder.path)
    assert source.generator.skip == (growth == "preserve")
    assert source.generator.alpha == 1.0
    rising = [float(row["replaced"]) for row in history_of(folder.path)][6:]
    expected = {"replace": [0.0, 0.25, 0.75], "fade": [0.0, 1 / 3, 2 / 3], "jump": [1.0] * 3}[transition]
    assert rising == pytest.approx([*expected, 1.0, 1.0, 1.0], abs=1e-5)


@pytest.mark.usefixtures("quick")
def test_a_level_has_a_batch_size_of_its_own(pyramid_path, tmp_path):
    rows = history_of(run(pyramid_path, tmp_path / "run", batch_size=(6, 3)).path)
    seen = [int(row["films_seen"]) for row in rows]
    steps = [after - before for before, after in zip([0, *seen], seen, strict=False)]
    assert steps == [6] * 4 + [3] * 8


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    "changes", [{"channels": 3}, {"labels": "flipped", "generator_loss": "saturating"}, {"augment": ("contrast", "cutout", "flip")}, {"ema": 0.0}]
)
def test_options_reach_the_end(tmp_path, changes):
    folder = run(write_films(tmp_path / "films", 6), tmp_path / "run", **changes)
    assert folder.run["status"] == "finished"
    assert load_generator(folder.path).generator(torch.zeros(1, 16)).shape == (1, changes.get("channels", 1), 32, 32)


@pytest.mark.usefixtures("quick")
def test_levels_larger_than_the_films_are_said_once(tmp_path, capsys):
    films = write_films(tmp_path / "films", 5)
    for small in range(3):
        Image.effect_noise((24, 24), 50 + small).save(films / f"small{small}.png")
    folder = run(films, tmp_path / "run")
    (said,) = folder.run["warnings"]
    assert "32 (3 of 8 films)" in said
    assert "16 (" not in said
    assert capsys.readouterr().err.count("no new detail") == 1


@pytest.mark.usefixtures("quick")
def test_minutes_are_kept(pyramid_path, tmp_path, monkeypatch):
    """By a clock that goes on by a tenth of a second whenever it is looked at, a few times a step."""
    looks = itertools.count()
    monkeypatch.setattr("idcgan.schedule.time", SimpleNamespace(monotonic=lambda: 0.1 * next(looks)))  # and nobody else's clock
    folder = run(pyramid_path, tmp_path / "run", minutes=0.2, level_shares=(1.0, 3.0), moments=1)
    levels = folder.run["levels"]
    assert 3.0 <= levels["16"]["seconds"] < 4.0
    assert 8.0 <= levels["32"]["seconds"] < 10.0
    assert 12.0 <= folder.run["seconds"] < 14.0
    assert levels["32"]["steps"] >= 2 * levels["16"]["steps"] > 4
    assert [float(row["replaced"]) for row in history_of(folder.path)][-1] == 1.0


@pytest.mark.usefixtures("quick")
def test_init_starts_from_the_networks_of_another_run(pyramid_path, tmp_path, finished_run):
    before = everything_below(finished_run)
    config = preset("tiny", learning_rate=0.0001)
    state = start_from(finished_run, config, CPU)
    content = torch.load(finished_run / "checkpoint.pt", weights_only=True)
    for name in ("generator", "discriminator", "average"):
        assert all(torch.equal(v, content[name][k]) for k, v in getattr(state, name).state_dict().items())
    assert (state.level, state.step, state.films_seen, len(state.optimizer_g.state)) == (1, 0, 0, 0)
    folder = train(config, pyramid_path, tmp_path / "run", "cpu", init=finished_run, progress=False)
    rows = history_of(folder.path)
    assert {row["level"] for row in rows} == {"2"}
    assert len(rows) == 12  # the first level is skipped and leaves its epochs to the second
    assert not (folder.path / "generator-0016.safetensors").exists()
    assert folder.run["init"] == str(finished_run)
    assert everything_below(finished_run) == before
    made = load_generator(folder.path)  # whoever has the file alone can see that it has seen the films of another run
    assert made.facts["init"] == folder.run["began_with"] == f"run {hashlib.sha256(before['checkpoint.pt']).hexdigest()[:16]}"
    assert provenance(made, 0)["idcgan:init"] == made.facts["init"]


@pytest.mark.usefixtures("quick")
def test_a_run_begun_with_init_is_resumed(pyramid_path, tmp_path, finished_run):
    stop = lambda row: (tmp_path / "run" / "stop").touch() if row["step"] == 3 else None  # noqa: E731
    assert run(pyramid_path, tmp_path / "run", stop, finished_run).run["status"] == "interrupted"
    assert resume(tmp_path / "run", device="cpu", progress=False).run["status"] == "finished"
    assert [row["step"] for row in history_of(tmp_path / "run")] == [str(i) for i in range(1, 13)]


@pytest.mark.usefixtures("quick")
def test_a_run_that_goes_on_with_other_code_says_so(pyramid_path, tmp_path, monkeypatch, capsys):
    stop = lambda row: (tmp_path / "run" / "stop").touch() if row["step"] == 3 else None  # noqa: E731
    begun = run(pyramid_path, tmp_path / "run", stop).run
    assert "resumed" not in begun
    monkeypatch.setattr("idcgan.records.code_version", lambda: "9.9.9")
    ended = resume(tmp_path / "run", device="cpu", progress=False)
    assert ended.run["code_version"] == begun["code_version"]
    assert [(sitting["step"], sitting["code_version"]) for sitting in ended.run["resumed"]] == [(3, "9.9.9")]
    assert load_generator(ended.path).facts["code_version"] == f"{begun['code_version']} then 9.9.9"
    monkeypatch.undo()
    _, _, _, says = repeat.like(ended.path, {}, tmp_path / "pyramids", CPU, progress=False)
    assert any("did not go on as it began" in sentence and "9.9.9" in sentence for sentence in says), says


# ---- when something goes wrong --------------------------------------------------------------------------------------------


def poison(at: int):
    """A hook that makes a weight of G NaN, as a bad step would; it finds the state on the stack of the loop."""

    def hook(row):
        if row["step"] == at:
            import inspect

            state = next(frame.frame.f_locals["state"] for frame in inspect.stack() if frame.function == "run_levels")
            state.generator.heads["16"].conv.weight.data[0, 0, 0, 0] = float("nan")

    return hook


@pytest.mark.usefixtures("quick")
def test_a_nan_ends_the_run_and_spares_the_checkpoint(pyramid_path, tmp_path, monkeypatch):
    monkeypatch.setattr("idcgan.levels.Clock.time_to_save", lambda *_: True)
    out = tmp_path / "run"
    with pytest.raises(WorkError, match="not a number; the last good checkpoint is kept") as failure:
        run(pyramid_path, out, poison(3))
    assert "\n" not in str(failure.value)
    said = json.loads((out / "run.json").read_text())
    assert said["status"] == "failed"
    assert "not a number" in said["error"]
    content = torch.load(out / "checkpoint.pt", weights_only=True)
    assert content["position"]["step"] == 2
    for part in ("generator", "discriminator", "average"):
        assert all(torch.isfinite(v).all() for v in content[part].values())
    assert not list(out.glob(".*"))
    assert resume(out, device="cpu", progress=False).run["status"] == "finished"


@pytest.mark.usefixtures("quick")
def test_a_loss_that_is_not_a_number_is_named(pyramid_path, tmp_path, monkeypatch):
    from idcgan import levels

    real = levels.step

    def blown_up(state, config, films, crew):
        out = real(state, config, films, crew)
        return {**out, "loss_g": out["loss_g"] * float("nan")} if state.step == 4 else out

    monkeypatch.setattr(levels, "step", blown_up)
    with pytest.raises(WorkError, match=r"at 16 x 16, step 4: a loss is not a number.*learning_rate \(it is 0\.0004\)"):
        run(pyramid_path, tmp_path / "run")
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "failed"


@pytest.mark.usefixtures("quick")
def test_an_absurd_learning_rate_never_leaves_a_broken_checkpoint(pyramid_path, tmp_path):
    """It may or may not end in NaN; what is on the disk is finite in either case."""
    try:
        run(pyramid_path, tmp_path / "run", learning_rate=1.0, epochs=8)
    except WorkError:
        assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "failed"
    content = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    for part in ("generator", "discriminator", "average"):
        assert all(torch.isfinite(v).all() for v in content[part].values()), part


@pytest.mark.usefixtures("quick")
def test_nothing_is_written_where_the_input_cannot_work(pyramid_path, tmp_path):
    for changes in ({"batch_size": (13,)}, {"resolutions": (16, 32, 128)}, {"batch_size": (4, 40), "minutes": 1.0}):
        with pytest.raises(InputError):
            run(pyramid_path, tmp_path / "run", **changes)
        assert everything_below(tmp_path) == {}


def test_a_mistake_in_a_hook_is_not_swallowed(pyramid_path, tmp_path, quick):
    def hook(row):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        run(pyramid_path, tmp_path / "run", hook)
    assert RunFolder.open(tmp_path / "run").run["status"] == "failed"


# ---- stopping ----------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("quick")
def test_ctrl_c_finishes_the_step_saves_and_can_be_resumed(pyramid_path, tmp_path):
    """A true SIGINT, sent from another thread while the loop runs."""
    out, before = tmp_path / "run", signal.getsignal(signal.SIGINT)

    def hook(row):
        if (row["level"], row["step"]) == (1, 3):
            threading.Timer(0.0, os.kill, (os.getpid(), signal.SIGINT)).start()
        time.sleep(0.02)

    folder = run(pyramid_path, out, hook, epochs=200)
    assert folder.run["status"] == "interrupted"
    assert signal.getsignal(signal.SIGINT) is before
    position = torch.load(out / "checkpoint.pt", weights_only=True)["position"]
    assert (position["level"], position["rows"]) == (0, len(history_of(out)))
    assert 3 <= position["step"] < 300, "the whole level"
    stop = lambda row: (out / "stop").touch() if row["step"] == position["step"] + 4 else None  # noqa: E731
    assert resume(out, device="cpu", progress=False, on_log=stop).run["status"] == "interrupted"
    assert [int(row["step"]) for row in history_of(out)] == list(range(1, position["step"] + 5))


@pytest.mark.usefixtures("quick")
def test_a_second_ctrl_c_stops_at_once(pyramid_path, tmp_path):
    def hook(row):
        if row["step"] == 2:
            for _ in range(2):
                signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(pyramid_path, tmp_path / "run", hook)
    assert RunFolder.open(tmp_path / "run").run["status"] == "interrupted"
    assert resume(tmp_path / "run", device="cpu", progress=False).run["status"] == "finished"


@pytest.mark.usefixtures("quick")
def test_the_file_stop_asks_too_and_an_old_one_does_not(pyramid_path, tmp_path):
    out = tmp_path / "run"
    assert run(pyramid_path, out, lambda row: (out / "stop").touch() if row["step"] == 2 else None).run["status"] == "interrupted"
    assert not (out / "stop").exists()
    (out / "stop").touch()  # left over from before
    assert resume(out, device="cpu", progress=False).run["status"] == "finished"
    assert not (out / "stop").exists()


# ---- the alarms --------------------------------------------------------------------------------------------------------------


def rows(watch, count, d_real=0.5, d_fake=0.5, alike=False, level=1):
    """`count` logged rows; returns which of them raised an alarm, and the sentences."""
    real = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    fake = real[:1].expand(4, -1, -1, -1) if alike else real
    said = []
    for at in range(count):
        row = {"level": level, "resolution": 64, "step": 10 * at, "loss_d": 1.0, "loss_g": 1.0, "d_real": d_real, "d_fake": d_fake}
        said += [(at, sentence) for sentence in watch.look(row, fake, real)]
    return said


def test_a_d_that_wins_raises_one_alarm_per_level():
    watch = Watch(preset("tiny", augment=()))
    ((at, sentence),) = rows(watch, 3 * PATIENCE, 0.97, 0.03)
    assert at == PATIENCE - 1
    assert "the discriminator wins (D(x) 0.97, D(G(z)) 0.03)" in sentence
    assert "augment=brightness,contrast,translation" in sentence
    assert rows(watch, 1) == []
    assert rows(watch, 2 * PATIENCE, 0.97, 0.03) == [], "the same level, the same alarm again"
    assert "learning_rate_d" in rows(Watch(preset("tiny")), PATIENCE, 0.97, 0.03)[0][1]
    on_crops = preset("tiny", augment=(), resolutions=(64, 128), crops_from=128, crop=64)
    watch = Watch(on_crops)
    assert "augment=" in rows(watch, PATIENCE, 0.97, 0.03)[0][1]
    assert "learning_rate_d" in rows(Watch(on_crops), PATIENCE, 0.97, 0.03, level=2)[0][1], "crops are not augmented"


def test_fakes_that_look_alike_raise_one_alarm_per_level():
    watch = Watch(preset("tiny"))
    ((at, sentence),) = rows(watch, 2 * PATIENCE, alike=True)
    assert at == PATIENCE - 1
    assert "collapse" in sentence
    assert rows(watch, 2 * PATIENCE) == []
    assert rows(watch, 2 * PATIENCE, alike=True) == []


def test_no_alarm_without_a_reason_or_before_its_time():
    for row in ({}, {"d_real": 0.97, "d_fake": 0.5}, {"d_real": 0.5, "d_fake": 0.03}, {"d_real": 0.9, "d_fake": 0.1}):
        assert rows(Watch(preset("tiny")), 3 * PATIENCE, **row) == []
    watch = Watch(preset("tiny"))
    for _ in range(3):  # broken streaks do not add up
        assert rows(watch, PATIENCE - 1, 0.97, 0.03) == []
        assert rows(watch, 1) == []


def test_an_alarm_that_was_raised_before_a_resume_is_not_raised_again():
    ((_, said),) = rows(Watch(preset("tiny")), PATIENCE, 0.97, 0.03)
    ((_, other),) = rows(Watch(preset("tiny")), PATIENCE, alike=True)
    assert rows(Watch(preset("tiny"), [said]), 3 * PATIENCE, 0.97, 0.03) == []
    assert len(rows(Watch(preset("tiny"), [other]), 3 * PATIENCE, 0.97, 0.03)) == 1


@pytest.mark.usefixtures("quick")
def test_an_alarm_of_a_run_is_kept_in_run_json(pyramid_path, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("idcgan.watch.PATIENCE", 2)
    from idcgan import levels

    real = levels.step

    def collapsed(state, config, films, crew):
        out = real(state, config, films, crew)
        return {**out, "fake": out["fake"][:1].expand_as(out["fake"])}

    monkeypatch.setattr(levels, "step", collapsed)
    warnings = run(pyramid_path, tmp_path / "run").run["warnings"]
    assert len(warnings) == 2  # one per level
    assert "16 x 16" in warnings[0]
    assert "32 x 32" in warnings[1]
    assert capsys.readouterr().err.count("a collapse") == 2


def test_two_processes_never_train_in_one_folder(run_copy):
    folder = RunFolder.open(run_copy)
    with folder.locked(), pytest.raises(InputError, match="another process"), RunFolder.open(run_copy).locked():
        pass
    with folder.locked():
        assert (run_copy / ".lock").exists()
    assert not (run_copy / ".lock").exists()


def test_a_run_that_another_process_trains_is_left_alone(run_copy, terminal):
    """A second --resume must not cut the history, take half-written files away or call the run failed."""
    run = RunFolder.open(run_copy)
    run.write(status="running")
    (run_copy / ".checkpoint.pt.1.tmp").write_text("half")
    (run_copy / "stop").touch()
    with run.locked():
        before = everything_below(run_copy)
        said = terminal("train", "--resume", run_copy)
        assert said.code == 2
        assert "another process" in said.err
        assert everything_below(run_copy) == before


def test_what_was_left_out_is_listed_in_run_json(tmp_path):
    films = write_films(tmp_path / "films", 6)
    (films / "broken.png").write_text("not a film")
    folder = train(preset("tiny", batch_size=2), films, tmp_path / "run", "cpu", progress=False)
    assert len(folder.run["data"]["left_out"]) == 1
    assert "broken.png" in folder.run["data"]["left_out"][0]


def test_an_interrupted_run_has_its_curves_and_its_memory(pyramid_path, tmp_path):
    out = tmp_path / "run"
    folder = run(pyramid_path, out, on_log=lambda row: (out / "stop").touch(), epochs=40)
    assert folder.run["status"] == "interrupted"
    assert (out / "losses.png").exists()
    assert folder.run["peak_memory"] > 0


@pytest.mark.parametrize("field", ["grain", "patches", "projected", "blur"])
def test_another_shape_of_the_networks_is_named(field, finished_run, pyramid_path, tmp_path):
    with pytest.raises(InputError, match=f"its networks are others: {field} is False there and True here"):
        train(preset("tiny", epochs=1, **{field: True}), pyramid_path, tmp_path / "next", "cpu", finished_run, progress=False)


def test_another_way_to_enlarge_is_named(finished_run, pyramid_path, tmp_path):
    with pytest.raises(InputError, match="its networks are others: lagrange_from is 0 there and 16 here"):
        train(preset("tiny", epochs=1, lagrange_from=16), pyramid_path, tmp_path / "next", "cpu", finished_run, progress=False)


def test_only_a_finished_run_has_been_through_its_transition(run_copy):
    assert has_finished(run_copy)
    RunFolder.open(run_copy).write(status="interrupted")
    assert not has_finished(run_copy)
    assert not has_finished("pretrained:normal")
    assert not has_finished(None)
