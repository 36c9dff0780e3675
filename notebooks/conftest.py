"""The seconds that each notebook takes under nbval, beside the minutes that notebooks.toml states: a slower one fails the run.

`make test` runs them in tiny mode (IDCGAN_TINY=1), two at a time; what takes longer there than the whole notebook may is broken.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # comes with pytest there

HERE = Path(__file__).resolve().parent
SECONDS: Counter[str] = Counter()  # by notebook; with pytest-xdist the reports of all workers arrive here


def allowed() -> dict[str, float]:
    """Seconds that each notebook of notebooks.toml may take."""
    return {entry["file"]: 60 * entry["run_minutes"] for entry in tomllib.loads((HERE / "notebooks.toml").read_text(encoding="utf-8"))["notebook"]}


def too_slow() -> list[str]:
    """The notebooks that took longer than they may."""
    limits = allowed()
    return [name for name, seconds in sorted(SECONDS.items()) if seconds > limits.get(name, float("inf"))]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Adds up: the first cell's part is the start of the kernel too, the last one's its end."""
    path = Path(report.nodeid.split("::")[0])
    if path.suffix == ".ipynb":
        SECONDS[path.stem] += report.duration


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A row per notebook."""
    if not SECONDS:
        return
    limits, slow = allowed(), too_slow()
    terminalreporter.section("seconds per notebook")
    for name, seconds in sorted(SECONDS.items()):
        limit = f"{limits[name]:6.0f} allowed" if name in limits else "        not listed"
        terminalreporter.line(f"{name:<32} {seconds:6.1f} {limit}{'   too slow' if name in slow else ''}", red=name in slow)
    terminalreporter.line(f"{'together':<32} {sum(SECONDS.values()):6.1f}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fails a run whose cells all passed, but too slowly."""
    if too_slow() and not hasattr(session.config, "workerinput") and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
