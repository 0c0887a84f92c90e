"""`label`, `review` and `stats`: label images, check the labels, show statistics."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuilabel.cli import complete
from tuilabel.cli.app import app
from tuilabel.cli.config import REMEMBERED
from tuilabel.cli.errors import from_config
from tuilabel.cli.options import (
    Annotator,
    Checkpoint,
    Color,
    DataDir,
    Device,
    Folders,
    Images,
    Json,
    Latents,
    Learner,
    ProjectDataset,
    ProjectDir,
    ProjectEncoder,
    Quiet,
    RoleOption,
    Seed,
    Store,
    TakeOver,
    Target,
    Theme,
    Unlocked,
    dataset_ref,
    note,
    print_json,
    print_rich,
)
from tuilabel.errors import printable

if TYPE_CHECKING:
    from tuilabel.cli.label_app import ScreenOptions
    from tuilabel.learner.trainer.child import Child
    from tuilabel.project.options import SessionOptions


@app.command(epilog="Example: tuilabel label --strategy entropy --batch 20")
def label(
    ctx: typer.Context,
    dataset: ProjectDataset = None,
    strategy: Annotated[
        str | None,
        typer.Option(
            autocompletion=complete.strategies,
            help="Query strategy; `tuilabel strategies` lists them. Default: as in the project, else auto.",
        ),
    ] = None,
    batch_size: Annotated[int, typer.Option("--batch", help="Images per batch.")] = 20,
    learner: Learner = None,
    classes: Annotated[
        str | None,
        typer.Option(
            help="Class names, separated by commas, or a file with one per line. Default: those of the dataset."
        ),
    ] = None,
    labels_from_folders: Folders = False,
    annotator: Annotator = None,
    role: RoleOption = "owner",
    overlap: Annotated[
        int | None,
        typer.Option("--overlap", help="People who are asked the same, for a share of the images. Default: 1."),
    ] = None,
    overlap_share: Annotated[
        float | None,
        typer.Option("--overlap-share", help="That share of the images, 0 to 1, chosen at random. Default: 0."),
    ] = None,
    project: ProjectDir = None,
    store: Store = None,
    encoder: ProjectEncoder = None,
    checkpoint: Checkpoint = None,
    latents: Latents = None,
    device: Device = "auto",
    seed: Seed = None,
    target: Target = None,
    blind: Annotated[
        bool | None,
        typer.Option(
            "--blind/--no-blind",
            help="Hide all predictions until images are answered (`%` while labelling). Default: as in the project.",
        ),
    ] = None,
    guideline: Annotated[
        Path | None,
        typer.Option(
            "--guideline",
            metavar="FILE.md",
            help="What belongs to which class, in Markdown; `#` shows it while labelling. Default: as in the project.",
        ),
    ] = None,
    images: Images = "auto",
    colour: Color = "auto",
    theme: Theme = None,
    data_dir: DataDir = None,
    allow_unlocked: Unlocked = False,
    take_over: TakeOver = False,
    _quiet: Quiet = False,
) -> None:
    """Label images by keypress while a classifier learns from your labels."""
    worker = _early_worker(ctx)
    from tuilabel.cli.class_names import class_names
    from tuilabel.cli.label_app import ScreenOptions
    from tuilabel.project.options import SessionOptions

    _run_screen(
        SessionOptions(
            dataset=None if dataset is None else dataset_ref(dataset, labels_from_folders),
            strategy=strategy,
            batch_size=batch_size,
            annotator=annotator,
            role=role,
            overlap=overlap,
            overlap_share=overlap_share,
            classes=None if classes is None else class_names(classes),
            project=project,
            store=store,
            encoder=encoder,
            checkpoint=checkpoint,
            latents=latents,
            data_dir=data_dir,
            device=device,
            seed=seed,
            learner=learner,
            target=target,
            allow_unlocked=allow_unlocked,
            take_over=take_over,
            only_new=frozenset(name for name in REMEMBERED if from_config(ctx, name)),
        ),
        ScreenOptions(images=images, colour=colour, theme=theme, blind=blind, guideline=guideline),
        worker,
    )


@app.command(epilog="Example: tuilabel review")
def review(
    ctx: typer.Context,
    dataset: ProjectDataset = None,
    annotator: Annotator = None,
    role: RoleOption = "owner",
    project: ProjectDir = None,
    encoder: ProjectEncoder = None,
    checkpoint: Checkpoint = None,
    latents: Latents = None,
    device: Device = "auto",
    images: Images = "auto",
    colour: Color = "auto",
    theme: Theme = None,
    data_dir: DataDir = None,
    allow_unlocked: Unlocked = False,
    take_over: TakeOver = False,
    _quiet: Quiet = False,
) -> None:
    """Review labels that are likely wrong, flagged or disputed; keep or change each with one key."""
    worker = _early_worker(ctx)
    from tuilabel.cli.label_app import ScreenOptions
    from tuilabel.project.locate import find_project, project_images
    from tuilabel.project.options import SessionOptions

    opened = find_project(dataset, project)
    _run_screen(
        SessionOptions(
            dataset=project_images(opened),
            annotator=annotator,
            role=role,
            project=opened.directory,
            encoder=encoder,
            checkpoint=checkpoint,
            latents=latents,
            data_dir=data_dir,
            device=device,
            allow_unlocked=allow_unlocked,
            take_over=take_over,
        ),
        ScreenOptions(images=images, colour=colour, theme=theme, review=True),
        worker,
    )


def _early_worker(ctx: typer.Context) -> Child | None:
    """The trainer's process, which loads its modules while this one loads the screen's; it ends with the command."""
    from tuilabel.learner.trainer.early import early_worker

    gc.disable()  # what a start makes stays: until the screen is there, looking for garbage is in vain
    ctx.call_on_close(gc.enable)
    return ctx.with_resource(early_worker())


def _run_screen(options: SessionOptions, screen: ScreenOptions, worker: Child | None) -> None:
    """Run the screen, and print how the session ended."""
    from tuilabel.cli.label_app import run

    outcome = run(options, screen, note, worker)
    for line in outcome.lines():
        typer.echo(printable(line), err=outcome.exit_code != 0)
    raise typer.Exit(outcome.exit_code)


@app.command(epilog="Example: tuilabel stats --json")
def stats(
    dataset: ProjectDataset = None,
    project: ProjectDir = None,
    problems: Annotated[
        bool, typer.Option("--problems", help="List the files of your images that cannot be used, and why.")
    ] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
    _quiet: Quiet = False,
) -> None:
    """Show a project's labels by class and annotator, and its accuracy with an interval."""
    if problems:
        from tuilabel.cli.render.console import error_console
        from tuilabel.cli.render.progress import progress
        from tuilabel.cli.render.project_tables import problem_lines
        from tuilabel.project.file_problems import file_problems

        with progress(error_console(quiet=as_json)) as on_progress:
            unusable = file_problems(dataset, project, on_progress)
        if as_json:
            print_json(unusable.to_json())
        else:
            for line in problem_lines(unusable):
                typer.echo(line)
        return
    from tuilabel.project.statistics import project_statistics

    statistics = project_statistics(dataset, project, data_dir, note=note)
    if as_json:
        print_json(statistics.to_json())
    else:
        from tuilabel.cli.render.project_tables import statistics_table

        print_rich(statistics_table(statistics))
