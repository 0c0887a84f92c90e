"""The results of an experiment as one JSON document, to which further runs can be added."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuilabel.encoders.cache import digest_of
from tuilabel.errors import TuilabelError
from tuilabel.files import atomic_write
from tuilabel.simulation.experiment import COMMON, Experiment
from tuilabel.simulation.run import Key, Run
from tuilabel.simulation.summary import Row, summarise
from tuilabel.version import SCHEMA, __version__

KEYS = {"batch_size": "batch"}
"""Keys in the document that differ from the name of the setting."""


@dataclass(frozen=True)
class Results:
    """The results of an experiment so far."""

    settings: dict[str, Any]
    runs: tuple[Run, ...]

    def to_json(self) -> dict[str, Any]:
        """The document of `tuilabel simulate --json`."""
        return {"schema": SCHEMA, **self.settings, "runs": [run.to_json() for run in self.runs]}

    def to_text(self) -> str:
        """The same as text with one run per line, which stays readable."""
        head = json.dumps({"schema": SCHEMA, **self.settings}, indent=1).removesuffix("\n}")
        runs = ",\n".join(f"  {json.dumps(run.to_json())}" for run in self.runs)
        return f'{head},\n "runs": [\n{runs}\n ]\n}}\n'

    @property
    def summary(self) -> list[Row]:
        """A row for each strategy and learner: accuracy at numbers of labels, area, the difference to random."""
        return summarise(self.runs)

    def of(self, keys: Collection[Key]) -> tuple[Run, ...]:
        """The runs with these keys."""
        return tuple(run for run in self.runs if run.key in keys)


def describe(
    experiment: Experiment, *, dataset: str, pool_size: int, test_size: int, latent_dim: int | None
) -> dict[str, Any]:
    """The settings in the document; results of experiments whose settings agree can be joined."""
    encoder = experiment.encoder
    path = None if encoder is None else encoder.path
    return {
        "tuilabel": __version__,
        "dataset": dataset,
        "pool_size": pool_size,
        "test_size": test_size,
        "encoder": None if encoder is None else encoder.name,
        "latent_dim": latent_dim,
        "checkpoint": None if path is None else str(path),
        "checkpoint_digest": None if path is None else digest_of(path),
        **{KEYS.get(name, name): getattr(experiment, name) for name in COMMON},
    }


def disagreement(earlier: dict[str, Any], now: dict[str, Any]) -> str | None:
    """The first setting that must agree but does not, in words; None if the results can be joined."""
    for name in ("dataset", "pool_size", "test_size", *COMMON):
        key = KEYS.get(name, name)
        if earlier.get(key) != now[key]:
            return f"`{name}={earlier.get(key)}`, not {now[key]}"
    was_by, now_by = earlier.get("encoder", now["encoder"]), now["encoder"]
    if was_by is not None and now_by is not None and was_by != now_by:
        return f"`encoder={was_by}`, not {now_by}"
    was, is_ = earlier.get("checkpoint_digest"), now["checkpoint_digest"]
    if was is not None and is_ is not None and was != is_:  # by content: a checkpoint may have moved, or be a new one
        if earlier["checkpoint"] == now["checkpoint"]:
            return f"another checkpoint at {now['checkpoint']}, which has been retrained since"
        return f"the checkpoint {earlier['checkpoint']}, not {now['checkpoint']}"
    return None


def read_results(path: Path) -> Results:
    """Read results written by `write_results`.

    Raises
    ------
    TuilabelError : if the file cannot be read or does not contain results.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        document.pop("schema", None)
        runs = tuple(Run.from_json(run) for run in document.pop("runs"))
    except OSError as error:
        raise TuilabelError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TuilabelError(f"{path} does not contain results of `tuilabel simulate`: choose another file") from error
    return Results(document, runs)


def write_results(results: Results, path: Path) -> None:
    """Write the document atomically; raises `TuilabelError` if it cannot be written."""
    with atomic_write(path) as temporary:
        temporary.write_text(results.to_text(), encoding="utf-8")
