"""How the weights take their steps: matrices by Muon, all else by AdamW, both along one cycle of the step size."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR

from tuilabel.encoders.device import precision

FASTER = 2.0  # Muon's step size beside AdamW's
DECAY = 0.1  # of matrices, times their step size
LEAST = 16  # rows and columns, or channels, of what counts as a matrix
_SLOPES = (3.4445, -4.7750, 2.0315)  # of the quintic that pulls singular values towards 1 fastest, by Jordan et al.
_PULLS = 5


class Muon(torch.optim.Optimizer):
    """Momentum made orthogonal: each step moves every direction of a weight matrix alike.

    Gradients of a network's matrices have few strong directions, and what is rare is learnt late. Jordan et al. 2024,
    https://kellerjordan.github.io/posts/muon/; steps as large as AdamW's by Liu et al. 2025, https://arxiv.org/abs/2502.16982.
    PyTorch has a Muon too, but for plain matrices only, and always in bfloat16: on a processor without instructions for
    it a step of the default network takes 1.4 s, and 45 ms by this one.

    Parameters
    ----------
    weights : (A, B) of linear layers or (A, B, h, w) of convolutions, which count as (A, h·w·B).
    """

    def __init__(self, weights: Iterable[nn.Parameter], lr: float, momentum: float = 0.9) -> None:
        super().__init__(weights, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Take one step along the gradients there are; a `closure` that would make them anew is none of ours."""
        if closure is not None:
            raise ValueError("Muon takes no closure: make the gradients before the step")
        for group in self.param_groups:
            lr, momentum = group["lr"], group["momentum"]
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(weight)
                state["momentum"].mul_(momentum).add_(weight.grad)
                ahead = weight.grad + momentum * state["momentum"]  # Nesterov's
                last = ahead.movedim(1, -1)  # (A, h, w, B): rows are whole in memory where channels come last
                matrix = last.flatten(1)
                along = orthogonal(matrix).view(last.shape).movedim(-1, 1)
                weight.mul_(1 - lr * DECAY)
                weight.add_(along, alpha=-lr * 0.2 * max(matrix.shape) ** 0.5)


def orthogonal(matrix: Tensor) -> Tensor:
    """Nearly the closest matrix to `matrix` (A, B) whose singular values are all the same; float32, values near 1.

    By Newton and Schulz's iteration, in half precision where that is faster: the values end between 0.7 and 1.2.
    """
    a, b, c = _SLOPES
    x = matrix / matrix.norm().clamp_min(1e-12)
    x = x.T if matrix.shape[0] > matrix.shape[1] else x  # (A, B), A ≤ B
    with precision(matrix.device):
        for _ in range(_PULLS):
            gram = x @ x.T  # (A, A)
            x = a * x + (b * gram + c * gram @ gram) @ x
    values: Tensor = x.float()
    return values.T if matrix.shape[0] > matrix.shape[1] else values


class OneCycle:
    """Both optimizers of a model over a training of so many steps (Smith & Topin 2018, https://arxiv.org/abs/1708.07120).

    Parameters
    ----------
    lr : AdamW's largest step size.
    steps : of the whole training.
    """

    def __init__(self, model: nn.Module, lr: float, steps: int) -> None:
        self._names = {parameter: name for name, parameter in model.named_parameters()}
        matrices = [parameter for parameter in self._names if _is_matrix(parameter)]
        others = [parameter for parameter in self._names if not _is_matrix(parameter)]
        fused = others[0].device.type in ("cpu", "cuda")
        self._optimizers: tuple[torch.optim.Optimizer, ...] = (
            Muon(matrices, lr * FASTER),
            torch.optim.AdamW(others, lr, fused=fused),
        )
        self._schedules = [
            OneCycleLR(optimizer, optimizer.defaults["lr"], total_steps=max(2, steps)) for optimizer in self._optimizers
        ]

    def step(self, loss: Tensor) -> None:
        """One step down `loss`, a scalar."""
        for optimizer in self._optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        for optimizer, schedule in zip(self._optimizers, self._schedules, strict=True):
            optimizer.step()
            schedule.step()

    def state(self) -> dict[str, Tensor]:
        """All that a training goes on from, by names; nothing before the first step."""
        return {
            f"{key}.{self._names[parameter]}": value
            for optimizer in self._optimizers
            for parameter in _parameters(optimizer)
            for key, value in optimizer.state[parameter].items()
        }

    def restore(self, state: Mapping[str, Tensor], steps: int) -> None:
        """Go on after so many steps from what `state` gave then.

        Raises
        ------
        KeyError, RuntimeError : where it is of another model.
        """
        for optimizer, schedule in zip(self._optimizers, self._schedules, strict=True):
            keys = ("momentum",) if isinstance(optimizer, Muon) else ("step", "exp_avg", "exp_avg_sq")
            for parameter in _parameters(optimizer) if steps else ():
                for key in keys:
                    kept = state[f"{key}.{self._names[parameter]}"]
                    # In the parameter's own memory layout: the fused optimizer walks both as flat memory, and counts
                    # its steps where the parameter is.
                    device = parameter.device if optimizer.defaults.get("fused") else kept.device
                    mine = torch.empty_like(parameter) if kept.ndim else torch.empty_like(kept, device=device)
                    optimizer.state[parameter][key] = mine.copy_(kept)
            schedule.last_epoch = steps - 1
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Detected call of `lr_scheduler.step", UserWarning)
                schedule.step()


def _is_matrix(parameter: nn.Parameter) -> bool:
    return parameter.ndim > 1 and min(parameter.shape[:2]) >= LEAST


def _parameters(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]
