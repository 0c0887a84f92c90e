"""The optimizers: Muon for matrices, AdamW for all other weights, both with a one-cycle schedule."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR

MUON_LR_FACTOR = 2.0  # Muon's learning rate relative to AdamW's
WEIGHT_DECAY = 0.1  # of matrices, multiplied by the learning rate
MIN_MATRIX_SIZE = 16  # rows and columns, or channels: smaller weights are left to AdamW
_QUINTIC = (3.4445, -4.7750, 2.0315)  # coefficients by Jordan et al. that bring singular values close to 1 fastest
_ITERATIONS = 5


class Muon(torch.optim.Optimizer):
    """Orthogonalised momentum: each step moves every direction of a weight matrix by the same amount.

    Gradients of a network's matrices have few strong directions, so rare features are learned late. Jordan et al.
    2024, https://kellerjordan.github.io/posts/muon/; scaled to AdamW's step size as in Liu et al. 2025,
    https://arxiv.org/abs/2502.16982. PyTorch has a Muon too, but only for plain matrices, and always in bfloat16: on a
    processor without bfloat16 instructions a step of the default network takes 1.4 s, compared with 45 ms here.

    Parameters
    ----------
    weights : (A, B) of linear layers or (A, B, h, w) of convolutions, which are treated as (A, h·w·B).
    """

    def __init__(self, weights: Iterable[nn.Parameter], lr: float, momentum: float = 0.9) -> None:
        super().__init__(weights, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Take one step along the current gradients; raises ValueError for a `closure`, which is not supported."""
        if closure is not None:
            raise ValueError("Muon does not support a closure: call backward() before step()")
        for group in self.param_groups:
            lr, momentum = group["lr"], group["momentum"]
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(weight)
                state["momentum"].mul_(momentum).add_(weight.grad)
                nesterov = weight.grad + momentum * state["momentum"]
                # (A, h, w, B): rows are contiguous in memory if channels come last.
                channels_last = nesterov.movedim(1, -1)
                matrix = channels_last.flatten(1)
                update = orthogonal(matrix).view(channels_last.shape).movedim(-1, 1)
                weight.mul_(1 - lr * WEIGHT_DECAY)
                weight.add_(update, alpha=-lr * 0.2 * max(matrix.shape) ** 0.5)


def orthogonal(matrix: Tensor) -> Tensor:
    """An approximation of the semi-orthogonal matrix closest to `matrix` (A, B), float32.

    By Newton-Schulz iteration; singular values end up between 0.7 and 1.2. Each iteration multiplies by a polynomial of
    the Gram matrix, so only these small products are iterated on: for (256, 2048) three times as fast as with the
    matrix itself, and twice as fast as with that in half precision.
    """
    a, b, c = _QUINTIC
    x = matrix / matrix.norm().clamp_min(1e-12)
    x = x.T if matrix.shape[0] > matrix.shape[1] else x  # (A, B), A ≤ B
    gram = x @ x.T  # (A, A), in single precision: it has the squares of the singular values
    product = torch.empty(0)
    for iteration in range(_ITERATIONS):
        factor = torch.addmm(gram, gram, gram, beta=b, alpha=c)
        factor.diagonal().add_(a)
        product = factor @ product if iteration else factor
        if iteration < _ITERATIONS - 1:
            gram = factor @ gram @ factor
    result: Tensor = product @ x
    return result.T if matrix.shape[0] > matrix.shape[1] else result


class OneCycle:
    """Both optimizers of a model with a one-cycle schedule (Smith & Topin 2018, https://arxiv.org/abs/1708.07120).

    Parameters
    ----------
    lr : AdamW's peak learning rate.
    steps : of the whole training.
    """

    def __init__(self, model: nn.Module, lr: float, steps: int) -> None:
        self._names = {parameter: name for name, parameter in model.named_parameters()}
        matrices = [parameter for parameter in self._names if _is_matrix(parameter)]
        others = [parameter for parameter in self._names if not _is_matrix(parameter)]
        fused = others[0].device.type in ("cpu", "cuda")
        self._optimizers: tuple[torch.optim.Optimizer, ...] = (
            Muon(matrices, lr * MUON_LR_FACTOR),
            torch.optim.AdamW(others, lr, fused=fused),
        )
        self._steps = max(2, steps)
        self._position, self._pace = 0.0, 1.0  # on the schedule, in steps; and how far a step goes
        self._schedules = [
            OneCycleLR(optimizer, optimizer.defaults["lr"], total_steps=self._steps) for optimizer in self._optimizers
        ]

    def hurry(self, steps: int) -> None:
        """Pass the rest of the schedule in so many steps."""
        self._pace = (self._steps - self._position) / steps

    def step(self, loss: Tensor) -> None:
        """Take one step to reduce `loss`, a scalar."""
        for optimizer in self._optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        for optimizer in self._optimizers:
            optimizer.step()
        self._move_to(self._position + self._pace)

    def _move_to(self, position: float) -> None:
        self._position = min(position, self._steps)  # sums are rounded
        for schedule in self._schedules:
            schedule.last_epoch = self._position - 1  # type: ignore[assignment]
            schedule.step()

    def state(self) -> dict[str, Tensor]:
        """The state from which training can resume, as named tensors."""
        return {
            "schedule": torch.tensor([self._position, self._pace], dtype=torch.float64),
            **{
                f"{key}.{self._names[parameter]}": value
                for optimizer in self._optimizers
                for parameter in _parameters(optimizer)
                for key, value in optimizer.state[parameter].items()
            },
        }

    def restore(self, state: Mapping[str, Tensor], steps: int) -> None:
        """Continue from the `state` that was saved after this many steps.

        Raises
        ------
        KeyError, RuntimeError : if it belongs to a different model.
        """
        for optimizer in self._optimizers:
            keys = ("momentum",) if isinstance(optimizer, Muon) else ("step", "exp_avg", "exp_avg_sq")
            for parameter in _parameters(optimizer) if steps else ():
                for key in keys:
                    saved = state[f"{key}.{self._names[parameter]}"]
                    # In the parameter's own memory layout: the fused optimizer reads both as flat memory, and keeps
                    # its step count on the parameter's device.
                    device = parameter.device if optimizer.defaults.get("fused") else saved.device
                    restored = torch.empty_like(parameter) if saved.ndim else torch.empty_like(saved, device=device)
                    optimizer.state[parameter][key] = restored.copy_(saved)
        if "schedule" in state:  # earlier versions did not save it
            position, self._pace = state["schedule"].tolist()
        else:
            position = float(steps)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Detected call of `lr_scheduler.step", UserWarning)
            self._move_to(position)


def _is_matrix(parameter: nn.Parameter) -> bool:
    return parameter.ndim > 1 and min(parameter.shape[:2]) >= MIN_MATRIX_SIZE


def _parameters(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]
