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

STAGES = (  # repeats, kernel, stride, expansion, channels of EfficientNet-Lite2
    (1, 3, 1, 1, 16),
    (3, 3, 2, 6, 24),
    (3, 5, 2, 6, 48),
    (4, 3, 2, 6, 88),
    (4, 5, 1, 6, 120),
    (5, 5, 2, 6, 208),
    (1, 3, 1, 6, 352),
)
STEM, FEATURES = 32, 1280
FIRST_STAGE = 2  # of those whose maps are features
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


class InvertedResidual(nn.Sequential):
    """Expand, convolve each channel, project."""

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


class EfficientNetLite2(nn.Module):
    """Images float32 (B, 3, S, S), S a multiple of 32, to features (B, 4304) of five stages and of the last map.

    Of the map of a stage, for each channel: the mean and the standard deviation, which say what there is; and, but for
    the last stage, the differences between its halves and its diagonals, which say where. Of the last map, with 1,280
    channels: the mean, the features of Tan & Le.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(Convolution(3, STEM, 3, 2), nn.ReLU6(inplace=True))
        self.stages = nn.ModuleList()
        channels = STEM
        for repeats, kernel, stride, expansion, out in STAGES:
            stage = nn.Sequential()
            for repeat in range(repeats):
                stage.append(InvertedResidual(channels, out, kernel, 1 if repeat else stride, expansion))
                channels = out
            self.stages.append(stage)
        self.head = nn.Sequential(Convolution(channels, FEATURES, 1), nn.ReLU6(inplace=True))

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        x = self.stem(x)
        what, where = [], []
        for index, stage in enumerate(self.stages):
            x = stage(x)
            if index >= FIRST_STAGE:
                what += [x.mean((2, 3)), x.std((2, 3), correction=0)]
            if FIRST_STAGE <= index < len(self.stages) - 1:
                where += _contrasts(x)
        return torch.cat([*what, *where, self.head(x).mean((2, 3))], dim=1)


def _contrasts(x: Tensor) -> list[Tensor]:
    """Top against bottom, left against right, and one diagonal against the other, of maps (B, C, H, W); (B, C) each."""
    height, width = x.shape[2:]
    rows = (slice(0, (height + 1) // 2), slice(height // 2, height))  # halves of an odd number share the middle
    columns = (slice(0, (width + 1) // 2), slice(width // 2, width))
    a, b, c, d = (x[:, :, row, column].mean((2, 3)) for row in rows for column in columns)
    return [(a + b - c - d) / 4, (a - b + c - d) / 4, (a - b - c + d) / 4]


def load(file: Path) -> EfficientNetLite2:
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
    network = EfficientNetLite2()
    network.load_state_dict(state)
    return network.eval()


def convert(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights of the original network, whose batch norms follow their convolutions, as `load` reads them."""
    tensors = [value for name, value in state.items() if not name.endswith("num_batches_tracked")]
    layers = [name for name, module in EfficientNetLite2().named_modules() if isinstance(module, Convolution)]
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
