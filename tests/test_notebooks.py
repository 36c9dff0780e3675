"""The notebooks as they are kept: clean, described in words, run from top to bottom; every part of the paper is taught in one."""

import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # comes with pytest there

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
LISTED = [entry["file"] for entry in tomllib.loads((NOTEBOOKS / "notebooks.toml").read_text(encoding="utf-8"))["notebook"]]
PATHS = [*sorted(NOTEBOOKS.glob("*.ipynb")), *sorted((NOTEBOOKS / "solutions").glob("*.ipynb"))]
ALL = {path.relative_to(NOTEBOOKS).with_suffix("").as_posix(): path for path in PATHS}
KERNEL = {"name": "python3", "language": "python"}
ASKS = {"input", "breakpoint", "exit", "quit", "get_ipython", "system", "Popen"}  # stops Run All, or leaves Python
# A figure that is shown bare has no words for those who do not see it.
DRAWS = re.compile(r"plot_\w+|draw_\w+|render|figure")
THE_PAPER = {("equation", 1), *(("table", n) for n in range(1, 5)), *(("figure", n) for n in range(1, 9))}
POINTER = re.compile(r"\b(equation|table|figure)s?\s+\(?(\d+(?:\)?(?:\s*(?:,|-|–|to|and|or|,\s*and)\s*)\(?\d+)*)", re.IGNORECASE)  # noqa: RUF001


def each(*names: str):
    return pytest.mark.parametrize("name", names or tuple(ALL))


def cells_of(name: str, kind: str = "") -> list[dict]:
    cells = json.loads(ALL[name].read_text(encoding="utf-8"))["cells"]
    return [{**cell, "source": "".join(cell["source"])} for cell in cells if kind in ("", cell["cell_type"])]


def calls(tree: ast.AST) -> list[tuple[str, ast.Call]]:
    """(last part of the name, call) of every call in it."""
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [(node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", ""), node) for node in found]


def said(node: ast.expr | None) -> int:
    """How many characters of words a string or f-string has; 0 for none. A name stands for words made elsewhere."""
    if isinstance(node, ast.Constant):
        return len(node.value.strip()) if isinstance(node.value, str) else 0
    if isinstance(node, ast.JoinedStr):
        return sum(len(part.value) for part in node.values if isinstance(part, ast.Constant))
    if isinstance(node, ast.BinOp):
        return said(node.left) + said(node.right)
    return 20 if isinstance(node, ast.Name | ast.Call | ast.Subscript | ast.Attribute | ast.IfExp) else 0


def without_words(source: str) -> list[str]:
    """The figures that this cell shows without alt text: show() without a sentence, or a figure shown bare."""
    tree, wrong = ast.parse(source), []
    for name, call in calls(tree):
        alt = next((keyword.value for keyword in call.keywords if keyword.arg == "alt"), call.args[1] if len(call.args) > 1 else None)
        made_elsewhere = any(isinstance(part, ast.Starred) for part in call.args)  # show(*(figure, words))
        if name == "show" and not made_elsewhere and said(alt) < 20:
            wrong.append(ast.unparse(call))
        if name == "Image" and any(keyword.arg in ("filename", "data", "url") for keyword in call.keywords) and said(alt) < 20:
            wrong.append(ast.unparse(call))
        if name == "display":
            wrong += [ast.unparse(part) for part in call.args if isinstance(part, ast.Call) and DRAWS.fullmatch(calls(part)[0][0])]
    last = tree.body[-1] if tree.body else None
    if isinstance(last, ast.Expr) and isinstance(last.value, ast.Call) and DRAWS.fullmatch(calls(last)[0][0]):
        wrong.append(ast.unparse(last))
    return wrong


def pictures_without_words(text: str) -> list[str]:
    """Pictures of a markdown cell that have no alt text."""
    bare = [found.group() for found in re.finditer(r"!\[([^\]]*)\]\([^)]*\)", text) if len(found.group(1).strip()) < 10]
    tags = [found.group() for found in re.finditer(r"<img\b[^>]*>", text) if not re.search(r"alt=[\"'][^\"']{10}", found.group())]
    return bare + tags


def pointed_to(text: str) -> set[tuple[str, int]]:
    """The equations, tables and figures of the paper that a text names: "Tables 1 to 3", "Figures 5, 6", "equation (1)"."""
    found = set()
    for kind, numbers in POINTER.findall(text):
        spans = re.findall(r"(\d+)(?:\)?\s*(?:-|–|to)\s*\(?(\d+))?", numbers)  # noqa: RUF001
        found |= {(kind.lower(), number) for first, last in spans for number in range(int(first), int(last or first) + 1)}
    return found & THE_PAPER


def words_of(name: str) -> str:
    """What a reader of the notebook sees before anything is run."""
    return "\n\n".join(cell["source"] for cell in cells_of(name))


def the_map() -> list[tuple[set[tuple[str, int]], str, str]]:
    """The rows of docs/paper.md: what of the paper, the words of that cell, the notebook."""
    page = (ROOT / "docs" / "paper.md").read_text(encoding="utf-8")
    section = page.split("## Where each table, figure and equation is taught", 1)[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("|")][2:]
    return [(pointed_to(what), what, re.search(r"\(\.\./notebooks/([^)]+)\.ipynb\)", where)[1]) for what, where, _ in rows]


@each()
def test_nothing_is_left_over_from_a_run(name):
    notebook = json.loads(ALL[name].read_text(encoding="utf-8"))
    for number, cell in enumerate(notebook["cells"]):
        assert not cell.get("outputs"), f"cell {number} has outputs"
        assert cell.get("execution_count") is None, f"cell {number} was run"
        assert not cell.get("attachments"), f"cell {number} has attachments"
        assert cell["metadata"].keys() <= {"tags"}, f"cell {number} has metadata of a run or an editor"
    assert "widgets" not in notebook["metadata"], "the state of widgets is kept"
    assert "papermill" not in notebook["metadata"]
    assert KERNEL.items() <= notebook["metadata"]["kernelspec"].items(), "the kernel that every installation has is python3"
    assert notebook["metadata"]["language_info"].keys() <= {"name", "file_extension", "mimetype"}, "the Python it was written with is kept"


@each()
def test_cells_have_names_of_their_own(name):
    names = [cell["id"] for cell in cells_of(name)]
    assert len(names) == len(set(names))


@each()
def test_run_all_goes_through(name):
    """Plain Python that asks nothing: no shell, no magic, nothing installed, nobody waited for."""
    for cell in cells_of(name, "code"):
        for called, _ in calls(ast.parse(cell["source"])):
            assert called not in ASKS, f"{called}() in cell {cell['id']}"


@each()
def test_every_figure_has_words(name):
    bare = [wrong for cell in cells_of(name, "code") for wrong in without_words(cell["source"])]
    bare += [wrong for cell in cells_of(name, "markdown") for wrong in pictures_without_words(cell["source"])]
    assert bare == []


def test_figures_without_words_are_found():
    assert without_words("show(figure)")
    assert without_words("plots.show(figure, alt='')")
    assert without_words("plots.show(figure, alt='a figure')")
    assert without_words("plots.plot_losses(rows)")
    assert without_words("display(widget.render(3))")
    assert without_words("Image(filename='a.png')")
    assert not without_words("show(plot_losses(rows), alt='Both losses fall for 200 steps and then stay.')")
    assert not without_words("show(plot_losses(rows), alt=f'Both losses after {steps} steps, G above D.')")
    assert not without_words("figure = plot_losses(rows)")
    assert not without_words("display(show(plot_losses(rows), alt='Both losses fall for 200 steps.'))")
    assert pictures_without_words("see ![](a.png)")
    assert pictures_without_words("<img src='a.png'>")
    assert not pictures_without_words("![Losses of both players](a.png) <img src='a.png' alt='Losses of both players'>")


@each()
def test_every_link_leads_somewhere(name):
    text = "\n".join(cell["source"] for cell in cells_of(name, "markdown"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not target.startswith(("http://", "https://", "#", "mailto:")):
            path = ALL[name].parent / unquote(target.split("#")[0])
            assert path.exists(), f"{target} is not there"
            assert ROOT in path.resolve().parents, f"{target} leads out of the repository"


def test_the_start_page_links_every_notebook_in_order():
    text = "\n".join(cell["source"] for cell in cells_of("00_start_here"))
    assert re.findall(r"\]\((?!solutions/)([^)]+)\.ipynb\)", text) == LISTED
    assert {cell["cell_type"] for cell in cells_of("00_start_here")} == {"markdown"}


def test_the_first_five_are_there():
    assert [name[:2] for name in LISTED[:5]] == ["01", "02", "03", "04", "05"]
    assert [name for name in LISTED if name not in ALL] == []


@pytest.mark.parametrize("name", [name for name in ALL if name[:2] in ("01", "02", "03", "04", "05")])
def test_a_notebook_of_the_course_has_its_parts(name):
    code, text = cells_of(name, "code"), "\n".join(cell["source"] for cell in cells_of(name, "markdown"))
    assert any(called == "opening" for cell in code for called, _ in calls(ast.parse(cell["source"]))), "no opening: diagram, versions, device"
    assert any(called == "source" for cell in code for called, _ in calls(ast.parse(cell["source"]))), "the real source is not shown"
    assert sum(called == "show" for cell in code for called, _ in calls(ast.parse(cell["source"]))) >= 4, "a figure every few cells"
    recap = text[text.index("## Recap") :]
    assert 4 <= len(re.findall(r"^\d+\. ", recap.split("<details")[0], re.MULTILINE)) <= 6, "4 to 6 questions before the answers"
    assert "<details" in recap, "no answers"
    assert re.search(r"\bseeds?\b", text), "nothing about where seeds or machines make numbers differ"
    assert "not for diagnosis" in text
    for word in ("Exercise 1", "Exercise 2", "<details", "References"):
        assert word in text, f"no {word}"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("equation 1 and Figure 2", {("equation", 1), ("figure", 2)}),
        ("Equation (1)", {("equation", 1)}),
        ("Tables 1 to 3", {("table", 1), ("table", 2), ("table", 3)}),
        ("Tables 1-4, Figures 5, 6", {*(("table", n) for n in range(1, 5)), ("figure", 5), ("figure", 6)}),
        ("Figures 7 and 8", {("figure", 7), ("figure", 8)}),
        ("Table 4 has 3 rows; figure 12; a table of 3", {("table", 4)}),
        ("four figures, 3 of them", set()),
    ],
)
def test_pointers_are_read(text, found):
    assert pointed_to(text) == found


def test_the_map_has_the_whole_paper():
    taught = set().union(*(what for what, _, name in the_map() if name[:2] in ("01", "02", "03", "04", "05")))
    assert THE_PAPER - taught == set(), "nothing of the course teaches these"


def test_each_notebook_of_the_map_points_to_the_paper():
    for what, words, name in the_map():
        assert name in ALL, f"{name} is not there"
        assert what - pointed_to(words_of(name)) == set(), f"{name} does not name them"
        if not what:
            assert words in words_of(name), f"{name} does not name the {words}"


@pytest.mark.parametrize(("minutes", "options", "code"), [(1, [], 0), (0.001, ["-n", "2", "--dist", "loadfile"], 1)], ids=["quick", "too slow"])
def test_a_notebook_slower_than_stated_fails_the_run(tmp_path, minutes, options, code):
    """As `make test` runs them, with notebooks of one cell; with workers the reports arrive from other processes."""
    pytest.importorskip("nbval")
    shutil.copy(NOTEBOOKS / "conftest.py", tmp_path)
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "source": "assert 1 + 1 == 2", "outputs": [], "execution_count": None}
    notebook = {"cells": [cell], "metadata": {"kernelspec": {**KERNEL, "display_name": "Python 3"}}, "nbformat": 4, "nbformat_minor": 5}
    for name in ("01_one", "99_not_listed"):
        (tmp_path / f"{name}.ipynb").write_text(json.dumps(notebook))
    (tmp_path / "notebooks.toml").write_text(f'[[notebook]]\nfile = "01_one"\nrun_minutes = {minutes}\n')
    command = [sys.executable, "-m", "pytest", "--nbval-lax", "-p", "no:cacheprovider", *options, "."]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert run.returncode == code, run.stdout + run.stderr
    assert "2 passed" in run.stdout
    assert re.search(rf"01_one +\d+\.\d +{60 * minutes:.0f} allowed{'   too slow' * code}$", run.stdout, re.MULTILINE)
    assert re.search(r"99_not_listed +\d+\.\d +not listed$", run.stdout, re.MULTILINE)
