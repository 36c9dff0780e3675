"""Wrong input through the terminal: one sentence on stderr, the right exit code, nothing half-written."""

import builtins
import errno
import json
import shlex
import shutil
import struct
import subprocess
import sys
import zlib
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Said, everything_below, history_of, write_film, write_films
from PIL import Image

from idcgan.cli import describe_run
from idcgan.config import preset
from idcgan.errors import InputError
from idcgan.pyramid import Pyramid
from idcgan.training import resume, train


def is_one_sentence(said: Said, code: int, *words: str) -> None:
    """The whole answer is one line on stderr that starts with the program's name and holds these words."""
    lines = said.err.splitlines()
    assert len(lines) == 1, said
    assert lines[0].startswith("idcgan: "), said
    assert "Traceback" not in said.err
    for word in words:
        assert word in lines[0], said
    assert said.code == code, said


def nothing_was_written(folder: Path, before: dict, but: str = "") -> None:
    """Not a file more, fewer or other than before; `but`: an empty folder of this name may have been made."""
    after = everything_below(folder)
    assert {name: content for name, content in after.items() if not (name == but and content is None)} == before


def huge_png(path: Path, side: int = 30_000) -> None:
    """A true PNG of 900 million pixels, one bit each, all black but the first: 110 kB on disk."""
    packer = zlib.compressobj(1)
    row = b"\0" + b"\0" * (side // 8)
    packed = packer.compress(b"\0\x80" + row[2:]) + b"".join(packer.compress(row * 1000) for _ in range(side // 1000)) + packer.flush()

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b""))


def cut_png(path: Path) -> None:
    write_film(path, 0, 200, 200)
    path.write_bytes(path.read_bytes()[:9000])


def dicom_without_pixels(path: Path) -> None:
    pydicom = pytest.importorskip("pydicom")
    dataset = pydicom.Dataset()
    dataset.PatientID, dataset.SOPClassUID, dataset.SOPInstanceUID = "no one", "1.2.840.10008.5.1.4.1.1.1", "1.2.3"
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.save_as(path, enforce_file_format=True)


BAD_FILMS = {
    "a text file named .png": ("x.png", lambda p: p.write_text("these are words\n"), "not a PNG"),
    "an empty file": ("x.png", lambda p: p.write_bytes(b""), "empty"),
    "a cut PNG": ("x.png", cut_png, "damaged"),
    "1 x 1": ("x.png", lambda p: write_film(p, 0, 1, 1), "1 x 1"),
    "1 x 5000": ("x.png", lambda p: write_film(p, 0, 1, 5000), "5000 x 1"),
    "30000 x 30000": ("x.png", huge_png, "30000 x 30000"),
    "all black": ("x.png", lambda p: Image.new("L", (40, 40)).save(p), "one grey level"),
    "a DICOM file without pixels": ("x.dcm", dicom_without_pixels, "without pixel data"),
}


@pytest.mark.parametrize("verb", ["build", "train"])
@pytest.mark.parametrize(("name", "make", "words"), BAD_FILMS.values(), ids=BAD_FILMS)
def test_a_folder_with_no_usable_film(terminal, tmp_path, verb, name, make, words):
    (tmp_path / "films").mkdir()
    make(tmp_path / "films" / name)
    before = everything_below(tmp_path)
    options = ("--preset", "tiny") if verb == "train" else ("--resolutions", "16,32", "--workers", 1)
    said = terminal(verb, tmp_path / "films", "--out", tmp_path / "out", "--quiet", *options)
    is_one_sentence(said, 2, "0 usable film(s)", name, words)
    nothing_was_written(tmp_path, before, but="pyramids")


@pytest.mark.parametrize("classes", [("abnormal", "normal"), ("NORMAL", "PNEUMONIA")])
def test_a_pyramid_of_both_classes_is_not_built(terminal, tmp_path, classes):
    for seed, label_class in enumerate(classes):
        write_films(tmp_path / "films" / label_class, 3, seed=10 * seed)
    said = terminal("build", tmp_path / "films", "--out", tmp_path / "out", "--resolutions", "16,32", "--quiet")
    is_one_sentence(said, 2, ", ".join(classes), "--class")
    assert not (tmp_path / "out").exists()
    said = terminal("build", tmp_path / "films", "--out", tmp_path / "out", "--resolutions", "16,32", "--class", classes[1], "--quiet")
    assert said.code == 0, said.err
    assert {Path(film["source"]).parts[0] for film in Pyramid.open(tmp_path / "out").films} == {classes[1]}


def test_a_run_learns_from_the_films_of_its_class_and_no_others(terminal, tmp_path):
    for seed, label_class in enumerate(("abnormal", "normal")):
        write_films(tmp_path / "films" / label_class, 4, seed=10 * seed)
    options = ("--preset", "tiny", "--class", "abnormal", "--epochs", 2, "--set", "square=pad", "--device", "cpu", "--quiet")
    said = terminal("train", tmp_path / "films", "--out", tmp_path / "run", *options)
    assert said.code == 0, said.err
    pyramid = Pyramid.open(json.loads((tmp_path / "run" / "run.json").read_text())["data"]["pyramid"])
    assert {Path(film["source"]).parts[0] for film in pyramid.films} == {"abnormal"}
    assert pyramid.square == "pad"


def test_an_unreadable_film(terminal, tmp_path, monkeypatch):
    """Root may read everything, so the system's refusal is played."""
    film = write_film(tmp_path / "films" / "x.png", 0)
    write_film(tmp_path / "films" / "y.png", 1)
    real = builtins.open

    def refusing(path, *arguments, **options):
        if str(path) == str(film):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path, *arguments, **options)

    before = everything_below(tmp_path)
    monkeypatch.setattr(builtins, "open", refusing)
    said = terminal("train", tmp_path / "films", "--out", tmp_path / "out", "--preset", "tiny", "--quiet")
    monkeypatch.undo()
    is_one_sentence(said, 2, "1 usable film(s)", "x.png cannot be read", "Permission denied")
    nothing_was_written(tmp_path, before, but="pyramids")


def test_one_film_is_too_few(terminal, tmp_path):
    write_film(tmp_path / "films" / "a.png", 0)
    before = everything_below(tmp_path)
    said = terminal("train", tmp_path / "films", "--out", tmp_path / "out", "--preset", "tiny", "--quiet")
    is_one_sentence(said, 2, "1 usable film(s)", "needs 2")
    nothing_was_written(tmp_path, before, but="pyramids")


def test_an_empty_folder(terminal, tmp_path):
    (tmp_path / "films").mkdir()
    said = terminal("train", tmp_path / "films", "--out", tmp_path / "out", "--preset", "tiny", "--quiet")
    is_one_sentence(said, 2, str(tmp_path / "films"))
    nothing_was_written(tmp_path, {"films": None})


def test_a_folder_that_is_not_there(terminal, tmp_path):
    said = terminal("train", tmp_path / "fimls", "--out", tmp_path / "out", "--preset", "tiny", "--quiet")
    is_one_sentence(said, 2, "no folder", "fimls")
    nothing_was_written(tmp_path, {})


def test_a_class_that_is_not_there(terminal, tmp_path):
    write_films(tmp_path / "films" / "normal", 4)
    before = everything_below(tmp_path)
    said = terminal("train", tmp_path / "films", "--out", tmp_path / "out", "--preset", "tiny", "--class", "abnormal", "--quiet")
    is_one_sentence(said, 2, "no subfolder 'abnormal'", "it has: normal")
    nothing_was_written(tmp_path, before)


WRONG_OPTIONS = {
    "a field twice": (["--set", "ema=0.9", "--set", "ema=0.99"], ["ema is given twice", "leave one out"]),
    "an option and its field": (["--seed", "4", "--set", "seed=3"], ["seed is given twice", "--set"]),
    "NaN": (["--set", "learning_rate=nan"], ["learning_rate is nan", "finite"]),
    "infinity": (["--minutes", "inf"], ["minutes is inf", "finite"]),
    "unknown preset": (["--preset", "paper-normal-16"], ["unknown preset 'paper-normal-16'", "did you mean 'paper-normal-1"]),
    "unknown field": (["--set", "learning_rat=1"], ["unknown field 'learning_rat'", "did you mean 'learning_rate'"]),
    "a field called name": (["--set", "name=x"], ["unknown field 'name'"]),
    "a field called films": (["--set", "films=x"], ["unknown field 'films'"]),
    "a field called preset_name": (["--set", "preset_name=x"], ["unknown field 'preset_name'"]),
    "no equals sign": (["--set", "learning_rate"], ["'learning_rate'", "FIELD=VALUE"]),
    "words for a number": (["--set", "ema=often"], ["ema is 'often'", "a number"]),
    "out of range": (["--set", "beta1=2"], ["beta1 is 2.0", "between 0.0 and 0.9999"]),
    "resolution 96": (["--resolutions", "64,96"], ["96"]),
    "levels too far apart": (["--resolutions", "16,128"], ["128", "16"]),
    "resolutions in words": (["--resolutions", "small,large"], ["resolutions", "small"]),
    "batch 0": (["--set", "batch_size=0"], ["batch_size is 0"]),
    "batch 1": (["--set", "batch_size=1"], ["batch_size is 1"]),
    "batch beyond the films": (["--set", "batch_size=13"], ["batch_size is 13", "12 films"]),
    "batch beyond the films, by the clock": (["--minutes", "0.01", "--set", "batch_size=13"], ["batch_size is 13", "12 films"]),
    "a level without a step": (["--set", "epochs=1", "--set", "batch_size=12", "--set", "level_shares=9,1"], ["level 32", "without a single step"]),
    "epochs and minutes": (["--epochs", "3", "--minutes", "2"], ["epochs and minutes are both set"]),
    "negative seed": (["--seed", "-1"], ["seed is -1"]),
    "no such device": (["--device", "tpu"], ["device is 'tpu'"]),
    "no such level in the pyramid": (["--resolutions", "16,32,64,128"], ["no level 128"]),
    "channels of another pyramid": (["--set", "channels=3"], ["channels"]),
    "unknown option": (["--epoch", "3"], ["--epoch"]),
    "a word for a whole number": (["--epochs", "three"], ["--epochs", "integer. See"]),
    "growth": (["--set", "growth=grow"], ["growth is 'grow'", "preserve, reset, scratch"]),
    "augment": (["--set", "augment=brightness,elastic"], ["'elastic'"]),
}


@pytest.mark.parametrize(("options", "words"), WRONG_OPTIONS.values(), ids=WRONG_OPTIONS)
def test_wrong_options_are_refused_before_anything_is_written(terminal, tmp_path, pyramid_path, options, words):
    before = everything_below(pyramid_path)
    given = options if "--preset" in options else ["--preset", "tiny", *options]
    said = terminal("train", pyramid_path, "--out", tmp_path / "out", "--quiet", *given)
    is_one_sentence(said, 2, *words)
    nothing_was_written(tmp_path, {})
    assert everything_below(pyramid_path) == before


@pytest.mark.skipif(torch.cuda.is_available(), reason="here is a GPU")
def test_a_gpu_that_is_not_there(terminal, tmp_path, pyramid_path):
    is_one_sentence(terminal("train", pyramid_path, "--out", tmp_path / "out", "--device", "cuda", "--preset", "tiny"), 2, "'cuda'", "--device")
    nothing_was_written(tmp_path, {})


def test_films_are_missing(terminal):
    is_one_sentence(terminal("train", "--preset", "tiny"), 2, "FILMS is missing")
    is_one_sentence(terminal("build", "--out", "x"), 2, "FILMS")


def test_phantoms_of_another_class(terminal, tmp_path):
    said = terminal("train", "phantom:normal:4", "--class", "abnormal", "--out", tmp_path / "out", "--preset", "tiny")
    is_one_sentence(said, 2, "phantom:normal", "abnormal")
    is_one_sentence(terminal("train", "phantom:cats", "--out", tmp_path / "out", "--preset", "tiny"), 2, "phantom:cats")
    nothing_was_written(tmp_path, {})


def test_a_run_is_there_already(terminal, run_copy, pyramid_path):
    before = everything_below(run_copy.parent)
    said = terminal("train", pyramid_path, "--out", run_copy, "--preset", "tiny", "--quiet")
    is_one_sentence(said, 2, "already holds a run", "--resume")
    assert everything_below(run_copy.parent) == before


def test_out_is_a_file_or_a_full_folder(terminal, tmp_path, pyramid_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine too")
    before = everything_below(tmp_path)
    is_one_sentence(terminal("train", pyramid_path, "--out", tmp_path / "file", "--preset", "tiny", "--quiet"), 2, "is a file")
    is_one_sentence(terminal("train", pyramid_path, "--out", tmp_path / "full", "--preset", "tiny", "--quiet"), 2, "notes.txt")
    is_one_sentence(terminal("train", pyramid_path, "--out", tmp_path / "file" / "run", "--preset", "tiny", "--quiet"), 2, "file")
    assert everything_below(tmp_path) == before


@pytest.fixture
def no_room(monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**12, 10**12 - 500, 500))


def test_no_room_for_the_run(terminal, tmp_path, pyramid_path, no_room):
    said = terminal("train", pyramid_path, "--out", tmp_path / "out", "--preset", "tiny", "--quiet")
    is_one_sentence(said, 2, "on disk", "free")
    nothing_was_written(tmp_path, {})


def test_no_room_for_the_pyramid(terminal, tmp_path, no_room):
    films = write_films(tmp_path / "films", 4)
    before = everything_below(tmp_path)
    is_one_sentence(terminal("build", films, "--out", tmp_path / "out", "--resolutions", "16,32", "--workers", 1, "--quiet"), 1, "GB are free")
    nothing_was_written(tmp_path, before)


def test_the_disk_fills_while_training(terminal, tmp_path, pyramid_path, monkeypatch, quick):
    real, calls = torch.save, []

    def full_from_the_third_time(state, place):
        calls.append(place)
        if len(calls) > 2:
            raise OSError(errno.ENOSPC, "No space left on device", str(place))
        real(state, place)

    monkeypatch.setattr(torch, "save", full_from_the_third_time)
    monkeypatch.setattr("idcgan.levels.Clock.time_to_save", lambda *_: True)
    said = terminal("train", pyramid_path, "--out", tmp_path / "out", "--preset", "tiny", "--quiet")
    monkeypatch.undo()
    assert said.code == 1
    assert said.err.splitlines()[-1].startswith(f"idcgan: {tmp_path / 'out' / 'checkpoint.pt'} could not be written: the disk is full")
    assert "Traceback" not in said.err
    assert json.loads((tmp_path / "out" / "run.json").read_text())["status"] == "failed"
    assert [p.name for p in tmp_path.rglob("*") if p.name.startswith(".")] == []
    assert torch.load(tmp_path / "out" / "checkpoint.pt", weights_only=True)["position"]["step"] == 1


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_resume_with_a_cut_checkpoint(terminal, run_copy, share):
    path = run_copy / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    before = everything_below(run_copy)
    is_one_sentence(terminal("train", "--resume", run_copy, "--quiet"), 1, "checkpoint.pt is damaged")
    assert everything_below(run_copy) == before


def test_resume_with_a_checkpoint_of_another_size(terminal, run_copy):
    content = torch.load(run_copy / "checkpoint.pt", weights_only=True)
    content["config"]["feature_maps_g"] = 8
    torch.save(content, run_copy / "checkpoint.pt")
    before = everything_below(run_copy)
    is_one_sentence(terminal("train", "--resume", run_copy, "--quiet"), 2, "feature_maps_g (8 -> 4)")
    assert everything_below(run_copy) == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--set", "learning_rate=0.1"], "learning_rate (0.0004 -> 0.1)"),
        (["--epochs", 50], "epochs (4 -> 50)"),
        (["--seed", 3], "seed (0 -> 3)"),
        (["--resolutions", "16,32,64"], "resolutions"),
        (["--class", "abnormal"], "label_class"),
        (["--set", "learning_rat=0.1"], "unknown field"),
    ],
)
def test_resume_with_other_options_is_not_silent(terminal, run_copy, options, words):
    before = everything_below(run_copy)
    is_one_sentence(terminal("train", "--resume", run_copy, "--quiet", *options), 2, words)
    assert everything_below(run_copy) == before


def test_resume_of_something_else(terminal, tmp_path, run_copy, pyramid_path):
    is_one_sentence(terminal("train", "--resume", tmp_path / "nowhere"), 2, "not a run folder")
    is_one_sentence(terminal("train", pyramid_path, "--resume", run_copy), 2, "leave out FILMS")
    (run_copy / "run.json").write_text('{"status": "runn')
    is_one_sentence(terminal("train", "--resume", run_copy), 1, "run.json is damaged")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--set", "feature_maps_g=8"], "feature_maps_g is 4 there and 8 here"),
        (["--resolutions", "32,64"], "must begin alike"),
        (["--set", "growth=reset"], "growth is preserve there and reset here"),
        (["--set", "labels=flipped"], "labels is standard there and flipped here"),
    ],
)
def test_init_from_networks_that_do_not_fit(terminal, tmp_path, finished_run, pyramid_path, options, words):
    said = terminal("train", pyramid_path, "--init", finished_run, "--out", tmp_path / "out", "--preset", "tiny", "--quiet", *options)
    is_one_sentence(said, 2, "--init", words)
    nothing_was_written(tmp_path, {})


def test_init_from_nothing(terminal, tmp_path, pyramid_path):
    said = terminal("train", pyramid_path, "--init", tmp_path / "nowhere", "--out", tmp_path / "out", "--preset", "tiny", "--quiet")
    is_one_sentence(said, 2, "nowhere")
    file = tmp_path / "generator-0256.safetensors"  # a level on crops could begin with one
    said = terminal("train", pyramid_path, "--init", file, "--out", tmp_path / "out", "--preset", "long", "--quiet")
    is_one_sentence(said, 2, f"{file} is not there")
    nothing_was_written(tmp_path, {})


def test_sampling_what_cannot_be(terminal, tmp_path, finished_run):
    out = ["--out", tmp_path / "out", "--quiet"]
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.safetensors").write_text("words")
    before = everything_below(tmp_path)
    is_one_sentence(terminal("sample", tmp_path / "nowhere", *out), 2, "nowhere", "is not there")
    is_one_sentence(terminal("sample", tmp_path / "empty", *out), 2, "holds no generator")
    is_one_sentence(terminal("sample", tmp_path / "text.safetensors", *out), 1, "is damaged")
    is_one_sentence(terminal("sample", finished_run, *out, "-n", 0), 2, "number of films is 0")
    is_one_sentence(terminal("sample", finished_run, *out, "--seed", -4), 2, "seed is -4")
    is_one_sentence(terminal("sample", finished_run, *out, "--resolution", 64), 2, "no generator at 64", "16, 32")
    is_one_sentence(terminal("sample", finished_run, *out, "-n", "many"), 2, "--count")
    is_one_sentence(terminal("sample", finished_run), 2, "--out")
    nothing_was_written(tmp_path, before)


def test_an_unknown_verb(terminal):
    is_one_sentence(terminal("trian"), 2, "trian")


def test_no_verb_shows_what_there_is(terminal):
    said = terminal()
    assert said.code == 2
    assert {"build", "train", "sample", "doctor"} <= set((said.out + said.err).split())


def test_help_needs_no_films(terminal):
    said = terminal("train", "--help")
    assert said.code == 0
    assert "--resume" in said.out


def test_a_folder_with_a_few_bad_films_trains_on_the_rest(terminal, tmp_path, quick):
    films = write_films(tmp_path / "films", 9)
    (films / "text.png").write_text("words")
    cut_png(films / "cut.png")
    shutil.copy(films / "00.png", films / "again.png")
    (films / "notes.txt").write_text("no film, and no complaint")
    said = terminal("train", films, "--out", tmp_path / "run", "--preset", "tiny", "--epochs", 2, "--quiet")
    assert said.code == 0
    assert "3 of 12 films left out" in said.err
    assert "finished" in said.out
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    assert run["data"]["count"] == 9
    left_out = {film["source"]: film["reason"] for film in Pyramid.open(run["data"]["pyramid"]).left_out}
    assert left_out.keys() == {"text.png", "cut.png", "again.png"}
    assert "same as 00.png" in left_out["again.png"]


def test_build_lists_every_film_that_it_left_out(terminal, tmp_path):
    films = write_films(tmp_path / "films", 3)
    (films / "text.png").write_text("words")
    cut_png(films / "cut.png")
    said = terminal("build", films, "--out", tmp_path / "pyramid", "--resolutions", "16,32", "--workers", 1, "--quiet")
    assert said.code == 0
    assert "3 films at 16, 32" in said.out
    assert len([line for line in said.out.splitlines() if line.startswith("left out: ")]) == 2
    assert "text.png" in said.out
    assert "cut.png" in said.out


@pytest.mark.parametrize(
    ("options", "field", "value"),
    [
        (["--epochs", 6], "epochs", 6),
        (["--set", "epochs=6"], "epochs", 6),
        (["--seed", 5], "seed", 5),
        (["--set", "seed=5"], "seed", 5),
        (["--set", "resolutions=16,32,64"], "resolutions", (16, 32, 64)),
        (["--resolutions", "16"], "resolutions", (16,)),
        (["--set", "label_class=abnormal"], "label_class", "abnormal"),
        (["--set", "batch_size=4,3"], "batch_size", (4, 3)),
        (["--set", "augment="], "augment", ()),
        (["--set", "blur=true"], "blur", True),
    ],
)
def test_every_field_can_be_set(terminal, monkeypatch, pyramid_path, options, field, value):
    asked = []

    def train(config, *_, **__):
        asked.append(config)
        raise InputError("enough seen.")

    monkeypatch.setattr("idcgan.training.train", train)
    is_one_sentence(terminal("train", pyramid_path, "--preset", "tiny", *options), 2, "enough seen")
    assert getattr(asked[0], field) == value


def test_from_films_to_films(terminal, tmp_path, quick):
    """build, train, stop, resume, sample: the way of the data through the terminal."""
    films = write_films(tmp_path / "films", 8)
    assert terminal("build", films, "--out", tmp_path / "pyramid", "--resolutions", "16,32", "--workers", 1, "--quiet").code == 0
    said = terminal("train", tmp_path / "pyramid", "--out", tmp_path / "run", "--preset", "tiny")
    assert said.code == 0
    assert "level 2/2, 32 x 32" in said.err
    assert "D(G(z))" in said.err
    for name in ("run.json", "generator-0016.safetensors", "samples/0016.png"):
        assert name in said.out
    said = terminal("sample", tmp_path / "run", "-n", 3, "--out", tmp_path / "made", "--quiet")
    assert said.code == 0
    assert "3 films" in said.out
    assert np.asarray(Image.open(tmp_path / "made" / "film-000002.png")).shape == (32, 32)


def test_a_stopped_run_exits_with_130_and_is_resumed(terminal, tmp_path, pyramid_path, monkeypatch, quick):
    monkeypatch.setattr("idcgan.watch.Interruption.asked", lambda self: True)
    said = terminal("train", pyramid_path, "--out", tmp_path / "run", "--preset", "tiny", "--quiet")
    assert said.code == 130
    assert f"idcgan train --resume {tmp_path / 'run'}" in said.err
    assert len(history_of(tmp_path / "run")) == 1
    monkeypatch.undo()
    said = terminal("train", "--resume", tmp_path / "run", "--quiet")
    assert said.code == 0
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "finished"


def test_printed_commands_can_be_pasted_whatever_the_folder_is_called(terminal, tmp_path, pyramid_path, monkeypatch, quick):
    out = tmp_path / "my runs" / "first try"
    with monkeypatch.context() as patch:
        patch.setattr("idcgan.watch.Interruption.asked", lambda self: True)
        said = terminal("train", pyramid_path, "--out", out, "--preset", "tiny", "--quiet")
    assert shlex.split(said.err.split("go on with: ")[1].splitlines()[0]) == ["idcgan", "train", "--resume", str(out)]
    line = next(line for line in describe_run(out).splitlines() if "to go on: " in line)
    assert shlex.split(line.split("to go on: ")[1])[-1] == str(out)
    done = terminal("train", "--resume", out, "--quiet").out
    command = next(line for line in done.splitlines() if "to make films: " in line).split("to make films: ")[1]
    assert shlex.split(command) == ["idcgan", "sample", str(out), "-n", "16", "--out", "made"]


def test_memory_that_runs_out_is_one_sentence(terminal, tmp_path, pyramid_path, monkeypatch, quick):
    def too_big(*_):
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes.")

    monkeypatch.setattr("idcgan.levels.step", too_big)
    said = terminal("train", pyramid_path, "--out", tmp_path / "run", "--preset", "tiny", "--quiet")
    assert said.code == 1
    assert said.err.splitlines()[-1].startswith("idcgan: memory ran out; lower batch_size")


def test_a_missing_package_is_one_sentence(terminal, monkeypatch):
    def without(*_):
        raise ModuleNotFoundError("No module named 'sklearn'", name="sklearn")

    monkeypatch.setattr("idcgan.report.evaluate_all", without)
    is_one_sentence(terminal("evaluate", "runs/x", "--real", "films"), 1, "sklearn is missing", "idcgan doctor")


def test_more_memory_than_there_is_is_refused_before_the_start(terminal, tmp_path, pyramid_path, monkeypatch):
    monkeypatch.setattr("idcgan.machine.memory_available", lambda: 10**8)
    said = terminal("train", pyramid_path, "--out", tmp_path / "out", "--preset", "tiny", "--quiet")
    is_one_sentence(said, 2, "of memory", "0.1 GB may be used", "lower batch_size")
    nothing_was_written(tmp_path, {})


def test_a_mistake_in_the_code_keeps_its_traceback(monkeypatch):
    """One sentence is for what users can do something about."""
    from idcgan import cli

    monkeypatch.setattr("sys.argv", ["idcgan", "doctor"])
    monkeypatch.setattr("idcgan.doctor.examine", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        cli.main()


def test_doctor_finds_this_installation_healthy(terminal):
    said = terminal("doctor")
    assert said.code == 0, said
    assert "torch" in said.out
    assert "missing" not in said.out.replace("distributed is missing", "").replace("pydicom is missing", "")
    assert "Training will use" in said.out


def test_doctor_works_without_torch():
    """On the machine that it is for."""
    script = """
import sys

class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")

sys.meta_path.insert(0, NoTorch())
from idcgan.doctor import examine
print(*examine().sentences, sep="\\n")
"""
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert said.returncode == 0, said.stderr
    assert "torch is missing; training cannot work without it" in said.stdout


def test_a_checkpoint_is_no_generator(terminal, run_copy, tmp_path):
    before = everything_below(run_copy)
    is_one_sentence(terminal("sample", run_copy / "checkpoint.pt", "--out", tmp_path / "made"), 2, "checkpoint.pt", "run folder")
    assert everything_below(run_copy) == before


@pytest.mark.parametrize(("package", "code"), [("safetensors", 1), ("matplotlib", 0), ("pydicom", 0)])
def test_doctor_names_a_missing_package(terminal, monkeypatch, package, code):
    import importlib

    real = importlib.import_module

    def without(name, *arguments):
        if name == package:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *arguments)

    monkeypatch.setattr("idcgan.doctor.import_module", without)
    said = terminal("doctor")
    assert said.code == code
    line = next(line for line in said.out.splitlines() if line.startswith(f"{package} is missing"))
    assert "pip install" in line


def test_train_and_resume_say_the_same_to_python_and_terminal(tmp_path, pyramid_path, run_copy, terminal):
    with pytest.raises(InputError, match="no level 128") as caught:
        train(preset("tiny", resolutions=(16, 32, 64, 128)), pyramid_path, tmp_path / "new", progress=False)
    said = terminal("train", pyramid_path, "--preset", "tiny", "--resolutions", "16,32,64,128", "--out", tmp_path / "new")
    assert (said.code, said.err.strip().removeprefix("idcgan: ")) == (2, str(caught.value))
    with pytest.raises(InputError) as caught:
        resume(run_copy, {"ema": 0.5}, progress=False)
    said = terminal("train", "--resume", run_copy, "--set", "ema=0.5")
    assert (said.code, said.err.strip().removeprefix("idcgan: ")) == (2, str(caught.value))
