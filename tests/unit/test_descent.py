"""The written-out descent takes the steps of torch's optimizer, scheduler and autograd."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tuilabel.learner.descent import OneCycleAdamW, one_cycle
from tuilabel.learner.mlp import MLPEnsemble, SoftLabels


@pytest.mark.parametrize("steps", [1, 2, 5, 10, 50, 400])
def test_the_schedule_is_that_of_torch(steps: int) -> None:
    optimizer = torch.optim.AdamW([nn.Parameter(torch.zeros(1))], 0.03)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.03, total_steps=steps)
    for step, (lr, beta) in enumerate(one_cycle(0.03, steps)):
        assert lr == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-6)
        assert beta == pytest.approx(optimizer.param_groups[0]["betas"][0])
        optimizer.step()
        if step + 1 < steps:
            schedule.step()


def test_the_steps_are_those_of_torch() -> None:
    generator = torch.Generator().manual_seed(0)
    initial = [torch.randn(shape, generator=generator) for shape in ((2, 5, 3), (2, 1, 3))]
    parameters = [nn.Parameter(weight.clone()) for weight in initial]
    optimizer = torch.optim.AdamW(parameters, 0.1, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=20)
    descent = OneCycleAdamW(initial, 0.1, 0.02, 20)
    for step in range(20):
        for parameter, gradient in zip(parameters, descent.gradients, strict=True):
            parameter.grad = torch.randn(parameter.shape, generator=generator)
            gradient.copy_(parameter.grad)
        optimizer.step()
        descent.step()
        if step < 19:
            schedule.step()
    for parameter, weight in zip(parameters, descent.weights, strict=True):
        torch.testing.assert_close(weight, parameter.detach())


@pytest.mark.parametrize("taught", [False, True])
def test_an_ensemble_learns_what_autograd_would(taught: bool) -> None:
    """Against the loss itself: cross-entropy of the labels, plus that of the teacher by its weight."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 6)).astype(np.float32)
    y = rng.integers(0, 4, 200)
    probabilities = rng.dirichlet(np.ones(4), 100).astype(np.float32)
    teacher = SoftLabels(X, probabilities, 2.5, np.arange(200, 300)) if taught else None
    ensemble = MLPEnsemble(4, steps=30, lr=1e-2)  # with torch's defaults larger steps would amplify rounding
    reference = Reference(4, steps=30, lr=1e-2)
    np.testing.assert_allclose(
        ensemble.fit(X[:200], y, teacher).predict_proba(X),
        reference.fit(X[:200], y, teacher).predict_proba(X),
        atol=1e-5,
    )


class Reference(MLPEnsemble):
    """The same ensemble by autograd and torch's optimizer."""

    def _descend(
        self, initial: list[torch.Tensor], parts: list[tuple[float, torch.Tensor, torch.Tensor]], steps: int
    ) -> list[torch.Tensor]:
        w1, b1, w2, b2 = weights = [weight.requires_grad_() for weight in initial]
        optimizer = torch.optim.AdamW(weights, self.lr, weight_decay=self.weight_decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, self.lr, total_steps=steps)
        for step in range(steps):
            loss = torch.zeros(())
            for weight, x, targets in parts:
                logits = torch.baddbmm(b2, torch.baddbmm(b1, x[step], w1).relu(), w2)
                for member in logits:
                    loss = loss + weight * F.cross_entropy(member, targets[step])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        return [weight.detach() for weight in weights]
