"""`encode --engine ray`: a cluster of two workers on this machine, one of which is killed halfway."""

from __future__ import annotations

import importlib.util
import os
import socket
from pathlib import Path

import psutil
import pytest
from pyarrow import parquet

from tests.helpers.folders import colour_folder
from tuilabel.encoders.shards import plan
from tuilabel.encoders.shards.ray_engine import RayEngine, check_answers
from tuilabel.errors import TuilabelError, UsageError
from tuilabel.project.encode_shards import EncodedShards, encode_shards

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None and os.environ.get("CI") != "true", reason="ray is not installed"
)

KILLER = '''
import os
import signal
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent


def features(images):
    """Means of 8 x 8 blocks; the first worker that is asked for the last shards dies while it encodes one."""
    with (HERE / "pids").open("a") as file:
        file.write(f"{os.getpid()}\\n")
    if (HERE / "armed").exists() and len(list((HERE / "out").glob("latents-*"))) >= 3:
        try:
            (HERE / "armed").rename(HERE / f"killed-{os.getpid()}")
        except FileNotFoundError:
            pass  # the other one was first
        else:
            os.kill(os.getpid(), signal.SIGKILL)
    blocks = images.reshape(len(images), 4, 8, 4, 8, 3).astype(np.float32)
    return blocks.mean(axis=(2, 4)).reshape(len(images), -1)


features.side = 32
'''


def rows_of(out: Path) -> dict[str, tuple[str, tuple[float, ...]]]:
    found: dict[str, tuple[str, tuple[float, ...]]] = {}
    for file in out.glob("latents-*.parquet"):
        for row in parquet.read_table(file).to_pylist():
            assert row["path"] not in found, "twice"
            found[row["path"]] = (row["id"], tuple(row["vector"]))
    return found


@needs_ray
def test_one_of_two_workers_is_killed_halfway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = colour_folder(tmp_path / "shots", each=32)
    (images / "blue/broken.jpg").write_text("no picture")
    (tmp_path / "killer.py").write_text(KILLER)
    monkeypatch.setattr(plan, "SAMPLE_SIZE", 16)  # else all features would be those of the sample
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path(__file__).parents[2]}")  # of the cluster's processes

    def encode(out: Path, engine: str) -> EncodedShards:
        return encode_shards(
            str(images), str(out), engine=engine, workers=2 if engine == "ray" else 1, encoder="killer:features",
            shard_size=8, device="cpu",
        )  # fmt: skip

    here = encode(tmp_path / "here", "local")
    (tmp_path / "pids").unlink()
    (tmp_path / "armed").touch()
    there = encode(tmp_path / "out", "ray")

    (killed,) = (int(file.name.removeprefix("killed-")) for file in tmp_path.glob("killed-*"))
    asked = set(map(int, (tmp_path / "pids").read_text().split())) - {os.getpid()}
    assert killed in asked
    assert len(asked) >= 2
    left = psutil.wait_procs([psutil.Process(pid) for pid in asked if psutil.pid_exists(pid)], timeout=30)[1]
    assert not left  # the cluster is gone
    assert not there.failed
    assert rows_of(tmp_path / "out") == rows_of(tmp_path / "here")
    assert len(rows_of(tmp_path / "out")) == there.images == here.images == 96
    assert there.problems == here.problems
    assert {file.name for file in (tmp_path / "out").iterdir()} == {file.name for file in (tmp_path / "here").iterdir()}


@pytest.mark.parametrize("address", ["nowhere", "http://a:1", "ray://a", "a:b", "a:99999"])
def test_addresses_that_are_none(address: str) -> None:
    with pytest.raises(UsageError, match="address must be HOST:PORT, ray://HOST:PORT or auto"):
        check_answers(address)


def test_a_cluster_that_does_not_answer() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        with pytest.raises(TuilabelError, match=r"no Ray cluster answers at .* is it running"):
            check_answers(f"127.0.0.1:{taken.getsockname()[1]}")


def test_an_installation_without_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tuilabel import extras

    monkeypatch.setattr(extras, "is_installed", lambda package: package != "ray")
    images = colour_folder(tmp_path / "shots", each=1)
    with pytest.raises(TuilabelError, match=r"needs the package ray: pip install 'tuilabel\[ray\]'"):
        encode_shards(str(images), str(tmp_path / "out"), engine="ray")
    assert not (tmp_path / "out").exists()


@needs_ray
def test_a_cluster_that_is_slow_to_start_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    started: list[dict[str, object]] = []

    def init(**options: object) -> None:
        started.append(options)
        if len(started) < 3:
            raise Exception("The current node timed out during startup.")

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(ray, "init", init)
    with RayEngine(workers=2).connected():
        assert len(started) == 3
    assert started[0]["_node_ip_address"] == "127.0.0.1"
    assert started[0]["include_dashboard"] is False
