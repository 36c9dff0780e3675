"""Generators that come with the package: shipped at half precision, named on the command line, each with a card."""

import numpy as np
import pytest
from safetensors import safe_open

from idcgan import pretrained
from idcgan.errors import InputError
from idcgan.sampling import load_generator, picture


@pytest.fixture
def weights(tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, "WEIGHTS", tmp_path / "weights")
    return tmp_path / "weights"


def test_a_shipped_generator_makes_the_films_of_its_run(finished_run, weights):
    path = pretrained.ship(finished_run, "tiny")
    assert path == weights / "tiny.safetensors"
    run, shipped = load_generator(finished_run), load_generator("pretrained:tiny")
    assert path.stat().st_size < 0.7 * run.path.stat().st_size
    for index in range(3):
        apart = picture(run, 0, index).astype(int) - picture(shipped, 0, index)
        assert abs(apart).max() <= 1
    assert picture(shipped, 0, 0).std() > 5, "a grey film would pass too"
    assert shipped.facts["run"] == "tiny"


def test_a_name_that_is_not_there_is_refused_in_a_sentence(finished_run, weights, terminal, tmp_path):
    pretrained.ship(finished_run, "tiny")
    with pytest.raises(InputError, match="pretrained:other is not in the package; choose from pretrained:tiny"):
        load_generator("pretrained:other")
    said = terminal("sample", "pretrained:other", "--out", tmp_path / "films")
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert not (tmp_path / "films").exists()


@pytest.mark.parametrize("name", ["normal", "abnormal"])
def test_what_the_package_ships(name, terminal, tmp_path):
    said = terminal("sample", f"pretrained:{name}", "-n", 2, "--out", tmp_path / "films", "--quiet")
    assert said.code == 0, said.err
    source = load_generator(f"pretrained:{name}")
    assert source.resolution >= 256
    films = np.stack([picture(source, 0, i) for i in range(4)]).astype(float)
    assert films.std((1, 2, 3)).min() > 20, "a film without contrast"
    assert abs(films[0] - films[1]).mean() > 5, "films that are all the same"
    with safe_open(str(source.path), "pt") as file:
        assert {str(file.get_tensor(key).dtype) for key in file.keys()} <= {"torch.float16", "torch.int64"}  # noqa: SIM118
    card = pretrained.card(name).lower()
    for part in ("nih clinical center", "terms", "recipe", "seed", "floor", "copies", "limits", "not for diagnosis"):
        assert part in card, part


def test_all_of_them_are_small():
    assert sum(path.stat().st_size for path in pretrained.WEIGHTS.glob("*.safetensors")) < 12_000_000
