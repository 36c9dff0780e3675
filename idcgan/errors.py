"""The two ways things go wrong, kept apart so that a terminal can exit with 2 or 1."""


class InputError(ValueError):
    """The input or the options are wrong. The message is one sentence: what, where, what to do. Exit code 2."""


class WorkError(RuntimeError):
    """The work itself failed (disk full, NaN, damaged checkpoint). The message is one sentence. Exit code 1."""
