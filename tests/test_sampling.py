"""Film i is film i whatever is drawn beside it; every film says where it is from; nothing of others is overwritten."""

import json
import shutil

import numpy as np
import pytest
import torch
from conftest import everything_below, write_film
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from idcgan.errors import InputError, WorkError
from idcgan.records import to_bytes
from idcgan.sampling import latent, load_generator, picture, sample


def make(source, out, count=3, **options):
    return sample(source, count, out, device="cpu", progress=False, **options)


def test_film_i_is_the_same_whatever_else_is_drawn(finished_run, tmp_path):
    few, many = make(finished_run, tmp_path / "few", 2), make(finished_run, tmp_path / "many", 7)
    assert [p.name for p in many] == [f"film-{i:06d}.png" for i in range(7)]
    assert [p.read_bytes() for p in few] == [p.read_bytes() for p in many[:2]]
    source = load_generator(finished_run)
    for index in (6, 0, 3):  # in any order
        assert np.array_equal(np.asarray(Image.open(many[index])), picture(source, 0, index)[0])
    assert len({p.read_bytes() for p in many}) == 7


def test_film_i_does_not_depend_on_its_neighbours_in_a_batch(finished_run):
    source = load_generator(finished_run)
    z = torch.stack([latent(0, i, 16) for i in range(5)])
    together = source.generator(z)
    for i in range(5):
        alone = source.generator(z[i : i + 1])[0]
        assert torch.allclose(together[i], alone, atol=1e-5)
    assert together.std(0).mean() > 0


def test_latents_are_a_function_of_seed_and_index_alone():
    torch.manual_seed(1)
    one = latent(3, 5, 100)
    torch.manual_seed(2)
    assert torch.equal(one, latent(3, 5, 100))
    assert not torch.equal(one, latent(3, 6, 100))
    assert not torch.equal(one, latent(4, 5, 100))
    assert not torch.equal(latent(1, 11, 100), latent(11, 1, 100))
    many = torch.stack([latent(0, i, 100) for i in range(200)])
    assert abs(many.mean()) < 0.03
    assert abs(many.std() - 1) < 0.03


def test_every_film_says_where_it_is_from(finished_run, tmp_path):
    said = json.loads((finished_run / "run.json").read_text())
    for index, path in enumerate(make(finished_run, tmp_path / "out", seed=9)):
        texts = Image.open(path).text
        assert texts["idcgan:run"] == "run"
        assert texts["idcgan:seed"] == "9"
        assert texts["idcgan:index"] == str(index)
        assert texts["idcgan:config"] == said["config_hash"]
        assert texts["idcgan:code"] == said["code_version"]
        assert texts["idcgan:batch-norm"] == "standing statistics"
        assert texts["idcgan:resolution"] == "32"
        assert texts["idcgan:synthetic"] == "true"
        assert "not a patient's film" in texts["Comment"]
    assert Image.open(tmp_path / "out" / "contact-sheet.png").text["idcgan:synthetic"] == "true"


def test_a_contact_sheet_shows_the_first_films(finished_run, tmp_path):
    paths = make(finished_run, tmp_path / "out", 5)
    sheet = np.asarray(Image.open(tmp_path / "out" / "contact-sheet.png"))
    assert sheet.shape == (2 * 34 + 2, 3 * 34 + 2)
    assert np.array_equal(sheet[2:34, 2:34], np.asarray(Image.open(paths[0])))
    assert np.array_equal(sheet[36:68, 36:68], np.asarray(Image.open(paths[4])))


def test_an_interrupted_call_goes_on(finished_run, tmp_path):
    whole = make(finished_run, tmp_path / "whole", 6)
    paths = make(finished_run, tmp_path / "out", 6)
    for path in paths[2:]:
        path.unlink()
    kept = paths[0].stat().st_mtime_ns
    make(finished_run, tmp_path / "out", 6)
    assert paths[0].stat().st_mtime_ns == kept
    assert [p.read_bytes() for p in paths] == [p.read_bytes() for p in whole]
    assert everything_below(tmp_path / "out") == everything_below(tmp_path / "whole")


def test_films_of_others_are_never_overwritten(finished_run, tmp_path):
    write_film(tmp_path / "out" / "film-000001.png", 0)
    before = everything_below(tmp_path)
    with pytest.raises(InputError, match=r"film-000001\.png is there already and comes from elsewhere"):
        make(finished_run, tmp_path / "out")
    assert everything_below(tmp_path) == before


def test_someone_elses_contact_sheet_is_not_overwritten(finished_run, tmp_path):
    write_film(tmp_path / "out" / "contact-sheet.png", 0)
    before = everything_below(tmp_path)
    with pytest.raises(InputError, match=r"contact-sheet\.png is there already"):
        make(finished_run, tmp_path / "out")
    assert everything_below(tmp_path) == before


@pytest.mark.parametrize("change", [{"seed": 1}, {"resolution": 16}, {"spread": 1.2}])
def test_films_of_another_seed_or_level_are_not_mixed_in(finished_run, tmp_path, change):
    make(finished_run, tmp_path / "out", 2)
    before = everything_below(tmp_path)
    with pytest.raises(InputError, match="comes from elsewhere"):
        make(finished_run, tmp_path / "out", 3, **change)
    assert everything_below(tmp_path) == before


def test_films_of_other_weights_are_not_mixed_in(run_copy, tmp_path):
    """A run trained anew has the same name and config, and is another generator."""
    make(run_copy, tmp_path / "out", 2)
    path = run_copy / "generator-0032.safetensors"
    with safe_open(str(path), "pt") as file:
        facts = file.metadata()
    save_file({name: 1.01 * value for name, value in load_file(path).items()}, path, facts)
    with pytest.raises(InputError, match="comes from elsewhere"):
        make(run_copy, tmp_path / "out", 3)


def test_latents_can_be_drawn_farther_out(finished_run, tmp_path):
    near, far = load_generator(finished_run), load_generator(finished_run, spread=1.5)
    expected = near.generator(1.5 * latent(0, 0, 16)[None])
    assert np.array_equal(picture(far, 0, 0), to_bytes(expected)[0])
    assert not np.array_equal(picture(far, 0, 0), picture(near, 0, 0))
    assert Image.open(make(finished_run, tmp_path / "far", 1, spread=1.5)[0]).text["idcgan:spread"] == "1.5"
    assert "idcgan:spread" not in Image.open(make(finished_run, tmp_path / "near", 1)[0]).text
    with pytest.raises(InputError, match="comes from elsewhere"):
        make(finished_run, tmp_path / "far", 2)
    for wrong in (0.0, -1.0, 4.1, float("nan")):
        with pytest.raises(InputError, match=f"spread is {wrong}; it must lie above 0"):
            make(finished_run, tmp_path / "none", spread=wrong)


@pytest.mark.parametrize("change", [{"spread": 1.2}, {"resolution": 16}])
def test_what_contradicts_a_loaded_generator_is_refused(finished_run, tmp_path, change):
    source = load_generator(finished_run, spread=1.5)
    with pytest.raises(InputError, match=f"{next(iter(change))} is .* leave it out"):
        make(source, tmp_path / "out", 1, **change)
    assert not (tmp_path / "out").exists()
    assert Image.open(make(source, tmp_path / "out", 1, spread=1.5, resolution=32)[0]).text["idcgan:spread"] == "1.5"


def test_a_text_file_in_a_films_place_is_refused(finished_run, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "film-000000.png").write_text("words")
    with pytest.raises(InputError, match="comes from elsewhere"):
        make(finished_run, tmp_path / "out")


def test_a_lower_level_is_sampled_on_demand(finished_run, tmp_path):
    assert Image.open(make(finished_run, tmp_path / "low", 1, resolution=16)[0]).size == (16, 16)
    assert Image.open(make(finished_run, tmp_path / "high", 1)[0]).size == (32, 32)
    with pytest.raises(InputError, match="no generator at 64; it has 16, 32"):
        make(finished_run, tmp_path / "none", 1, resolution=64)
    assert not (tmp_path / "none").exists()


def test_a_weights_file_is_as_good_as_its_run(finished_run, tmp_path):
    alone = shutil.copy(finished_run / "generator-0032.safetensors", tmp_path / "mine.safetensors")
    one, other = make(alone, tmp_path / "one", 2), make(finished_run, tmp_path / "other", 2)
    assert [p.read_bytes() for p in one] == [p.read_bytes() for p in other]
    with pytest.raises(InputError, match="makes films at 32, not at 16"):
        make(alone, tmp_path / "none", 1, resolution=16)


def test_a_file_that_someone_put_beside_the_generators_is_passed_over(run_copy, tmp_path):
    shutil.copy(run_copy / "generator-0016.safetensors", run_copy / "generator-best.safetensors")
    assert load_generator(run_copy).resolution == 32


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_damaged_weights_file_is_one_sentence(run_copy, tmp_path, share):
    path = run_copy / "generator-0032.safetensors"
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(WorkError, match=r"generator-0032\.safetensors is damaged") as failure:
        make(run_copy, tmp_path / "out")
    assert "\n" not in str(failure.value)
    assert not (tmp_path / "out").exists()


def test_a_safetensors_file_of_something_else_is_refused(tmp_path):
    save_file({"a": torch.zeros(2)}, str(tmp_path / "a.safetensors"))
    with pytest.raises(InputError, match="not one of an idcgan generator"):
        make(tmp_path / "a.safetensors", tmp_path / "out")


def test_weights_that_do_not_fit_their_metadata_are_refused(run_copy, tmp_path):
    path = run_copy / "generator-0032.safetensors"
    with safe_open(str(path), "pt") as file:
        facts = file.metadata()
    weights = load_file(path)
    weights.pop("heads.32.conv.weight")
    save_file(weights, str(path), facts)
    with pytest.raises(WorkError, match="does not hold the generator that its metadata names"):
        make(run_copy, tmp_path / "out")


@pytest.mark.parametrize(("options", "said"), [({"count": 0}, "number of films is 0"), ({"seed": -1}, "seed is -1"), ({"seed": 2**31}, "seed is")])
def test_wrong_numbers_are_refused(finished_run, tmp_path, options, said):
    with pytest.raises(InputError, match=said):
        make(finished_run, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_out_is_a_file(finished_run, tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(InputError, match="is a file"):
        make(finished_run, tmp_path / "out")
    with pytest.raises(InputError, match="cannot be made"):
        make(finished_run, tmp_path / "out" / "deeper")
    assert (tmp_path / "out").read_text() == "mine"


def test_a_disk_that_fills_leaves_whole_films_only(finished_run, tmp_path, monkeypatch):
    import errno

    real, calls = Image.Image.save, []

    def full_from_the_third_film(self, path, *arguments, **options):
        calls.append(path)
        if len(calls) > 2:
            path.write_bytes(b"\x89PNG half")
            raise OSError(errno.ENOSPC, "No space left on device")
        real(self, path, *arguments, **options)

    monkeypatch.setattr(Image.Image, "save", full_from_the_third_film)
    with pytest.raises(WorkError, match="the disk is full"):
        make(finished_run, tmp_path / "out", 6)
    monkeypatch.undo()
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["film-000000.png", "film-000001.png"]
    assert len(make(finished_run, tmp_path / "out", 6)) == 6


def test_the_middle_grey_is_no_accident(finished_run):
    """-1 is black, 1 is white, and no level is lost in between."""
    from idcgan.records import to_bytes

    assert to_bytes(torch.tensor([-1.5, -1.0, 0.0, 1.0, 1.5])).tolist() == [0, 0, 128, 255, 255]
    assert len(set(to_bytes(torch.linspace(-1, 1, 2000)).tolist())) == 256
