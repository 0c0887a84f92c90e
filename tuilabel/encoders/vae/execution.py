"""How training steps are computed on a GPU: precision and compilation, chosen by measurement and kept for next time."""

from __future__ import annotations

import contextlib
import json
import logging
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from tuilabel.encoders.device import half_precision
from tuilabel.errors import TuilabelError
from tuilabel.files import atomic_write, cache_dir

log = logging.getLogger(__name__)

STEPS = 5  # that are timed, after the first two
WORTH_COMPILING = 60.0  # seconds of training: compiling takes from ten seconds to a minute
FILE = "devices.json"


@dataclass(frozen=True)
class Execution:
    """How steps are computed.

    Attributes
    ----------
    precision : "bfloat16" (mixed precision), "tf32" (products of float32 with short mantissas) or "float32".
    compiled : by `torch.compile`.
    """

    precision: str
    compiled: bool = False

    def __str__(self) -> str:
        return f"{self.precision}, compiled" if self.compiled else self.precision

    @contextlib.contextmanager
    def context(self, device: torch.device) -> Iterator[None]:
        """Compute in this precision."""
        before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
        torch.set_float32_matmul_precision("highest" if self.precision == "float32" else "high")
        torch.backends.cudnn.allow_tf32 = self.precision != "float32"
        try:
            with torch.autocast(device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
                yield
        finally:
            torch.set_float32_matmul_precision(before[0])
            torch.backends.cudnn.allow_tf32 = before[1]


def usual(device: torch.device) -> Execution:
    """What is used without measuring: half precision where there are instructions for it."""
    return Execution("bfloat16" if half_precision(device) else "float32")


def candidates(device: torch.device) -> tuple[Execution, ...]:
    """What may be fastest on a device; on a CPU compiling never paid for itself, so there is no choice."""
    if device.type != "cuda":
        return (usual(device),)
    names = ("bfloat16", "tf32", "float32") if half_precision(device) else ("tf32", "float32")
    return tuple(Execution(name, compiled) for compiled in (False, True) for name in names)


def fastest(device: torch.device, what: str, steps: int, trial: Callable[[Execution], Callable[[], None]]) -> Execution:
    """The execution in which a training ends first.

    Parameters
    ----------
    what : stands for the model and its batch; measurements are kept for device, version of PyTorch and this.
    steps : that are to be done.
    trial : gives a function that does one step and leaves no trace.

    Raises
    ------
    torch.OutOfMemoryError : if memory does not suffice for any of them.
    """
    choices = candidates(device)
    if len(choices) == 1:
        return choices[0]
    key = f"{_name(device)} · torch {torch.__version__} · {what}"
    kept = _read()
    measured = kept.get(key, {})
    best, least = usual(device), float("inf")
    for choice in choices:
        if choice.compiled and least < WORTH_COMPILING:
            break
        if str(choice) not in measured:
            measured[str(choice)] = _measured(device, trial(choice))
        setup, step = measured[str(choice)]
        if setup + steps * step < least:
            best, least = choice, setup + steps * step
    _write({**kept, key: measured})
    return best


def _measured(device: torch.device, step: Callable[[], None]) -> tuple[float, float]:
    """Seconds until the first step is done, and of each later one; infinite if it cannot be done."""
    times = []
    try:
        for _ in range(2 + STEPS):
            begin = time.perf_counter()
            step()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            times.append(time.perf_counter() - begin)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # torch.compile may raise anything
        log.info("not used: %s", error)
        return float("inf"), float("inf")
    return times[0], statistics.median(times[2:])


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _read() -> dict[str, dict[str, tuple[float, float]]]:
    try:
        kept = json.loads((cache_dir() / FILE).read_text("utf-8"))
        return {key: {name: (float(a), float(b)) for name, (a, b) in of.items()} for key, of in kept.items()}
    except (OSError, ValueError, TypeError, AttributeError):  # it is only a cache
        return {}


def _write(kept: dict[str, dict[str, tuple[float, float]]]) -> None:
    with contextlib.suppress(OSError, TuilabelError), atomic_write(cache_dir() / FILE) as file:
        file.write_text(json.dumps(kept), "utf-8")
