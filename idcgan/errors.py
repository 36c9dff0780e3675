"""The two ways things go wrong, kept apart so that a terminal can exit with 2 or 1, and how a refusal of a name ends."""

from __future__ import annotations

from collections.abc import Iterable


class InputError(ValueError):
    """The input or the options are wrong. The message is one sentence: what, where, what to do. Exit code 2."""


class WorkError(RuntimeError):
    """The work itself failed (disk full, NaN, damaged checkpoint). The message is one sentence. Exit code 1."""


def nearest(name: object, known: Iterable[str], otherwise: str) -> str:
    """The end of a sentence that refuses `name`: the nearest of the known names, or, where none is near, `otherwise`."""
    import difflib

    near = difflib.get_close_matches(str(name), list(known), 1)
    return f"did you mean {near[0]!r}?" if near else otherwise
