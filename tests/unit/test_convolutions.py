"""The VAE's own convolutions: the results of PyTorch's, with faster gradients on a CPU in half precision."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from tuilabel.encoders import device
from tuilabel.encoders.vae.convolutions import BiasedConvTranspose2d, SmallMapConv2d

CPU = torch.device("cpu")


def passes(module: nn.Module, x: Tensor, *, half: bool) -> list[Tensor]:
    """The output and the gradients of the input and of all parameters, for the same gradient of the output."""
    x = x.clone(memory_format=torch.preserve_format).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        y = module(x)
    gradient = torch.randn(y.shape, generator=torch.Generator().manual_seed(1))
    given = gradient.to(y.dtype).contiguous(memory_format=torch.channels_last)
    return [y, *torch.autograd.grad(y, [x, *module.parameters()], given)]


def assert_like(ours: nn.Module, torchs: nn.Module, x: Tensor) -> None:
    ours.load_state_dict(torchs.state_dict())
    ours.to(memory_format=torch.channels_last)
    for of_ours, exact in zip(passes(ours, x, half=True), passes(torchs.double(), x.double(), half=False), strict=True):
        error = float((of_ours.double() - exact).detach().norm() / exact.detach().norm())
        assert error < 0.01, "as exact as bfloat16"
        if of_ours.ndim == 4:
            assert of_ours.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("stride", [(1, 1), (2, 2), (1, 2), (2, 1)])
@pytest.mark.parametrize("size", [(4, 4), (7, 7), (3, 8)])
def test_a_small_map_has_the_gradients_of_pytorch(stride: tuple[int, int], size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    x = torch.randn(6, 8, *size).contiguous(memory_format=torch.channels_last)
    options = {"stride": stride, "padding": 1, "bias": False}
    assert_like(SmallMapConv2d(8, 5, 3, **options), nn.Conv2d(8, 5, 3, **options), x)  # type: ignore[arg-type]


def test_a_bias_that_is_added_afterwards_has_the_gradient_of_pytorch() -> None:
    torch.manual_seed(0)
    x = torch.randn(6, 8, 7, 5).contiguous(memory_format=torch.channels_last)
    options = {"stride": 2, "padding": 1}
    assert_like(BiasedConvTranspose2d(8, 5, 4, **options), nn.ConvTranspose2d(8, 5, 4, **options), x)  # type: ignore[arg-type]


@pytest.mark.parametrize("training", [True, False])
def test_in_single_precision_and_after_training_they_are_pytorchs(training: bool) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 4, 4, 4)
    for ours, torchs in (
        (SmallMapConv2d(4, 4, 3, padding=1, bias=False), nn.Conv2d(4, 4, 3, padding=1, bias=False)),
        (BiasedConvTranspose2d(4, 2, 4, 2, 1), nn.ConvTranspose2d(4, 2, 4, 2, 1)),
    ):
        ours.load_state_dict(torchs.state_dict())
        with torch.autocast("cpu", torch.bfloat16, enabled=not training):
            assert torch.equal(ours.train(training)(x), torchs(x))


@pytest.mark.parametrize(
    ("bfloat16", "amx", "intel", "limit", "half"),
    [
        (True, True, True, "", True),
        (True, False, True, "", False),
        (True, True, True, "AVX512_CORE_BF16", False),
        (True, True, True, "avx512_core_amx", True),
        (True, True, True, "ALL", True),
        (True, False, False, "", True),
        (False, False, False, "", False),
    ],
)
def test_a_processor_computes_in_half_precision_if_that_is_faster(
    monkeypatch: pytest.MonkeyPatch, bfloat16: bool, amx: bool, intel: bool, limit: str, half: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: bfloat16)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(device, "_intel", lambda: intel)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    assert device.half_precision(CPU) == half
