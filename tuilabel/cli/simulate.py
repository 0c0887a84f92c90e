"""`simulate`, `thesis` and `make-colour-digits`: experiments with the true labels as the annotator."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from tuilabel.cli import complete
from tuilabel.cli.app import app
from tuilabel.cli.interrupt import Interrupted, termination_as_interrupt
from tuilabel.cli.options import (
    Checkpoint,
    DataDir,
    Dataset,
    Encoder,
    Folders,
    Json,
    Latents,
    Quiet,
    dataset_ref,
    names,
    print_json,
    print_rich,
)

STRATEGIES, LEARNERS = ["auto", "random"], ["latent"]  # defaults of `simulate`


@app.command(
    epilog="Example: tuilabel simulate mnist --strategy margin,random --budget 200 --seeds 5 --plot curves.png"
)
def simulate(
    dataset: Dataset = "mnist",
    strategies: Annotated[
        list[str],
        typer.Option(
            "--strategy",
            autocompletion=complete.strategies,
            help="Strategies to compare, repeatable or comma-separated; random is the baseline.",
        ),
    ] = STRATEGIES,
    learners: Annotated[
        list[str], typer.Option("--learner", help="latent, mlp or cnn (on pixels, without a VAE); repeatable.")
    ] = LEARNERS,
    encoder: Encoder = "auto",
    checkpoint: Checkpoint = None,
    latents: Latents = None,
    labels_from_folders: Folders = False,
    batch_size: Annotated[int, typer.Option("--batch", help="Labels per round.")] = 20,
    budget: Annotated[int, typer.Option(help="Total labels per run.")] = 500,
    seeds: Annotated[int, typer.Option(help="Number of runs of each strategy and learner.")] = 10,
    seed: Annotated[int, typer.Option(help="The first seed; the runs use consecutive seeds.")] = 0,
    initial: Annotated[int, typer.Option(help="Labels in the first round.")] = 20,
    start: Annotated[
        str,
        typer.Option(
            help="How to choose the first batch: own (by the strategy; random if it needs a model), random or coverage."
        ),
    ] = "own",
    audit: Annotated[
        bool, typer.Option("--audit/--no-audit", help="Draw a tenth of each batch at random, as `tuilabel label` does.")
    ] = True,
    cross_validate: Annotated[
        bool, typer.Option("--estimates", help="Also compare estimates of accuracy with the true accuracy (slower).")
    ] = False,
    file: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write all finished runs to this file, as JSON.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the learning curves: .png, .svg or .pdf.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the simulation in the file of --out.")] = False,
    jobs: Annotated[int | None, typer.Option(help="Number of processes. Default: one per CPU.")] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
    _quiet: Quiet = False,
) -> None:
    """Replay active learning with the true labels, and compare query strategies."""
    from tuilabel.cli.render.console import error_console
    from tuilabel.cli.render.curves import print_results
    from tuilabel.cli.render.simulation_progress import simulation_progress
    from tuilabel.session.rounds import AUDIT_SHARE
    from tuilabel.simulation.plots import check_plot_file, write_plot
    from tuilabel.simulation.results_file import check_writable
    from tuilabel.simulation.simulate import SimulationProgress, simulate

    err = error_console(quiet=as_json)
    finished: SimulationProgress | None = None
    if plot is not None:
        check_plot_file(plot)
        check_writable(plot, "plot")
    try:
        with termination_as_interrupt(), simulation_progress(err) as (on_progress, show_round):

            def on_round(now: SimulationProgress) -> None:
                nonlocal finished
                finished = now
                show_round(now)

            results = simulate(
                dataset_ref(dataset, labels_from_folders),
                strategies=names(strategies),
                learners=names(learners),
                encoder=encoder,
                checkpoint=checkpoint,
                latents=latents,
                batch_size=batch_size,
                budget=budget,
                seeds=seeds,
                seed=seed,
                initial=initial,
                start=start,
                audit_share=AUDIT_SHARE if audit else 0.0,
                cross_validate=cross_validate,
                file=file,
                resume=resume,
                jobs=jobs,
                data_dir=data_dir,
                on_progress=on_progress,
                on_round=on_round,
                note=lambda line: err.print(line, soft_wrap=True),
            )
    except KeyboardInterrupt:
        if file is None or finished is None:
            raise Interrupted("interrupted: no results were kept (--out FILE keeps finished runs)") from None
        runs = f"{finished.runs} of {finished.total_runs} runs are in {file}"
        raise Interrupted(f"interrupted: {runs}; repeat the command with --resume to continue") from None
    if plot is not None:
        write_plot(results.runs, results.settings["dataset"], plot)
    if as_json:
        sys.stdout.write(results.to_text())
        return
    print_results(results.runs, results.settings, estimates=cross_validate)
    for path in (file, plot):
        if path is not None:
            err.print(f"wrote {path}", soft_wrap=True)


@app.command(epilog="Example: tuilabel thesis mnist --claim 2 --claim 5 --out thesis.json")
def thesis(
    dataset: Dataset = "mnist",
    claims: Annotated[
        list[int] | None, typer.Option("--claim", help="Which claims to test: 1 to 6, repeatable. Default: all.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="Number of runs of each strategy.")] = 5,
    seed: Annotated[int, typer.Option(help="The first seed.")] = 0,
    budget: Annotated[int, typer.Option(help="Labels per run; fewer in experiments with slow rounds.")] = 500,
    cnn_seeds: Annotated[
        int, typer.Option(help="Number of CNN runs; a round takes half a minute on 60,000 images.")
    ] = 3,
    jobs: Annotated[int | None, typer.Option(help="Number of processes. Default: one per CPU.")] = None,
    checkpoint: Checkpoint = None,
    file: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Write the results to this file after each run, as JSON."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the experiments in the file of --out.")] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
    _quiet: Quiet = False,
) -> None:
    """Test the six claims of Tonnaer 2017 on a dataset, with the true labels as the annotator."""
    from tuilabel.cli.render.console import error_console
    from tuilabel.cli.render.findings import findings_report
    from tuilabel.cli.render.progress import progress
    from tuilabel.simulation.thesis import CLAIMS
    from tuilabel.simulation.thesis_run import run_thesis

    err = error_console(quiet=as_json)

    def on_run(block: str, done: int, total: int) -> None:
        if not err.is_terminal:
            err.print(f"{block}: {done} of {total} runs")

    try:
        with termination_as_interrupt(), progress(err) as on_progress:
            results = run_thesis(
                dataset,
                claims=tuple(sorted(set(claims or CLAIMS))),
                seeds=seeds,
                seed=seed,
                budget=budget,
                cnn_seeds=cnn_seeds,
                checkpoint=checkpoint,
                file=file,
                resume=resume,
                jobs=jobs,
                data_dir=data_dir,
                on_progress=on_progress,
                on_run=on_run,
                note=lambda line: err.print(line, soft_wrap=True),
            )
    except KeyboardInterrupt:
        if file is None:
            raise Interrupted("interrupted: no results were kept (--out FILE keeps finished runs)") from None
        raise Interrupted(
            f"interrupted: finished runs are in {file}; repeat the command with --resume to continue"
        ) from None
    if as_json:
        print_json(results.to_json())
    else:
        print_rich(findings_report(results.findings))
        typer.echo("\n".join(results.document["settings"]))


@app.command(
    "make-colour-digits", epilog="Example: tuilabel make-colour-digits --photos photos.tar.gz --out data --seed 0"
)
def make_colour_digits(
    photos: Annotated[Path, typer.Option("--photos", help="A folder or tar file of photographs.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="The torchvision root folder to write to. Default: TUILABEL_DATA.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
    train: Annotated[int, typer.Option(help="Number of images in the pool, at most 60000.")] = 60_000,
    test: Annotated[int, typer.Option(help="Number of images in the test split, at most 10000.")] = 10_000,
    force: Annotated[bool, typer.Option("--force", help="Overwrite existing files.")] = False,
    as_json: Json = False,
    _quiet: Quiet = False,
) -> None:
    """Make `colour-digits`, a substitute for SVHN: MNIST digits on photographs."""
    from functools import partial

    from tuilabel.cli.render.console import error_console
    from tuilabel.cli.render.progress import progress
    from tuilabel.datasets.builtin.catalogue import default_data_dir
    from tuilabel.datasets.builtin.colour_digits import make_colour_digits as make

    with progress(error_console(quiet=as_json)) as on_progress:
        dataset = make(
            photos,
            out or default_data_dir(),
            train=train,
            test=test,
            seed=seed,
            force=force,
            on_progress=partial(on_progress, "drawing digits over photographs"),
        )
    if as_json:
        print_json(dataset.to_json())
    else:
        typer.echo(f"{dataset.train:,} images and {dataset.test:,} test images in {dataset.directory}")
