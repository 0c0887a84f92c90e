"""`simulate`, `thesis` and `make-colour-digits`: true labels as the oracle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tuilabel.cli.app import app
from tuilabel.cli.options import (
    Checkpoint,
    DataDir,
    Dataset,
    Encoder,
    Folders,
    Json,
    Latents,
    dataset_ref,
    names,
    print_json,
    print_rich,
)

COMPARED, LEARNERS = ["auto", "random"], ["latent"]  # what `simulate` runs unless told


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
    encoder: Encoder = "vae",
    checkpoint: Checkpoint = None,
    latents: Latents = None,
    labels_from_folders: Folders = False,
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
    from tuilabel.cli.render.simulation import run_simulation
    from tuilabel.session.rounds import AUDIT_SHARE
    from tuilabel.simulation.experiment import Experiment

    experiment = Experiment(
        dataset=dataset_ref(dataset, labels_from_folders),
        data_dir=data_dir,
        encoder=None,
        strategies=names(strategy),
        learners=names(learner),
        seeds=seeds,
        seed=seed,
        batch=batch,
        budget=budget,
        initial=initial,
        start=start,
        audit_share=AUDIT_SHARE if audit else 0.0,
        cross_validate=estimates,
    )
    run_simulation(
        experiment,
        out=as_json,
        plot=plot,
        resume=resume,
        jobs=jobs,
        encoder=encoder,
        checkpoint=checkpoint,
        latents=latents,
    )


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
    from tuilabel.cli.render.findings import findings_report
    from tuilabel.cli.render.thesis import run_thesis

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
        print_json(document)
    else:
        print_rich(findings_report(found))
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
    from functools import partial

    from tuilabel.cli.render.progress import error_console, progress
    from tuilabel.datasets.builtin.catalogue import default_data_dir
    from tuilabel.datasets.builtin.colour_digits import make_colour_digits as make

    with progress(error_console(quiet=as_json)) as on_progress:
        made = make(
            photos,
            out or default_data_dir(),
            train=train,
            test=test,
            seed=seed,
            force=force,
            on_progress=partial(on_progress, "drawing digits over photographs"),
        )
    if as_json:
        print_json(made.to_json())
    else:
        typer.echo(f"{made.train:,} images and {made.test:,} for tests in {made.directory}")
