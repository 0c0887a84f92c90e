"""The claims of Tonnaer 2017 and the runs that each needs; module `claims` evaluates them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuilabel.datasets import DatasetLike
from tuilabel.encoders.vae.encoder import VAEEncoder
from tuilabel.errors import TuilabelError, UsageError
from tuilabel.simulation.experiment import Experiment
from tuilabel.simulation.run import Key, Run

CLAIMS = {
    1: "VAE latents carry a simple MLP",
    2: "uncertainty sampling needs clearly fewer labels than random sampling",
    3: "accuracy varies less between experiments on latents than on pixels",
    4: "an iteration on latents is far faster than one of a CNN on pixels",
    5: "density weighting brings no improvement over uncertainty alone",
    6: "batches save iterations, and diversity within them helps a little, sometimes",
}
UNCERTAIN = ("entropy", "margin", "least-confidence")
UNCERTAINTY, DENSITY = "entropy", "information-density"
DIVERSE = ("weighted-kmeans", "badge")
BATCHES = (1, 10, 50, 100)
INITIAL, BATCH = 20, 20
BATCHES_BUDGET = 220  # batches of one take a round a label
CNN_BATCH, CNN_BUDGET = 100, 300  # a round of the CNN takes half a minute on 60,000 images

Runs = Mapping[str, Sequence[Run]]
"""The runs of each block."""


@dataclass(frozen=True)
class ThesisSettings:
    """The settings of `tuilabel thesis`.

    Attributes
    ----------
    checkpoint : of the VAE.
    claims : numbers of the claims to test, keys of `CLAIMS`.
    seeds : number of runs of each kind, with the seeds `seed`, `seed` + 1, ….
    budget : labels per run; fewer in experiments with slow rounds.
    cnn_seeds : number of runs of the CNN, which takes half a minute per round on 60,000 images.

    Raises
    ------
    UsageError : if a number is out of range or a claim is unknown.
    """

    dataset: DatasetLike
    data_dir: Path | None
    checkpoint: Path
    claims: tuple[int, ...] = tuple(CLAIMS)
    seeds: int = 5
    seed: int = 0
    budget: int = 500
    cnn_seeds: int = 3

    def __post_init__(self) -> None:
        for name, low in (("seeds", 1), ("seed", 0), ("budget", 2), ("cnn_seeds", 1)):
            if getattr(self, name) < low:
                raise UsageError(f"{name} must be at least {low}, got {getattr(self, name)}", parameter=name)
        unknown = sorted(set(self.claims) - set(CLAIMS))
        if unknown or not self.claims:
            got = unknown[0] if unknown else "none"
            raise UsageError(f"claims must be numbers from 1 to {len(CLAIMS)}, got {got}", parameter="claims")


@dataclass(frozen=True)
class Block:
    """Experiments whose runs are compared with one another."""

    name: str
    experiments: tuple[Experiment, ...]

    def run_keys(self) -> dict[Key, None]:
        """The key of every run, in order."""
        return {run.key: None for experiment in self.experiments for run in experiment.runs()}

    def wanted(self, runs: Sequence[Run]) -> tuple[Run, ...]:
        """The runs that belong to the block, out of `runs`."""
        by_key = {run.key: run for run in runs}
        return tuple(by_key[key] for key in self.run_keys() if key in by_key)


def blocks(settings: ThesisSettings) -> list[Block]:
    """The experiments that the claims need, without repeated runs, the CNN last; claim 1 has its own (`supervised`)."""
    claims, needed = settings.claims, []
    strategies = [*(("random", *UNCERTAIN) if 2 in claims else ()), *((UNCERTAINTY, DENSITY) if 5 in claims else ())]
    if strategies:
        compared = tuple(dict.fromkeys(strategies))
        needed.append(Block("strategies", (_experiment(settings, compared, BATCH, settings.budget),)))
    if 6 in claims:
        budget = min(BATCHES_BUDGET, settings.budget)
        for batch in BATCHES:
            compared = ("margin", *DIVERSE) if batch > 1 else ("margin",)
            needed.append(Block(batch_block(batch), (_experiment(settings, compared, batch, budget),)))
    if {3, 4} & set(claims):
        budget = min(CNN_BUDGET, settings.budget)
        both = _experiment(
            settings,
            ("random",),
            CNN_BATCH,
            budget,
            initial=CNN_BATCH,
            learners=("mlp", "cnn"),
            seeds=settings.cnn_seeds,
        )
        more = _experiment(settings, ("random",), CNN_BATCH, budget, initial=CNN_BATCH)
        needed.append(Block("learners", (both, more)))
    return needed


def batch_block(batch: int) -> str:
    """The name of the block with batches of `batch` labels."""
    return f"batch-{batch}"


def _experiment(
    settings: ThesisSettings,
    strategies: tuple[str, ...],
    batch: int,
    budget: int,
    *,
    initial: int = INITIAL,
    learners: tuple[str, ...] = ("mlp",),
    seeds: int | None = None,
) -> Experiment:
    return Experiment(
        settings.dataset,
        settings.data_dir,
        VAEEncoder(settings.checkpoint),
        strategies,
        learners,
        seeds=seeds or settings.seeds,
        seed=settings.seed,
        batch_size=batch,
        budget=budget,
        initial=min(initial, budget),
        start="random",
        audit_share=0.0,  # the strategy chooses every label
    )


def setting_lines(settings: ThesisSettings) -> list[str]:
    """What was run, in words, so that a small experiment is not mistaken for a large one."""
    lines = []
    if 1 in settings.claims:
        lines.append(f"supervised: random labels, up to all of the pool; {settings.seeds} runs of the mlp")
    for block in blocks(settings):
        of = block.experiments[0]
        by_learner: dict[str, int] = {}
        for _, learner, _ in block.run_keys():
            by_learner[learner] = by_learner.get(learner, 0) + 1
        runs = ", ".join(f"{number} runs of the {learner}" for learner, number in by_learner.items())
        lines.append(
            f"{block.name}: {', '.join(of.strategies)}; {of.initial} random labels, then batches of {of.batch_size} "
            f"up to {of.budget} labels; {runs}"
        )
    return lines


def to_document(description: dict[str, Any], runs: Runs) -> dict[str, Any]:
    """The document of an unfinished `tuilabel thesis`."""
    return {**description, "blocks": {name: [run.to_json() for run in members] for name, members in runs.items()}}


def from_document(document: Any, description: dict[str, Any], path: Path) -> dict[str, tuple[Run, ...]]:
    """The runs in a document that `to_document` made under the same description.

    Raises
    ------
    TuilabelError : if it is something else, or of other images, another checkpoint or another budget.
    """
    try:
        for name, value in description.items():
            if name != "tuilabel" and document[name] != value:
                raise TuilabelError(
                    f"{path} was made with {name} {document[name]}, not {value}: use the same settings to resume "
                    "it, or another `file`"
                )
        return {name: tuple(map(Run.from_json, members)) for name, members in document["blocks"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise TuilabelError(f"{path} does not contain results of `tuilabel thesis`: choose another file") from error


def check_size(settings: ThesisSettings, pool_size: int) -> None:
    """Raise `UsageError` if the budget is larger than the pool."""
    if settings.budget > pool_size:
        raise UsageError(
            f"budget must be at most {pool_size:,}, the images of {settings.dataset}, got {settings.budget:,}",
            parameter="budget",
        )
