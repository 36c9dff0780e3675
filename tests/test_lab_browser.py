"""The course in a real browser, as a student meets it: `make lab`, Run All Cells, a slider, Train, Pause, Stop.

Pictures of the widgets and of the top of each notebook are kept in the folder IDCGAN_SCREENSHOTS, where that is set.
The notebooks are copies, in tiny mode; JupyterLab's settings and data are in a folder of their own. IDCGAN_FULL=1 runs them in full instead
(some ten minutes): pictures for the README.
"""

import importlib.util
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # comes with pytest there

ROOT = Path(__file__).resolve().parents[1]
LISTED = tomllib.loads((ROOT / "notebooks" / "notebooks.toml").read_text(encoding="utf-8"))["notebook"]
COURSE = [entry["file"] for entry in LISTED if entry["file"][:2] <= "05" and (ROOT / "notebooks" / f"{entry['file']}.ipynb").exists()]
SCREENSHOTS = os.environ.get("IDCGAN_SCREENSHOTS")
DESK = {"width": 1280, "height": 1000}
FULL = bool(os.environ.get("IDCGAN_FULL"))
RUN_ALL = 600_000 if FULL else 240_000  # milliseconds for Run All, on a machine that has other things to do
PLAY = 40_000 if FULL else 3_000  # milliseconds of training before Pause

# What JupyterLab or Notebook 7 complain of by themselves, and why it is nothing of ours.
HARMLESS = {
    "Cannot read properties of undefined (reading 'schema')": "Notebook 7.6, with any notebook and settings: one is read before it is loaded",
    "Command 'filebrowser:open-path' not registered": "Notebook 7.6, now and then: it has no side bar with files and asks for one",
}

# What the pictures of a widget show, as one string; empty while one is not there yet. Two updates with the same picture are the same string.
SEEN = """(widget) => {
    const pictures = [...widget.querySelectorAll('.idcgan-picture')];
    if (!pictures.length || pictures.some((image) => !image.complete || !image.naturalWidth)) return '';
    return pictures.map((image) => {
        const canvas = Object.assign(document.createElement('canvas'), { width: image.naturalWidth, height: image.naturalHeight });
        canvas.getContext('2d').drawImage(image, 0, 0);
        return canvas.toDataURL();
    }).join(' ');
}"""
# Run All is over: every cell with code in it has a number, or one shows an error (what comes after it is then never run).
OVER = """(cells) => {
    const prompts = [...document.querySelectorAll('.jp-Notebook .jp-CodeCell .jp-InputPrompt')].map((prompt) => prompt.textContent);
    const error = document.querySelector('.jp-Notebook [data-mime-type="application/vnd.jupyter.error"]');
    return error !== null || (prompts.filter((text) => /\\d/.test(text)).length >= cells && !prompts.some((text) => text.includes('*')));
}"""

# The words of labels and buttons that are wider than the place they stand in.
WIDER = """(all) => all.filter((one) => {
    const words = document.createRange(), style = getComputedStyle(one);
    words.selectNodeContents(one);
    const room = one.getBoundingClientRect().width - ['paddingLeft', 'paddingRight', 'borderLeftWidth', 'borderRightWidth']
        .reduce((sum, side) => sum + parseFloat(style[side]), 0);
    return one.clientWidth && words.getBoundingClientRect().width > room + 0.05;
}).map((one) => one.textContent)"""


class Lab:
    """A JupyterLab server that `make lab` started on a copy of the notebooks."""

    def __init__(self, folder: Path) -> None:
        for part in ("notebooks", "docs"):
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
        shutil.copy(ROOT / "Makefile", folder)
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            port = found.getsockname()[1]
        self.folder, self.token, self.log = folder, secrets.token_hex(16), folder / "server.log"
        self.address = f"http://127.0.0.1:{port}"
        options = ["--no-browser", "--ServerApp.ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0"]
        options += [f"--IdentityProvider.token={self.token}"]
        options += ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "JUPYTER"))}
        environment |= {f"JUPYTER_{name}_DIR": str(folder / "jupyter" / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
        environment |= {"JUPYTER_PREFER_ENV_PATH": "1", "IPYTHONDIR": str(folder / "ipython"), "PYTHONPATH": str(ROOT)}
        environment["IDCGAN_TINY"] = "" if FULL else "1"
        # as a student types it; this Python takes the place of .venv, which is not to be set up
        command = ["make", "-o", ".venv/ready", "lab", f"BIN={Path(sys.executable).parent}", f"LAB={' '.join(options)}"]
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)

    def ask(self, method: str, path: str):
        """What the server answers."""
        request = urllib.request.Request(self.address + path, method=method, headers={"Authorization": f"token {self.token}"})
        with urllib.request.urlopen(request, timeout=20) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def wait(self, seconds: float = 90) -> None:
        """Until the server answers."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and self.process.poll() is None:
            try:
                self.ask("GET", "/api/status")
                return
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        pytest.fail(f"JupyterLab did not start:\n{self.log.read_text(encoding='utf-8')[-2000:]}")

    def shut_kernels(self) -> None:
        """A kernel holds some 500 MB; the next notebook has its own."""
        for session in self.ask("GET", "/api/sessions"):
            self.ask("DELETE", f"/api/sessions/{session['id']}")

    def end(self) -> None:
        for sign in (signal.SIGTERM, signal.SIGKILL):
            if self.process.poll() is None:
                os.killpg(self.process.pid, sign)
                try:
                    self.process.wait(20)
                except subprocess.TimeoutExpired:
                    continue


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    if not shutil.which("make") or not hasattr(os, "killpg"):
        pytest.skip("there is no make here: `make lab` is not tried in a browser.")
    server = Lab(tmp_path_factory.mktemp("lab"))
    try:
        server.wait()
        yield server
    finally:
        server.end()


@pytest.fixture(scope="module")
def browser(chromium, lab):
    """One profile for all windows, so that JupyterLab itself is loaded once."""
    context = chromium.new_context(viewport=DESK, color_scheme="light")
    context.set_default_timeout(30_000)
    page = context.new_page()
    page.goto(f"{lab.address}/api/status?token={lab.token}")  # the cookie is for every window that follows
    page.close()
    yield context
    context.close()


@pytest.fixture
def window(browser, lab):
    window = Window(browser, lab)
    yield window
    window.page.close()
    lab.shut_kernels()


class Window:
    """A window of JupyterLab; `wrong`: whatever it complained of, or asked of another machine."""

    def __init__(self, browser, lab: Lab) -> None:
        self.page, self.lab, self.wrong = browser.new_page(), lab, []
        self.page.on("console", lambda message: self._complained(message.text) if message.type == "error" else None)
        self.page.on("pageerror", lambda error: self._complained(str(error)))
        self.page.on("request", lambda request: self._asked(request.url))
        self.page.on("websocket", lambda channel: self._asked(channel.url))

    def _complained(self, text: str) -> None:
        if not any(known in text for known in HARMLESS):
            self.wrong.append(text)

    def _asked(self, url: str) -> None:
        if not url.startswith((self.lab.address, self.lab.address.replace("http:", "ws:"), "data:", "blob:")):
            self.wrong.append(f"asked the network for {url}")

    def open(self, name: str, where: str = "/doc/tree/notebooks") -> None:
        """A notebook alone in the window; the side bar away, where there is one."""
        self.page.goto(f"{self.lab.address}{where}/{name}.ipynb")
        self.page.wait_for_selector(".jp-Notebook .jp-RenderedMarkdown h1")
        self.page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status='idle']")
        if self.page.locator("#jp-left-stack").is_visible():
            self.page.keyboard.press("Control+b")
            self.page.wait_for_selector("#jp-left-stack", state="hidden")

    def run_all(self, name: str) -> None:
        """Run > Run All Cells, with the mouse; back when the last cell is done."""
        cells = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
        for _ in range(3):  # a menu that is still being drawn swallows a click
            self.page.click(".lm-MenuBar-itemLabel:text-is('Run')")
            self.page.click(".lm-Menu-item:not(.lm-mod-disabled) .lm-Menu-itemLabel:text-is('Run All Cells')")
            if self.begun():
                break
        number = sum(cell["cell_type"] == "code" and bool("".join(cell["source"]).strip()) for cell in cells)
        self.page.wait_for_function(OVER, arg=number, timeout=RUN_ALL)
        assert self.complaints() == []
        self.page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status='idle']")

    def begun(self) -> bool:
        """Whether some cell shows, within seconds, that it waits, runs or has run."""
        prompts, until = self.page.locator(".jp-Notebook .jp-CodeCell .jp-InputPrompt", has_text=re.compile(r"[*\d]")), time.monotonic() + 5
        while not prompts.count() and time.monotonic() < until:
            self.page.wait_for_timeout(100)
        return prompts.count() > 0

    def complaints(self) -> list[str]:
        """What the cells show of errors, and of warnings and tracebacks of threads among what was printed to stderr."""
        errors, printed = (self.page.locator(f".jp-Notebook [data-mime-type='application/vnd.jupyter.{kind}']") for kind in ("error", "stderr"))
        warned = [text for text in printed.all_text_contents() if re.search(r"Traceback|Warning|Error", text)]
        return [text[-600:] for text in errors.all_text_contents() + warned]

    def pictured(self, name: str) -> None:
        """Keeps the top of the notebook."""
        if not SCREENSHOTS:
            return
        self.page.evaluate("document.querySelectorAll('.jp-WindowedPanel-outer').forEach((panel) => { panel.scrollTop = 0; })")
        self.page.wait_for_timeout(500)
        self.page.screenshot(path=Path(SCREENSHOTS) / f"{name}.png")


class Widget:
    """One of the widgets of a notebook."""

    def __init__(self, window: Window, number: int) -> None:
        self.page, self.place = window.page, window.page.locator(".idcgan-widget").nth(number)
        self.place.scroll_into_view_if_needed()

    def seen(self) -> str:
        return self.place.evaluate(SEEN)

    def changes(self, before: str, seconds: float) -> bool:
        """Whether another picture comes within so many seconds."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.seen() not in ("", before):
                return True
            self.page.wait_for_timeout(100)
        return False

    def rests(self, seconds: float = 20) -> bool:
        """Whether the picture stays as it is for a second, within so many seconds."""
        until, last, since = time.monotonic() + seconds, self.seen(), time.monotonic()
        while time.monotonic() < until:
            self.page.wait_for_timeout(200)
            if (now := self.seen()) != last:
                last, since = now, time.monotonic()
            elif now and time.monotonic() - since > 1:
                return True
        return False

    def sliders(self) -> list:
        """Those that can be moved now."""
        return self.place.locator(".noUi-target:not([disabled]):visible").all()

    def drag(self, slider) -> bool:
        """Moves a slider by a quarter of its track, with the mouse, towards the farther end; whether it has another value then."""
        slider.scroll_into_view_if_needed()
        handle = slider.locator(".noUi-handle").first
        track, grip, before = slider.bounding_box(), handle.bounding_box(), handle.get_attribute("aria-valuenow")
        x, y = (grip[side] + grip[length] / 2 for side, length in (("x", "width"), ("y", "height")))
        away = (1 if x < track["x"] + track["width"] / 2 else -1) * track["width"] / 4
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move(x + away, y, steps=4)
        self.page.mouse.up()
        return handle.get_attribute("aria-valuenow") != before

    def slides(self) -> bool:
        """Whether one slider after the other, moved, gives another picture."""
        for slider in self.sliders():
            before = self.seen()
            if self.drag(slider) and self.changes(before, 8):
                return True
        return False

    def button(self, words: str):
        """The button whose words begin so, or None."""
        found = self.place.get_by_role("button", name=re.compile(rf"^\W*({words})\b"))
        return found.first if found.count() else None

    def cut_off(self) -> list[str]:
        """Words that do not fit where they stand."""
        return self.place.locator(".widget-label, .widget-button, .widget-toggle-button, .widget-readout").evaluate_all(WIDER)

    def trains(self, name: str) -> None:
        """Train or Run, a slider while it runs, Pause, Resume and Stop where there are such: the picture moves, and rests when it is told to."""
        before = self.seen()
        self.button("Train|Run").click()
        assert self.changes(before, 60), "training changed nothing in the picture"
        if sliders := self.sliders():
            assert any(self.drag(slider) for slider in sliders), "no slider moves while it trains"
            assert self.changes(self.seen(), 30), "the training ended, or its picture stood still, when a slider was moved"
        self.page.wait_for_timeout(PLAY)
        assert self.button("Pause").is_enabled(), "the training was over before Pause could be pressed: give it longer in tiny mode"
        self.button("Pause").click()
        assert self.rests(), "the picture went on after Pause"
        self.pictured(name)
        if resume := self.button("Resume"):
            before = self.seen()
            resume.click()
            assert self.changes(before, 30), "nothing went on after Resume"
        if stop := self.button("Stop"):
            stop.click()
            assert self.rests(), "the picture went on after Stop"

    def pictured(self, name: str) -> None:
        """Keeps the widget, with a margin, in a window that is high enough for it."""
        if not SCREENSHOTS:
            return
        self.place.evaluate("(widget) => { widget.style.padding = '12px'; document.activeElement.blur(); }")
        self.page.set_viewport_size({**DESK, "height": max(DESK["height"], int(self.place.bounding_box()["height"]) + 200)})
        self.page.wait_for_timeout(300)
        self.place.screenshot(path=Path(SCREENSHOTS) / f"{name}.png", animations="disabled")
        self.page.set_viewport_size(DESK)


def try_widgets(window: Window, name: str) -> None:
    """Every widget of the notebook answers: one with Train or Run is trained, in any other a slider must change the picture."""
    number = window.page.locator(".idcgan-widget").count()
    assert number, f"{name} has no widget"
    for at in range(number):
        widget, which, picture = Widget(window, at), f"widget {at + 1} of {name}", name if at == 0 else f"{name}-{at + 1}"
        assert widget.rests(), f"{which} has no picture"
        assert widget.cut_off() == [], f"words are cut off in {which}"
        if widget.button("Train|Run"):
            widget.trains(picture)
        else:
            assert widget.slides(), f"no slider changed the picture of {which}"
            widget.pictured(picture)


@pytest.mark.parametrize("name", COURSE)
def test_a_notebook_of_the_course(window, name):
    window.open(name)
    window.run_all(name)
    window.pictured(f"{name}-top")
    try_widgets(window, name)
    assert window.complaints() == []
    assert window.wrong == []


def test_make_lab_opens_the_start_page(window):
    page, first = window.page, next(entry for entry in LISTED if (ROOT / "notebooks" / f"{entry['file']}.ipynb").exists())
    page.goto(window.lab.address)  # what `make lab` opens
    page.wait_for_selector(".jp-RenderedMarkdown h1")
    assert page.url.split("?")[0].endswith("/lab/tree/notebooks/00_start_here.ipynb")
    page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status='idle']")
    shown = page.locator(".jp-RenderedMarkdown td:nth-child(2) a")
    assert shown.all_inner_texts() == [entry["title"] for entry in LISTED], "the start page does not list the notebooks in their order"
    window.pictured("00_start_here")

    page.get_by_role("link", name=first["title"], exact=True).click()
    heading = page.locator(".jp-NotebookPanel:visible .jp-RenderedMarkdown h1").first
    heading.filter(has_text=first["title"]).wait_for()
    assert page.url.endswith(f"/lab/tree/notebooks/{first['file']}.ipynb")
    page.wait_for_timeout(2000)  # JupyterLab asks whether it may fetch news shortly after it is up
    assert page.locator(".Toastify__toast").all_inner_texts() == []
    assert window.wrong == []


@pytest.mark.skipif(not importlib.util.find_spec("notebook"), reason="Notebook 7 is not installed: the course is not tried in it.")
def test_notebook_7(window):
    window.open(COURSE[0], "/notebooks/notebooks")
    window.run_all(COURSE[0])
    try_widgets(window, COURSE[0])
    assert window.complaints() == []
    assert window.wrong == []
