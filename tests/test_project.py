"""The project's own files agree with each other and hold nothing of the machine they were made on."""

import ast
import json
import re
import socket
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # comes with pytest there

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NEEDED = {canonicalize_name(r.name): r for r in map(Requirement, PROJECT["dependencies"])}
OPTIONAL = [Requirement(r) for group in PROJECT["optional-dependencies"].values() for r in group]
CONDA_NAMES = {"pytorch": "torch"}  # conda's name: PyPI's


def tracked_files() -> list[Path]:
    """What git has or would add; without git the tests that ask are skipped."""
    ask = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        names = subprocess.run(ask, capture_output=True, check=True, text=True).stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def conda_packages() -> dict[str, Requirement]:
    yaml = pytest.importorskip("yaml")
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert environment["channels"] == ["conda-forge"]
    listed = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    listed += [entry for part in environment["dependencies"] if isinstance(part, dict) for entry in part["pip"]]
    found = {}
    for entry in listed:
        requirement = Requirement(re.sub(r"^([\w.-]+)=(?=\d)", r"\1==", entry))
        name = canonicalize_name(requirement.name)
        found[CONDA_NAMES.get(name, name)] = requirement
    return found


def test_conda_and_pip_install_the_same_packages():
    conda = conda_packages()
    assert "python" in conda
    assert NEEDED.keys() <= conda.keys() - {"python", "pip"}, "conda lacks what pip installs"
    known = NEEDED.keys() | {canonicalize_name(r.name) for r in OPTIONAL}
    assert conda.keys() - {"python", "pip"} <= known, "conda installs what pyproject does not name"


def test_conda_and_pip_ask_for_the_same_versions():
    for name, requirement in conda_packages().items():
        if name in NEEDED:
            assert requirement.specifier == NEEDED[name].specifier, name
        if name == "python":
            assert str(requirement.specifier) in (PROJECT["requires-python"], ""), "another Python"


def test_constraints_satisfy_the_ranges():
    lines = [line.split("#")[0].strip() for line in (ROOT / "constraints.txt").read_text().splitlines()]
    pinned = {canonicalize_name(r.name): r for r in map(Requirement, filter(None, lines))}
    assert pinned.keys() >= NEEDED.keys(), f"not pinned: {NEEDED.keys() - pinned.keys()}"
    for name, pin in pinned.items():
        (one,) = pin.specifier
        assert one.operator == "==", f"{pin} is no pin"
        for wanted in [NEEDED[name]] if name in NEEDED else [r for r in OPTIONAL if canonicalize_name(r.name) == name]:
            assert wanted.specifier.contains(one.version), f"{pin} and {wanted}"


PLACES = re.compile(rb"(?<![\w./-])/(?:work|root)/[\w.]|(?<![\w./-])/home/\w|[A-Z]:\\\\?Users\\")


def test_no_file_holds_a_path_of_a_machine():
    mine = Path(__file__).resolve()
    found = [
        f"{path.relative_to(ROOT)}: {match.group()!r}"
        for path in tracked_files()
        if path.resolve() != mine and path.suffix not in (".png", ".jpg", ".npy")
        for match in PLACES.finditer(path.read_bytes())
    ]
    assert found == []


def test_the_search_for_paths_finds_one():
    assert PLACES.search(b'"cwd": "/work/main"')
    assert PLACES.search(b"in /home/someone/films")
    assert PLACES.search(rb"C:\Users\someone")
    assert not PLACES.search(b"https://example.org/work/paper")


def test_nothing_large_or_private_is_tracked():
    for path in tracked_files():
        assert path.stat().st_size < 5_000_000, path
        weights = ROOT / "idcgan" / "weights"
        shipped = path.parent in (weights, weights / "players") and path.suffix == ".safetensors"  # their card says what they saw
        assert shipped or path.suffix not in (".pt", ".safetensors", ".dcm", ".pem", ".key"), path


def public_nodes(tree: ast.Module):
    """The module, and every public class, function and method in it."""
    yield "module", tree
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node.name, node
            if isinstance(node, ast.ClassDef):
                for part in node.body:
                    if isinstance(part, ast.FunctionDef) and not part.name.startswith("_") and part.name != "forward":
                        yield f"{node.name}.{part.name}", part


@pytest.mark.parametrize("path", sorted((ROOT / "idcgan").rglob("*.py")), ids=lambda p: p.name)
def test_everything_public_is_explained(path):
    nodes = list(public_nodes(ast.parse(path.read_text(encoding="utf-8"))))
    missing = [name for name, node in nodes if not ast.get_docstring(node)]
    assert missing == []


def test_every_name_that_the_package_offers_is_there_and_explained():
    import idcgan

    for name in idcgan.__all__:
        assert getattr(idcgan, name).__doc__ or name == "PRESETS", name


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").rglob("*.ipynb")), ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_every_name_that_notebooks_import_is_there(path):
    cells = [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    code = "\n".join(line for cell in cells for line in "".join(cell["source"]).splitlines() if not line.lstrip().startswith(("%", "!")))
    taken = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("idcgan")]
    missing = []
    for node in taken:
        module = import_module(node.module)
        missing += [f"{node.module}.{alias.name}" for alias in node.names
                    if not hasattr(module, alias.name) and not find_spec(f"{node.module}.{alias.name}")]  # fmt: skip
    assert missing == []


def test_the_version_is_one_number():
    import importlib.metadata

    import idcgan

    assert re.fullmatch(r"\d+\.\d+\.\d+", idcgan.__version__)
    assert importlib.metadata.version("idcgan") == idcgan.__version__


def test_no_test_reaches_beyond_this_machine():
    """`no_network` in conftest.py: in this process; those that tests start are not watched."""
    with pytest.raises(AssertionError, match=r"a test wants to reach 192\.0\.2\.1"):
        socket.create_connection(("192.0.2.1", 9), timeout=1)  # an address that nobody has (RFC 5737)
