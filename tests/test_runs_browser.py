"""The page of runs in a browser: two thousand rows that sort and filter; nothing is asked of the network.

IDCGAN_SCREENSHOTS=FOLDER keeps pictures of the page.
"""

import os
import shutil
from pathlib import Path

import pytest
from test_runs import LEVELS, write_run

from idcgan.runs import read_runs
from idcgan.runs_page import write_page
from idcgan.runs_table import order


class Page:
    """A window with a page in it; `wrong`: whatever it complained of or asked the network for."""

    def __init__(self, chromium, path: Path) -> None:
        self.context = chromium.new_context(viewport={"width": 1366, "height": 768})
        self.page, self.wrong = self.context.new_page(), []
        self.page.on("console", lambda message: self.wrong.append(f"console: {message.text}"))
        self.page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        self.page.on("request", lambda request: None if request.url.startswith(("file:", "data:")) else self.wrong.append(request.url))
        self.page.goto(path.resolve().as_uri())

    def column(self, name: str) -> list[str]:
        """What stands in the column of this field, in the rows that are shown."""
        return self.page.evaluate(
            """(name) => {
                const at = [...document.querySelectorAll('#runs thead th')].findIndex((head) => head.querySelector('button')?.dataset.field === name);
                return [...document.querySelectorAll('#runs tbody tr')].filter((row) => !row.hidden).map((row) => row.cells[at].dataset.v);
            }""",
            name,
        )

    def sort(self, name: str) -> list[str]:
        self.page.click(f"#runs thead button[data-field='{name}']")
        return self.column(name)

    def filter(self, words: str) -> str:
        self.page.fill("#filter", words)
        return self.page.inner_text("#count")

    def pictured(self, name: str) -> None:
        if folder := os.environ.get("IDCGAN_SCREENSHOTS"):
            self.page.screenshot(path=Path(folder) / f"runs-{name}.png")


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Path:
    """2,000 runs: five written, the others copies with other seeds; every tenth failed without a record, one is damaged."""
    folder = tmp_path_factory.mktemp("many") / "runs"
    for number in range(5):
        lower = {**LEVELS, "32": {**LEVELS["32"], "swd": 30.0 + 7 * ((number * 2) % 5)}}
        write_run(folder / f"{number:04}", learning_rate=0.0001 * (number + 1), levels=lower, seed=number)
    texts = [(folder / f"{number:04}" / "run.json").read_text() for number in range(5)]
    for number in range(5, 2000):
        run = folder / f"{number:04}"
        run.mkdir()
        if number % 10 == 0:
            (run / "failure.txt").write_text("the losses are not numbers any more.")
            continue
        (run / "run.json").write_text(texts[number % 5].replace(f'"seed": {number % 5},', f'"seed": {number},'))
        shutil.copytree(folder / f"{number % 5:04}" / "samples", run / "samples", copy_function=os.link)
        shutil.copy(folder / f"{number % 5:04}" / "history.csv", run)
    (folder / "0007" / "run.json").write_text("{")
    return folder


def test_two_thousand_rows(chromium, many, tmp_path):
    ordered, place, said = order(read_runs(many))
    write_page(ordered, place, said, tmp_path / "page.html")
    assert (tmp_path / "page.html").stat().st_size < 30e6
    page = Page(chromium, tmp_path / "page.html")
    assert page.page.inner_text("#count") == "2,000 runs"
    assert len(page.column("name")) == 2000
    assert page.column("place")[0] == "1"
    page.pictured("many")

    ascending = page.sort("learning_rate")
    with_value = [float(value) for value in ascending if value]
    assert with_value == sorted(with_value)
    assert len(set(with_value)) == 5
    assert set(ascending[len(with_value) :]) == {""}, "runs without a value are not last"
    descending = page.sort("learning_rate")
    assert [float(value) for value in descending if value] == sorted(with_value, reverse=True)
    assert descending[-1] == ""
    assert page.page.get_attribute("#runs th[aria-sort]", "aria-sort") == "descending"
    assert page.sort("name") == sorted(page.column("name"))

    assert page.filter("failed numbers") == "199 of 2,000 runs"
    assert set(page.column("status")) == {"failed"}
    assert page.filter("DAMAGED") == "1 of 2,000 runs"
    assert page.column("name") == ["0007"]
    page.pictured("filtered")
    assert page.filter("no such run") == "0 of 2,000 runs"
    assert page.filter("") == "2,000 runs"
    broken = page.page.evaluate("[...document.images].filter((image) => !image.complete || !image.naturalWidth || !image.alt).length")
    assert (broken, page.page.evaluate("document.images.length")) == (0, 1800)
    assert page.wrong == []
    page.context.close()


def test_a_few_runs_and_two_of_them(chromium, tmp_path, terminal):
    write_run(tmp_path / "runs" / "a", more={"warnings": ["the fakes look alike."]})
    write_run(tmp_path / "runs" / "b", learning_rate=0.001)
    assert terminal("runs", tmp_path / "runs", "--html", tmp_path / "page.html", "--compare", "a", "b").code == 0
    page = Page(chromium, tmp_path / "page.html")
    assert page.page.locator("#pair figure img").count() == 2
    assert "0.001" in page.page.inner_text("#pair")
    page.page.click("summary")
    assert page.page.is_visible("text=the fakes look alike.")
    assert page.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page is wider than the window"
    page.pictured("pair")
    assert page.wrong == []
    page.context.close()
