"""The same verbs for a terminal. Exit codes: 0 done, 1 the work failed, 2 wrong input or options, 130 interrupted (resumable)."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from .batch_cli import batch
from .errors import InputError, WorkError
from .reader_cli import study

HELP = "Incremental DCGAN: learns chest films at 64 x 64 and grows, level by level, to 2048 x 2048. Made films are not for diagnosis."
app = typer.Typer(help=HELP, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
app.add_typer(study, name="study")
app.command()(batch)

Films = Annotated[str, typer.Argument(metavar="FILMS", help="a folder of films, a pyramid, or phantom:normal / phantom:abnormal")]
Resolutions = Annotated[str, typer.Option(help="levels from low to high, such as 64,128,256")]
LabelClass = Annotated[str, typer.Option("--class", help="which class of films: the subfolder of that name, where there is one")]
Preset = Annotated[str, typer.Option(help="recommended, quick, long, growing, laptop, tiny, paper-normal-15 or -20, paper-abnormal-10 or -20")]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="any field of the config; may be repeated")]
Epochs = Annotated[int, typer.Option(help="train for epochs (shared over the levels, see epochs_for)")]
Minutes = Annotated[float, typer.Option(help="train for minutes of wall clock, shared over the levels")]
Seed = Annotated[int, typer.Option(help="of everything random")]
Spread = Annotated[float, typer.Option(help="how far out latents are drawn: 1 as in training; above, more varied and less like real films")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps")]
Quiet = Annotated[bool, typer.Option("--quiet", help="no progress bar")]


@app.command()
def build(
    films: Films,
    out: Annotated[Path, typer.Option(help="the pyramid's folder")],
    resolutions: Resolutions = "64,128,256,512,1024,2048",
    square: Annotated[str, typer.Option(help="crop or pad")] = "crop",
    channels: Annotated[int, typer.Option(help="1 (grey) or 3 (the same grey three times)")] = 1,
    label_class: LabelClass = "",
    workers: Annotated[int, typer.Option(help="processes; -1: one per core, eight at most")] = -1,
    quiet: Quiet = False,
) -> None:
    """Make a pyramid of a folder of films: every film at every level, ready to be trained on."""
    from .fields import coerce
    from .loader import class_in
    from .pyramid import Pyramid

    levels = coerce("resolutions", resolutions, tuple[int, ...])
    wanted = class_in(Path(films), label_class)
    pyramid = Pyramid.build(films, out, levels, square, channels, wanted, None if workers < 0 else workers, not quiet)
    print(f"{out}: {len(pyramid)} films at {', '.join(map(str, pyramid.resolutions))}")
    for film in pyramid.left_out:
        print(f"left out: {film['reason']}")


@app.command()
def train(
    films: Films = "",
    out: Annotated[Path | None, typer.Option(help="the run folder; left out: runs/ and a name with the time")] = None,
    preset: Preset = "",
    changes: Set = None,
    label_class: LabelClass = "",
    resolutions: Resolutions = "",
    epochs: Epochs = 0,
    minutes: Minutes = 0.0,
    seed: Annotated[int | None, typer.Option(help="of everything random; left out: 0")] = None,
    init: Annotated[Path | None, typer.Option(help="begin with this run (before crops also a generator file or pretrained:NAME)")] = None,
    resume: Annotated[Path | None, typer.Option(help="go on with this run")] = None,
    like: Annotated[Path | None, typer.Option(metavar="RUN", help="train anew as RUN was: its config, seed and films")] = None,
    memory_limit: Annotated[float, typer.Option(help="GB of memory to stay below; left out: what is free")] = 0.0,
    device: Device = "",
    quiet: Quiet = False,
) -> None:
    """Train on a folder of films, level by level; or go on with a run that was stopped."""
    from . import repeat, training
    from .config import configure, parse_changes
    from .crew import Crew
    from .machine import choose_device
    from .records import default_out

    if memory_limit < 0:
        raise InputError(f"--memory-limit is {memory_limit}; give gigabytes, or leave it out.")
    options = {"label_class": label_class, "resolutions": resolutions, "epochs": epochs or "", "minutes": minutes or "", "seed": seed}
    given, more = {name: value for name, value in options.items() if value not in ("", None)}, parse_changes(changes or [])
    if twice := sorted(given.keys() & more.keys()):
        raise InputError(f"{twice[0]} is given twice, as an option and by --set; leave one out.")
    given |= more
    if resume:
        if films or init or out or preset or like:
            raise InputError("--resume goes on with a run as it was started; leave out FILMS, --out, --init, --preset and --like.")
        folder = training.resume(resume, given, device, not quiet, memory_limit=memory_limit)
    elif like:
        out = out or default_out(f"like-{like.resolve().name}", "")
        options = {"FILMS": films, "init": init, "preset": preset, "set": changes or "", **options}
        where = choose_device(device or "auto")
        config, films, first, says = repeat.like(like, options, out.parent / "pyramids", where, Crew.join().size, not quiet)
        for sentence in says:
            print(sentence, file=sys.stderr)
        folder = training.train(config, films, out, device or "auto", first, not quiet, memory_limit=memory_limit)
    else:
        if not films:
            raise InputError("FILMS is missing; give a folder of films, a pyramid, or phantom:normal (or --resume RUN).")
        config = configure(preset or "recommended", films, **given)
        out = out or default_out(films, config.label_class)
        folder = training.train(config, films, out, device or "auto", init, not quiet, memory_limit=memory_limit)
    crew = Crew.join()
    crew.leave()
    if folder is None or not crew.leads:  # one of several processes: the first one speaks
        return
    if folder.run["status"] == "interrupted":
        raise typer.Exit(130)
    print(describe_run(folder.path))


@app.command()
def sample(
    source: Annotated[Path, typer.Argument(metavar="RUN|WEIGHTS", help="a run folder, a generator-*.safetensors file, or pretrained:NAME")],
    out: Annotated[Path, typer.Option(help="the folder for the films")],
    count: Annotated[int, typer.Option("-n", "--count", help="how many films")] = 16,
    seed: Seed = 0,
    resolution: Annotated[int, typer.Option(help="level of the run; left out: the highest")] = 0,
    spread: Spread = 1.0,
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """Write films as 8-bit PNGs, each with its provenance in it, and a contact sheet."""
    from . import sampling

    paths = sampling.sample(source, count, out, seed, resolution or None, device, not quiet, spread)
    print(f"{len(paths)} films in {out}, an overview in {out / 'contact-sheet.png'}")


@app.command()
def evaluate(
    sources: Annotated[list[Path], typer.Argument(metavar="RUN|FOLDER...", help="a run, a generator file or a folder of made films; or several")],
    real: Annotated[str, typer.Option(help="held-out real films: a folder, or phantom:normal:100:1")],
    train: Annotated[str, typer.Option(help="the films it was trained on; left out: the run's own")] = "",
    other: Annotated[str, typer.Option(help="a run or folder of the other class: is a classifier helped by the films?")] = "",
    out: Annotated[Path | None, typer.Option(help="the report's folder; left out: RUN/evaluation, or FOLDER-evaluation")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="the report as JSON there, too")] = None,
    count: Annotated[int, typer.Option("-n", "--count", help="films that a run makes to be judged")] = 200,
    label_class: LabelClass = "",
    resolution: Annotated[int, typer.Option(help="level of the run; left out: the highest")] = 0,
    features: Annotated[str, typer.Option(help="efficientnet-lite0, inception:FILE or chest:FILE")] = "efficientnet-lite0",
    seed: Seed = 0,
    spread: Spread = 1.0,
    draws: Annotated[int, typer.Option(min=19, help="shuffles per test; the smallest p is 1 / (draws + 1)")] = 199,
    cache: Annotated[Path, typer.Option(help="where what was seen of each film is kept, by its hash")] = Path("runs/descriptions"),
    hide_real: Annotated[bool, typer.Option("--hide-real", help="no picture of a real film in the report, so that it can be shared")] = False,
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """Are the films good, varied, of use, and are they copies? A report with every figure beside what real films have."""
    from .report import evaluate_all
    from .settings import Settings

    settings = Settings(label_class, count, seed, resolution, features, draws, device, cache=cache, progress=not quiet, spread=spread)
    print(evaluate_all(sources, real, train, other, settings, out, json_file, not hide_real))


@app.command("run")
def run_notebook(
    films: Films = "phantom:normal",
    out: Annotated[Path | None, typer.Option(help="the run folder; left out: runs/ and a name with the time")] = None,
    notebook: Annotated[Path, typer.Option(help="notebook 04, or a copy of it")] = Path("notebooks/04_incremental_training.ipynb"),
    preset: Preset = "laptop",
    label_class: LabelClass = "",
    epochs: Epochs = 0,
    minutes: Minutes = 0.0,
    seed: Seed = 0,
    resolutions: Resolutions = "",
    changes: Set = None,
) -> None:
    """Run notebook 04 through papermill on FILMS, with one progress bar; the executed notebook stays in the run folder."""
    from .batch import execute
    from .loader import check_source
    from .parameters import config_of
    from .records import command_name, default_out

    parameters = {
        "films": films if films.startswith("phantom:") else str(Path(films).expanduser().resolve()), "label_class": label_class, "preset": preset,
        "epochs": epochs, "minutes": minutes, "resolutions": resolutions, "seed": seed, "changes": " ".join(changes or []),
    }  # fmt: skip
    # what is wrong is refused here, in a sentence, and not in a cell
    _, config = config_of(notebook, parameters)
    check_source(films, config)
    out = (out or default_out(films, config.label_class)).expanduser()
    if execute(notebook, {**parameters, "out": str(out.resolve())}, out) == "interrupted":
        print(f"interrupted and saved; go on with: {command_name()} train --resume {shlex.quote(str(out))}", file=sys.stderr)
        raise typer.Exit(130)
    print(describe_run(out))


@app.command()
def runs(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="the folder that holds the runs, at any depth")],
    sort: Annotated[str, typer.Option(metavar="FIELD", help="a parameter or figure; -FIELD: the other way round; left out: the best first")] = "",
    where: Annotated[list[str] | None, typer.Option(metavar="FIELD=VALUE", help="only these runs; may be repeated")] = None,
    compare: Annotated[tuple[str, str] | None, typer.Option(metavar="A B", help="two runs side by side")] = None,
    csv_file: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="every parameter and figure of every run")] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="one page with pictures, for any browser, without a network")] = None,
) -> None:
    """Which run was best? A table of all runs below a folder, whatever became of them."""
    from .runs_cli import tell  # no torch, no matplotlib: a list is there at once

    print(tell(folder, sort, where or [], compare, csv_file, html))


@app.command()
def doctor() -> None:
    """Check the installation and say what is missing."""
    from .doctor import examine

    report = examine()
    print("\n".join(report.sentences))
    raise typer.Exit(0 if report.healthy else 1)


def describe_run(path: Path) -> str:
    """What a finished run left behind, for a person."""
    from .records import RunFolder, command_name

    folder = RunFolder.open(path)
    levels = ", ".join(f"{r}: {_training(v)}{_nearness(v)}" for r, v in folder.run["levels"].items())
    quoted = shlex.quote(str(path))
    what = {
        "notebook.ipynb": "the executed notebook", "samples": "a sample grid per level", "losses.png": "loss curves",
        "timelapse.png": "the same latents from the first to the last step", "history.csv": "losses, D(x) and D(G(z)) by step",
        "run.json": "config, versions, data, minutes",
        "checkpoint.pt": f"to go on: {command_name()} train --resume {quoted}" if folder.run["status"] != "finished" else "the networks, for --init",
        "generator-*.safetensors": f"to make films: {command_name()} sample {quoted} -n 16 --out made",
    }  # fmt: skip
    lines = [f"{path}: {folder.run['status']}; {levels}; peak memory {folder.run.get('peak_memory', 0) / 1e9:.1f} GB"]
    for pattern, meaning in what.items():
        names = sorted(p.name for p in path.glob(pattern))
        if path.joinpath(pattern).is_dir():
            names = [f"{pattern}/{p.name}" for p in sorted((path / pattern).glob("[0-9]*.png"))]
        if names:
            lines.append(f"  {', '.join(names)}: {meaning}")
    return "\n".join([*lines, f"{folder.run['data']['pyramid']}: the films it was trained on, at every level"])


def _training(level: dict[str, Any]) -> str:
    return f"{level['steps']:,} steps in {level['seconds'] / 60:.1f} min" if level["steps"] else "only enlarged"


def _nearness(level: dict[str, Any]) -> str:
    return f" (distance {level['swd'] / level['swd_floor']:.1f} x the floor)" if level.get("swd_floor") else ""


def main() -> None:
    """Every failure is one sentence on stderr and an exit code."""
    try:
        code = app(standalone_mode=False)
    except InputError as error:
        code = _say(str(error), 2)
    except WorkError as error:
        code = _say(str(error), 1)
    except (KeyboardInterrupt, typer.Abort):
        code = _say("interrupted.", 130)
    except Exception as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            print(error.format_message())
            code = 2
        elif hasattr(error, "format_message"):  # the parser's own refusals; where their class lives differs between typer's versions
            code = _say(f"{error.format_message().rstrip('.')}. See idcgan --help.", 2)
        elif isinstance(error, ModuleNotFoundError):
            code = _say(f"the package {error.name} is missing; idcgan doctor says what else is, and how to install it.", 1)
        elif isinstance(error, MemoryError | OSError) or "allocate memory" in str(error) or "out of memory" in str(error):
            code = _say(_short_of(error), 1)
        else:
            raise
    sys.exit(code or 0)


def _short_of(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{error.filename or 'a file'}: {error.strerror or error}."
    return "memory ran out; lower batch_size or the feature maps, or leave the highest level out of resolutions."


def _say(sentence: str, code: int) -> int:
    print(f"idcgan: {' '.join(sentence.split())}", file=sys.stderr)
    return code
