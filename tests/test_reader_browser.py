"""The reader study's page in a browser: a scripted reader presses 128 keys, and no answer is lost.

IDCGAN_SCREENSHOTS=FOLDER keeps pictures of the start page, a film and the result.
"""

import json
import os
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from idcgan import phantom
from idcgan.reader import make_study
from idcgan.reader_answers import Answers, Study
from idcgan.reader_score import percent, score

LAPTOP = {"width": 1366, "height": 768}
KEYS = {"real": "r", "synthetic": "s"}


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Study:
    """64 phantoms as they are and the same 64 blurred, at 128."""
    folder = tmp_path_factory.mktemp("browser")
    for name in ("real", "made"):
        (folder / name).mkdir()
    for i, (film, _) in enumerate(phantom.films(64, "normal", 128)):
        image = Image.fromarray((film * 255).astype(np.uint8))
        image.save(folder / "real" / f"{i:02}.png")
        image.filter(ImageFilter.GaussianBlur(1)).save(folder / "made" / f"{i:02}.png")
    return Study.open(make_study(folder / "made", folder / "real", folder / "study", progress=False))


class Reader:
    """A window with the study in it; `wrong`: whatever it complained of or asked the network for."""

    def __init__(self, chromium, study: Study, script: str = "") -> None:
        self.context = chromium.new_context(viewport=LAPTOP, accept_downloads=True)
        if script:
            self.context.add_init_script(script)
        self.address, self.study, self.names = (study.path / "study.html").resolve().as_uri(), study, list(study.kinds)
        self.wrong: list[str] = []
        self.open()

    def open(self) -> None:
        """A new window of the same browser."""
        self.page = self.context.new_page()
        self.page.set_default_timeout(10_000)
        self.page.on("console", lambda message: self.wrong.append(f"console: {message.text}"))
        self.page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        self.page.on("request", lambda request: None if request.url.startswith(("file:", "data:", "blob:")) else self.wrong.append(request.url))
        self.page.goto(self.address)

    def begin(self, name: str) -> None:
        self.page.fill("#reader", name)
        self.page.keyboard.press("Enter")

    def sees(self, number: int) -> None:
        """Waits until film `number`, from 0, is there to be looked at."""
        self.page.wait_for_selector(f"#film[data-shown='{self.names[number]}']")
        assert self.page.inner_text("#progress") == f"{number + 1} of {len(self.names)}"

    def says(self, said: list[str], start: int, end: int) -> None:
        for number in range(start, end):
            self.sees(number)
            self.page.keyboard.press(KEYS[said[number]])

    def fits(self) -> bool:
        return self.page.evaluate("document.documentElement.scrollHeight <= innerHeight && document.documentElement.scrollWidth <= innerWidth")

    def saves(self, folder: Path, button: str) -> Path:
        """The file that the page hands out."""
        with self.page.expect_download() as download:
            self.page.click(button)
        path = folder / download.value.suggested_filename
        download.value.save_as(path)
        return path

    def pictured(self, name: str) -> None:
        if folder := os.environ.get("IDCGAN_SCREENSHOTS"):
            self.page.screenshot(path=Path(folder) / f"reader-{name}.png")


def test_128_answers_by_key(chromium, study, terminal, tmp_path):
    chance = random.Random(5)
    said = [kind if chance.random() < 0.62 else "real" for kind in study.kinds.values()]
    reader = Reader(chromium, study)
    assert "films of patients" in reader.page.inner_text("#start")
    assert "not for diagnosis" in reader.page.inner_text("#start")
    reader.begin("A/B")
    assert "initials" in reader.page.inner_text("#problem")
    reader.pictured("start")
    reader.begin("AB")

    reader.says(said, 0, 40)
    reader.sees(40)
    reader.page.reload()  # goes on by itself
    reader.says(said, 40, 80)
    reader.sees(80)
    assert reader.fits()
    reader.pictured("film")
    text = reader.page.inner_text("body") + reader.page.get_attribute("#film", "alt")
    assert "Accuracy" not in text
    assert "Chest film 81 of 128" in text
    half = Answers.read(reader.saves(tmp_path, "#reading .save"), study)
    assert [answer.said for answer in half.answers.values()] == said[:80]

    reader.page.close()
    reader.open()
    reader.page.click("text=AB: 80 of 128")
    reader.says(said, 80, 128)
    reader.page.wait_for_selector("#done:not([hidden])")
    assert "Accuracy" not in reader.page.inner_text("body")
    reader.page.click("#show")
    assert reader.fits()
    reader.pictured("result")
    path = reader.saves(tmp_path, "#result .save")
    assert path.name == "answers-AB.json"

    saved = Answers.read(path, study)
    assert [answer.said for answer in saved.answers.values()] == said, "an answer was lost or changed"
    assert all(0 < answer.seconds < 60 for answer in saved.answers.values())
    command = terminal("study", "score", study.path, path, "--json", tmp_path / "figures.json")
    figures = json.loads((tmp_path / "figures.json").read_text())["readers"]["AB"]
    assert figures == score(study.path, [path])["readers"]["AB"]
    for name in ("accuracy", "sensitivity", "specificity"):
        figure, card = figures[name], reader.page.locator(f"#{name}")
        shown = [float(card.get_attribute(f"data-{key}")) for key in ("correct", "of", "value", "low", "high")]
        assert shown == pytest.approx([figure["correct"], figure["of"], figure["value"], *figure["interval"]], abs=1e-9)
        words = [percent(figure["value"]), f"({percent(figure['interval'][0])[:-2]} to {percent(figure['interval'][1])[:-2]})"]
        assert [word in card.inner_text() for word in words] == [True, True]
        assert " ".join(words) in command.out
    assert float(reader.page.get_attribute("#verdict", "data-p")) == pytest.approx(figures["p_guessing"], rel=1e-9)
    assert reader.wrong == []

    reader.page.reload()  # the result stays, and the answers with it
    reader.page.keyboard.press("Backspace")
    reader.page.keyboard.press("s")
    assert reader.page.is_visible("#result")
    assert Answers.read(reader.saves(tmp_path, "#result .save"), study) == saved
    reader.context.close()


def test_corrections_held_keys_and_shortcuts(chromium, study, tmp_path):
    reader = Reader(chromium, study)
    reader.begin("CD")
    reader.says(["real", "real", "real"], 0, 3)
    reader.sees(3)
    reader.page.keyboard.press("Backspace")
    reader.sees(2)
    reader.page.click("#reading .back")
    reader.sees(1)
    assert [reader.page.get_attribute(f"#{name}", "aria-pressed") for name in KEYS] == ["true", "false"]
    reader.page.keyboard.press("s")
    reader.sees(3)  # on to the next without an answer
    reader.page.click("#synthetic")
    reader.sees(4)
    reader.page.keyboard.down("r")
    reader.sees(5)
    reader.page.keyboard.down("r")  # the key is still held: no second answer
    reader.page.keyboard.up("r")
    reader.page.keyboard.press("Alt+s")
    reader.sees(5)
    # the second key comes before the next film can have been seen
    reader.page.evaluate("for (const key of 'rs') document.dispatchEvent(new KeyboardEvent('keydown', { key }))")
    reader.sees(6)
    answers = Answers.read(reader.saves(tmp_path, "#reading .save"), study).answers
    assert [answer.said for answer in answers.values()] == ["real", "synthetic", "real", "synthetic", "real", "real"]
    assert reader.wrong == []
    reader.context.close()


def test_two_readers_and_two_windows_on_one_machine(chromium, study, tmp_path):
    reader = Reader(chromium, study)
    reader.begin("EF")
    reader.says(["real"], 0, 1)
    reader.sees(1)
    first = reader.page
    reader.open()
    reader.page.click("text=EF: 1 of 128")
    reader.says(["real", "synthetic"], 1, 2)
    reader.sees(2)
    reader.page = first  # has not heard of film 2
    reader.page.bring_to_front()
    reader.page.keyboard.press("Backspace")
    reader.sees(0)
    reader.page.keyboard.press("s")
    reader.sees(2)
    reader.page.click("#pause")
    reader.begin("GH")
    reader.sees(0)
    assert Answers.read(reader.saves(tmp_path, "#reading .save"), study).answers == {}
    reader.page.click("#pause")
    reader.page.click("text=EF: 2 of 128")
    answers = Answers.read(reader.saves(tmp_path, "#reading .save"), study).answers
    assert [answer.said for answer in answers.values()] == ["synthetic", "synthetic"]
    reader.context.close()


def test_a_browser_that_keeps_nothing(chromium, study, tmp_path):
    reader = Reader(chromium, study, "Storage.prototype.setItem = () => { throw new Error('full'); };")
    reader.begin("IJ")
    reader.says(["real", "synthetic"], 0, 2)
    reader.sees(2)
    assert "save your answers" in reader.page.inner_text("#unkept")
    answers = Answers.read(reader.saves(tmp_path, "#reading .save"), study).answers
    assert [answer.said for answer in answers.values()] == ["real", "synthetic"]
    reader.page.click("#pause")
    reader.begin("KL")
    reader.sees(0)
    reader.page.click("#pause")
    assert reader.page.locator("#readings button").all_inner_texts() == ["IJ: 2 of 128", "KL: 0 of 128"]
    reader.begin("IJ")
    reader.sees(2)
    assert "save your answers" in reader.page.inner_text("#unkept")
    assert Answers.read(reader.saves(tmp_path, "#reading .save"), study).answers == answers
    assert reader.wrong == []
    reader.context.close()


FULL_AT_WILL = """
const set = Storage.prototype.setItem;
Storage.prototype.setItem = function (key, value) { if (window.full) throw new Error("full"); set.call(this, key, value); };
"""


def test_a_browser_that_is_full_after_a_while(chromium, study, tmp_path):
    """What was stored before is older than what is answered since, and must not come back."""
    reader = Reader(chromium, study, FULL_AT_WILL)
    reader.begin("MN")
    reader.says(["real", "real"], 0, 2)
    reader.sees(2)
    reader.page.evaluate("window.full = true")
    reader.page.keyboard.press("Backspace")
    reader.sees(1)
    reader.page.keyboard.press("s")  # not stored
    reader.says(["", "", "synthetic"], 2, 3)
    reader.sees(3)
    answers = Answers.read(reader.saves(tmp_path, "#reading .save"), study).answers
    assert [answer.said for answer in answers.values()] == ["real", "synthetic", "synthetic"]
    reader.page.click("#pause")
    reader.page.click("text=MN: 3 of 128")
    reader.sees(3)
    reader.page.evaluate("window.full = false")
    reader.page.keyboard.press("r")  # there is room again
    reader.sees(4)
    assert reader.page.inner_text("#unkept") == ""
    reader.page.reload()
    reader.page.click("text=MN: 4 of 128")
    reader.sees(4)
    answers = Answers.read(reader.saves(tmp_path, "#reading .save"), study).answers
    assert [answer.said for answer in answers.values()] == ["real", "synthetic", "synthetic", "real"]
    reader.context.close()


def test_a_full_browser_knows_of_a_result_in_another_window(chromium, study, tmp_path):
    reader = Reader(chromium, study, FULL_AT_WILL)
    reader.begin("OP")
    reader.says(["real"], 0, 1)
    reader.sees(1)
    reader.page.evaluate("window.full = true")
    reader.says(["", "real"], 1, 2)
    reader.sees(2)
    answers = {name: {"said": "synthetic", "seconds": 1} for name in study.kinds}
    finished = json.dumps({"study": study.id, "reader": "OP", "answers": answers, "finished": True})
    there_is_room = "([key, value]) => { full = false; localStorage.setItem(key, value); full = true; }"
    reader.page.evaluate(there_is_room, [f"idcgan-study:{study.id}:OP", finished])
    reader.page.keyboard.press("r")
    reader.page.wait_for_selector("#result:not([hidden])")
    saved = Answers.read(reader.saves(tmp_path, "#result .save"), study)
    assert (saved.finished, {answer.said for answer in saved.answers.values()}) == (True, {"synthetic"})
    reader.context.close()


def test_a_double_click_is_one_answer(chromium, study, tmp_path):
    """Its second half comes when the next film is there, and nobody has seen that one."""
    reader = Reader(chromium, study)
    reader.begin("QR")
    for number, name in enumerate(("real", "synthetic")):
        reader.sees(number)
        reader.page.hover(f"#{name}")
        for count in (1, 2):
            reader.page.mouse.down(click_count=count)
            reader.page.mouse.up(click_count=count)
            reader.sees(number + 1)
    answers = Answers.read(reader.saves(tmp_path, "#reading .save"), study).answers
    assert [answer.said for answer in answers.values()] == ["real", "synthetic"]
    assert reader.wrong == []
    reader.context.close()
