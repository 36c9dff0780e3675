"""`python -m idcgan.tied PARENT MODULE ARGUMENTS...`: runs a module that ends when the process PARENT, which started it, ends.

A worker of a cluster can be killed at any moment, and a run that went on without it would hold the run folder that the
next attempt needs. (Where the system gives orphans no new parent, as on Windows, the module runs untied.)
"""

from __future__ import annotations

import os
import runpy
import sys
import threading
import time


def main() -> None:
    """Watch the parent, and run the module as `python -m` would."""
    end_with(int(sys.argv[1]))
    sys.argv = sys.argv[2:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def end_with(parent: int) -> None:
    """A thread ends this process when `parent`, which started it, has ended."""
    if os.name == "posix":
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)  # a kernel that it has started looks after its own parent in the same way, once a second


if __name__ == "__main__":
    main()
