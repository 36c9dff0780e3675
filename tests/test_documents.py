"""README, docs and cards: every link leads somewhere, every grid that they name can be read, every field is explained, and every
command has options that exist."""

import dataclasses
import re
import shlex
from pathlib import Path

import pytest
import typer

from idcgan.cli import app
from idcgan.config import RunConfig, configure, parse_changes
from idcgan.fields import AUGMENTATIONS, CHOICES
from idcgan.grids import read_grid

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted(path for where in (".", "docs", "benchmarks", "idcgan/weights", "idcgan/weights/players") for path in (ROOT / where).glob("*.md"))
GRIDS = sorted(path for path in (ROOT / "grids").glob("*.yaml") if path.stem != "paper")  # that one needs films of both classes


def anchors(document: Path) -> set[str]:
    """Of its headings, as GitHub makes them: small letters, digits and hyphens."""
    text = re.sub(r"^```.*?^```", "", document.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(document: Path) -> list[str]:
    """The links that lead nowhere; those to the network are not followed."""
    found = []
    for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8")):
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        if ":" not in link and (not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target))):
            found.append(link)
    return found


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document):
    assert broken(document) == []


def test_a_broken_link_is_found(tmp_path):
    (tmp_path / "a.md").write_text("# One (1), two\n\n[good](#one-1-two) [file](a.md) [net](https://example.org/#x) [bad](#three) [none](b.md)\n")
    assert broken(tmp_path / "a.md") == ["#three", "b.md"]


@pytest.mark.parametrize("path", [path for path in GRIDS if path.stem.startswith("growing")], ids=lambda path: path.stem)
def test_a_grid_of_the_project_can_be_read(path):
    grid = read_grid(path, "phantom:normal", [])
    assert len(grid.runs) > 1


def test_every_field_has_a_row_that_names_its_choices():
    rows = [row.split(" | ", 2) for row in (ROOT / "docs" / "fields.md").read_text(encoding="utf-8").splitlines() if row.startswith("| `")]
    said = {name: " ".join(rest) for first, *rest in rows for name in re.findall(r"`(\w+)`", first)}
    assert set(said) == {field.name for field in dataclasses.fields(RunConfig)}
    for name, choices in {**CHOICES, "augment": AUGMENTATIONS}.items():
        assert not [choice for choice in choices if not re.search(rf"\b{choice}\b", said[name])], name


def test_the_defaults_in_the_rows_are_those_of_a_config():
    text = (ROOT / "docs" / "fields.md").read_text(encoding="utf-8")
    plain = {name: value for name, value in RunConfig().to_dict().items() if isinstance(value, bool | int | float | str)}
    seen = set()
    for names, default in re.findall(r"^\| (`[^|]+) \| ([^|]*) \|", text, flags=re.MULTILINE):
        for name, given in zip(re.findall(r"`(\w+)`", names), default.strip().split(", ") * 2, strict=False):
            if name in plain:
                value = plain[name]
                seen.add(name)
                assert given == (str(value).lower() if isinstance(value, bool) else str(value) if isinstance(value, str) else f"{value:g}"), name
    assert plain.keys() - seen == {"label_class"}, "which has none to be written"


def documented(text: str) -> list[list[str]]:
    """The words behind `idcgan` of every command in a text, in a block or between backticks, without comments; N stands for a number."""
    text = text.replace("\\\n", " ")
    of_blocks = re.findall(r"^(?: {4}|[^`\n]*; )?(?:[A-Z_]+=\S+ )*(?:\.venv/bin/|torchrun .* -m )?idcgan ([a-z-][^;\n]+)", text, flags=re.MULTILINE)
    of_lines = re.findall(r"`(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?idcgan ([a-z-][^`\n]+)`", text)
    commands = [shlex.split(command, comments=True) for command in (*of_blocks, *of_lines)]
    return [["1" if word == "N" else word for word in command if word != "..."] for command in commands]


def refused(words: list[str]) -> str:
    """Why a documented command would be refused before it looks at any file, or "". A verb or an option alone is a name."""
    command = typer.main.get_command(app)
    while words and hasattr(command, "commands"):
        if words[0] not in command.commands:
            return f"no verb {words[0]}"
        command, words = command.commands[words[0]], words[1:]
    if len(words) < 2:
        return ""
    try:
        given = command.make_context("", list(words)).params
        if "changes" in given and "preset" in given:
            levels = {"resolutions": given["resolutions"]} if given["resolutions"] else {}
            configure(given["preset"] or "recommended", "FILMS", **levels, **parse_changes(given["changes"] or []))
    except Exception as error:  # those of the parser are of no public class
        return str(error) or type(error).__name__
    return ""


@pytest.mark.parametrize("document", [path for path in DOCUMENTS if path.stem != "tries"], ids=lambda path: str(path.relative_to(ROOT)))
def test_documented_commands_have_options_that_exist(document):
    """tries.md is a record of its days: fields that did not help are gone."""
    wrong = {" ".join(words): why for words in documented(document.read_text(encoding="utf-8")) if (why := refused(words))}
    assert wrong == {}


def test_a_documented_command_that_is_wrong_is_found():
    text = "`idcgan trian FILMS`\n\n    A=1 idcgan train FILMS --steps 3   # no\n    .venv/bin/idcgan train FILMS --set crop=64 \\\n  --set crpo=64\n"
    assert [refused(words) != "" for words in documented(text)] == [True, True, True]
    assert len(documented((ROOT / "README.md").read_text(encoding="utf-8"))) > 10
