"""What a project remembers of how its model is made: the table [model] of settings.toml.

Its keys are encoder, checkpoint, latents, learner, strategy and seed; checkpoint-digest and latents-digest, which say
what was in these files; and space, the encoder whose latents the last session used, with space-digest for its file.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuilabel.encoders import ENCODERS, NAMES
from tuilabel.encoders.cache import digest_of
from tuilabel.encoders.tables.folder import folder_digest
from tuilabel.errors import TuilabelError, UsageError
from tuilabel.labels import Project
from tuilabel.learner.base import LEARNERS
from tuilabel.strategies import strategy_names

MAX_SEED = 2**63 - 1  # the largest integer in TOML, and for torch


@dataclass(frozen=True)
class ModelFile:
    """A file that a model depends on.

    Attributes
    ----------
    digest : of its content, see `digest_of`, or `folder_digest` for latents in a folder; None if it is not known.
    """

    path: Path
    digest: str | None = None

    @classmethod
    def now(cls, path: Path) -> ModelFile:
        """The file as it is now; one that cannot be read has no digest, and is reported where it is used."""
        digest = folder_digest(path) if path.is_dir() else digest_of(path) if path.is_file() else None
        return cls(path.absolute(), digest)

    def is_as(self, other: ModelFile) -> bool:
        """Whether `other` has the same content or, if a digest is not known, the same path."""
        known = self.digest is not None and other.digest is not None
        return self.digest == other.digest if known else self.path == other.path


@dataclass(frozen=True)
class Remembered:
    """What the settings say; None where they say nothing."""

    encoder: str | None = None
    space: str | None = None
    space_digest: str | None = None
    checkpoint: ModelFile | None = None
    latents: ModelFile | None = None
    learner: str | None = None
    strategy: str | None = None
    seed: int | None = None

    @classmethod
    def of(cls, project: Project) -> Remembered:
        """What a project remembers; names are not checked.

        Raises
        ------
        TuilabelError : if the settings are damaged, or a value has the wrong type.
        """
        table = project.model
        try:
            return cls(
                encoder=_name(table, "encoder", NAMES),
                space=_name(table, "space", ENCODERS),
                space_digest=_digest(table, "space"),
                checkpoint=_file(table, "checkpoint", project.directory),
                latents=_file(table, "latents", project.directory),
                learner=_name(table, "learner", LEARNERS),
                strategy=_name(table, "strategy", strategy_names()),
                seed=check_seed(table["seed"]) if "seed" in table else None,
            )
        except UsageError as error:
            raise TuilabelError(f"{project.settings_file}: {error}") from error


def check_seed(seed: Any) -> int:
    """Return `seed`; raises `UsageError` unless it is a whole number from 0 to `MAX_SEED`."""
    if type(seed) is not int or not 0 <= seed <= MAX_SEED:
        raise UsageError(f"seed must be a whole number from 0 to {MAX_SEED}, got {seed!r}", parameter="seed")
    return seed


def _name(table: Mapping[str, Any], key: str, known: Collection[str]) -> str | None:
    value = table.get(key)
    if value is not None and not isinstance(value, str):
        raise UsageError(f"{key} must be one of {', '.join(known)}, in quotes; got {value!r}")
    return value


def _file(table: Mapping[str, Any], key: str, project: Path) -> ModelFile | None:
    """A file of the table; a relative path, which only a user enters, is relative to the project."""
    path, digest = table.get(key), _digest(table, key)
    if path is None:
        return None
    if not isinstance(path, str) or not path or "\0" in path:
        raise UsageError(f"{key} must be the path of a file, in quotes; got {path!r}")
    return ModelFile((project / path).absolute(), digest)


def _digest(table: Mapping[str, Any], key: str) -> str | None:
    digest = table.get(f"{key}-digest")
    if digest is not None and not isinstance(digest, str):
        raise UsageError(f"{key}-digest must be text in quotes; got {digest!r}: delete that line")
    return digest
