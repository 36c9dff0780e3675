"""`idcgan evaluate` from the outside: what it writes, that it says the same twice, what it catches, what it refuses."""

import functools
import json
import os
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import REAL, everything_below, write_film, write_films
from PIL import Image
from safetensors.torch import save_file

from idcgan import building, evaluation, intake, memorising, pool
from idcgan import report as report_module
from idcgan.config import preset
from idcgan.errors import InputError
from idcgan.evaluation import evaluate
from idcgan.features import _chest_weights, load_features
from idcgan.measures import MEASURES
from idcgan.objectives import Verdicts
from idcgan.pyramid import Pyramid
from idcgan.report import comparison, default_report
from idcgan.run_record import evaluation_of
from idcgan.settings import LEVEL, Settings
from idcgan.subject import made_as, real_films, subject
from idcgan.training import train
from idcgan.usefulness import _score as classified
from idcgan.usefulness import usefulness
from idcgan.verdicts import UNSEEN, limits, verdicts

HELD_OUT = "phantom:normal:16:7"
DRAWS = 19
MEASURED = {m.key for m in MEASURES} | {"copies", "membership", "mifid", "membership_d"}


@pytest.fixture(scope="module", autouse=True)
def _few_pairs():
    """MS-SSIM is the slowest measure, and here it need not be sharp; the network that looks at films is read once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool, "PAIR_FILMS", 6)
        patch.setattr(evaluation, "load_features", functools.cache(load_features))
        yield


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("descriptions")


@pytest.fixture
def judge(terminal, cache):
    """Types `idcgan evaluate`, quietly and with few films."""
    return lambda *arguments: terminal("evaluate", *arguments, "--cache", cache, "--draws", DRAWS, "--quiet")


@pytest.fixture(scope="module")
def report_folder(finished_run, cache, tmp_path_factory) -> Path:
    """A report on the tiny run, as the terminal writes it."""
    import sys

    from idcgan.cli import main

    out = tmp_path_factory.mktemp("report") / "evaluation"
    before, sys.argv = sys.argv, ["idcgan", "evaluate", str(finished_run), "--real", HELD_OUT, "-n", "12", "--out", str(out)]
    sys.argv += ["--cache", str(cache), "--draws", str(DRAWS), "--quiet"]
    try:
        with pytest.raises(SystemExit) as end:
            main()
        assert not end.value.code
    finally:
        sys.argv = before
    return out


@pytest.fixture(scope="module")
def report(report_folder) -> dict:
    return json.loads((report_folder / "report.json").read_text())


# ---- what a report holds -----------------------------------------------------------------------------------------------


def test_every_figure_stands_under_its_own_key_beside_its_floor(report):
    assert report.keys() >= MEASURED | {"about", "verdicts", "limits", "history", "curves"}
    for key in MEASURED:
        entry = report[key]
        assert {"title", "value", "interval", "p", "told_apart", "floor", "reference", "sees", "placed"} <= entry.keys(), key
        low, high = entry["interval"]
        assert low <= entry["value"] <= high, key
        assert 0 < entry["p"] <= 1
        assert entry["told_apart"] == (entry["p"] <= 0.05)
    for key in (m.key for m in MEASURES):
        assert {"real", "blurred 4x", "noise", "other class"} <= report[key]["placed"].keys(), key
    assert report["copies"]["placed"]["copy machine"] == 1.0, "a copy machine is nothing but copies"
    assert report["membership"]["placed"]["copy machine"] > 0.95


def test_noise_lies_farther_off_than_blur_and_blur_farther_than_real_films(report):
    for key in ("kid", "fid", "swd"):
        placed = report[key]["placed"]
        assert placed["noise"] > placed["blurred 4x"] > placed["real"], key


def test_the_report_says_what_it_rests_on(report, finished_run):
    about = report["about"]
    assert about["films"] == {"made": 12, "held_out": 16, "training": 12}
    assert about["seen"] is True
    assert about["resolution"] == 32
    assert about["features"] == "efficientnet-lite0"
    assert len(set(about["fingerprints"].values())) == 3
    assert any("not for diagnosis" in sentence for sentence in report["limits"])
    assert about["projected"] is False
    assert not any("may flatter" in sentence for sentence in report["limits"])
    flattered = {**report, "about": {**about, "projected": True}}
    assert any("may flatter" in sentence for sentence in limits(flattered))
    other_features = {**flattered, "about": {**flattered["about"], "features": "chest 0123"}}
    assert not any("may flatter" in sentence for sentence in limits(other_features)), "that network has learnt from chest films"
    assert [level["resolution"] for level in report["history"]] == [16, 32]
    assert all(level["swd"] > level["swd_floor"] > 0 for level in report["history"])


def answer(report, question, **changes):
    """What the report would say had these entries these values."""
    changed = {**report, **{key: {**report[key], **values} for key, values in changes.items()}}
    return next(v for v in verdicts(changed) if v["question"] == question)


def test_films_that_only_kid_cannot_tell_from_real_ones_do_not_pass_for_real(report):
    same = {key: {"told_apart": False} for key in ("kid", "fid", "fid_infinity", "precision", "density")}
    assert answer(report, "Do they look real?", **same)["tone"] == "good"
    said = answer(report, "Do they look real?", **{**same, "precision": {"told_apart": True}})
    assert (said["tone"], "by precision they can" in said["answer"]) == ("mixed", True)


def test_blur_says_nothing_of_how_bad_a_grid_is(report):
    fine = {key: {"told_apart": False} for key in ("swd", "spectrum", "checkerboard", "grey_levels")}
    grid = {"told_apart": True, "value": report["checkerboard"]["placed"]["blurred 4x"] + 1}
    assert answer(report, "Is the texture right?", **{**fine, "checkerboard": grid})["tone"] == "mixed"
    blur = {"told_apart": True, "value": report["spectrum"]["placed"]["blurred 4x"] + 1}
    assert answer(report, "Is the texture right?", **{**fine, "spectrum": blur})["tone"] == "bad"


def test_more_films_beyond_the_line_than_chance_puts_there_are_no_good_news(report):
    none = answer(report, "Are they copies?", copies={"told_apart": False, "count": 0, "value": 0.0})
    some = answer(report, "Are they copies?", copies={"told_apart": False, "count": 4, "value": 4 / 12})
    assert (none["tone"], some["tone"]) == ("good", "mixed")
    assert f"notices {report['copies']['noticed_from']} or more" in none["answer"]


@pytest.mark.parametrize(
    ("key", "changes", "says"),
    [
        ("kid", {"floor_p": 0.03}, "The training films themselves can be told from the held-out ones"),
        ("copies", {"twins": ["a.png", "b.png"]}, "2 held-out films lie so near to a training film that they may be of its patient"),
        ("about", {"init": "runs/base"}, "The run began with the networks of runs/base"),
    ],
)
def test_what_undermines_a_report_is_said(report, key, changes, says):
    clean = {**report, "kid": {**report["kid"], "floor_p": 0.5}, "copies": {**report["copies"], "twins": []}}
    assert not any(says[:20] in sentence for sentence in limits(clean))
    assert sum(sentence.startswith(says) for sentence in limits({**clean, key: {**clean[key], **changes}})) == 1


class Page(HTMLParser):
    """Collects what a page would fetch, its pictures, its text."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched, self.images, self.text = [], [], ""

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if tag == "img":
            self.images.append(values)
        self.fetched += [v for k, v in values.items() if k in ("src", "href", "srcset") and not v.startswith(("data:", "#"))]
        assert tag not in ("script", "link", "iframe")

    def handle_data(self, data):
        self.text += data


def test_the_page_is_one_file_with_words_for_every_picture(report_folder, report):
    source = (report_folder / "report.html").read_text()
    page = Page()
    page.feed(source)
    assert page.fetched == []
    assert "@import" not in source
    assert "url(" not in source
    assert len(page.images) >= 6
    assert all(len(image["alt"]) > 20 and image["src"].startswith("data:image/png;base64,") for image in page.images)
    for verdict in report["verdicts"]:
        assert verdict["answer"] in page.text
    assert "real films of patients" in page.text
    for png in report_folder.glob("*.png"):
        assert np.asarray(Image.open(png).convert("L")).std() > 5, f"{png.name} is empty"


def test_what_is_said_of_variety_follows_its_figures(report):
    alike = {key: {"told_apart": False} for key in ("recall", "coverage", "vendi", "ms_ssim", "precision", "density")}
    assert answer(report, "Are they varied?", **alike)["tone"] == "good"
    less = answer(report, "Are they varied?", **{**alike, "recall": {"told_apart": True}})
    assert (less["tone"], less["answer"].startswith("Less than real films, by recall.")) == ("mixed", True)
    elsewhere = answer(report, "Are they varied?", **{**alike, "recall": {"told_apart": True}, "precision": {"told_apart": True}})
    assert (elsewhere["tone"], "recall and coverage say nothing here" in elsewhere["answer"]) == ("good", True)
    few = {"told_apart": True, "value": 0.4 * report["vendi"]["floor"]}
    collapse = answer(report, "Are they varied?", **{**alike, "vendi": few})
    assert (collapse["tone"], "this is a collapse" in collapse["answer"]) == ("bad", True)


def test_what_is_said_of_membership_follows_its_tests(report):
    question, tests = "Do they give away who was trained on?", ("membership", "membership_d")
    safe = {key: {"told_apart": False, "value": 0.5} for key in tests}
    assert answer(report, question, **safe)["tone"] == "good"
    films = answer(report, question, **{**safe, "membership": {"told_apart": True, "value": 0.8}})
    assert (films["tone"], "Yes, the films do." in films["answer"], "checkpoint" in films["answer"]) == ("bad", True, False)
    d = answer(report, question, **{**safe, "membership_d": {"told_apart": True, "value": 0.8}})
    assert (d["tone"], "Yes, the discriminator does." in d["answer"], "Keep the checkpoint" in d["answer"]) == ("mixed", True, True)


GAINS = [((0.01, 0.05), "Yes: they help.", "good"), ((-0.05, -0.01), "No: they harm.", "bad"), ((-0.02, 0.03), "Not shown.", "mixed")]


@pytest.mark.parametrize(("interval", "says", "tone"), GAINS)
def test_what_is_said_of_use_follows_the_interval_of_the_gain(report, interval, says, tone):
    auc = {"auc": {"value": 0.7, "interval": [0.6, 0.8]}}
    rows = dict.fromkeys(("real", "synthetic", "both", "shuffled labels"), auc)
    usefulness = {"trained_on": rows, "gain": {"value": sum(interval) / 2, "interval": interval}}
    said = next(v for v in verdicts({**report, "usefulness": usefulness}) if v["question"] == "Are they of use?")
    assert (said["tone"], said["answer"].startswith(says)) == (tone, True)


def test_the_same_seed_says_the_same(report, report_folder, finished_run, tmp_path):
    """From nothing, without what was kept: every figure to the last digit."""
    again, _ = evaluate(finished_run, HELD_OUT, settings=Settings(count=12, cache=tmp_path / "fresh", draws=DRAWS, progress=False))
    for key in MEASURED | {"curves"}:
        assert json.loads(json.dumps(again[key])) == report[key], key


def test_a_real_film_is_shown_and_named_nowhere_when_it_is_hidden(judge, tmp_path, monkeypatch):
    """Files are often called after patients: a twin of a training film, a damaged film, the nearest ones, the folders."""
    for folder, seeds in {"DOE-held": range(500, 515), "DOE-learnt": range(900, 920), "made": range(300, 312)}.items():
        for seed in seeds:
            write_film(tmp_path / folder / f"{'film' if folder == 'made' else 'DOE'}-{seed}.png", seed)
    (tmp_path / "DOE-held" / "DOE-damaged.png").write_bytes(b"no film")
    monkeypatch.setattr("idcgan.copies.TWIN", 10.0)  # all of them
    pictured, real_small = [], report_module._small
    monkeypatch.setattr(report_module, "_small", lambda films, at: (pictured.append(films.title), real_small(films, at))[1])
    for hidden, out in ((["--hide-real"], tmp_path / "r"), ([], tmp_path / "open")):
        said = judge(tmp_path / "made", "--real", tmp_path / "DOE-held", "--train", tmp_path / "DOE-learnt", "--out", out, *hidden)
        assert said.code == 0, said.err
        assert (set(pictured) == {"made films"}) == bool(hidden)
        for name in ("report.html", "report.json"):
            text = (out / name).read_text()
            assert ("DOE-" in text) == (not hidden), name
            assert (str(tmp_path) in text) == (not hidden), name
    assert not (tmp_path / "r" / "nearest-pairs.png").exists()
    page = (tmp_path / "r" / "report.html").read_text()
    assert "real films of patients" not in page
    assert "15 held-out films lie so near" in page
    assert "1 films could not be used" in page


def test_the_other_class_is_a_landmark_and_no_condition(judge, tmp_path):
    for folder, seeds in {"real/normal": range(500, 516), "real/abnormal": range(900, 908), "made": range(300, 312)}.items():
        for seed in seeds:
            write_film(tmp_path / folder / f"{seed}.png", seed)
    (tmp_path / "real" / "abnormal" / "900.png").write_bytes(b"no film")  # seven are left
    said = judge(tmp_path / "made", "--real", tmp_path / "real", "--class", "Normal", "--out", tmp_path / "r")
    assert said.code == 0, said.err
    assert "other class" not in json.loads((tmp_path / "r" / "report.json").read_text())["kid"]["placed"]


def test_an_other_class_of_fewer_films_has_no_place_by_what_hangs_on_their_number(judge, tmp_path):
    for folder, seeds in {"real/normal": range(500, 540), "real/abnormal": range(900, 908), "made": range(300, 320)}.items():
        for seed in seeds:
            write_film(tmp_path / folder / f"{seed}.png", seed)
    said = judge(tmp_path / "made", "--real", tmp_path / "real", "--class", "normal", "--out", tmp_path / "r")
    assert said.code == 0, said.err
    report = json.loads((tmp_path / "r" / "report.json").read_text())
    assert not [key for key in ("vendi", "fid", "swd", "coverage") if "other class" in report[key]["placed"]]
    assert "other class" not in report["swd"]["scales"]
    assert "other class" in report["kid"]["placed"], "eight films say as much as forty by an unbiased measure, if less sharply"


def test_films_of_latents_farther_out_are_other_films_and_the_page_says_so(judge, finished_run, report, tmp_path):
    said = judge(finished_run, "--real", HELD_OUT, "-n", 12, "--out", tmp_path / "far", "--spread", 1.5)
    assert said.code == 0, said.err
    far = json.loads((tmp_path / "far" / "report.json").read_text())
    assert far["about"]["spread"] == 1.5
    assert report["about"]["spread"] == 1
    assert far["about"]["fingerprints"]["made"] != report["about"]["fingerprints"]["made"]
    assert far["swd"]["value"] != report["swd"]["value"]
    judges = []
    for name, found in (("near", report), ("far", far), ("older", {**report, "about": {k: v for k, v in report["about"].items() if k != "spread"}})):
        (tmp_path / name / "evaluation").mkdir(parents=True, exist_ok=True)
        (tmp_path / name / "evaluation" / "report.json").write_text(json.dumps(found))
        judges.append(evaluation_of(str(tmp_path / name))[1])
    assert judges[0] == judges[2] != judges[1], "the table of runs does not compare them"
    assert "latents 1.5 times as far out as in training" in (tmp_path / "far" / "report.html").read_text()


def test_several_runs_in_one_table(judge, finished_run, tmp_path):
    other = Path(shutil.copytree(finished_run, tmp_path / "other"))
    said = judge(finished_run, other, "--real", HELD_OUT, "-n", 10, "--out", tmp_path / "both")
    assert said.code == 0, said.err
    table = json.loads((tmp_path / "both" / "comparison.json").read_text())
    assert table["head"] == ["measure", finished_run.name, "other", "real films"]
    assert "KID" in [row[0] for row in table["rows"]]
    assert re.search(r"^KID\s", said.out, re.MULTILINE)
    for name in (finished_run.name, "other"):
        assert (tmp_path / "both" / name / "report.html").exists()
    assert (tmp_path / "both" / "comparison.html").exists()
    head, rows = comparison([json.loads((tmp_path / "both" / name / "report.json").read_text()) for name in (finished_run.name, "other")])
    assert (head, rows) == (table["head"], table["rows"])


def test_reports_of_other_sizes_say_so_in_their_table(report):
    other = {**report, "about": {**report["about"], "compared": 7}}
    assert comparison([report, other])[0][1:] == [f"{report['about']['name']} (32 x 32, {n} against 16)" for n in (12, 7)] + [
        "real films (32 x 32, 12 against 16)"
    ]


def test_made_films_that_are_the_same_are_all_counted(tmp_path):
    """A collapse; of real films that are the same one is taken."""
    made = write_films(tmp_path / "made", 9)
    shutil.copy(next(made.iterdir()), made / "again.png")
    assert len(subject(made, 0, 0, 32).items) == 10
    assert len(real_films(made, "", 32, "crop", "--real")) == 9


def test_the_first_of_a_collapsed_folder_are_not_one_film_over_and_over(tmp_path):
    for number in range(12):
        for copy in range(8):
            write_film(tmp_path / f"{number}-{copy}.png", number)
    keys = [item.key for item in subject(tmp_path, 0, 0, 32).items]
    assert len(keys) == 96
    assert len(set(keys[:12])) >= 6, "12 drawn at random of 12 films, 8 of each: 8 kinds on average"


def test_a_folder_of_made_films_of_both_classes_is_refused(judge, tmp_path):
    for name in ("normal", "abnormal"):
        write_films(tmp_path / "made" / name, 9)
    said = judge(tmp_path / "made", "--real", HELD_OUT, "--class", "normal")
    refused(said, everything_below(tmp_path), tmp_path, "holds films by class (abnormal, normal)", "name one of these folders")


def test_held_out_films_that_the_run_was_trained_on_are_refused_whatever_train_says(judge, finished_run, pyramid_path):
    before = everything_below(finished_run)
    refused(judge(finished_run, "--real", pyramid_path, "--train", "phantom:normal:20:99"), before, finished_run, "held-out films must be others")


def test_a_padded_pyramid_says_how_the_other_films_are_made_square(judge, tmp_path):
    """Not of a folder of made films, which does not tell."""
    made, real = write_films(tmp_path / "made", 10), write_films(tmp_path / "real", 10, seed=300)
    Pyramid.build(write_films(tmp_path / "train", 10, seed=600), tmp_path / "p", (32,), "pad", progress=False, workers=1)
    said = judge(made, "--real", real, "--train", tmp_path / "p", "--out", tmp_path / "r")
    assert said.code == 0, said.err
    assert made_as("", tmp_path / "p", real) == ("pad", 32)
    assert {item.key.split()[1] for item in real_films(real, "", 32, "pad", "--real")} == {"pad"}


def test_held_out_phantoms_are_drawn_where_those_of_the_pyramid_were(tmp_path):
    """And reduced from there: a phantom drawn at 32 is another picture, sharper or softer in what is finest."""
    pyramid = Pyramid.build("phantom:normal:8:3", tmp_path / "p", (32, 64), progress=False, workers=1)
    found = {drawn: [item.film() for item in real_films("phantom:normal:8:3", "normal", 32, "crop", "--real", drawn)] for drawn in (0, 64)}
    same = [any(np.array_equal(film, other) for other in pyramid.level(32)[:, 0]) for film in found[64]]
    assert all(same)
    assert not any(np.array_equal(film, other) for film in found[0] for other in pyramid.level(32)[:, 0])


def test_reports_of_folders_with_dots_in_their_names_lie_apart(tmp_path):
    for name in ("made-1.15", "made-1.2"):
        (tmp_path / name).mkdir()
    (tmp_path / "generator-0256.safetensors").touch()
    names = [default_report(tmp_path / name).name for name in ("made-1.15", "made-1.2", "generator-0256.safetensors")]
    assert names == ["made-1.15-evaluation", "made-1.2-evaluation", "generator-0256-evaluation"]


def test_without_training_films_nothing_is_said_of_copies(judge, tmp_path):
    made = write_films(tmp_path / "made", 10)
    said = judge(made, "--real", "phantom:normal:20:3", "--out", tmp_path / "r", "--resolution", 32, "--json", tmp_path / "figures.json")
    assert said.code == 0, said.err
    report = json.loads((tmp_path / "figures.json").read_text())
    assert "copies" not in report
    assert report["about"]["films"] == {"made": 10, "held_out": 10, "training": 10}
    assert any(verdict["answer"] == UNSEEN for verdict in report["verdicts"])
    assert "Are they copies? Not asked: the films they were learnt from are not at hand; name them with --train." in said.out
    assert report["kid"]["told_apart"], "noise is no chest"


def test_usefulness_of_both_classes(judge, tmp_path, cache):
    """Made films that are real ones by another name are as useful as real ones; chance is chance."""
    for part, count, seed in (("made", 72, 5), ("train", 24, 6), ("val", 24, 7)):
        for label_class in ("normal", "abnormal"):
            folder = tmp_path / part / label_class
            folder.mkdir(parents=True)
            where = tmp_path / "p" / f"{part}{label_class}"
            pyramid = Pyramid.build(f"phantom:{label_class}:{count}:{seed}", where, (64,), progress=False, workers=1)
            for i, film in enumerate(pyramid.level(64)[:, 0]):
                Image.fromarray(film).save(folder / f"{i:02}.png")
    said = judge(tmp_path / "made" / "normal", "--real", tmp_path / "val", "--train", tmp_path / "train", "--class", "normal",
                 "--other", tmp_path / "made" / "abnormal", "--out", tmp_path / "r")  # fmt: skip
    assert said.code == 0, said.err
    found = json.loads((tmp_path / "r" / "report.json").read_text())["usefulness"]
    auc = {name: row["auc"] for name, row in found["trained_on"].items()}
    assert found["held_out"] == {"normal": 24, "abnormal": 24}
    assert auc["real"]["value"] > 0.75
    assert auc["synthetic"]["interval"][1] > auc["real"]["interval"][0], "other films of the same kind are worth as much, as far as 24 can tell"
    assert auc["synthetic"]["value"] > auc["shuffled labels"]["value"]
    assert auc["shuffled labels"]["interval"][0] < 0.5 < auc["shuffled labels"]["interval"][1]
    assert all(row["interval"][0] <= row["value"] <= row["interval"][1] for row in auc.values())
    assert (found["real"], found["made"]) == ({"abnormal": 24, "normal": 24}, {"abnormal": 24, "normal": 24})
    assert "usefulness.png" in {p.name for p in (tmp_path / "r").iterdir()}
    shutil.copy(tmp_path / "train" / "abnormal" / "00.png", tmp_path / "val" / "abnormal" / "again.png")
    said = judge(tmp_path / "made" / "normal", "--real", tmp_path / "val", "--train", tmp_path / "train", "--class", "normal",
                 "--other", tmp_path / "made" / "abnormal", "--out", tmp_path / "r2")  # fmt: skip
    assert said.code == 2, said
    assert "1 films are in --real" in said.err


def test_the_same_films_twice_teach_a_classifier_nothing():
    rng = np.random.default_rng(0)
    (films, held_out), label = rng.normal(size=(2, 60, 8)), np.repeat([0, 1], 30)
    twice = np.concatenate([films, films]), np.concatenate([label, label])
    assert np.allclose(classified((films, label), (held_out, label)), classified(twice, (held_out, label)), atol=1e-6)


def test_real_films_are_not_held_back_for_made_ones():
    """Few made films leave the real ones whole; copies of the films that were learnt add nothing, and new ones of their kind do."""
    rng = np.random.default_rng(0)
    middle = {"abnormal": np.full(12, 0.35), "normal": np.zeros(12)}

    def films(count):
        return {c: rng.normal(size=(count, 12)) + at for c, at in middle.items()}

    real, held_out = films(30), films(400)
    few, copies, new = (usefulness(real, made, held_out, seed=0) for made in (films(3), real, films(30)))
    assert (few["real"], few["made"]) == ({"abnormal": 30, "normal": 30}, {"abnormal": 3, "normal": 3})
    assert few["trained_on"]["real"]["auc"]["value"] == pytest.approx(copies["trained_on"]["real"]["auc"]["value"], abs=0.01)
    assert abs(copies["gain"]["value"]) < 0.01
    assert new["gain"]["value"] > 0.02


# ---- what it catches ---------------------------------------------------------------------------------------------------


def memorising_generator(films: np.ndarray, path: Path, steps: int = 1000) -> Path:
    """A generator that remembers on purpose: each latent is pulled to the one of ten films (10, 32, 32) that its largest entry names."""
    torch.manual_seed(0)
    config = preset("tiny", resolutions=(32,), latent_dim=10, feature_maps_g=16, max_feature_maps=64)
    generator = building.build(config, 0, 0)[0].to(memory_format=torch.channels_last)
    target = torch.from_numpy(films).float()[:, None] / 127.5 - 1
    optimizer = torch.optim.Adam(generator.parameters())
    pace = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, steps)
    for _ in range(steps):
        z = torch.randn(16, 10)
        z += 0.5 * torch.nn.functional.one_hot(z.argmax(1), 10)  # few latents between two films
        loss = (generator(z) - target[z.argmax(1)]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        pace.step()
    building.standing_statistics(generator, 32, 0)
    facts = {"format": "idcgan generator 1", "config": json.dumps(config.to_dict()), "config_hash": config.hash(), "run": "memory"}
    facts["resolution"] = "32"
    save_file({k: v.contiguous() for k, v in generator.state_dict().items()}, str(path), facts)
    return path


def test_a_generator_that_remembers_ten_films_is_caught(tmp_path, cache):
    pyramid = Pyramid.build("phantom:normal:40:0", tmp_path / "films", (32,), progress=False, workers=1)
    weights = memorising_generator(np.array(pyramid.level(32)[:10, 0]), tmp_path / "memory.safetensors")
    report, _ = evaluate(weights, "phantom:normal:40:1", tmp_path / "films", settings=Settings(count=40, cache=cache, draws=39, progress=False))
    copies, membership = report["copies"], report["membership"]
    assert copies["told_apart"]
    assert copies["p"] < 1e-4
    assert copies["value"] > 0.2
    remembered = {film["source"] for film in pyramid.films[:10]}
    assert {pair["training"] for pair in copies["pairs"]} <= remembered, "the nearest films are those it was made to remember"
    assert membership["told_apart"]
    says = {verdict["question"]: verdict for verdict in verdicts(report)}
    assert says["Are they copies?"]["answer"].startswith("Yes")
    assert says["Are they copies?"]["tone"] == "bad"


def test_the_discriminator_of_an_honest_run_is_asked_too(report):
    assert report["membership_d"]["title"] == "membership by D"
    asked = report["membership_d"]
    assert asked["value"] == asked["verdicts"][asked["verdict"]] == max(asked["verdicts"].values())
    assert asked["told_apart"] == (asked["p"] <= LEVEL)


@pytest.mark.parametrize(("labels", "knowing"), [("standard", True), ("flipped", True), ("standard", False)])
def test_whichever_verdict_gives_training_films_away_is_found(monkeypatch, labels, knowing):
    sets = [SimpleNamespace(title=name, items=[SimpleNamespace(film=lambda i=i, at=at: np.full((1, 8, 8), 40 * at + i)) for i in range(40)])
            for at, name in enumerate(("training", "held-out"))]  # fmt: skip
    noise = torch.Generator().manual_seed(0)
    sign = -1 if labels == "flipped" else 1

    class Judge:
        channels = 1

        def __call__(self, film, verdicts):
            blind = [torch.randn(1, 4, generator=noise) for _ in range(3)]
            known = (film.mean() < 40 / 127.5 - 1 - 0.5 / 127.5) * 1.0 if knowing else 0.0
            return Verdicts(blind[0][:, 0], (blind[1],), (blind[2], torch.randn(1, 9, generator=noise) + sign * known))

    monkeypatch.setattr(memorising, "discriminator_of", lambda about: Judge())
    about = SimpleNamespace(run=SimpleNamespace(run={"config": {"labels": labels}}))
    found = memorising.membership_by_discriminator(about, *sets, Settings(progress=False))["membership_d"]
    assert list(found["verdicts"]) == ["whole films", "patches", "borrowed features, 1 of 2", "borrowed features, 2 of 2"]
    assert found["value"] == max(found["verdicts"].values())
    assert found["told_apart"] is knowing
    assert 0.5 < found["floor"] < 0.6, "the largest of four"
    if knowing:
        assert found["verdict"] == "borrowed features, 2 of 2"
        assert found["value"] > 0.9


# ---- real films --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real_report(tmp_path_factory):
    """Real abnormal films in the place of made ones, judged as normal films: their figures, and beside them those of real normal films."""
    if not REAL.is_dir():
        pytest.skip("the real films are not here (shared/data/nih-chest beside the repository)")
    settings = Settings(label_class="normal", resolution=256, cache=tmp_path_factory.mktemp("real"), draws=99, progress=False)
    return evaluate(REAL / "train" / "abnormal", REAL / "val", REAL / "train", settings=settings)[0]


def test_real_training_films_sit_at_the_floor_of_every_measure(real_report):
    told = {m.key: real_report[m.key]["floor_p"] for m in MEASURES if real_report[m.key]["floor_p"] <= 0.05}
    assert told == {}


def test_real_films_of_the_other_class_do_not(real_report):
    told = {m.key for m in MEASURES if real_report[m.key]["told_apart"]}
    assert {"kid", "fid", "precision", "density", "swd", "grey_levels", "coverage"} <= told
    assert not real_report["copies"]["told_apart"], "films of other patients are no copies"
    assert not real_report["membership"]["told_apart"]


# ---- what it refuses ---------------------------------------------------------------------------------------------------


def refused(said, before: dict, folder: Path, *words: str) -> None:
    assert said.code == 2, said
    assert len(said.err.splitlines()) == 1, said
    for word in words:
        assert word in said.err, said
    assert everything_below(folder) == before


def test_held_out_films_that_were_trained_on(judge, finished_run, pyramid_path, tmp_path):
    before = everything_below(finished_run)
    refused(judge(finished_run, "--real", pyramid_path), before, finished_run, "12 films", "held-out films must be others")


def test_the_same_films_drawn_or_cut_in_another_way(judge, finished_run, tmp_path):
    """The phantoms of the run at another size are the same; a pyramid that was made square by a frame is not like the made films."""
    before, source = everything_below(finished_run), json.loads((finished_run / "run.json").read_text())["data"]["films"]
    refused(judge(finished_run, "--real", source), before, finished_run, "held-out films must be others")
    films = write_films(tmp_path / "films", 9)
    padded = Pyramid.build(films, tmp_path / "padded", (32,), square="pad", workers=1, progress=False).path
    refused(judge(finished_run, "--real", padded, "--train", films), before, finished_run, "square 'pad'", "'crop'")


def test_files_that_cannot_be_read_are_counted_and_are_no_overlap(judge, tmp_path, monkeypatch):
    """Root may read everything, so the system's refusal is played: a file in each folder, under the same name."""
    for folder, seeds in {"held": range(500, 510), "learnt": range(900, 910), "made": range(300, 312)}.items():
        for seed in seeds:
            write_film(tmp_path / folder / f"{seed}.png", seed)
    for folder in ("held", "learnt"):
        write_film(tmp_path / folder / "locked.png", 1)
    real = intake.sha256_of
    monkeypatch.setattr(intake, "sha256_of", lambda path: PermissionError(13, "Permission denied") if path.name == "locked.png" else real(path))
    said = judge(tmp_path / "made", "--real", tmp_path / "held", "--train", tmp_path / "learnt", "--out", tmp_path / "r")
    assert said.code == 0, said.err
    report = json.loads((tmp_path / "r" / "report.json").read_text())
    assert [sentence.split(" cannot be read")[0].split("/")[-2:] for sentence in report["about"]["left_out"]] == [
        ["held", "locked.png"], ["learnt", "locked.png"],
    ]  # fmt: skip


def test_a_pyramid_that_was_changed_after_the_run(judge, finished_run, pyramid_path, tmp_path):
    run = Path(shutil.copytree(finished_run, tmp_path / "run"))
    facts = json.loads((run / "run.json").read_text())
    facts["data"]["fingerprint"] = "of other films"
    (run / "run.json").write_text(json.dumps(facts))
    before = everything_below(run)
    refused(judge(run, "--real", HELD_OUT), before, run, "are not those that", "was trained on", "--train")
    assert judge(run, "--real", HELD_OUT, "--train", pyramid_path, "-n", 12, "--out", tmp_path / "r").code == 0


def test_too_few_shuffles_to_tell_anything(terminal, finished_run):
    said = terminal("evaluate", finished_run, "--real", HELD_OUT, "--draws", 18)
    assert said.code == 2
    assert "--draws" in said.err


def test_how_far_out_a_folder_draws(judge, tmp_path):
    made = write_films(tmp_path / "made", 10)
    said = judge(made, "--real", HELD_OUT, "--spread", 1.5)
    refused(said, everything_below(tmp_path), tmp_path, "is a folder of films, which are as they are")


def test_made_films_in_the_place_of_real_ones(terminal, judge, finished_run, tmp_path):
    terminal("sample", finished_run, "-n", 9, "--out", tmp_path / "made", "--quiet")
    before = everything_below(finished_run)
    refused(judge(finished_run, "--real", tmp_path / "made"), before, finished_run, "made by a generator", "--real")


REFUSALS = {
    "a run that is not there": (["nowhere", "--real", HELD_OUT], ["nowhere"]),
    "real films that are not there": (["RUN", "--real", "nowhere"], ["nowhere"]),
    "too few real films": (["RUN", "--real", "phantom:normal:3:9"], ["held-out films", "3 films", "8"]),
    "no films to be judged": (["RUN", "--real", HELD_OUT, "-n", "0"], ["0"]),
    "a level that the run has not": (["RUN", "--real", HELD_OUT, "--resolution", "64"], ["64", "16, 32"]),
    "a level that is too low": (["RUN", "--real", HELD_OUT, "--resolution", "16"], ["16 x 16", "32"]),
    "features nobody knows": (["RUN", "--real", HELD_OUT, "--features", "vgg"], ["vgg", "efficientnet-lite0", "inception:FILE"]),
    "weights that are not there": (["RUN", "--real", HELD_OUT, "--features", "inception:w.pth"], ["w.pth", "never downloaded"]),
    "usefulness without a second class": (["RUN", "--real", HELD_OUT, "--other", "RUN"], ["--other", "both classes"]),
    "too few to be halved": (["films", "--real", "phantom:normal:15:9"], ["15 films", "--train", "16"]),
    "phantoms of the other class": (["RUN", "--real", "phantom:abnormal:16:7", "--class", "normal"], ["phantom:abnormal", "'normal'"]),
    "another class than the generator's": (["pretrained:abnormal", "--real", HELD_OUT, "--class", "normal"], ["'normal'", "'abnormal'"]),
    "a report where a file is": (["RUN", "--real", HELD_OUT, "--out", "films/00.png/report"], ["00.png is a file", "--out"]),
    "a seed below 0": (["RUN", "--real", HELD_OUT, "--seed", "-1"], ["seed", "-1"]),
    "two sources of one name": (["RUN", "RUN", "--real", HELD_OUT], ["name of its own"]),
}


@pytest.mark.parametrize(("arguments", "words"), REFUSALS.values(), ids=REFUSALS)
def test_wrong_input(judge, finished_run, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    write_films(tmp_path / "films", 9)
    before = everything_below(finished_run)
    refused(judge(*(str(finished_run) if a == "RUN" else a for a in arguments)), before, finished_run, *words)


def test_weights_of_another_kind_are_refused_in_a_sentence(judge, finished_run, tmp_path):
    """With the package that reads them missing, that is said; with it, that the file is no such thing."""
    torch.save({"a": torch.zeros(1)}, tmp_path / "w.pth")
    before = everything_below(finished_run)
    for kind in ("inception", "chest"):
        said = judge(finished_run, "--real", HELD_OUT, "--features", f"{kind}:{tmp_path / 'w.pth'}")
        refused(said, before, finished_run, "does not hold" if _there(kind) else "need the package")


def test_a_pickle_in_a_weight_file_cannot_run_code(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "trapped"),)

    torch.save({"weight": Trap()}, tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"asks for .*mkdir to be loaded, which no DenseNet needs"):
        _chest_weights(tmp_path / "w.pth")
    assert not (tmp_path / "trapped").exists()


def _there(kind: str) -> bool:
    from importlib import import_module

    try:
        import_module({"inception": "torch_fidelity.feature_extractor_inceptionv3", "chest": "torchxrayvision.models"}[kind])
    except (ImportError, RuntimeError):
        return False
    return True


def test_a_damaged_description_is_made_again(finished_run, tmp_path):
    settings = Settings(count=10, cache=tmp_path, draws=9, progress=False)
    first, _ = evaluate(finished_run, HELD_OUT, settings=settings)
    damaged = {path: path.read_bytes() for path in sorted(tmp_path.glob("*.npz"))[::3]}
    assert len(damaged) > 5
    for path, content in damaged.items():
        path.write_bytes(content[:100])
    again, _ = evaluate(finished_run, HELD_OUT, settings=settings)
    assert again["kid"] == first["kid"]
    assert all(path.stat().st_size == len(content) for path, content in damaged.items())


def test_a_run_of_three_channels(tmp_path, cache):
    """Colour networks make grey films."""
    folder = train(preset("tiny", channels=3, epochs=2), "phantom:normal:12:0", tmp_path / "run", device="cpu", progress=False)
    report, _ = evaluate(folder.path, HELD_OUT, settings=Settings(count=10, cache=cache, draws=9, progress=False))
    assert report["about"]["films"]["made"] == 10
    assert report["membership_d"]["value"] == max(report["membership_d"]["verdicts"].values())
