"""How a model is made: as the options say, else as the project remembers it, else by default."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tuilabel.datasets import ImagePool
from tuilabel.encoders import AUTO, DEFAULT_ENCODER, Encoder, candidate_encoders, check_encoder, choose_encoder
from tuilabel.encoders.device_check import check_device_name
from tuilabel.errors import TuilabelError, UsageError
from tuilabel.labels import Project
from tuilabel.learner.base import DEFAULT_LEARNER, check_learner
from tuilabel.project.options import ModelOptions, SessionOptions
from tuilabel.project.progress import Note, ignore
from tuilabel.project.remembered import ModelFile, Remembered, check_seed
from tuilabel.strategies import get_strategy

DEFAULT_STRATEGY = "auto"
_UNREMEMBERED_ENCODER = "vae"  # the default when projects did not remember their encoder yet


@dataclass(frozen=True)
class Recipe:
    """Everything that a project's model depends on besides its labels, and the strategy that queries images.

    Attributes
    ----------
    encoder : its name; of no effect with `latents`.
    space : the encoder whose latents the last session used; None if it is unknown, or images are now encoded otherwise.
    space_digest : of the file that it was loaded from, if any.
    checkpoint : of the VAE; None for the one of the dataset or the project.
    latents : a table of the user's own.
    """

    encoder: str
    space: str | None = None
    space_digest: str | None = None
    checkpoint: ModelFile | None = None
    latents: ModelFile | None = None
    learner: str = DEFAULT_LEARNER
    strategy: str = DEFAULT_STRATEGY
    seed: int = 0

    @classmethod
    def of(cls, remembered: Remembered) -> Recipe:
        """What an existing project remembers, with defaults for the rest; nothing is checked."""
        known = {name: value for name, value in vars(remembered).items() if value is not None}
        return cls(**{"encoder": _UNREMEMBERED_ENCODER, **known})

    @property
    def images(self) -> str:
        """How images are represented, such as "encoder vae" or "latents FILE"."""
        if self.latents is not None:
            return f"latents {self.latents.path}"
        return f"encoder {self.encoder}" + ("" if self.checkpoint is None else f" from {self.checkpoint.path}")

    def same_images(self, other: Recipe) -> bool:
        """Whether both represent images in the same way."""
        if self.latents is not None or other.latents is not None:
            return _same(self.latents, other.latents)
        return self.encoder == other.encoder and _same(self.checkpoint, other.checkpoint)

    def settings(self) -> dict[str, Any]:
        """The table [model] that remembers the recipe; None for keys that it must not have."""
        files: dict[str, Any] = {}
        for key, file in (("checkpoint", self.checkpoint), ("latents", self.latents)):
            files[key] = None if file is None else str(file.path)
            files[f"{key}-digest"] = None if file is None else file.digest
        return {
            "encoder": self.encoder if self.latents is None else None,
            "space": self.space,
            "space-digest": self.space_digest,
            **files,
            "learner": self.learner,
            "strategy": self.strategy,
            "seed": self.seed,
        }

    def encoder_for(self, pool: ImagePool, project: Path, *, settled: bool = False) -> Encoder:
        """The encoder for a pool; parameters and errors are those of `choose_encoder`.

        Parameters
        ----------
        settled : where the encoder is chosen during a session, the one that the last session used; of a built-in
            dataset the one that every session begins with, if none has said which it used.
        """
        chosen_by_sessions = settled and self.encoder == AUTO
        if chosen_by_sessions and self.space is None and pool.is_builtin:
            return self.candidates_for(pool, project)[-1]
        name = self.space if chosen_by_sessions and self.space is not None else self.encoder
        return choose_encoder(name, pool, **self._files(project))

    def candidates_for(self, pool: ImagePool, project: Path) -> tuple[Encoder, ...]:
        """The encoders between which a session chooses as it goes; as `candidate_encoders`."""
        return candidate_encoders(self.encoder, pool, **self._files(project))

    def _files(self, project: Path) -> dict[str, Path | None]:
        return {
            "checkpoint": None if self.checkpoint is None else self.checkpoint.path,
            "latents": None if self.latents is None else self.latents.path,
            "project": project,
        }


def choose_recipe(options: ModelOptions, project: Project | None, note: Note = ignore) -> Recipe:
    """The recipe that the options ask for; what they leave open is as the project remembers it, else the default.

    An encoder, a checkpoint or latents in the options replace all three.

    Parameters
    ----------
    project : None for a new one.
    note : called with a line if that is not what the project remembers.

    Raises
    ------
    UsageError : if an option names something unknown.
    TuilabelError : if the settings do; if a file that the project remembers is missing or has changed.
    """
    check_options(options)
    if project is None:
        return _with_options(Recipe(DEFAULT_ENCODER), options)
    remembered = Remembered.of(project)
    before = Recipe.of(remembered)
    recipe = _checked(project, _with_options(before, options), options)
    changes = _changes(remembered, before, recipe)
    if changes:
        was, now = (", ".join(texts) for texts in zip(*changes, strict=True))
        note(
            f"the project used {was}; now {now}"
            if isinstance(options, SessionOptions)
            else f"the project uses {was}; this run uses {now}"
        )
    return recipe


def check_options(options: ModelOptions) -> None:
    """Raise `UsageError` if an option names something unknown; neither the images nor the project are read."""
    checks: list[tuple[Callable[[Any], object], object]] = [
        (check_learner, options.learner),
        (check_encoder, options.encoder),
        (check_seed, options.seed),
        (check_device_name, options.device),
    ]
    if isinstance(options, SessionOptions):
        checks.append((get_strategy, options.strategy))
    for check, value in checks:
        if value is not None:
            check(value)


def _with_options(recipe: Recipe, options: ModelOptions) -> Recipe:
    named: dict[str, Any] = {"learner": options.learner, "seed": options.seed}
    if isinstance(options, SessionOptions):
        named["strategy"] = options.strategy
    changed = replace(recipe, **{name: value for name, value in named.items() if value is not None})
    if not _represents_images(options):
        return changed
    changed = replace(
        changed,
        encoder=options.encoder or (DEFAULT_ENCODER if options.checkpoint is None else "vae"),
        checkpoint=None if options.checkpoint is None else ModelFile.now(options.checkpoint),
        latents=None if options.latents is None else ModelFile.now(options.latents),
    )
    return changed if changed.same_images(recipe) else replace(changed, space=None, space_digest=None)


def _represents_images(options: ModelOptions) -> bool:
    """Whether the options say how images are represented."""
    return any(given is not None for given in (options.encoder, options.checkpoint, options.latents))


def _checked(project: Project, recipe: Recipe, options: ModelOptions) -> Recipe:
    """The recipe with digests; raises `TuilabelError` if what comes from the project, not the options, is unusable."""
    by_options = _represents_images(options)
    try:
        if options.learner is None:
            check_learner(recipe.learner)
        if isinstance(options, SessionOptions) and options.strategy is None:
            get_strategy(recipe.strategy)
        if not by_options and recipe.latents is None:
            check_encoder(recipe.encoder)
            if recipe.encoder == AUTO and recipe.space is not None:
                check_encoder(recipe.space)
    except UsageError as error:
        raise TuilabelError(f"{project.settings_file}: {error}") from error
    if by_options:
        return recipe
    return replace(
        recipe,
        checkpoint=_unchanged(project, "checkpoint", recipe.checkpoint),
        latents=_unchanged(project, "latents", recipe.latents),
    )


def _unchanged(project: Project, what: str, file: ModelFile | None) -> ModelFile | None:
    """The file with its digest, if it is the one that the project remembers."""
    if file is None:
        return None
    if not file.path.exists():
        raise TuilabelError(
            f"{project.directory} uses the {what} in {file.path}, which is missing: pass `{what}=FILE` with its new "
            "place, or `encoder=NAME` for another model"
        )
    now = ModelFile.now(file.path)
    if not file.is_as(now):
        raise TuilabelError(
            f"{file.path} has changed since {project.directory} used it: pass `{what}={file.path}` to use it as it is "
            "now, or `encoder=NAME` for another model"
        )
    return now


def _changes(remembered: Remembered, before: Recipe, now: Recipe) -> list[tuple[str, str]]:
    """What differs from what is remembered, in a few words each, before and now; defaults never noted do not count."""
    changes = [
        (f"{name} {getattr(before, name)}", f"{name} {getattr(now, name)}")
        for name in ("learner", "strategy", "seed")
        if getattr(remembered, name) not in (None, getattr(now, name))
    ]
    known = any(value is not None for value in (remembered.encoder, remembered.checkpoint, remembered.latents))
    if known and not now.same_images(before):
        changed = ", which has changed" if now.images == before.images else ""
        changes.insert(0, (before.images, now.images + changed))
    return changes


def _same(file: ModelFile | None, other: ModelFile | None) -> bool:
    return file is other if file is None or other is None else file.is_as(other)
