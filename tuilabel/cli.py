"""The command line: parse, call, print. Imports are inside the commands, so that `--help` is quick."""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuilabel import __version__
from tuilabel.errors import TuilabelError

if TYPE_CHECKING:
    from tuilabel.tui.start import LabelOptions

app = typer.Typer(
    name="tuilabel",
    help="Label images in the terminal, in the latent space of a VAE: a classifier from as few keypresses as possible.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

Dataset = Annotated[str, typer.Argument(metavar="[DATASET]", help="A dataset by name: `tuilabel datasets` lists them.")]
DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", envvar="TUILABEL_DATA", show_envvar=True, help="A torchvision root with the data sets."),
]
Checkpoint = Annotated[Path | None, typer.Option("--checkpoint", help="The VAE to use; else the dataset's own.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1, mps.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else there.")]
ProjectDir = Annotated[Path | None, typer.Option("--project", help="The project's directory; else ./DATASET.tuilabel.")]
Images = Annotated[str, typer.Option("--images", help="auto, halfblock, quadrant, sextant, kitty, ascii.")]
Color = Annotated[str, typer.Option("--color", help="auto, truecolor, 256, 16: SSH drops what a terminal has.")]
Annotator = Annotated[str | None, typer.Option("--annotator", help="Your name; else the login name.")]
Target = Annotated[float | None, typer.Option("--target", help="Accuracy to label for, as 0.95: shows what is left.")]
Theme = Annotated[str | None, typer.Option("--theme", help="tuilabel-dark, tuilabel-light, or one of Textual's.")]
PIPE_WIDTH = 110  # columns where nobody says how many there are
COMPARED, LEARNERS = ["auto", "random"], ["latent"]  # what `simulate` runs unless told


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tuilabel {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks and debug messages.")] = False,
    _version_wanted: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    global _debug
    _debug = debug
    logging.basicConfig(level=logging.DEBUG if debug else logging.WARNING, format="%(name)s: %(message)s")


_debug = False


@app.command("train-vae", epilog="Example: tuilabel train-vae mnist --epochs 20 --out my-vae.safetensors")
def train_vae(
    dataset: Dataset = "mnist",
    latent_dim: Annotated[
        int | None, typer.Option(help="Dimensions of the latent space; else 32 for glyphs, 64 for objects and photos.")
    ] = None,
    epochs: Annotated[int, typer.Option(help="Passes over the images.")] = 20,
    beta: Annotated[float | None, typer.Option(help="Weight of the KL term; else 1 for glyphs, 0.1 otherwise.")] = None,
    batch_size: Annotated[int, typer.Option(help="Images a step.")] = 256,
    lr: Annotated[float, typer.Option(help="Peak learning rate of the one-cycle schedule.")] = 3e-3,
    augment: Annotated[
        bool, typer.Option("--augment/--no-augment", help="Encode a transformed view, reconstruct the clean image.")
    ] = True,
    views: Annotated[
        str | None,
        typer.Option(help="Which changes leave a class alone: glyphs, objects, photos; else the dataset's own."),
    ] = None,
    information: Annotated[
        float | None,
        typer.Option(help="Weight of the mutual information between two views' clusters; else 20 for glyphs, or 5."),
    ] = None,
    contrast: Annotated[
        float | None, typer.Option(help="Weight of telling an image's views from those of others; else 0.")
    ] = None,
    device: Device = "auto",
    seed: Annotated[int, typer.Option(help="Seed of everything drawn at random.")] = 0,
    out: Annotated[
        Path | None, typer.Option("--out", help="The checkpoint to write; else ./checkpoints/DATASET.safetensors.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on after the last finished epoch.")] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Train the VAE on all images of a dataset, without labels."""
    from tuilabel.console.training import run_training

    result = run_training(
        dataset,
        data_dir,
        out,
        resume=resume,
        quiet=as_json,
        latent_dim=latent_dim,
        epochs=epochs,
        beta=beta,
        batch_size=batch_size,
        lr=lr,
        augment=augment,
        views=views,
        information=information,
        contrast=contrast,
        device=device,
        seed=seed,
    )
    if as_json:
        _print_json(result)


@app.command(epilog="Example: tuilabel encode mnist --out latents.npy")
def encode(
    dataset: Dataset = "mnist",
    checkpoint: Checkpoint = None,
    out: Annotated[Path | None, typer.Option("--out", help="Also write the pool's latents there, as .npy.")] = None,
    device: Device = "auto",
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Encode a dataset with its VAE and cache the latents."""
    from tuilabel.console.training import run_encoding

    result = run_encoding(dataset, data_dir, checkpoint, out, device, quiet=as_json)
    if as_json:
        _print_json(result)
    else:
        typer.echo(f"{result['items']:,} latents of {result['latent_dim']} dimensions in {result['path']}")


@app.command(epilog="Example: tuilabel label --strategy entropy --batch 20")
def label(
    dataset: Dataset = "mnist",
    strategy: Annotated[
        str, typer.Option(help="How to choose what to ask: `tuilabel strategies` lists them.")
    ] = "auto",
    batch: Annotated[int, typer.Option(help="Images asked at once.")] = 20,
    learner: Annotated[
        str, typer.Option(help="How to learn from labels: latent (label propagation and MLP), mlp, cnn.")
    ] = "latent",
    classes: Annotated[str | None, typer.Option(help="Class names, with commas between; else the dataset's.")] = None,
    annotator: Annotator = None,
    project: ProjectDir = None,
    checkpoint: Checkpoint = None,
    device: Device = "auto",
    seed: Annotated[int, typer.Option(help="Seed of everything drawn at random.")] = 0,
    target: Target = None,
    images: Images = "auto",
    color: Color = "auto",
    theme: Theme = None,
    data_dir: DataDir = None,
) -> None:
    """Label images by keypress while a classifier learns along."""
    from tuilabel.tui.start import LabelOptions

    _sit(
        LabelOptions(
            dataset=dataset,
            strategy=strategy,
            batch_size=batch,
            annotator=annotator,
            classes=classes,
            project=project,
            checkpoint=checkpoint,
            data_dir=data_dir,
            device=device,
            seed=seed,
            learner=learner,
            images=images,
            colour=color,
            target=target,
            theme=theme,
        )
    )


@app.command(epilog="Example: tuilabel review")
def review(
    dataset: Dataset = "mnist",
    annotator: Annotator = None,
    project: ProjectDir = None,
    checkpoint: Checkpoint = None,
    device: Device = "auto",
    images: Images = "auto",
    color: Color = "auto",
    theme: Theme = None,
    data_dir: DataDir = None,
) -> None:
    """Look again at labels that are most likely wrong, flagged, or disputed; keep or change each with one key."""
    from tuilabel.labels import Project
    from tuilabel.tui.start import LabelOptions

    Project.read(project or Path(f"{dataset}.tuilabel"))
    _sit(
        LabelOptions(
            dataset=dataset,
            strategy="auto",
            batch_size=20,
            annotator=annotator,
            project=project,
            checkpoint=checkpoint,
            data_dir=data_dir,
            device=device,
            images=images,
            colour=color,
            theme=theme,
            review=True,
        )
    )


def _sit(options: LabelOptions) -> None:
    """Run the screen, and say how it ended."""
    from tuilabel.tui.start import run

    outcome = run(options, _note)
    for line in outcome.lines():
        typer.echo(line, err=outcome.exit_code != 0)
    raise typer.Exit(outcome.exit_code)


@app.command(
    epilog="Example: tuilabel simulate mnist --strategy margin,random --budget 200 --seeds 5 --plot curves.png"
)
def simulate(
    dataset: Dataset = "mnist",
    strategy: Annotated[
        list[str], typer.Option(help="What to compare, repeatable or with commas between; random is the baseline.")
    ] = COMPARED,
    learner: Annotated[
        list[str], typer.Option(help="latent, mlp or cnn (on pixels, without a VAE); repeatable.")
    ] = LEARNERS,
    checkpoint: Checkpoint = None,
    batch: Annotated[int, typer.Option(help="Labels a round.")] = 20,
    budget: Annotated[int, typer.Option(help="Labels of a run in all.")] = 500,
    seeds: Annotated[int, typer.Option(help="Runs of each strategy and learner.")] = 10,
    seed: Annotated[int, typer.Option(help="The first seed; the others follow it.")] = 0,
    initial: Annotated[int, typer.Option(help="Labels of the first round.")] = 20,
    start: Annotated[
        str, typer.Option(help="First batch: own (the strategy's; random where it needs a model), random, coverage.")
    ] = "own",
    audit: Annotated[
        bool, typer.Option("--audit/--no-audit", help="Draw a tenth of each batch at random, as `label` does.")
    ] = True,
    estimates: Annotated[
        bool, typer.Option("--estimates", help="Also compare the estimates of accuracy with the truth; takes longer.")
    ] = False,
    as_json: Annotated[
        str | None, typer.Option("--json", metavar="FILE", help="Keep all finished runs there; - is stdout.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the curves: .png, .svg or .pdf.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the file of --json.")] = False,
    jobs: Annotated[int | None, typer.Option(help="Runs at the same time; else one a processor.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Replay active learning with the true labels and compare strategies."""
    from tuilabel.console.simulation import run_simulation
    from tuilabel.session.rounds import AUDIT_SHARE
    from tuilabel.simulate.experiment import Experiment

    experiment = Experiment(
        dataset=dataset,
        data_dir=data_dir,
        checkpoint=checkpoint,
        strategies=_names(strategy),
        learners=_names(learner),
        seeds=seeds,
        seed=seed,
        batch=batch,
        budget=budget,
        initial=initial,
        start=start,
        audit_share=AUDIT_SHARE if audit else 0.0,
        cross_validate=estimates,
    )
    run_simulation(experiment, out=as_json, plot=plot, resume=resume, jobs=jobs)


@app.command(epilog="Example: tuilabel stats --json")
def stats(
    dataset: Dataset = "mnist", project: ProjectDir = None, data_dir: DataDir = None, as_json: Json = False
) -> None:
    """What a project holds: labels by class and annotator, accuracy with its interval."""
    from tuilabel.console.reports import project_statistics, statistics_table

    figures = project_statistics(dataset, project, data_dir)
    if as_json:
        _print_json(figures)
    else:
        _print(statistics_table(figures))


@app.command(epilog="Example: tuilabel export --out labels.csv")
def export(
    dataset: Dataset = "mnist",
    project: ProjectDir = None,
    out: Annotated[Path | None, typer.Option("--out", help="The file to write; else stdout.")] = None,
    format: Annotated[  # noqa: A002
        str, typer.Option("--format", help="csv: columns id,path,label,annotator,labelled_at,seconds.")
    ] = "csv",
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Write the labels of a project."""
    from tuilabel.console.reports import export_labels

    written = export_labels(dataset, project, data_dir, out, file_format=format, force=force)
    if out is not None:
        _note(f"{written:,} labels in {out}")


@app.command(epilog="Example: tuilabel datasets --json")
def datasets(data_dir: DataDir = None, as_json: Json = False) -> None:
    """List the datasets known by name, and which are here."""
    from tuilabel.console.reports import dataset_rows, datasets_table

    rows = dataset_rows(data_dir)
    if as_json:
        _print_json(rows)
    else:
        _print(datasets_table(rows))


@app.command(epilog="Example: ssh host tuilabel doctor --json")
def doctor(
    project: ProjectDir = None,
    data_dir: DataDir = None,
    images: Images = "auto",
    color: Color = "auto",
    as_json: Json = False,
) -> None:
    """What is here: terminal, colours, pictures, device, data, disks; and a test card to look at."""
    from tuilabel.console.doctor import examine, show

    report = examine(project, data_dir, images, color)
    if as_json:
        _print_json(report.document())
    else:
        show(report)
    report.raise_for_problems()


@app.command(epilog="Example: tuilabel strategies")
def strategies(as_json: Json = False) -> None:
    """List the query strategies."""
    from tuilabel.console.reports import strategies_table, strategy_rows

    rows = strategy_rows()
    if as_json:
        _print_json(rows)
    else:
        _print(strategies_table(rows))


@app.command(epilog="Example: tuilabel thesis mnist --claim 2 --claim 5 --json thesis.json")
def thesis(
    dataset: Dataset = "mnist",
    claim: Annotated[list[int] | None, typer.Option("--claim", help="1 to 6, repeatable; else all.")] = None,
    seeds: Annotated[int, typer.Option(help="Runs of each kind.")] = 5,
    seed: Annotated[int, typer.Option(help="The first seed.")] = 0,
    budget: Annotated[int, typer.Option(help="Labels of a run; less where a round is costly.")] = 500,
    cnn_seeds: Annotated[int, typer.Option(help="Runs of the CNN, half a minute a round on 60,000 images.")] = 3,
    jobs: Annotated[int | None, typer.Option(help="Processes; else one a processor.")] = None,
    checkpoint: Checkpoint = None,
    json_file: Annotated[
        str | None, typer.Option("--json", metavar="FILE|-", help="Keep the results there, after each run; - prints.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the runs in that file.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Try the six claims of Tonnaer 2017 on a dataset, with true labels as the oracle."""
    from tuilabel.console.findings import findings_report
    from tuilabel.console.thesis import run_thesis

    printed = json_file == "-"
    document, found = run_thesis(
        dataset,
        data_dir,
        checkpoint,
        jobs=jobs,
        path=Path(json_file) if json_file and not printed else None,
        resume=resume,
        quiet=False,
        claims=tuple(sorted(set(claim or range(1, 7)))),
        seeds=seeds,
        seed=seed,
        budget=budget,
        cnn_seeds=cnn_seeds,
    )
    if printed:
        _print_json(document)
    else:
        _print(findings_report(found))
        typer.echo("\n".join(document["settings"]))


@app.command(
    "make-colour-digits", epilog="Example: tuilabel make-colour-digits --photos photos.tar.gz --out data --seed 0"
)
def make_colour_digits(
    photos: Annotated[Path, typer.Option("--photos", help="A folder or tar file of photographs.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="The torchvision root to write below; else TUILABEL_DATA.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything drawn at random.")] = 0,
    train: Annotated[int, typer.Option(help="Images of the pool, at most 60000.")] = 60_000,
    test: Annotated[int, typer.Option(help="Images of the test split, at most 10000.")] = 10_000,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the files.")] = False,
    as_json: Json = False,
) -> None:
    """Make `colour-digits`, a stand-in for SVHN: MNIST's digits over photographs."""
    from tuilabel.console.making import run_making

    made = run_making(photos, out, train=train, test=test, seed=seed, force=force, quiet=as_json)
    if as_json:
        _print_json(made)
    else:
        typer.echo(f"{made['train']:,} images and {made['test']:,} for tests in {made['directory']}")


def _names(given: list[str]) -> tuple[str, ...]:
    return tuple(name.strip() for text in given for name in text.split(",") if name.strip())


def _note(text: str) -> None:
    typer.echo(text, err=True)


def _print(renderable: Any) -> None:
    from rich.console import Console

    terminal = sys.stdout.isatty() or "COLUMNS" in os.environ
    Console(width=None if terminal else PIPE_WIDTH).print(renderable)


def _print_json(document: Any) -> None:
    typer.echo(json.dumps(document, indent=2))


def main() -> None:
    """Run the command line: exit 0 done, 1 failed with one clear line, 2 wrong usage."""
    try:
        app()
    except TuilabelError as error:
        if _debug:
            raise
        _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        _fail("interrupted", 130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except Exception as error:
        if _debug:
            raise
        _fail(f"unexpected {type(error).__name__}: {error} (run `tuilabel --debug …` for the traceback)", 1)


def _fail(text: str, code: int) -> None:
    line = " ".join(text.split())
    typer.echo(f"tuilabel: {line}", err=True)
    sys.exit(code)
