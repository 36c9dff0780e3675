"""The reader study: nothing but the picture tells the kinds apart, the figures are right, and wrong files are refused by name."""

import base64
import io
import json
import re
import shlex
import statistics
import sys
from dataclasses import replace
from importlib import resources
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import everything_below, write_film, write_films
from PIL import Image, PngImagePlugin
from scipy.stats import binomtest
from sklearn.metrics import cohen_kappa_score
from test_cli import is_one_sentence, nothing_was_written
from test_light_import import OTHERS, python

from idcgan import phantom
from idcgan.errors import InputError
from idcgan.reader import make_study, masked, shuffled
from idcgan.reader_answers import Answer, Answers, Study, reader_name
from idcgan.reader_score import agreement, as_table, fleiss_kappa, percent, proportion, score
from idcgan.sampling import Source, load_generator


def make(source, real, out, count=10, **options) -> Path:
    return make_study(source, real, out, count, device="cpu", progress=False, **options)


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> Path:
    """real/: twelve 16-bit phantoms at 96 x 80; made/: twelve colour PNGs at 64 x 64 that say what they are, and their contact sheet."""
    folder = tmp_path_factory.mktemp("kinds")
    for name, seed in (("real", 1), ("made", 2)):
        (folder / name).mkdir()
        for i, (film, _) in enumerate(phantom.films(12, "normal", 96, seed)):
            path = folder / name / f"{name}-{i:02}.png"
            if name == "real":
                Image.fromarray((film[:80] * 65535).astype(np.uint16)).save(path)
            else:
                info = PngImagePlugin.PngInfo()
                info.add_text("idcgan:synthetic", "true")
                Image.fromarray((film * 255).astype(np.uint8)).resize((64, 64)).convert("RGB").save(path, pnginfo=info)
    write_film(folder / "made" / "contact-sheet.png", 0, 200, 200)
    return folder


@pytest.fixture(scope="module")
def study_path(films, tmp_path_factory) -> Path:
    """Ten real and ten synthetic films. Look, do not touch: use `study`."""
    return make(films / "made", films / "real", tmp_path_factory.mktemp("study") / "study")


@pytest.fixture
def study(study_path, tmp_path) -> Study:
    """The same, in a folder of its own, to be answered."""
    folder = tmp_path / "study"
    folder.mkdir()
    for path in study_path.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return Study.open(folder)


def answered(study: Study, reader: str, wrong_real: int, wrong_synthetic: int, count: int = 99) -> Path:
    """The answers of a reader who errs on the first so many films of each kind, to `count` films."""
    left = {"real": wrong_real, "synthetic": wrong_synthetic}
    answers = Answers(study.id, reader)
    for name, kind in list(study.kinds.items())[:count]:
        left[kind] -= 1
        other = "synthetic" if kind == "real" else "real"
        answers.answers[name] = Answer(other if left[kind] >= 0 else kind, 1.5)
    return answers.save(study.path)


# ---- what the page gives away


def page_of(path: Path) -> dict:
    return json.loads(re.search(r'<script id="study" type="application/json">(.*?)</script>', (path / "study.html").read_text(), re.DOTALL)[1])


def chunks(png: bytes) -> list[str]:
    """The kinds of a PNG's chunks, in order; what follows IEND is left out."""
    at, kinds = 8, []
    while not kinds or kinds[-1] != "IEND":
        kinds.append(png[at + 4 : at + 8].decode())
        at += 12 + int.from_bytes(png[at : at + 4], "big")
    return kinds


def test_the_files_of_both_kinds_are_alike(study_path):
    page = page_of(study_path)
    assert [sorted(film) for film in page["films"]] == [["id", "png"]] * 20
    assert [film["id"] for film in page["films"]] == [f"film-{i:03d}" for i in range(1, 21)]
    assert len({len(film["png"]) for film in page["films"]}) == 1, "the length of a film's file tells something"
    for png in Study.open(study_path).pictures().values():
        assert set(chunks(png)) == {"IHDR", "IDAT", "IEND"}
        image = Image.open(io.BytesIO(png))
        assert (image.format, image.mode, image.size, image.info) == ("PNG", "L", (64, 64), {})
        assert np.asarray(image).std() > 5


def test_the_page_names_no_source_and_shows_no_truth(study_path, films):
    text = (study_path / "study.html").read_text()
    page, key = page_of(study_path), json.loads((study_path / "key.json").read_text())
    for name in {film["from"] for film in key["films"].values()} | {str(films), "real-0", "made-0"}:
        assert name not in text
    assert sorted(page) == ["films", "id", "patients", "side", "truth"]
    assert page["id"] == key["study"]
    bits = "".join(str(int(film["kind"] == "synthetic")) for film in key["films"].values())
    shown = bin(int("1" + page["truth"], 16))[3:][:20]
    assert 4 <= sum(a == b for a, b in zip(bits, shown, strict=True)) <= 16, "the truth is readable as it stands"


def test_the_masked_truth_depends_on_the_study():
    kinds = ["real", "synthetic"] * 64
    texts = [masked(kinds, f"{i:08x}feed") for i in range(1, 400, 2)]
    assert len(set(texts)) == 200
    ones = [bin(int(text, 16)).count("1") for text in texts]
    assert abs(statistics.mean(ones) - 64) < 3


def test_the_order_tells_nothing():
    """Over 300 studies: every place holds either kind equally often, and neighbours are alike as often as chance has it."""
    orders = np.array([shuffled(128, bytes(np.random.default_rng(i).bytes(32))) for i in range(300)])
    synthetic = orders >= 64
    assert (np.sort(orders, axis=1) == np.arange(128)).all()
    assert abs(synthetic.mean(0) - 0.5).max() < 0.13  # 4.5 standard errors
    changes = (synthetic[:, 1:] != synthetic[:, :-1]).sum(1)  # 127 * 64 / 127 = 64 expected, spread 5.6
    assert abs(changes.mean() - 64) < 1.5
    assert 4.5 < changes.std() < 6.8


def test_the_order_is_not_that_of_the_packed_sizes(study_path):
    """Generated films pack smaller; their places must not follow."""
    sizes = [len(png[: png.index(b"IEND")]) for png in Study.open(study_path).pictures().values()]
    assert abs(np.corrcoef(np.argsort(np.argsort(sizes)), np.arange(20))[0, 1]) < 0.5


def test_the_same_films_and_seed_give_the_same_study_and_other_ones_another(study_path, films, tmp_path):
    again, other = make(films / "made", films / "real", tmp_path / "again"), make(films / "made", films / "real", tmp_path / "other", seed=1)
    assert (again / "study.html").read_bytes() == (study_path / "study.html").read_bytes()
    assert (again / "key.json").read_text() == (study_path / "key.json").read_text()
    assert Study.open(other).id != Study.open(again).id
    assert list(Study.open(other).kinds.values()) != list(Study.open(again).kinds.values())


def test_the_key_names_every_film(study_path, films):
    key = json.loads((study_path / "key.json").read_text())
    assert (key["count"], key["seed"], key["side"], key["patients"]) == (10, 0, 64, True)  # 512 asked for, but the made ones have 64
    chosen = [(film["kind"], film["from"]) for film in key["films"].values()]
    assert len(set(chosen)) == 20
    pictures = Study.open(study_path).pictures()
    for (kind, name), picture in zip(chosen, pictures.values(), strict=True):
        assert name.startswith("real" if kind == "real" else "made")
        if kind == "synthetic":
            assert abs(np.asarray(Image.open(io.BytesIO(picture)), int) - np.asarray(Image.open(films / "made" / name).convert("L"), int)).max() <= 1


def test_the_films_of_a_run_beside_phantoms(finished_run, tmp_path):
    out = make(finished_run, "phantom:normal", tmp_path / "study", count=3, side=128)
    key = json.loads((out / "key.json").read_text())
    assert (key["side"], key["patients"], key["source"]["resolution"], key["label_class"]) == (32, False, 32, "")
    assert sorted(film["from"] for film in key["films"].values() if film["kind"] == "synthetic") == ["0", "1", "2"]


def trained_with(finished_run: Path, **fields) -> Source:
    """The finished run's generator, with other values in the configuration that it carries."""
    source = load_generator(finished_run)
    return replace(source, facts={**source.facts, "config": json.dumps({**json.loads(source.facts["config"]), **fields})})


def test_both_kinds_are_of_one_class(finished_run, tmp_path):
    """A run of normal films takes the normal films of a folder of classes, and no others."""
    source = trained_with(finished_run, label_class="normal")
    write_films(tmp_path / "films" / "normal", 3)
    write_films(tmp_path / "films" / "abnormal", 9)
    key = json.loads((make(source, tmp_path / "films", tmp_path / "study", count=3) / "key.json").read_text())
    assert (key["label_class"], key["side"]) == ("normal", 32)
    with pytest.raises(InputError, match="trained on films of class 'normal', and the class asked for is 'abnormal'"):
        make(source, tmp_path / "films", tmp_path / "other", count=3, label_class="abnormal")
    with pytest.raises(InputError, match="phantom:abnormal"):
        make(source, "phantom:abnormal", tmp_path / "other", count=3)
    assert not (tmp_path / "other").exists()


def test_a_class_is_its_folder_in_any_case_of_letters(finished_run, tmp_path):
    """As in `evaluate`: the folders of the data set on Kaggle are NORMAL and PNEUMONIA, the runs' classes normal and abnormal."""
    source = trained_with(finished_run, label_class="normal")
    write_films(tmp_path / "films" / "NORMAL", 3)
    write_films(tmp_path / "films" / "PNEUMONIA", 9)
    for number, asked in enumerate(("", "NORMAL", "normal")):
        key = json.loads((make(source, tmp_path / "films", tmp_path / f"{number}", count=3, label_class=asked) / "key.json").read_text())
        assert key["label_class"] == "normal"
        assert {film["from"].split("/")[0] for film in key["films"].values() if film["kind"] == "real"} == {"NORMAL"}
    make(source, "phantom:normal", tmp_path / "phantoms", count=1, label_class="NORMAL")
    with pytest.raises(InputError, match="the class asked for is 'PNEUMONIA'"):
        make(source, tmp_path / "films", tmp_path / "other", count=3, label_class="PNEUMONIA")


def bars(study: Path) -> dict[str, bool]:
    """Whether the top and bottom rows of a study's films are dark, by the films' names in the key."""
    key, pictures = json.loads((study / "key.json").read_text()), Study.open(study).pictures()
    return {film["from"]: bool(np.asarray(Image.open(io.BytesIO(pictures[name])))[[0, -1]].max() < 10) for name, film in key["films"].items()}


def test_both_kinds_are_made_square_in_one_way(finished_run, tmp_path):
    """The films of a run that learnt bars would be known among real films without."""
    names = [write_film(tmp_path / "films" / f"{at}.png", at, 80, 96).name for at in range(3)]
    for square in ("pad", "crop"):
        source = trained_with(finished_run, square=square)
        left_out, asked = (make(source, tmp_path / "films", tmp_path / f"{square} {value}", count=3, square=value) for value in ("", square))
        assert json.loads((left_out / "key.json").read_text())["square"] == square
        assert (left_out / "study.html").read_bytes() == (asked / "study.html").read_bytes()
        assert {bars(left_out)[name] for name in names} == {square == "pad"}
    with pytest.raises(InputError, match="made square by crop, and --square is pad; leave it out"):
        make(source, tmp_path / "films", tmp_path / "other", count=3, square="pad")
    with pytest.raises(InputError, match="made square by pad, and --square is crop; leave it out"):
        make(trained_with(finished_run, square="pad"), tmp_path / "films", tmp_path / "other", count=3, square="crop")
    assert not (tmp_path / "other").exists()


def test_folders_are_made_square_as_is_asked(films, tmp_path):
    write_films(tmp_path / "made", 2, seed=50)
    for asked, square in (("", "crop"), ("pad", "pad")):
        key = json.loads((make(tmp_path / "made", films / "real", tmp_path / f"study {square}", count=2, square=asked) / "key.json").read_text())
        assert (key["square"], key["side"]) == (square, {"crop": 40, "pad": 44}[square])


def test_the_page_is_part_of_the_package():
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    root = Path(__file__).resolve().parents[1]
    listed = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["idcgan"]
    packed = {path for pattern in listed for path in (root / "idcgan").glob(pattern)}
    assert packed == {path for path in (root / "idcgan").rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
    text = resources.files("idcgan").joinpath("reader.html").read_text(encoding="utf-8")
    assert text.count("{{STUDY}}") == 1
    assert not re.search(r"https?://|src=\"(?!data:)|@import", text), "the page asks the network for something"


def test_making_and_scoring_load_no_statistics_before_they_are_needed():
    out = python(
        """
        import sys
        import idcgan.cli, idcgan.reader, idcgan.reader_answers, idcgan.reader_score
        print([name for name in sys.argv[1].split(",") if name in sys.modules])
        """,
        ",".join(name for name in OTHERS if name != "typer"),
    )  # fmt: skip
    assert out.strip() == "[]"


# ---- the figures


def test_figures_calculated_by_hand(study):
    """One of ten real films and three of ten synthetic ones taken for the other. Intervals: F distribution tables."""
    answered(study, "AB", wrong_real=1, wrong_synthetic=3)
    result = score(study.path)
    figures = result["readers"]["AB"]
    assert (result["films"], figures["answered"], figures["median_seconds"], result["agreement"]) == (20, 20, 1.5, None)
    expected = {"accuracy": (16, 20, 0.5634, 0.9427), "sensitivity": (7, 10, 0.3475, 0.9333), "specificity": (9, 10, 0.5550, 0.9975)}
    for name, (correct, of, low, high) in expected.items():
        found = figures[name]
        assert (found["correct"], found["of"], found["value"], found["floor"]) == (correct, of, correct / of, 0.5)
        assert found["interval"] == pytest.approx([low, high], abs=5e-5)
    assert figures["p_guessing"] == pytest.approx(2 * (4845 + 1140 + 190 + 20 + 1) / 2**20)


@pytest.mark.parametrize(("correct", "of"), [(0, 10), (10, 10), (64, 128), (1, 1), (77, 128)])
def test_intervals_are_exact(correct, of):
    """Clopper and Pearson's ends are where the tail beyond what was seen has probability 0.025."""
    low, high = proportion(correct, of)["interval"]
    if correct > 0:
        assert binomtest(correct, of, low, alternative="greater").pvalue == pytest.approx(0.025)
    if correct < of:
        assert binomtest(correct, of, high, alternative="less").pvalue == pytest.approx(0.025)
    assert (low == 0) == (correct == 0)
    assert (high == 1) == (correct == of)


def test_a_reading_that_is_not_finished(study):
    first = next(iter(study.kinds.values()))
    answered(study, "AB", 0, 0, count=1)
    figures = score(study.path)["readers"]["AB"]
    missing = "sensitivity" if first == "real" else "specificity"
    assert (figures["answered"], figures[missing], figures["accuracy"]["value"]) == (1, None, 1.0)
    Answers(study.id, "CD").save(study.path)
    result = score(study.path)
    assert result["readers"]["CD"]["accuracy"] is None
    assert result["agreement"]["kappa"] is None
    assert "no film in common" in as_table(result)
    json.dumps(result, allow_nan=False)


def readings_of(*columns: str) -> list[Answers]:
    """A reader per column, a film per letter: r or s, or . for none."""
    kinds = {"r": "real", "s": "synthetic"}
    given = [{f"film-{n}": Answer(kinds[letter], 1) for n, letter in enumerate(column) if letter != "."} for column in columns]
    return [Answers("study", str(number), answers) for number, answers in enumerate(given)]


def test_cohens_kappa():
    """20 and 15 films alike, 5 and 10 not: (0.7 - 0.5) / (1 - 0.5) = 0.4."""
    one, two = "r" * 25 + "s" * 25, "r" * 20 + "s" * 5 + "r" * 10 + "s" * 15
    found = agreement(readings_of(one, two))
    assert (found["statistic"], found["films"]) == ("cohen", 50)
    assert found["kappa"] == pytest.approx(0.4) == cohen_kappa_score(list(one), list(two))
    assert found["observed"] == pytest.approx(0.7)


def test_kappa_is_over_the_films_that_all_have_answered():
    found = agreement(readings_of("rrss.ssss", "rsssrrrr."))
    assert (found["films"], found["kappa"]) == (7, pytest.approx(cohen_kappa_score(list("rrsssss"), list("rsssrrr"))))


def test_kappa_is_not_defined_where_one_answer_is_all():
    assert agreement(readings_of("rrr", "rrr"))["kappa"] is None
    assert agreement(readings_of("rrr", "rrr", "rrr"))["kappa"] is None
    assert agreement(readings_of("rrr", "rrs"))["kappa"] == pytest.approx(0)


# 30 patients, 6 psychiatrists, 5 diagnoses: table 1 of the paper
FLEISS_1971 = """00060 03003 01401 00006 03030 20400 00402 20310 20040 00006 10050 11040 03300 10050 02031
                 00501 30012 51000 02040 10203 00006 01050 02013 20040 10041 05010 40002 02040 10500 00006"""


def test_fleiss_kappa_of_known_tables():
    table = np.array([[int(digit) for digit in row] for row in FLEISS_1971.split()])
    assert table.sum(0).tolist() == [26, 26, 30, 55, 43]  # the paper's column totals
    assert fleiss_kappa(table) == pytest.approx(0.430, abs=5e-4)
    reprinted = [[0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
                 [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7]]  # fmt: skip
    assert fleiss_kappa(np.array(reprinted)) == pytest.approx(0.210, abs=5e-4)  # the example most textbooks and packages show
    assert fleiss_kappa(np.array([[3, 0], [0, 3], [3, 0]])) == pytest.approx(1)


def test_three_readers_get_fleiss_kappa():
    """Films rrr, rrs, rss, sss: pairs agree on (1 + 1/3 + 1/3 + 1) / 4 = 2/3, chance is 1/2."""
    found = agreement(readings_of("rrrs", "rrss", "rsss"))
    assert (found["statistic"], found["films"], found["readers"]) == ("fleiss", 4, ["0", "1", "2"])
    assert found["observed"] == pytest.approx(2 / 3)
    assert found["kappa"] == pytest.approx(1 / 3)


def test_halves_are_rounded_up_as_the_page_does():
    assert [percent(share) for share in (0.5625, 0.0625, 1.0, 0.0)] == ["56.3 %", "6.3 %", "100.0 %", "0.0 %"]


# ---- at the terminal


def test_make_and_score(terminal, films, tmp_path):
    out = tmp_path / "study"
    said = terminal("study", "make", films / "made", "--real", films / "real", "--out", out, "-n", 8, "--seed", 3, "--quiet")
    assert (said.code, said.err) == (0, "")
    assert "8 real and 8 synthetic films at 64 x 64, the smallest film's side" in said.out
    study = Study.open(out)
    answered(study, "AB", 1, 2)
    answered(study, "CD", 0, 4)
    said = terminal("study", "score", out, "--json", tmp_path / "figures.json")
    assert said.code == 0
    rows = {line.split()[0]: line for line in said.out.splitlines()}
    assert "81.3 % (54.4 to 96.0)" in rows["AB"]
    assert "75.0 % (34.9 to 96.8)" in rows["AB"]
    assert "50.0 % (15.7 to 84.3)" in rows["CD"]
    assert "Cohen's kappa" in rows["agreement:"]
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures == score(out)
    assert set(figures["readers"]) == {"AB", "CD"}
    one = terminal("study", "score", out, out / "answers-CD.json")
    assert "AB" not in one.out
    assert "kappa" not in one.out


def test_the_command_that_is_printed_can_be_pasted(terminal, films, tmp_path):
    out = tmp_path / "my study"
    said = terminal("study", "make", films / "made", "--real", films / "real", "--out", out, "-n", 2, "--quiet").out
    answered(Study.open(out), "AB", 0, 0)
    program, *arguments = shlex.split(said.splitlines()[-1].split(".json lie in ")[1].split(": ", 1)[1])
    assert (program, arguments) == ("idcgan", ["study", "score", str(out)])
    assert terminal(*arguments).code == 0


def test_an_existing_study_is_not_touched(terminal, study, films):
    before = everything_below(study.path)
    is_one_sentence(terminal("study", "make", films / "made", "--real", films / "real", "--out", study.path, "-n", 2), 2, "already holds a study")
    assert everything_below(study.path) == before


REFUSED = {
    "too few real": (["{made}", "--real", "{few}", "-n", 4], ["few holds 3 real film(s)", "asks for 4"]),
    "too few synthetic": (["{few}", "--real", "{real}", "-n", 4], ["few holds 3 synthetic film(s)", "asks for 4"]),
    "none asked for": (["{made}", "--real", "{real}", "-n", 0], ["of each kind is 0"]),
    "no such folder": (["{made}", "--real", "{nowhere}", "-n", 2], ["no folder", "nowhere"]),
    "no such run": (["{nowhere}", "--real", "{real}", "-n", 2], ["nowhere is not there"]),
    "no such class": (["{made}", "--real", "{classes}", "--class", "cats", "-n", 2], ["'cats'"]),
    "a folder of classes": (["{made}", "--real", "{classes}", "-n", 2], ["films by class", "--class"]),
    "side": (["{made}", "--real", "{real}", "--side", 8], ["side is 8"]),
    "square": (["{made}", "--real", "{real}", "--square", "round"], ["square is 'round'"]),
    "seed": (["{made}", "--real", "{real}", "--seed", -1], ["seed is -1"]),
    "synthetic among the real": (["{few}", "--real", "{made}", "-n", 3], ["says of itself that it is synthetic"]),
    "one folder twice": (["{real}", "--real", "{real}", "-n", 12], ["one and the same"]),
    "a damaged film": (["{made}", "--real", "{damaged}", "-n", 2], ["x.png is not a PNG"]),
    "no --real": (["{made}"], ["--real"]),
}


@pytest.mark.parametrize(("options", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_a_study_is_refused_and_nothing_written(terminal, films, tmp_path, options, words):
    write_films(tmp_path / "few", 3)
    write_films(tmp_path / "classes" / "normal", 3)
    write_films(tmp_path / "classes" / "abnormal", 3)
    write_film(tmp_path / "damaged" / "y.png", 0)
    (tmp_path / "damaged" / "x.png").write_text("words")
    places = {"made": films / "made", "real": films / "real", **{name: tmp_path / name for name in ("few", "classes", "damaged", "nowhere")}}
    before = everything_below(tmp_path)
    arguments = [str(option).format(**places) for option in options]
    is_one_sentence(terminal("study", "make", *arguments, "--out", tmp_path / "out", "--quiet"), 2, *words)
    nothing_was_written(tmp_path, before)


def test_a_full_disk_leaves_nothing(films, tmp_path, monkeypatch):
    def full(path, value):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("idcgan.reader.write_json", full)
    with pytest.raises(OSError, match="No space"):
        make(films / "made", films / "real", tmp_path / "out", count=2)
    assert everything_below(tmp_path) == {}


SPOILED = {
    "another study": (lambda c: c.update(study="0" * 12), ["study is '000000000000'"]),
    "an unknown film": (lambda c: c["answers"].update({"film-099": {"said": "real", "seconds": 1}}), ["answers.film-099"]),
    "a wrong word": (lambda c: c["answers"]["film-002"].update(said="maybe"), ["answers.film-002.said is 'maybe'"]),
    "a bare word": (lambda c: c["answers"].update({"film-002": "maybe"}), ["answers.film-002.said is 'maybe'"]),
    "negative seconds": (lambda c: c["answers"]["film-003"].update(seconds=-1), ["answers.film-003.seconds is -1"]),
    "seconds in words": (lambda c: c["answers"]["film-003"].update(seconds="two"), ["answers.film-003.seconds is 'two'"]),
    "seconds that are no number": (lambda c: c["answers"]["film-003"].update(seconds=float("nan")), ["answers.film-003.seconds is nan"]),
    "a reader with a path": (lambda c: c.update(reader="../AB"), ["reader is '../AB'"]),
    "no reader": (lambda c: c.pop("reader"), ["reader is None"]),
    "finished": (lambda c: c.update(finished="yes"), ["finished is 'yes'"]),
    "no answers": (lambda c: c.pop("answers"), ["holds no answers"]),
}


@pytest.mark.parametrize(("spoil", "words"), SPOILED.values(), ids=SPOILED)
def test_answers_that_cannot_be_true(terminal, study, spoil, words):
    path = answered(study, "AB", 1, 1)
    content = json.loads(path.read_text())
    spoil(content)
    path.write_text(json.dumps(content))
    is_one_sentence(terminal("study", "score", study.path), 2, str(path), *words)


def test_answer_files_that_are_none(terminal, study, tmp_path):
    is_one_sentence(terminal("study", "score", study.path), 2, "no answers-*.json")
    is_one_sentence(terminal("study", "score", tmp_path), 2, "no key.json")
    is_one_sentence(terminal("study", "score", study.path, tmp_path / "answers-XY.json"), 2, "answers-XY.json", "cannot be read")
    path = answered(study, "AB", 0, 0)
    (study.path / "answers-AB (1).json").write_bytes(path.read_bytes())  # what a browser makes of a second download
    is_one_sentence(terminal("study", "score", study.path), 2, "both hold the answers of reader 'AB'")
    path.write_text('{"study": ')
    is_one_sentence(terminal("study", "score", study.path, path), 2, "answers-AB.json is damaged")
    (study.path / "key.json").write_text('{"format": "another"}')
    is_one_sentence(terminal("study", "score", study.path), 2, "key.json is not the key")


@pytest.mark.parametrize("name", ["", "A B", "a/b", "..", "x" * 41, None, 7])
def test_names_that_make_no_file(name):
    with pytest.raises(InputError, match="reader is"):
        reader_name(name)


def test_a_page_of_another_study_is_told(study, films, tmp_path):
    assert [base64.b64encode(p)[:4] for p in study.pictures().values()] == [b"iVBO"] * 20
    other = make(films / "made", films / "real", tmp_path / "other", seed=9)
    (study.path / "study.html").write_bytes((other / "study.html").read_bytes())
    with pytest.raises(InputError, match="another study"):
        study.pictures()
    (study.path / "study.html").unlink()
    with pytest.raises(InputError, match="missing"):
        study.pictures()


# ---- the widget


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    """The widget's clock: it stands still until a test moves it on."""
    now = [100.0]
    monkeypatch.setattr("idcgan.widgets.time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def test_the_widget_keeps_every_answer_goes_on_and_closes(study, clock):
    from idcgan.widgets import ReaderStudy

    widget, path = ReaderStudy(study.path, "AB"), study.path / "answers-AB.json"
    pictures = list(study.pictures().values())
    for number in range(7):
        assert widget.film.value == pictures[number]
        clock[0] += 1
        (widget.real if number % 2 else widget.synthetic).click()
        saved = Answers.read(path, study)
        assert [a.said for a in saved.answers.values()] == ["real" if n % 2 else "synthetic" for n in range(number + 1)]
    widget.back.click()
    assert (widget.at, widget.film.value) == (6, pictures[6])
    assert "your answer: synthetic" in widget.progress.value
    clock[0] += 1
    widget.real.click()
    assert Answers.read(path, study).answers["film-007"].said == "real"

    again = ReaderStudy(study.path, "AB")
    assert again.at == widget.at == 7
    assert "8 of 20" in again.progress.value
    again.finish()
    assert not Answers.read(path, study).finished, "a result before the last answer"
    while again.at < 20:
        assert again.text.value == ""
        again.answer("real")
    assert again.text.value == ""
    again.result.click()
    assert "accuracy" in again.text.value
    before = path.read_bytes()
    again.go_back()
    again.answer("synthetic")
    assert again.at == 20, "back to a film after its truth has been seen"
    assert path.read_bytes() == before
    assert ReaderStudy(study.path, "AB").text.value == again.text.value
    assert score(study.path)["readers"]["AB"]["answered"] == 20


def test_a_double_click_is_one_answer(study, clock):
    from idcgan.widgets import ReaderStudy

    widget = ReaderStudy(study.path, "AB")
    clock[0] += 2
    widget.real.click()
    widget.real.click()
    clock[0] += 0.2
    widget.synthetic.click()
    assert (widget.at, widget.answers.answers) == (1, {"film-001": Answer("real", 2.0)})
    clock[0] += 0.2
    widget.synthetic.click()
    assert widget.at == 2
    widget.answer("real")  # a program may be as quick as it likes
    assert list(widget.answers.answers) == ["film-001", "film-002", "film-003"]


def test_two_widgets_of_one_reader(study):
    """The older one takes in what the newer one has answered, and a reading that either has finished stays as it is."""
    from idcgan.widgets import ReaderStudy

    older, newer = ReaderStudy(study.path, "AB"), ReaderStudy(study.path, "AB")
    path = study.path / "answers-AB.json"
    for _ in range(3):
        older.answer("real")
    newer.answer("synthetic")  # it still shows film 1, and goes on where the other one stopped
    assert newer.at == 3
    newer.answer("synthetic")
    older.answer("real")
    assert [answer.said for answer in Answers.read(path, study).answers.values()] == ["synthetic", "real", "real", "real"]
    while newer.at < 20:
        newer.answer("synthetic")
    newer.go_back()
    newer.answer("real")
    older.go_back()
    assert "your answer: real" in older.progress.value
    newer.finish()
    before = path.read_bytes()
    assert Answers.read(path, study).finished
    for act in (lambda: older.answer("real"), older.go_back, older.finish):
        act()
        assert path.read_bytes() == before
        assert (older.at, older.text.value) == (20, newer.text.value)


@pytest.mark.parametrize("act", ["answer", "go_back", "finish"])
def test_whatever_comes_first_in_an_older_widget_shows_the_result(study, act):
    from idcgan.widgets import ReaderStudy

    older = ReaderStudy(study.path, "AB")
    older.answer("real")
    answered(study, "AB", 0, 0)
    ReaderStudy(study.path, "AB").finish()
    before = (study.path / "answers-AB.json").read_bytes()
    getattr(older, act)(*(["real"] if act == "answer" else []))
    assert (study.path / "answers-AB.json").read_bytes() == before
    assert "accuracy" in older.text.value
    assert older.render().axes[0].get_title() == "accuracy"


def test_the_widget_as_a_figure(study):
    from matplotlib.figure import Figure

    from idcgan.widgets import ReaderStudy

    widget = ReaderStudy(study.path, "AB")
    figure = widget.render()
    assert isinstance(figure, Figure)
    assert figure.axes[0].get_title() == "1 of 20"
    assert np.array_equal(figure.axes[0].images[0].get_array(), np.asarray(Image.open(io.BytesIO(widget.film.value))))
    for kind in study.kinds.values():
        widget.answer(kind)
    widget.finish()
    axes = widget.render().axes
    assert [a.get_title() for a in axes] == ["accuracy", "sensitivity", "specificity"]
    assert [a.lines[1].get_xdata()[0] for a in axes] == [1.0, 1.0, 1.0]


def test_the_widget_refuses_what_is_not_its_own(study):
    from idcgan.widgets import ReaderStudy

    with pytest.raises(InputError, match="reader is"):
        ReaderStudy(study.path, "A/B")
    answered(study, "CD", 0, 0).rename(study.path / "answers-AB.json")
    with pytest.raises(InputError, match="answers of reader 'CD'"):
        ReaderStudy(study.path, "AB")
    with pytest.raises(InputError, match="'maybe'"):
        ReaderStudy(study.path, "EF").answer("maybe")
