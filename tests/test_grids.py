"""Grids: which runs come out, under which names, and what is refused before any of them starts."""

import re
import string
from pathlib import Path

import nbformat
import pytest
import torch
import yaml
from conftest import write_films
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from idcgan.errors import InputError
from idcgan.grids import TAKEN, _expand, read_grid
from idcgan.origin import begin
from idcgan.parameters import changes_of, check_parameters, config_of

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK_04 = ROOT / "notebooks" / "04_incremental_training.ipynb"


@pytest.fixture
def write(tmp_path):
    """Writes a grid and a notebook with one parameter of each type; returns the grid's path."""

    def written(content) -> Path:
        cells = [nbformat.v4.new_code_cell('count = 3\nrate = 0.5\nname = "a"\nflag = False\nitems = [1]\nany = None\nout = ""')]
        cells[0].metadata["tags"] = ["parameters"]
        kernel = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}}
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), tmp_path / "small.ipynb")
        path = tmp_path / "grid.yaml"
        path.write_text(content if isinstance(content, str) else yaml.safe_dump({"notebook": "small.ipynb", **content}, sort_keys=False))
        return path

    return written


def refusal(path: Path, **options) -> str:
    with pytest.raises(InputError) as caught:
        read_grid(path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_product_is_every_combination(write):
    grid = read_grid(write({"parameters": {"rate": 1}, "product": {"count": [1, 2], "name": ["x", "y"]}}))
    assert list(grid.runs) == ["count1-x", "count1-y", "count2-x", "count2-y"]
    assert grid.runs["count2-x"] == {"rate": 1, "count": 2, "name": "x"}


def test_explicit_runs_times_a_product(write):
    grid = read_grid(write({"product": {"count": [0, 1]}, "runs": [{"name": "slow", "rate": 0.1}, {"rate": 0.2}]}))
    assert list(grid.runs) == ["slow-count0", "slow-count1", "rate0.2-count0", "rate0.2-count1"]
    assert grid.runs["slow-count1"] == {"rate": 0.1, "count": 1}


@given(
    st.dictionaries(st.sampled_from("abcde"), st.lists(st.integers(0, 99), min_size=1, max_size=4, unique=True), min_size=1),
    st.lists(st.text(string.ascii_lowercase, min_size=1).filter(lambda name: name not in TAKEN), max_size=3, unique=True),
)
def test_all_runs_are_there_and_no_two_share_a_folder(product, names):
    runs = _expand(Path("grid.yaml"), {"common": 1}, product, [{"name": name} for name in names])
    expected = max(1, len(names))
    for values in product.values():
        expected *= len(values)
    assert len({name.lower() for name in runs}) == len(runs) == expected
    assert len({tuple(sorted(p.items())) for p in runs.values()}) * max(1, len(names)) == expected
    for name, parameters in runs.items():
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]*", name)
        assert parameters["common"] == 1
        assert all(parameters[k] in values for k, values in product.items())


@given(st.text(min_size=1), st.text(min_size=1))
def test_any_text_makes_a_safe_name_or_a_sentence(one, other):
    try:
        runs = _expand(Path("grid.yaml"), {}, {"text": [one, other]}, [])
    except InputError:
        return
    assert all(re.fullmatch(r"[A-Za-z0-9_+][A-Za-z0-9._+-]*", name) for name in runs)
    assert len(runs) == 2


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"product": {"cuont": [1]}}, r"run cuont1: .*small\.ipynb has no parameter 'cuont'; did you mean 'count'"),
        ({"product": {"count": ["ten"]}}, r"count is 'ten'; it must be a whole number"),
        ({"product": {"count": [1.5]}}, r"count is 1\.5; it must be a whole number"),
        ({"product": {"count": [True]}}, r"count is True; it must be a whole number"),
        ({"product": {"name": [7]}}, r"name is 7; it must be text"),
        ({"product": {"name": [None]}}, r"name is None; it must be text"),
        ({"product": {"flag": [1]}}, r"flag is 1; it must be true or false"),
        ({"product": {"rate": ["fast"]}}, r"rate is 'fast'; it must be a number\."),
        ({"product": {"items": [3]}}, r"items is 3; it must be a list"),
        ({"product": {"out": ["here"]}}, r"out cannot be set in a grid"),
        ({"product": {"count": 3}}, r"product of count is 3; give a list"),
        ({"product": {"count": []}}, r"product of count is \[\]; give a list"),
        ({"product": {"count": [1, 1]}}, r"two runs would be in the folder count1"),
        ({"product": {"name": ["a", "A"]}}, r"two runs would be in the folder A"),
        ({"product": {"name": ["x/y", "z/y"]}}, r"two runs would be in the folder y"),
        ({"product": {"count": list(range(101)), "rate": list(range(101))}}, r"10,201 runs; 10,000 is the most"),
        ({"runs": [{"name": "../up", "count": 1}]}, r"the name '\.\./up' cannot be a folder's"),
        ({"runs": [{"name": 15}]}, r"the name 15 cannot be a folder's"),
        ({"runs": [{"name": "pyramids"}]}, r"the name 'pyramids' cannot be a folder's"),
        ({"runs": [{"name": "x" * 200}]}, r"give it a shorter name"),
        ({"runs": {"count": 1}}, r"runs must be a list of runs"),
        ({"runs": [3]}, r"run 1 of runs must be lines of the form"),
        ({"runs": [{"count": 1}], "product": {"count": [1]}}, r"count is in the product and in one of the runs"),
        ({"parameters": {"count": 1}}, r"has no runs"),
        ({"prodct": {"count": [1]}}, r"unknown part 'prodct'; did you mean 'product'"),
        ({"notebook": "none.ipynb", "product": {"count": [1]}}, r"the notebook none\.ipynb is not there"),
        ({"notebook": 3, "product": {"count": [1]}}, r"notebook is 3; give the path"),
    ],
)
def test_what_cannot_work_is_one_sentence(write, content, says):
    path = write(content)
    sentence = refusal(path)
    assert re.search(says, sentence), sentence
    assert sentence.startswith(str(path))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("runs: [1\nproduct: {", r"line 2"),
        ("product:\n  count: [1]\n  count: [2]\n", r"line 3: 'count' is there twice"),
        ("- 1\n", r"must be lines of the form name: value"),
        ("", r"has no runs"),
        ("product:\n  ? [a, b]\n  : [1]\n", r"grid\.yaml"),
        ("{notebook: small.ipynb, product: {rate: [1e-4]}}", r"YAML takes this for text: write 0\.000100"),
    ],
)
def test_damaged_yaml_is_one_sentence_with_the_line(write, text, says):
    sentence = refusal(write(text))
    assert re.search(says, sentence), sentence


def test_files_that_are_no_grids(tmp_path):
    assert "cannot be read" in refusal(tmp_path / "none.yaml")
    assert "cannot be read" in refusal(tmp_path)
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    assert "UTF-8" in refusal(tmp_path / "binary.yaml")
    (tmp_path / "broken.ipynb").write_text("{}")
    (tmp_path / "grid.yaml").write_text("{notebook: broken.ipynb, product: {a: [1]}}")
    assert "broken.ipynb" in refusal(tmp_path / "grid.yaml")


def test_types_that_fit(write):
    values = {"count": 4, "rate": 1, "name": "b", "flag": True, "items": [], "any": "thing"}
    assert read_grid(write({"parameters": values, "product": {"count": [4]}})).runs["count4"] == values


def test_set_changes_what_all_runs_share(write):
    path = write({"parameters": {"rate": 0.1}, "product": {"count": [1, 2]}})
    grid = read_grid(path, changes=["rate=2", "name=7", "flag=true", "items=[1, 2]"])
    assert grid.runs["count1"] == {"rate": 2.0, "name": "7", "flag": True, "items": [1, 2], "count": 1}
    assert "count is not the same for all runs" in refusal(path, changes=["count=3"])
    assert "rate is 'x'; it must be a number" in refusal(path, changes=["rate=x"])
    assert "no parameter 'films'" in refusal(path, films="somewhere")


def write_04(tmp_path: Path, **content) -> Path:
    path = tmp_path / "grid.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"preset": "tinny"}, "unknown preset 'tinny'"),
        ({"preset": "tiny", "changes": "learning_rat=1"}, "did you mean 'learning_rate'"),
        ({"preset": "tiny", "epochs": 1, "minutes": 1}, "epochs and minutes are both set"),
        ({"preset": "tiny", "resolutions": "64,65"}, "65"),
        ({"preset": "tiny", "label_class": "abnormal", "films": "phantom:normal"}, "leave the class out"),
        ({"preset": "tiny", "films": "nowhere/at/all"}, "nowhere/at/all"),
        ({"films": ""}, "--films"),
    ],
)
def test_an_impossible_config_is_refused_before_the_start(tmp_path, parameters, says):
    sentence = refusal(write_04(tmp_path, product={"seed": [0]}, parameters=parameters))
    assert says in sentence
    assert "run seed0" in sentence


def test_a_folder_of_films_is_seen_from_where_the_command_is_run(tmp_path, monkeypatch):
    write_films(tmp_path / "films", 4)
    (tmp_path / "grids").mkdir()
    path = write_04(tmp_path / "grids", product={"seed": [0]}, parameters={"films": "films", "preset": "tiny"})
    monkeypatch.chdir(tmp_path)
    assert read_grid(path).runs["seed0"]["films"] == str(tmp_path / "films")
    assert read_grid(path, films="phantom:abnormal").runs["seed0"]["films"] == "phantom:abnormal"


def test_a_parameter_of_the_notebook_is_refused_among_changes(tmp_path):
    path = write_04(tmp_path, product={"seed": [0]}, parameters={"preset": "tiny", "changes": "resolutions=16,32"})
    assert "resolutions is a parameter of 04_incremental_training.ipynb; give it as one, not in changes" in refusal(path)


def test_a_date_is_refused_before_it_is_written(write):
    """YAML makes one of a value that was meant as text."""
    path = write("notebook: small.ipynb\nproduct: {any: [2024-01-01]}")
    with pytest.raises(InputError, match="any is 2024-01-01, which YAML takes for something else than text; put it in quotes"):
        read_grid(path)


def test_notebook_04_refuses_it_too():
    assert changes_of("ema=0.5 grain=true") == {"ema": "0.5", "grain": "true"}
    with pytest.raises(InputError, match="seed is a parameter of this notebook; give it as one, not in changes"):
        changes_of("ema=0.5 seed=3")


@pytest.mark.parametrize(("name", "count"), [("paper", 4), ("ablation", 45), ("ablation-networks", 39), ("tiny", 12)])
def test_the_ready_grids_are_sound(tmp_path, name, count):
    for label_class in ("normal", "abnormal"):
        write_films(tmp_path / "films" / label_class, 16)
    changes = ["label_class=normal"] if name.startswith("ablation") else []
    grid = read_grid(ROOT / "grids" / f"{name}.yaml", films="phantom:normal" if name == "tiny" else str(tmp_path / "films"), changes=changes)
    assert len(grid.runs) == count
    assert grid.notebook == NOTEBOOK_04


@pytest.mark.parametrize(("name", "begun"), [("ablation", True), ("ablation-networks", False)])
def test_all_runs_of_an_ablation_begin_alike(name, begun):
    """With the players of the package, or anew: a row and what it is held against differ in one thing."""
    runs = read_grid(ROOT / "grids" / f"{name}.yaml", films="phantom:normal").runs
    configs = [config_of(NOTEBOOK_04, run)[1] for run in runs.values() if run["seed"] == 0]
    assert {"begin with what they learnt from phantoms" in begin(config, torch.device("cpu"))[1] for config in configs} == {begun}


def test_the_paper_at_lower_resolutions(tmp_path):
    for label_class in ("normal", "abnormal"):
        write_films(tmp_path / label_class, 9)
    grid = read_grid(ROOT / "grids" / "paper.yaml", films=str(tmp_path), changes=["resolutions=64,128,256"])
    assert {run["resolutions"] for run in grid.runs.values()} == {"64,128,256"}
    assert list(grid.runs) == ["normal-15", "normal-20", "abnormal-20", "abnormal-10"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.integers(), st.floats(), st.booleans(), st.text(), st.none(), st.lists(st.integers())))
def test_only_numbers_are_numbers(value):
    whole = isinstance(value, int) and not isinstance(value, bool)
    for name, fits in {"epochs": whole, "minutes": whole or isinstance(value, float), "preset": isinstance(value, str)}.items():
        if fits:
            check_parameters(NOTEBOOK_04, {name: value})
        else:
            with pytest.raises(InputError, match=f"^{name} is "):
                check_parameters(NOTEBOOK_04, {name: value})
