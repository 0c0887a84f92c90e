"""The public functions that need more than one package: what the commands do, with plain arguments."""

from __future__ import annotations

from pathlib import Path

from tuilabel import deploy
from tuilabel.datasets import DatasetLike
from tuilabel.labels.exchange import ExportOptions
from tuilabel.project.exchange import ExportSummary, export_labels
from tuilabel.project.export_model import ExportedModel, export_model
from tuilabel.project.options import ModelOptions
from tuilabel.project.predict import Predictions, predict_pool
from tuilabel.project.statistics import ProjectStatistics, project_statistics


def predict(
    dataset: DatasetLike | None,
    *,
    on: DatasetLike | None = None,
    on_latents: str | Path | None = None,
    project: str | Path | None = None,
    learner: str | None = None,
    encoder: str | None = None,
    checkpoint: str | Path | None = None,
    latents: str | Path | None = None,
    device: str = "auto",
    seed: int | None = None,
    data_dir: str | Path | None = None,
) -> Predictions:
    """Train the model of a project and predict images with it.

    With the same labels it is the model that the labelling screen uses: the project remembers learner, encoder and
    seed. An argument that is not None replaces what it remembers, for this call.

    Parameters
    ----------
    dataset : the project's images: a folder, an archive, a built-in dataset by name, …; None for those of
        `project`.
    on : other images to predict; None to predict the project's own images.
    on_latents : their own latents, where the project uses own latents.
    project : the project's directory; None for ./DATASET.tuilabel.
    learner, encoder, checkpoint, latents, device, seed, data_dir : see `SessionOptions`.

    Raises
    ------
    TuilabelError : if there is no project, no model (two classes need labels), or the images cannot be read; if a file
        that the model depends on is missing or has changed.
    UsageError : if an argument names something unknown.
    """
    options = _model_options(
        dataset, project, learner, encoder, checkpoint, latents, device=device, seed=seed, data_dir=data_dir
    )
    return predict_pool(options, on, _path(on_latents))


def export(
    dataset: DatasetLike | None,
    out: str | Path,
    *,
    file_format: str | None = None,
    project: str | Path | None = None,
    resolve: str = "latest",
    where: str | None = None,
    force: bool = False,
    link: str = "copy",
    split: tuple[int, int, int] | None = None,
    learner: str | None = None,
    encoder: str | None = None,
    checkpoint: str | Path | None = None,
    latents: str | Path | None = None,
    device: str = "auto",
    seed: int | None = None,
    data_dir: str | Path | None = None,
) -> ExportSummary | ExportedModel:
    """Write the labels of a project for other programs, or its model as one file.

    Parameters
    ----------
    out : the file or folder to write.
    file_format : the name of an export format, or "onnx" or "torch" for the model. By default the suffix of `out`
        decides; csv if no format has that suffix.
    resolve : which label an image gets if several annotators labelled it: "latest", "majority" or "unanimous".
    where : a filter of the labels to write, such as "class:cat flagged"; see `tuilabel.labels.filters`.
    force : overwrite `out` if it exists.
    link, split, seed : see `ExportOptions`; `seed` also seeds the model. None is 0 for a split.
    dataset, project, learner, encoder, checkpoint, latents, device, data_dir : see `predict`.

    Raises
    ------
    TuilabelError : if there is no project, or `out` exists or cannot be written.
    UsageError : if an argument names something unknown.
    """
    out = Path(out)
    name = file_format or deploy.format_for_path(out)
    options = _model_options(
        dataset, project, learner, encoder, checkpoint, latents, device=device, seed=seed, data_dir=data_dir
    )
    if name in deploy.FORMATS:
        return export_model(options, name, out, force=force)
    return export_labels(
        dataset,
        out,
        file_format=name,
        project=options.project,
        data_dir=options.data_dir,
        resolve=resolve,
        where=where,
        options=ExportOptions(force=force, link=link, split=split, seed=seed or 0),
        learner=learner,
        encoder=encoder,
        checkpoint=options.checkpoint,
        latents=options.latents,
        device=device,
    )


def statistics(
    dataset: DatasetLike | None = None, *, project: str | Path | None = None, data_dir: str | Path | None = None
) -> ProjectStatistics:
    """A project's labels, annotators and accuracy estimates; `to_json()` gives the output of `tuilabel stats --json`.

    Raises
    ------
    TuilabelError : if there is no project, or it cannot be read.
    """
    return project_statistics(dataset, _path(project), _path(data_dir))


def _model_options(
    dataset: DatasetLike | None,
    project: str | Path | None,
    learner: str | None,
    encoder: str | None,
    checkpoint: str | Path | None,
    latents: str | Path | None,
    *,
    device: str,
    seed: int | None,
    data_dir: str | Path | None,
) -> ModelOptions:
    return ModelOptions(
        dataset=dataset,
        project=_path(project),
        data_dir=_path(data_dir),
        checkpoint=_path(checkpoint),
        device=device,
        learner=learner,
        encoder=encoder,
        latents=_path(latents),
        seed=seed,
    )


def _path(path: str | Path | None) -> Path | None:
    return None if path is None else Path(path)
