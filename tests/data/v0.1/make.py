"""Make the files of this folder with version 0.1 of tuilabel; README.md says how.

Everything is written by that version's own code. Two things differ from what its users have: VAEs are narrower than
`train-vae` makes them and their weights are rounded, so that the files are small.
"""

from __future__ import annotations

import json
import lzma
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import torch
from tests.own.folders import COLOURS, jpeg, picture
from tests.toys import write_idx
from tuilabel.learner.opening import open_learner, test_set
from tuilabel.learner.questions import Answerer
from tuilabel.learner.round import RoundRunner
from tuilabel.vae import training
from tuilabel.vae.checkpoint import load_tensors, save_tensors
from tuilabel.vae.encoders import Encoder
from tuilabel.vae.encoding import encode
from tuilabel.vae.model import VAEConfig
from tuilabel.vae.settings import TrainSettings

from tuilabel.datasets import ImagePool, canonical, open_pool
from tuilabel.labels import InlineWriter, LabelStore, Project
from tuilabel.learner.latent import MLPLearner
from tuilabel.learner.trainer import InlineTrainer
from tuilabel.session import LabellingSession

HERE = Path(__file__).parent
FOLDER = "/home/ada"  # stands in settings and exports for the folder in which everything was made
SETTINGS = """\
# Labels of the spring collection; ask Ada before you change the classes.
{document}
# my own keys
[keys]
skip = ["*"]

[class-keys]
blue = "x"  # next to the c
"""


class Clock:
    """Two seconds pass from one look to the next."""

    def __init__(self, day: int) -> None:
        self.now = datetime(2026, 1, day, 9, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=2)
        return self.now


def write_images(root: Path) -> None:
    """A dataset in Fashion-MNIST's format, whose classes are bars at different heights, and a folder of colours."""
    rng = np.random.default_rng(1)
    for split, n in (("train", 120), ("t10k", 40)):
        targets = rng.permutation(np.arange(n, dtype=np.uint8) % 10)
        images = rng.integers(0, 12, size=(n, 16, 16), dtype=np.uint8)
        for image, target in zip(images, targets, strict=True):
            image[target + 2 : target + 5, 2:14] = 230
        write_idx(root / f"data/FashionMNIST/raw/{split}-images-idx3-ubyte.gz", images)
        write_idx(root / f"data/FashionMNIST/raw/{split}-labels-idx1-ubyte.gz", targets)
    for colour in COLOURS:
        (root / "shots" / colour).mkdir(parents=True)
        for k in range(8):
            (root / "shots" / colour / f"{k}.jpg").write_bytes(jpeg(picture(colour, k, 16, 16)))


def train(pool: ImagePool, out: Path, settings: TrainSettings) -> None:
    """A narrow VAE, its weights rounded to multiples of 1/256."""
    whole = training.VAEConfig
    training.VAEConfig = partial(VAEConfig, hidden=16, decoder_width=8, clusters=(4, 8), projection=8)  # type: ignore[misc]
    training.train_vae(pool.images, settings, out, dataset=pool.name, fingerprint=pool.fingerprint, command="make.py")
    training.VAEConfig = whole
    round_tensors(out, 256)


def train_partly(pool: ImagePool, out: Path) -> None:
    """The state of a training run after the first of its two epochs: of the usual width, its weights rounded."""
    settings = TrainSettings.for_views("objects", latent_dim=4, epochs=2, batch_size=40)
    steps: Iterator[bool] = iter([False] * 3 + [True])
    try:
        training.train_vae(
            pool.images, settings, out, dataset=pool.name, fingerprint=pool.fingerprint, should_stop=lambda: next(steps)
        )
    except training.TrainingStopped:
        round_tensors(training.partial_path(out), 16, keep="model.")


def round_tensors(file: Path, steps: int, keep: str = "") -> None:
    """Round the tensors whose names begin with `keep` to multiples of 1/steps; the others become 0."""
    tensors, header = load_tensors(file)
    rounded = {
        name: torch.round(tensor * steps) / steps if name.startswith(keep) else torch.zeros_like(tensor)
        for name, tensor in tensors.items()
    }
    save_tensors(file, rounded, header)


@contextmanager
def session(
    pool: ImagePool, directory: Path, runner: RoundRunner, day: int, **options: object
) -> Iterator[LabellingSession]:
    """A session as the labelling screen has one, over what the project holds."""
    source = canonical(str(directory.parent / "shots")) if pool.name == "shots" else None
    classes = tuple(pool.classes) or tuple(COLOURS)
    with Project.open(directory, pool.name, pool.fingerprint, classes, source=source) as project:
        store = LabelStore.open(project.store)
        trainer = InlineTrainer(runner.run, Answerer(runner).answer)
        made = LabellingSession(
            pool,
            events=store.events(),
            rounds=store.rounds(),
            class_changes=store.class_changes(),
            writer=InlineWriter(store),
            trainer=trainer,
            classes=project.classes,
            clock=Clock(day),
            batch_size=10,
            retrain="batch",
            **options,  # type: ignore[arg-type]
        )
        trainer.start(made.handle)
        made.start()
        yield made
        project.keep_classes(made.classes)
        store.close()


def answer(made: LabellingSession, n: int, truth: Callable[[int], int]) -> None:
    """Answer the next n images of the batches rightly."""
    for _ in range(n):
        assert made.batch is not None
        position = next(p for p, item in enumerate(made.batch.items) if made.answer_to(item) is None)
        made.label(position, truth(made.batch.items[position].index), 700)


def label_dataset(root: Path) -> None:
    """Two annotators and every kind of answer: the project `digits`."""
    pool = open_pool("fashion-mnist", root / "data")
    learner, features = open_learner("mlp", pool, Encoder.vae(root / "tiny.safetensors"), device="cpu")
    runner = RoundRunner(learner, test_set(pool, features))
    targets = pool.targets
    assert targets is not None

    def truth(index: int) -> int:
        return int(targets[index])

    directory = root / "bars.tuilabel"
    with session(pool, directory, runner, 1, annotator="ada", audit_share=0.3) as made:
        answer(made, 38, truth)
        assert made.batch is not None
        left = [p for p, item in enumerate(made.batch.items) if made.answer_to(item) is None]
        made.skip(left[0], 900)
        made.flag(left[1], 900)
        answer(made, 7, truth)
        newest = made.history()[0].index
        made.note(newest, "could be a coat – or a \N{DRESS}")
        made.undo()
        made.undo()
        made.redo()
        free = [index for index in range(len(pool)) if made.answer_at(index) is None and truth(index) == 2]
        made.confirm_class(free[:4], 2, 2000, predicted=[2] * 4, confidence=[0.9, 0.8, 0.85, 0.7])
        old = made.history()[-1].index
        made.answer_item(old, "label", (truth(old) + 1) % 10, 500)
        made.answer_item(made.history()[-2].index, "label", truth(made.history()[-2].index), 400, strategy="review")
        made.withdraw(made.history()[-3].index)
    with session(pool, directory, runner, 2, annotator="bob", audit_share=0.3) as made:
        answer(made, 9, truth)
        made.answer_item(made.history()[-5].index, "label", 7, 500)
        made.note(made.history()[-5].index, "looks like a sneaker")
        made.rename_class(9, "boot")
        made.merge_classes(6, 0)
        hat = made.add_class("hat")
        made.answer_item(made.history()[2].index, "label", hat, 300)
    with session(pool, directory, runner, 3, annotator="ada", audit_share=0.3) as made:
        names = {name: k for k, name in enumerate(made.classes)}

        now = {"Ankle boot": "boot", "Shirt": "T-shirt/top"}

        def class_now(index: int) -> int:
            name = pool.classes[truth(index)]
            return names[now.get(name, name)]

        answer(made, 12, class_now)
        free = [index for index in range(len(pool)) if made.answer_at(index) is None and truth(index) == 3]
        made.confirm_class(free[:3], names["Dress"], 1500)
        made.rename_class(names["Bag"], "handbag")
        made.merge_classes(names["Sneaker"], names["Sandal"])


def label_folder(root: Path) -> None:
    """A folder of one's own images with the VAE that was trained behind its screen: the project `shots`."""
    pool = open_pool(str(root / "shots"))
    directory = root / "shots.tuilabel"
    vae = directory / "vae.safetensors"
    directory.mkdir()
    train(
        pool,
        vae,
        TrainSettings(latent_dim=4, epochs=40, batch_size=8, views="photos", beta=0.1, information=1, contrast=1),
    )
    runner = RoundRunner(MLPLearner(encode(Encoder.vae(vae), pool).pool))
    colours = list(COLOURS)
    with session(pool, directory, runner, 4, annotator="ada") as made:
        answer(made, 13, lambda index: colours.index(pool.files.last_name(index).split("/")[0]))
        assert made.batch is not None
        made.skip(len(made.batch.items) - 1)
        made.note(made.history()[1].index, "out of focus")
    settings = directory / "settings.toml"
    settings.write_text(SETTINGS.format(document=settings.read_text()))


def tuilabel(root: Path, *arguments: str) -> str:
    """What the command prints; it must succeed."""
    done = subprocess.run(
        [sys.executable, "-m", "tuilabel", *arguments],
        cwd=root, env={**os.environ, "TUILABEL_CACHE": str(root / "cache")},
        text=True, capture_output=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"tuilabel {' '.join(arguments)}: {done.stderr}")
    return done.stdout


def undo_three(root: Path) -> None:
    """Take back Ada's last three steps in the project `bars`."""
    pool = open_pool("fashion-mnist", root / "data")
    learner, features = open_learner("mlp", pool, Encoder.vae(root / "tiny.safetensors"), device="cpu")
    with session(
        pool, root / "bars.tuilabel", RoundRunner(learner, test_set(pool, features)), 5, annotator="ada"
    ) as made:
        for _ in range(3):
            made.undo()


def main() -> None:
    """Write files/ and expected/ next to this file."""
    root = Path(sys.argv[1]).resolve()  # an empty folder
    os.environ["TUILABEL_CACHE"] = str(root / "cache")
    write_images(root)
    bars = open_pool("fashion-mnist", root / "data")
    train(bars, root / "tiny.safetensors", TrainSettings(latent_dim=6, epochs=60, batch_size=20, beta=0.1))
    train_partly(bars, root / "unfinished.safetensors")
    label_dataset(root)
    label_folder(root)
    commands = json.loads((HERE / "commands.json").read_text())
    for arguments in commands["made"].values():
        tuilabel(root, *arguments)
    shutil.rmtree(root / "cache")
    keep(root, HERE / "files")
    shutil.rmtree(HERE / "expected", ignore_errors=True)
    (HERE / "expected").mkdir()
    elsewhere = root.with_name(root.name + "-elsewhere")
    shutil.copytree(root, elsewhere)
    replace_folder(elsewhere, root, elsewhere)
    os.environ["TUILABEL_CACHE"] = str(elsewhere / "cache")
    for name, arguments in commands["compared"].items():
        if name == "undone.json":
            undo_three(elsewhere)
        (HERE / "expected" / name).write_text(tuilabel(elsewhere, *arguments))


def replace_folder(root: Path, old: Path, new: Path) -> None:
    """Put `new` in the place of `old` in settings and exports."""
    for path in [*root.rglob("settings.toml"), *root.rglob("annotations.jsonl")]:
        path.write_text(path.read_text().replace(str(old), str(new)))


def keep(root: Path, files: Path) -> None:
    """Copy what is kept; tensors compressed, project folders under names that Git does not ignore."""
    shutil.rmtree(files, ignore_errors=True)
    shutil.copytree(root, files, ignore=shutil.ignore_patterns("lock", "logs"))
    replace_folder(files, root, Path(FOLDER))
    for folder in list(files.glob("*.tuilabel")):
        folder.rename(folder.with_name(folder.name.replace(".", "-")))
    for path in [*files.rglob("*.safetensors"), *files.rglob("*.partial")]:
        path.with_name(path.name + ".xz").write_bytes(lzma.compress(path.read_bytes(), preset=9))
        path.unlink()


if __name__ == "__main__":
    main()
