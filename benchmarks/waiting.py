"""(h) How long OpenMP's threads spin before they sleep: a step of `growing` at 128, on a quiet machine and beside a busy program.

    python benchmarks/waiting.py [--quick]

`idcgan/__init__.py` sets GOMP_SPINCOUNT; another OpenMP than GNU's does not read it, and all rows are then alike.
"""

import argparse
import json
import os
import subprocess
import sys

from side_by_side import keep, rounds, serve, steps_on_noise

SPINS = (0, 2_000, 20_000, 300_000)


def once(spin: int):
    """Ten steps on random films."""
    os.environ["GOMP_SPINCOUNT"] = str(spin)  # read when torch is loaded, so before everything
    from idcgan import preset

    return steps_on_noise(preset("growing", resolutions=(128,)), 128, count=10)


def table(result: dict) -> str:
    """Markdown."""
    lines = ["| spins | quiet: ms a step | beside a busy program: ms a step |", "| --- | --- | --- |"]
    for spin in map(str, SPINS):
        lines.append(f"| {int(spin):,} | {result['quiet'][spin]:.1f} | {result['busy'][spin]:.0f} |")
    return "\n".join(lines)


def main() -> None:
    """Both surroundings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="5 s each")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        serve(once(**json.loads(options.worker)))
        return
    specs = {str(spin): {"spin": spin} for spin in SPINS}
    result = {}
    for name in ("quiet", "busy"):
        busy = subprocess.Popen([sys.executable, "-c", "while True: pass"]) if name == "busy" else None
        try:
            said = rounds(__file__, specs, 3, 20.0 if options.quick else 80.0)
        finally:
            if busy:
                busy.kill()
                busy.wait()
        result[name] = {spin: round(row["seconds"] * 100, 1) for spin, row in said.items()}  # ten steps, in seconds
    keep("waiting", result, table(result))


if __name__ == "__main__":
    main()
