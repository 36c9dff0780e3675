"""A pyramid holds what the films hold, is never half there, and does no work twice."""

import errno
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import REAL
from PIL import Image, PngImagePlugin

from idcgan import films, intake, phantom, pyramid
from idcgan.errors import InputError, WorkError
from idcgan.films import READING, read_film, resize, to_square
from idcgan.pyramid import Pyramid, check_resolutions

LEVELS = (16, 32, 64)


def film(path: Path, seed: int, height: int = 70, width: int = 90) -> None:
    values = np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)
    Image.fromarray(values).save(path)


@pytest.fixture
def folder(tmp_path):
    """Six good films, the last of 40 x 50 pixels."""
    (tmp_path / "films").mkdir()
    for seed in range(5):
        film(tmp_path / "films" / f"{seed}.png", seed)
    film(tmp_path / "films" / "5.png", 5, 40, 50)
    return tmp_path / "films"


def build(folder, *, resolutions=LEVELS, workers=1, progress=False, **options):
    return Pyramid.build(folder, folder.parent / "out", resolutions, workers=workers, progress=progress, **options)


@pytest.fixture
def reads(monkeypatch):
    """The names of the films that are read, as they are read."""
    names = []

    def counted(path):
        names.append(Path(path).name)
        return read_film(path)

    monkeypatch.setattr(intake, "read_film", counted)
    return names


def left_beside(out: Path) -> list[str]:
    return sorted(entry.name for entry in out.parent.iterdir() if entry.name.startswith(out.name))


def contents(path: Path) -> dict[str, tuple[int, bytes]]:
    return {entry.name: (entry.stat().st_mtime_ns, entry.read_bytes()) for entry in path.iterdir()}


# ---- what is in it ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("square", ["crop", "pad"])
def test_levels_are_the_films_reduced_once_and_rounded(folder, square):
    built = build(folder, square=square)
    assert len(built) == 6
    for i, entry in enumerate(built.films):
        native = to_square(read_film(folder / entry["source"]), square)
        for resolution in LEVELS:
            level = built.level(resolution)
            assert level.shape == (6, 1, resolution, resolution)
            assert level.dtype == np.uint8
            off = np.abs(level[i, 0].astype(float) - 255 * resize(native, resolution))
            assert off.max() <= 0.5 + 1e-4  # rounded, not cut


def test_levels_are_memory_maps_that_numpy_opens(folder):
    built = build(folder)
    assert isinstance(built.level(64), np.memmap)
    assert not built.level(64).flags.writeable
    np.testing.assert_array_equal(np.load(built.path / "level-0064.npy", mmap_mode="r"), built.level(64))


def test_native_counts_the_square_that_is_used(folder):
    assert [build(folder).native(r) for r in LEVELS] == [6, 6, 5]  # 40 x 50 cropped: 40
    assert [build(folder, square="pad", resolutions=(16, 32, 64, 128)).native(r) for r in (32, 64)] == [6, 5]
    manifest = json.loads((folder.parent / "out" / "manifest.json").read_text())
    assert manifest["native"] == {"16": 6, "32": 6, "64": 5, "128": 0}
    assert manifest["films"][5]["source"] == "5.png"
    assert (manifest["films"][5]["width"], manifest["films"][5]["height"], manifest["films"][5]["side"]) == (50, 40, 50)


def test_three_channels_repeat_the_grey_levels(folder):
    grey = np.array(build(folder).level(32))
    colour = build(folder, channels=3)
    assert colour.channels == 3
    np.testing.assert_array_equal(colour.level(32), np.repeat(grey, 3, axis=1))


def test_processes_give_what_one_process_gives(folder):
    one = build(folder)
    levels = {r: np.array(one.level(r)) for r in LEVELS}
    shutil.rmtree(one.path)
    (folder / "9.png").write_bytes(b"no film")
    two = build(folder, workers=2)
    assert two.films == one.films
    assert [entry["source"] for entry in two.left_out] == ["9.png"]
    for r in LEVELS:
        np.testing.assert_array_equal(two.level(r), levels[r])


def test_open_gives_what_build_gave(folder):
    built = build(folder, label_class="normal")
    opened = Pyramid.open(built.path)
    assert opened.films == built.films
    assert (opened.resolutions, opened.channels, opened.label_class, opened.square) == (LEVELS, 1, "normal", "crop")
    assert opened.fingerprint == built.fingerprint


def test_fingerprint_follows_films_and_options_not_places(folder, tmp_path):
    first = build(folder).fingerprint
    shutil.copytree(folder, tmp_path / "elsewhere" / "films")
    assert build(tmp_path / "elsewhere" / "films").fingerprint == first
    prints = {first, build(folder, square="pad").fingerprint, build(folder, resolutions=(16, 32)).fingerprint}
    film(folder / "0.png", 99)
    prints.add(build(folder).fingerprint)
    assert len(prints) == 4


def test_bad_films_and_second_copies_are_left_out_and_said(folder, capsys):
    shutil.copy(folder / "1.png", folder / "7.png")
    (folder / "8.png").write_text("no film")
    built = build(folder)
    assert [entry["source"] for entry in built.films] == [f"{i}.png" for i in range(6)]
    assert [entry["source"] for entry in built.left_out] == ["7.png", "8.png"]
    assert built.left_out[0]["reason"] == "same as 1.png"
    assert "8.png is not a PNG" in built.left_out[1]["reason"]
    said = capsys.readouterr()
    assert "2 of 8 films left out" in said.err
    assert said.out == ""


def test_fewer_than_two_good_films(folder):
    for path in folder.iterdir():
        path.write_text("no film" + path.name)
    with pytest.raises(InputError, match=r"0 usable film.*0\.png is not a PNG"):
        build(folder)
    film(folder / "0.png", 0)
    with pytest.raises(InputError, match="1 usable film"):
        build(folder)
    assert left_beside(folder.parent / "out") == []


def test_phantoms(tmp_path):
    built = Pyramid.build("phantom:abnormal:3:7", tmp_path / "out", (16, 32), workers=1, progress=False)
    assert (len(built), built.label_class, built.native(32)) == (3, "abnormal", 3)
    for i, (grey, _) in enumerate(phantom.films(3, "abnormal", resolution=32, seed=7)):
        np.testing.assert_array_equal(built.level(32)[i, 0], np.rint(grey * 255).astype(np.uint8))
    other = Pyramid.build("phantom:abnormal:3:8", tmp_path / "other", (16, 32), workers=1, progress=False)
    assert other.fingerprint != built.fingerprint
    before = contents(built.path)
    Pyramid.build("phantom:abnormal:3:7", tmp_path / "out", (16, 32), workers=1, progress=False)
    assert contents(built.path) == before


# ---- doing no work twice ---------------------------------------------------------------------------------------------


def test_nothing_changed_nothing_is_written(folder, reads):
    (folder / "8.png").write_text("no film")
    shutil.copy(folder / "1.png", folder / "7.png")
    built = build(folder)
    before = contents(built.path)
    reads.clear()
    again = build(folder)
    assert contents(again.path) == before
    assert reads == ["8.png"]  # only what was refused is tried again
    assert again.left_out == built.left_out


def test_only_the_changed_film_is_read(folder, reads):
    old = {r: np.array(build(folder).level(r)) for r in LEVELS}
    film(folder / "2.png", 77)
    film(folder / "25.png", 78)
    (folder / "4.png").unlink()
    reads.clear()
    built = build(folder)
    assert sorted(reads) == ["2.png", "25.png"]
    assert [entry["source"] for entry in built.films] == ["0.png", "1.png", "2.png", "25.png", "3.png", "5.png"]
    for r in LEVELS:
        np.testing.assert_array_equal(built.level(r)[[0, 1, 4, 5]], old[r][[0, 1, 3, 5]])
        fresh = np.rint(255 * resize(to_square(read_film(folder / "25.png")), r))
        np.testing.assert_array_equal(built.level(r)[3, 0], fresh)


def test_a_film_that_was_bad_and_is_readable_now_comes_in(folder, monkeypatch):
    def no_decoder(path):
        if path.name == "3.png":
            raise InputError(f"{path} needs a decoder.")
        return read_film(path)

    monkeypatch.setattr(intake, "read_film", no_decoder)
    assert len(build(folder)) == 5
    monkeypatch.setattr(intake, "read_film", read_film)
    built = build(folder)
    assert [entry["source"] for entry in built.films] == [f"{i}.png" for i in range(6)]
    assert built.left_out == []


def test_films_that_a_generator_made_are_left_out(folder):
    info = PngImagePlugin.PngInfo()
    info.add_text("idcgan:synthetic", "true")
    with Image.open(folder / "3.png") as picture:
        picture.save(folder / "3.png", pnginfo=info)
    built = build(folder)
    assert [entry["source"] for entry in built.films] == [f"{i}.png" for i in (0, 1, 2, 4, 5)]
    assert "3.png was made by a generator" in built.left_out[0]["reason"]
    assert build(folder).path == built.path  # once more: nothing has changed


def test_films_that_are_read_in_another_way_now_are_read_again(folder, reads, monkeypatch):
    before = build(folder)
    reads.clear()
    build(folder)
    assert reads == []
    monkeypatch.setattr("idcgan.pyramid.READING", 1000)
    after = build(folder)
    assert len(reads) == 6
    assert (before.options["reading"], after.options["reading"]) == (READING, 1000)
    assert after.fingerprint == before.fingerprint  # the same films: a run that says which code trained it can be repeated


def test_other_options_build_anew_and_notes_stay(folder, reads):
    built = build(folder)
    (built.path / "notes.txt").write_text("mine")
    reads.clear()
    anew = build(folder, resolutions=(16, 64))
    assert len(reads) == 6
    assert sorted(entry.name for entry in anew.path.iterdir()) == [
        "level-0016.npy",
        "level-0064.npy",
        "manifest.json",
        "notes.txt",
    ]
    assert left_beside(anew.path) == ["out"]


# ---- never half there ------------------------------------------------------------------------------------------------


def fail_at(number: int, error: BaseException):
    """A reader that works until the film of that number."""
    done = []

    def read(path):
        done.append(path)
        if len(done) > number:
            raise error
        return read_film(path)

    return read


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("boom")])
def test_an_interrupted_build_leaves_nothing(folder, monkeypatch, error):
    monkeypatch.setattr(intake, "read_film", fail_at(3, error))
    with pytest.raises(type(error)):
        build(folder)
    assert left_beside(folder.parent / "out") == []


def test_an_interrupted_rebuild_leaves_the_old_one(folder, monkeypatch):
    before = contents(build(folder).path)
    for seed in range(4):
        film(folder / f"{seed}.png", 50 + seed)
    monkeypatch.setattr(intake, "read_film", fail_at(2, KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        build(folder)
    assert contents(folder.parent / "out") == before
    assert left_beside(folder.parent / "out") == ["out"]


def test_a_failed_swap_brings_the_old_one_back(folder, monkeypatch):
    before = contents(build(folder).path)
    film(folder / "0.png", 50)
    rename = Path.rename

    def refuse(self, target):
        if ".building-" in self.name and not self.name.endswith("-old"):
            raise OSError(errno.EACCES, "Permission denied")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(WorkError, match="could not be written"):
        build(folder)
    assert contents(folder.parent / "out") == before
    assert left_beside(folder.parent / "out") == ["out"]


def test_what_a_killed_build_left_is_swept(folder):
    dead, alive = folder.parent / "out.building-1", folder.parent / "out.building-2"
    for staging in (dead, alive):
        staging.mkdir()
        (staging / "level-0016.npy").write_bytes(b"x")
    long_ago = time.time() - 7200
    os.utime(dead / "level-0016.npy", (long_ago, long_ago))
    os.utime(dead, (long_ago, long_ago))
    build(folder)
    assert left_beside(folder.parent / "out") == ["out", "out.building-2"]


def test_no_space_is_said_before_the_work(folder, monkeypatch):
    needed = 6 * (16 * 16 + 32 * 32 + 64 * 64)
    usage = shutil.disk_usage(folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=needed - 1))
    with pytest.raises(WorkError, match=r"out needs 0\.00 GB and .* free"):
        build(folder)
    assert left_beside(folder.parent / "out") == []
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=needed + 10_000_000))
    build(folder)


def test_a_disk_that_runs_full(folder, monkeypatch):
    header = pyramid._write_header
    written = []

    def full(file, shape):
        written.append(shape)
        if len(written) > 4:  # the headers at the end, after all films
            raise OSError(errno.ENOSPC, "No space left on device")
        header(file, shape)

    monkeypatch.setattr(pyramid, "_write_header", full)
    with pytest.raises(WorkError, match=r"disk ran full while .*out was written: it needs"):
        build(folder)
    assert left_beside(folder.parent / "out") == []


def test_a_reader_that_dies_is_said(folder, monkeypatch):
    class Dead:
        def __init__(self, *_):
            pass

        def submit(self, *_):
            raise intake.BrokenProcessPool("gone")

        def shutdown(self, **_):
            pass

    monkeypatch.setattr(intake, "ProcessPoolExecutor", Dead)
    with pytest.raises(WorkError, match="workers=1"):
        build(folder, workers=2)
    assert left_beside(folder.parent / "out") == []


# ---- what is refused -------------------------------------------------------------------------------------------------


def test_open_refuses_what_is_no_pyramid(folder, tmp_path):
    for path in (tmp_path / "missing", folder, folder / "0.png"):
        with pytest.raises(InputError, match="is not a pyramid"):
            Pyramid.open(path)


def cut(path):
    (path / "level-0032.npy").write_bytes((path / "level-0032.npy").read_bytes()[:-1])


def lengthen(path):
    (path / "level-0032.npy").write_bytes((path / "level-0032.npy").read_bytes() + b"x")


def exchange(path):
    np.save(path / "level-0032.npy", np.zeros((6, 1, 32, 32), np.float32))


def lose_a_film(path):
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["films"].pop()
    (path / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    "damage",
    [
        cut,
        lengthen,
        exchange,
        lose_a_film,
        lambda path: (path / "level-0016.npy").unlink(),
        lambda path: (path / "level-0016.npy").write_bytes(b""),
        lambda path: (path / "manifest.json").write_text("{"),
        lambda path: (path / "manifest.json").write_text("[]"),
        lambda path: (path / "manifest.json").write_text('{"kind": "another"}'),
    ],
)
def test_damage_is_found_and_built_again(folder, damage):
    built = build(folder)
    before = np.array(built.level(32))
    damage(built.path)
    with pytest.raises(InputError, match="damaged pyramid") as caught:
        Pyramid.open(built.path)
    assert "\n" not in str(caught.value)
    np.testing.assert_array_equal(build(folder).level(32), before)


def test_out_that_is_something_else_is_left_alone(folder, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        build(folder)
    assert (tmp_path / "out" / "thesis.txt").read_text() == "mine"
    with pytest.raises(InputError, match="not empty"):
        Pyramid.build(folder, folder, LEVELS, progress=False)
    with pytest.raises(InputError, match="is a file"):
        Pyramid.build(folder, folder / "0.png", LEVELS, progress=False)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"square": "stretch"}, "'stretch'"),
        ({"channels": 2}, "channels is 2"),
        ({"workers": -1}, "workers is -1"),
        ({"resolutions": (96,)}, "resolution 96 .* 16, 32, 64"),
    ],
)
def test_options_are_checked_first(folder, options, said):
    with pytest.raises(InputError, match=said):
        build(folder, **options)


def test_films_that_lie_directly_in_the_folder_are_of_the_class_that_is_asked_for(folder):
    assert build(folder, label_class="covid").label_class == "covid"


@pytest.mark.parametrize(
    "source",
    [
        "phantom:",
        "phantom:covid",
        "phantom:normal:many",
        "phantom:normal:1",
        "phantom:normal:4:-1",
        "phantom:normal:4:1:2",
    ],
)
def test_phantom_names_are_checked(tmp_path, source):
    with pytest.raises(InputError, match="phantom"):
        Pyramid.build(source, tmp_path / "out", LEVELS, progress=False)


def test_phantom_class_must_not_contradict(tmp_path):
    with pytest.raises(InputError, match="label_class is 'abnormal'"):
        Pyramid.build("phantom:normal:4", tmp_path / "out", LEVELS, label_class="abnormal", progress=False)


def test_unknown_level(folder):
    built = build(folder)
    with pytest.raises(InputError, match="no level 128: it holds 16, 32, 64"):
        built.level(128)
    with pytest.raises(InputError, match="no level 128"):
        built.native(128)


@pytest.mark.parametrize("good", [(64,), [64, 128, 512, 1024, 2048], (16, 32), (1024, 4096), np.array([64, 128])])
def test_good_resolutions(good):
    assert check_resolutions(good) == tuple(int(r) for r in good)
    assert all(type(r) is int for r in check_resolutions(good))


@pytest.mark.parametrize(
    ("bad", "named"),
    [((64, 96), "96"), ((8,), "8"), ((8192,), "8192"), ((64, 64), "64"), ((128, 64), "64"), ((64, 512), "512")],
)
def test_bad_resolutions_are_named(bad, named):
    with pytest.raises(InputError, match=f"resolution {named} "):
        check_resolutions(bad)


@pytest.mark.parametrize("bad", [(), "64", 64, (64.0, 128.0), None])
def test_resolutions_that_are_no_numbers(bad):
    with pytest.raises(InputError, match="resolutions is"):
        check_resolutions(bad)


# ---- beyond ----------------------------------------------------------------------------------------------------------


def test_workers_do_not_load_torch():
    """A worker imports this module; torch would cost it seconds and half a gigabyte."""
    code = "import idcgan.pyramid, idcgan.films, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1], check=False).returncode == 0


def test_real_films(tmp_path):
    if not REAL.is_dir():
        pytest.skip("the real films are not here (shared/data/nih-chest beside the repository)")
    (tmp_path / "films").mkdir()
    chosen = films.find_films(REAL / "train", "normal")[:3]
    for path in chosen:
        shutil.copy(path, tmp_path / "films")
    built = build(tmp_path / "films", resolutions=(64, 256, 1024))
    assert built.native(1024) == 3
    for i, path in enumerate(chosen):  # 1024 x 1024 already: the top level is the film itself
        np.testing.assert_array_equal(built.level(1024)[i, 0], np.asarray(Image.open(path).convert("L")))
        means = [built.level(r)[i].mean() for r in built.resolutions]
        assert max(means) - min(means) < 1
