"""EfficientNet-Lite (Tan & Le 2019, https://arxiv.org/abs/1905.11946), bundled with its weights: see NOTICE.

The batch norms are folded into the convolutions. The weights are integers of 16 bits, with a scale for each output
channel: half the size of single precision, and features agree with the original's to 5e-4 of their Euclidean norm
(rounded to half precision, only to 3e-3).
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

STAGES = (  # repeats, kernel, stride, expansion, channels
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM, FEATURES = 32, 1280
MEAN, STD = 127.0, 128.0  # of the pixel values 0…255 in each channel, as it was trained


class Convolution(nn.Conv2d):
    """A convolution with TensorFlow's padding "same", which is uneven for a stride of 2."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int = 1, *, depthwise: bool = False) -> None:
        padding = kernel // 2 if stride == 1 else 0
        super().__init__(channels, out, kernel, stride, padding, groups=channels if depthwise else 1)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (B, C, H, W), with H and W divisible by the stride."""
        stride, kernel = self.stride[0], self.kernel_size[0]
        if stride > 1:
            before = (kernel - stride) // 2
            after = kernel - stride - before
            x = F.pad(x, (before, after, before, after))
        y: Tensor = super().forward(x)
        return y


class Block(nn.Sequential):
    """An inverted residual: expand, convolve each channel, project."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int, expansion: int) -> None:
        wide = channels * expansion
        activation = partial(nn.ReLU6, inplace=True)
        expand = (Convolution(channels, wide, 1), activation()) if expansion > 1 else ()
        depthwise = Convolution(wide, wide, kernel, stride, depthwise=True)
        super().__init__(*expand, depthwise, activation(), Convolution(wide, out, 1))
        self._residual = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W) to (B, out, H / stride, W / stride)."""
        y: Tensor = super().forward(x)  # type: ignore[no-untyped-call]
        return x + y if self._residual else y


class EfficientNetLite0(nn.Sequential):
    """Images float32 (B, 3, S, S), S a multiple of 32, to features (B, 1280), the mean of the last feature map."""

    def __init__(self) -> None:
        blocks: list[nn.Module] = []
        channels = STEM
        for repeats, kernel, stride, expansion, out in STAGES:
            for repeat in range(repeats):
                blocks.append(Block(channels, out, kernel, 1 if repeat else stride, expansion))
                channels = out
        super().__init__(
            Convolution(3, STEM, 3, 2),
            nn.ReLU6(inplace=True),
            *blocks,
            Convolution(channels, FEATURES, 1),
            nn.ReLU6(inplace=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        y: Tensor = super().forward(x)  # type: ignore[no-untyped-call]
        return y.mean((2, 3))


def load(file: Path) -> EfficientNetLite0:
    """The network with the weights in a file that `convert` wrote.

    Raises
    ------
    OSError, KeyError, RuntimeError, SafetensorError : if the file is missing, damaged or for another network.
    """
    from safetensors.torch import load_file

    stored = load_file(file)
    state: dict[str, Tensor] = {}
    for name, bias in stored.items():
        if name.endswith(".bias"):
            layer = name.removesuffix(".bias")
            scale = stored[f"{layer}.scale"][:, None, None, None]
            state |= {name: bias, f"{layer}.weight": stored[f"{layer}.weight"] * scale}
    network = EfficientNetLite0()
    network.load_state_dict(state)
    return network.eval()


def convert(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights of the original network, whose batch norms follow their convolutions, as `load` reads them."""
    tensors = [value for name, value in state.items() if not name.endswith("num_batches_tracked")]
    layers = [name for name, module in EfficientNetLite0().named_modules() if isinstance(module, Convolution)]
    converted = {}
    for layer, (weight, gamma, beta, mean, variance) in zip(
        layers, zip(*(tensors[k : 5 * len(layers) : 5] for k in range(5)), strict=True), strict=True
    ):
        factor = gamma / (variance + 1e-3).sqrt()
        step = weight.abs().amax((1, 2, 3)) / 32767
        rounded = (weight / step.clamp(min=1e-30)[:, None, None, None]).round().to(torch.int16)
        converted[f"{layer}.weight"] = rounded
        converted[f"{layer}.scale"] = step * factor
        converted[f"{layer}.bias"] = beta - mean * factor
    return converted
