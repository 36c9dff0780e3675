"""`idcgan study make` and `idcgan study score`."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Annotated

import typer

study = typer.Typer(help="A reader study: can they tell real films from synthetic ones?", no_args_is_help=True, rich_markup_mode=None)


@study.command()
def make(
    source: Annotated[Path, typer.Argument(metavar="RUN|WEIGHTS|FOLDER", help="a run folder, a generator-*.safetensors file, or synthetic films")],
    real: Annotated[str, typer.Option(metavar="FILMS", help="a folder of real films, or phantom:normal / phantom:abnormal")],
    out: Annotated[Path, typer.Option(metavar="STUDY", help="the folder for the study")],
    count: Annotated[int, typer.Option("-n", "--count", help="how many films of each kind")] = 64,
    label_class: Annotated[str, typer.Option("--class", help="which class of films: the subfolder of that name, if any; left out: the run's")] = "",
    seed: Annotated[int, typer.Option(help="of everything random")] = 0,
    side: Annotated[int, typer.Option(help="pixels per side; lowered to the smallest film's")] = 512,
    square: Annotated[str, typer.Option(help="crop or pad; left out: as the run's films were, or crop")] = "",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps")] = "auto",
    quiet: Annotated[bool, typer.Option("--quiet", help="no progress bar")] = False,
) -> None:
    """Make one page that shows real and synthetic films in random order, blind, and the key to it."""
    from .reader import make_study
    from .records import command_name

    make_study(source, real, out, count, seed, side, label_class, square, device, not quiet)
    made = json.loads((out / "key.json").read_text(encoding="utf-8"))["side"]
    size = f"at {made} x {made}" + (", the smallest film's side" if made < side else "")
    print(f"{out / 'study.html'}: {count} real and {count} synthetic films {size}; the readers' page, for any browser, without a network")
    print(f"{out / 'key.json'}: the truth; keep it away from the readers")
    print(f"then, once their answers-READER.json lie in {out}: {command_name()} study score {shlex.quote(str(out))}")


@study.command()
def score(
    folder: Annotated[Path, typer.Argument(metavar="STUDY", help="the folder of a study")],
    answers: Annotated[list[Path] | None, typer.Argument(metavar="[ANSWERS]...", help="left out: all answers-*.json in STUDY")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="write the figures to a file too")] = None,
) -> None:
    """Accuracy, sensitivity and specificity of every reader with exact intervals, and the agreement between readers."""
    from . import reader_score
    from .checkpoint import write_json

    result = reader_score.score(folder, answers or ())
    print(reader_score.as_table(result))
    if json_file:
        write_json(json_file, result)
