"""Training by several processes, on several GPUs or machines: each has a share of every batch.

The model is the one that a single process trains, up to rounding: statistics of batch norms and the terms that compare
the images of a batch are those of the whole batch, gradients are averaged, and random numbers are drawn for the whole
batch, of which each process takes its rows. So a training may also be resumed by another number of processes.

Processes are started by torchrun, or by `tuilabel train-vae --processes` (`tuilabel/cli/processes.py`), which say by
environment variables who is who.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist

from tuilabel.encoders.device import resolve_device
from tuilabel.errors import TuilabelError, UsageError

_VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
_PATIENCE = timedelta(hours=12)  # of processes that wait for the first one, which may have images to read
_OF_BATCHES = nn.modules.batchnorm._BatchNorm


@dataclass(frozen=True)
class Part:
    """The rows of a batch that a process has: those from `start` to before `stop`, of `whole`."""

    start: int
    stop: int
    whole: int
    processes: int = 1

    @property
    def weight(self) -> float:
        """What a mean over this part counts in the mean over all processes; not quite 1 if parts differ in size."""
        return (self.stop - self.start) * self.processes / self.whole

    def of(self, rows: Tensor) -> Tensor:
        """The part's rows of something (whole, …)."""
        return rows[self.start : self.stop]


def all_rows(count: int) -> Part:
    """A batch that one process has alone."""
    return Part(0, count, count)


@dataclass(frozen=True)
class Processes:
    """The processes of a training: this one's number, and how many there are."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files and reports."""
        return self.rank == 0

    def part(self, batch_size: int) -> Part:
        """The rows of a batch that this process has; as many as any other, or one less."""
        start, stop = (number * batch_size // self.size for number in (self.rank, self.rank + 1))
        return Part(start, stop, batch_size, self.size)

    def prepare(self, model: nn.Module) -> nn.Module:
        """The model whose backward pass averages gradients, with batch norms that see whole batches.

        They are replaced in `model` itself; names and values of parameters stay as they are.
        """
        if self.size == 1:
            return model
        if next(model.parameters()).device.type == "cuda":
            nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
        else:  # PyTorch has one for GPUs only
            for module in model.modules():
                if isinstance(module, _OF_BATCHES):
                    module.__class__ = _whole_batch_norm(type(module))  # type: ignore[assignment]
        with warnings.catch_warnings():  # its new name is unknown to earlier PyTorch
            warnings.filterwarnings("ignore", ".*broadcast_buffers", FutureWarning)
            return nn.parallel.DistributedDataParallel(model, broadcast_buffers=False)

    def any(self, flag: bool) -> bool:
        """Whether `flag` is True in any process; all of them have to ask."""
        if self.size == 1:
            return flag
        flags = torch.tensor(int(flag))
        dist.all_reduce(flags)
        return bool(flags)

    def mean(self, values: Tensor) -> Tensor:
        """The mean over all processes of `values`, of any shape."""
        if self.size == 1:
            return values
        values = values.clone()
        dist.all_reduce(values)
        return values / self.size

    def of_first(self, value: float) -> float:
        """The first process's `value`; all of them have to ask."""
        if self.size == 1:
            return value
        values = torch.tensor(value, dtype=torch.float64)
        dist.broadcast(values, 0)
        return float(values)

    def agree(self, model: nn.Module) -> None:
        """Give all processes the first one's parameters: unlike machines round differently, and that adds up."""
        for parameter in model.parameters() if self.size > 1 else ():
            dist.broadcast(parameter.detach(), 0)

    def check_same(self, facts: dict[str, Any]) -> None:
        """Raise `TuilabelError` if a process has other facts about the training than the first one."""
        if self.size == 1:
            return
        of_all: list[dict[str, Any]] = [{}] * self.size
        dist.all_gather_object(of_all, facts)
        for rank, others in enumerate(of_all):
            for name, value in of_all[0].items():
                if others.get(name) != value:
                    raise TuilabelError(
                        f"the processes do not train the same: {name} is {value} in the first and {others.get(name)} "
                        f"in process {rank + 1} of {self.size}: give all the same images, options and files"
                    )


def launched() -> Processes:
    """Which process this is, as torchrun or `--processes` have started it; the only one if neither has."""
    if any(name not in os.environ for name in _VARIABLES):
        return Processes()
    try:
        return Processes(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]))
    except ValueError as error:
        raise TuilabelError(f"RANK and WORLD_SIZE are not numbers, as torchrun sets them ({error})") from error


def own_device(name: str, processes: Processes) -> torch.device:
    """The device of this process: of GPUs the one with its number on this machine.

    Raises
    ------
    UsageError : if there is no such device, or one GPU is named for several processes.
    """
    device = resolve_device(name)
    if device.type != "cuda" or processes.size == 1:
        return device
    number, gpus = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if ":" in name:
        raise UsageError(f"device must be auto, cuda or cpu for several processes, got {name!r}", parameter="device")
    if number >= gpus:
        raise UsageError(
            f"there are more processes than GPUs on this machine ({gpus}): start {gpus}, or pass `device='cpu'`"
        )
    return torch.device("cuda", number)


@contextmanager
def joined(device: str = "auto") -> Iterator[Processes]:
    """The processes of this training, connected; the block may be entered again inside.

    All but the first wait here until the first has come.

    Raises
    ------
    TuilabelError : if they cannot be connected.
    UsageError : see `own_device`.
    """
    processes = launched()
    if processes.size == 1 or dist.is_initialized():
        yield processes
        return
    on = own_device(device, processes)
    if on.type == "cuda":
        torch.cuda.set_device(on)
    elif "OMP_NUM_THREADS" not in os.environ:
        here = int(os.environ.get("LOCAL_WORLD_SIZE", processes.size))
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // here))
    backend = "cpu:gloo,cuda:nccl" if on.type == "cuda" else "gloo"
    try:
        dist.init_process_group(backend, rank=processes.rank, world_size=processes.size, timeout=_PATIENCE)
    except (RuntimeError, ValueError) as error:
        raise TuilabelError(f"the {processes.size} processes of the training cannot be connected: {error}") from error
    try:
        yield processes
    finally:
        dist.destroy_process_group()


def gathered(rows: Tensor, part: Part) -> Tensor:
    """The rows (whole, …) of all processes, from the `part` that this one has; gradients go back to their owners."""
    if part.processes == 1:
        return rows
    result: Tensor = _Gather.apply(rows, part)
    return result


class _Gather(torch.autograd.Function):
    """Rows of all processes. The gradient of a row is the sum over all processes, as each has a loss of its own."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, part: Part) -> Tensor:
        ctx.part = part
        table = rows.new_zeros((part.whole, *rows.shape[1:]))
        part.of(table).copy_(rows)
        dist.all_reduce(table)  # parts may differ in size, which all_gather does not allow
        return table

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        total = grads[0].contiguous()
        dist.all_reduce(total)
        own: Tensor = ctx.part.of(total)
        return own, None


class _NormaliseBatch(torch.autograd.Function):
    """Batch normalisation (Ioffe & Szegedy 2015, https://arxiv.org/abs/1502.03167) by the mean and variance of a batch
    of which each process has a part.
    """  # noqa: D205

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The normalised values, and the mean and variance (C,) of the batch and its number of values for each."""
        dims = [0, *range(2, x.ndim)]
        var, mean = torch.var_mean(x.float(), dims, correction=0)
        of_each = mean.new_zeros(dist.get_world_size(), 2 * len(mean) + 1)
        of_each[dist.get_rank()] = torch.cat([mean, var, mean.new_tensor([x.numel() / len(mean)])])
        dist.all_reduce(of_each)
        means, variances, counts = torch.split(of_each, [len(mean), len(mean), 1], dim=1)
        count = counts.sum()
        mean = (counts * means).sum(0) / count
        var = (counts * (variances + (means - mean).square())).sum(0) / count
        ctx.save_for_backward(x, weight, mean, (var + eps).rsqrt(), count)
        ctx.mark_non_differentiable(mean, var, count)
        return nn.functional.batch_norm(x, mean, var, weight, bias, training=False, eps=eps), mean, var, count

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        x, weight, mean, scale, count = ctx.saved_tensors
        dims, shape = [0, *range(2, x.ndim)], (1, -1, *[1] * (x.ndim - 2))
        grad = grads[0].float()
        normalised = (x.float() - mean.view(shape)) * scale.view(shape)
        of_bias, of_weight = grad.sum(dims), (grad * normalised).sum(dims)
        of_all = torch.stack([of_bias, of_weight])
        dist.all_reduce(of_all)
        shift, slope = (of_all / count).unbind()
        of_x = (weight * scale).view(shape) * (grad - shift.view(shape) - normalised * slope.view(shape))
        return of_x.to(x.dtype), of_weight, of_bias, None


class _WholeBatchNorm(_OF_BATCHES):
    """A batch norm whose batch is that of all processes."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        normalised, mean, var, count = _NormaliseBatch.apply(x, self.weight, self.bias, self.eps)
        with torch.no_grad():  # as in `nn.BatchNorm2d`, whose running variance is that without bias
            assert self.running_mean is not None
            assert self.running_var is not None
            assert self.num_batches_tracked is not None
            self.num_batches_tracked.add_(1)
            self.running_mean.lerp_(mean, self.momentum or 0.0)
            self.running_var.lerp_(var * count / (count - 1).clamp_min(1), self.momentum or 0.0)
        result: Tensor = normalised
        return result


def _whole_batch_norm(kind: type[nn.Module]) -> type[nn.Module]:
    """A batch norm of this kind (of rows, of images) that sees whole batches."""
    return type(kind.__name__, (_WholeBatchNorm, kind), {})
