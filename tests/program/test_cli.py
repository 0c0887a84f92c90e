"""The command line: what it prints, how it fails."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from tests.helpers.program import Runner
from tests.helpers.terminal import TUILABEL
from tests.helpers.tiny import Tiny


def error_line(done: subprocess.CompletedProcess[str], code: int) -> str:
    """The one line of a failure, after checking that there is no traceback."""
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    lines = done.stderr.strip().splitlines()
    assert lines[-1].startswith("tuilabel: ")
    return lines[-1]


def test_help_is_quick_and_loads_neither_torch_nor_textual() -> None:
    code = (
        "import sys; sys.argv = ['tuilabel', '--help']\nfrom tuilabel.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "assert not {'torch', 'textual', 'numpy', 'sqlalchemy'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "train-vae" in done.stdout


@pytest.mark.parametrize(
    "command",
    [
        "train-vae",
        "encode",
        "label",
        "stats",
        "export",
        "import",
        "predict",
        "datasets",
        "strategies",
        "make-colour-digits",
        "thesis",
        "simulate",
    ],
)
def test_every_command_has_help_with_an_example(run: Runner, command: str) -> None:
    done = run(command, "--help")
    assert done.returncode == 0
    assert f"Example: tuilabel {command}" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["label", "nothing"], 2, ["unknown dataset 'nothing'", "mnist", "name an existing folder"]),
        (["train-vae", "fashion"], 2, ["did you mean fashion-mnist?"]),
        (["label", "--strategy", "entrpy"], 2, ["unknown strategy", "did you mean entropy?"]),
        (["label", "--batch", "0"], 2, ["--batch must be between 1 and 1000, got 0"]),
        (["label", "--batch", "99999"], 2, ["--batch must be between 1 and 1000"]),
        (["label", "--device", "gpu"], 2, ["--device must be auto, cpu, cuda"]),
        (["label"], 1, ["needs a terminal"]),
        (["label", "--batch", "many"], 2, []),
        (["train-vae", "--epochs", "0"], 2, ["--epochs must be at least 1, got 0"]),
        (["train-vae", "--device", "cuda:9"], 2, ["no device 'cuda:9'", "`--device auto`"]),
        (["train-vae", "--processes", "0"], 2, ["--processes must be at least 1, got 0"]),
        (["train-vae", "nothing", "--processes", "2"], 2, ["unknown dataset 'nothing'"]),
        (["train-vae", "--mi-weight", "-1"], 2, ["--mi-weight must not be negative, got -1.0"]),
        (["encode", "--checkpoint", "none.safetensors"], 1, ["no checkpoint at none.safetensors"]),
        (["stats"], 1, ["no project at mnist.tuilabel"]),
        (["export", "--format", "xml"], 2, ["unknown format 'xml'"]),
        (["export", "--format", "parquet"], 2, ["format parquet", "pass `--out`"]),
        (["export", "--json"], 2, ["pass --out"]),
        (["export", "--out", "x", "--split", "80,20"], 2, ["--split must be", "80,10,10", "80,20"]),
        (["import", "none.csv"], 1, ["none.csv does not exist"]),
        (["import", ".", "--format", "coco"], 2, ["unknown format 'coco'", "label-studio"]),
        (["import", ".", "--on-conflict", "ask"], 2, ["--on-conflict must be skip or replace, got 'ask'"]),
        (["export", "--format", "onnx"], 1, ["no project at mnist.tuilabel"]),
        (
            ["export", "--format", "torch", "--learner", "cnn"],
            2,
            ["--learner must be latent or mlp", "got cnn"],
        ),
        (["predict"], 1, ["no project at mnist.tuilabel"]),
        (["predict", "--min-confidence", "95"], 2, ["--min-confidence must be between 0 and 1, got 95.0"]),
        (["predict", "--out", "p.xlsx"], 2, [".csv, .jsonl, .parquet"]),
        (["thesis", "--claim", "7"], 2, ["--claim must be numbers from 1 to 6, got 7"]),
        (["thesis", "--seeds", "0"], 2, ["--seeds must be at least 1, got 0"]),
        (["thesis", "--jobs", "0"], 2, ["--jobs must be at least 1, got 0"]),
        (["thesis", "--resume"], 2, ["--resume needs a file of earlier results", "`--out`"]),
        (["thesis", "--budget", "60001"], 2, ["--budget must be at most 60,000, the images of mnist, got 60,001"]),
        (["no-such-command"], 2, []),
    ],
)
def test_wrong_usage_is_a_one_line_error(run: Runner, arguments: list[str], code: int, words: list[str]) -> None:
    done = run(*arguments)
    assert done.returncode == code
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    if words:
        line = error_line(done, code)
        assert all(word in line for word in words), line


def test_debug_shows_the_traceback(run: Runner) -> None:
    assert "Traceback" in run("--debug", "stats").stderr


def test_datasets_lists_what_is_available(run: Runner, tiny: Tiny) -> None:
    text = run("datasets", "--data-dir", tiny.data_dir).stdout
    for words in (("mnist", "60,000", "28×28×1", "bundled"), ("svhn", "73,257", "32×32×3", "to be downloaded")):
        assert any(all(word in line for word in words) for line in text.splitlines()), text
    rows = {
        row["name"]: row
        for row in json.loads(run("datasets", "--json", "--data-dir", tiny.data_dir).stdout)["datasets"]
    }
    assert rows["fashion-mnist"]["state"] in ("here", "cached")
    assert rows["colour-digits"]["state"] == "to be made"
    names = ["mnist", "fashion-mnist", "kmnist", "emnist-letters", "svhn", "colour-digits", "cifar10", "stl10"]
    assert list(rows) == names


def test_strategies_are_listed_with_paper_and_cost(run: Runner) -> None:
    rows = {row["name"]: row for row in json.loads(run("strategies", "--json").stdout)["strategies"]}
    assert {"random", "entropy", "least-confidence", "margin", "coverage"} <= set(rows)
    assert all(row["cost"] and row["paper"] and row["when"] for row in rows.values())
    assert (rows["margin"]["sees"], rows["coverage"]["sees"]) == ("all items", "20,000 at random")
    lines = run("strategies", environment={"COLUMNS": "120"}).stdout.splitlines()
    assert any("entropy" in line and "Settles 2009" in line for line in lines)
    assert len(lines) <= 2 * len(rows) + 8  # two lines each; a few may wrap
    assert "each batch is picked from 2,000,000 random ones" in lines[-2]


def test_train_encode_on_svhn_in_its_true_format(run: Runner, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for split, n in (("train", 90), ("test", 30)):
        labels = rng.integers(1, 11, size=(n, 1)).astype(np.uint8)
        savemat(
            tmp_path / f"{split}_32x32.mat", {"X": rng.integers(0, 255, (32, 32, 3, n), dtype=np.uint8), "y": labels}
        )
    done = run(
        "train-vae", "svhn", "--data-dir", ".", "--epochs", "1", "--latent-dim", "4", "--batch-size", "30", "--json"
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["image_shape"] == [32, 32, 3]
    assert report["command"] == "tuilabel train-vae svhn --latent-dim 4 --epochs 1 --batch-size 30 --data-dir ."
    assert (tmp_path / report["checkpoint"]).stat().st_mode & 0o444 == 0o444
    done = run("encode", "svhn", "--data-dir", ".", "--out", "z.npy", "--json")
    assert json.loads(done.stdout)["items"] == 90
    latents = np.load(tmp_path / "z.npy")
    assert (latents.shape, latents.dtype) == ((90, 4), np.float32)


def test_an_unavailable_dataset_is_a_one_line_error(run: Runner, tmp_path: Path) -> None:
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    line = error_line(run("train-vae", "cifar10", "--data-dir", tmp_path / "root", environment=proxies), 1)
    for word in ("cifar10", str(tmp_path / "root"), "--data-dir"):
        assert word in line


def test_colour_digits_are_made_and_read(run: Runner, tmp_path: Path) -> None:
    line = error_line(run("encode", "colour-digits", "--data-dir", "."), 1)
    assert "tuilabel make-colour-digits" in line
    (tmp_path / "photos").mkdir()
    rng = np.random.default_rng(0)
    for k in range(5):
        Image.fromarray(rng.integers(0, 255, (40, 50, 3), dtype=np.uint8)).save(tmp_path / f"photos/{k}.png")
    make = ["make-colour-digits", "--photos", "photos", "--out", ".", "--train", "30", "--test", "10"]
    done = run(*make, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "schema": 1,
        "dataset": "colour-digits",
        "directory": "colour-digits",
        "train": 30,
        "test": 10,
        "train_photos": 4,
        "test_photos": 1,
    }
    rows = {row["name"]: row for row in json.loads(run("datasets", "--json", "--data-dir", ".").stdout)["datasets"]}
    assert rows["colour-digits"]["state"] == "here"
    assert "--force" in error_line(run(*make), 1)
    assert run(*make, "--force").returncode == 0
    assert "--train must be between 1 and 60000" in error_line(run(*make, "--train", "60001"), 2)


def test_a_checkpoint_for_other_images_is_a_one_line_error(run: Runner, tiny: Tiny, tmp_path: Path) -> None:
    savemat(tmp_path / "train_32x32.mat", {"X": np.zeros((32, 32, 3, 4), np.uint8), "y": np.ones((4, 1), np.uint8)})
    savemat(tmp_path / "test_32x32.mat", {"X": np.zeros((32, 32, 3, 4), np.uint8), "y": np.ones((4, 1), np.uint8)})
    line = error_line(run("encode", "svhn", "--data-dir", ".", "--checkpoint", tiny.checkpoint), 1)
    assert "28×28×1" in line
    assert "32×32×3" in line
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(tiny.checkpoint.read_bytes()[:2000])
    assert "truncated" in error_line(
        run("encode", "fashion-mnist", "--data-dir", tiny.data_dir, "--checkpoint", cut), 1
    )


def test_an_unwritable_cache_is_a_one_line_error(run: Runner, tiny: Tiny, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run(
        "encode", "fashion-mnist", "--data-dir", tiny.data_dir, environment={"TUILABEL_CACHE": str(tmp_path / "file")}
    )
    assert "TUILABEL_CACHE" in error_line(done, 1)


def test_interrupted_training_resumes(tiny: Tiny, run: Runner, tmp_path: Path) -> None:
    command = ["train-vae", "fashion-mnist", "--data-dir", str(tiny.data_dir), "--epochs", "200", "--batch-size", "30"]
    process = subprocess.Popen(
        [*TUILABEL, *command], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    while "epoch   2/200" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    assert "the state is saved" in stderr
    assert "--epochs 200 --batch-size 30" in stderr
    assert stderr.rstrip().endswith("--resume`")
    process = subprocess.Popen(
        [*TUILABEL, *command, "--resume"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    assert int(process.stderr.readline().split("/")[0].split()[-1]) >= 3
    process.kill()
    process.communicate()
    assert "3, not 4" not in stderr
    line = error_line(run(*command[:4], "--epochs", "3", "--resume"), 1)
    assert "trained with" in line


def test_a_training_by_two_processes_stops_and_is_resumed_by_one(tiny: Tiny, tmp_path: Path) -> None:
    command = ["train-vae", "fashion-mnist", "--data-dir", str(tiny.data_dir), "--epochs", "4", "--batch-size", "30"]
    process = subprocess.Popen(
        [*TUILABEL, *command, "--processes", "2"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    while "epoch 1/4" not in (line := process.stderr.readline()):
        assert line, "no epoch was finished"
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (130, "")
    assert stderr.count("the state is saved") == 1
    assert stderr.rstrip().endswith("--resume`")
    done = subprocess.run([*TUILABEL, *command, "--resume"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "epoch 4/4" in done.stderr
    assert "checkpoints/fashion-mnist.safetensors" in done.stdout


def test_killed_training_resumes_from_the_last_epoch(tiny: Tiny, tmp_path: Path) -> None:
    command = [*TUILABEL, "train-vae", "fashion-mnist", "--data-dir", str(tiny.data_dir), "--epochs", "200", "--resume"]
    process = subprocess.Popen(command[:-1], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    while "epoch   3/200" not in process.stderr.readline():
        assert process.poll() is None
    process.kill()
    process.communicate()
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    first = process.stderr.readline()
    process.kill()
    process.communicate()
    assert int(first.split("/")[0].split()[-1]) in (3, 4, 5)


def test_a_closed_pipe_is_not_an_error(tmp_path: Path) -> None:
    done = subprocess.run(
        f"{' '.join(TUILABEL)} datasets --json | head -n 1",
        shell=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert "Traceback" not in done.stderr


def test_the_wheel_works_outside_the_checkout(tmp_path: Path) -> None:
    """Bundled MNIST and the checkpoint come along; the sdist builds the same wheel."""
    uv = shutil.which("uv")
    if uv is None:
        pytest.skip("uv is not installed: it builds the wheel")
    root = Path(__file__).parents[2]
    begin = time.time()
    subprocess.run([uv, "build", "--out-dir", tmp_path / "dist", root], check=True, capture_output=True, cwd=tmp_path)
    wheel, sdist = next((tmp_path / "dist").glob("*.whl")), next((tmp_path / "dist").glob("*.tar.gz"))
    assert wheel.stat().st_mtime >= begin - 1
    assert sdist.stat().st_size > 10_000_000
    place = tmp_path / "site"
    shutil.unpack_archive(wheel, place, "zip")
    code = (
        f"import sys; sys.path.insert(0, {str(place)!r}); import tuilabel; from pathlib import Path; "
        f"assert Path(tuilabel.__file__).is_relative_to({str(place)!r}); "
        "from tuilabel.datasets import open_pool; "
        "from tuilabel.encoders.vae.header import check_fits, find_checkpoint, read_header; "
        f"path = find_checkpoint('mnist'); assert path.is_relative_to({str(place)!r}), path; "
        "check_fits(read_header(path), open_pool('mnist')); print('good')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "TUILABEL_CACHE": str(tmp_path / "cache")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.strip() == "good", done.stderr
