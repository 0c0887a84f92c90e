"""Convolutions whose gradients are computed in a faster way than PyTorch's on a CPU in half precision.

They are `nn.Conv2d` and `nn.ConvTranspose2d` in all else: same parameters, same results up to rounding.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.grad import conv2d_input


class SmallMapConv2d(nn.Conv2d):
    """A 3 × 3 convolution with padding 1 and without bias, for feature maps of a few pixels.

    oneDNN computes the gradient of its weights up to four times as slowly as the matrix product that it is.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, C, h, w) of images (B, A, H, W)."""
        if not (self.training and _half_precision(x)):
            return super().forward(x)
        y: Tensor = _SmallMap.apply(x.bfloat16(), self.weight.bfloat16(), self.stride)
        return y


class BiasedConvTranspose2d(nn.ConvTranspose2d):
    """A transposed convolution that adds its bias afterwards: its gradient is a sum, which oneDNN takes long for."""

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Images (B, C, H, W) of maps (B, A, h, w)."""
        if not (self.training and _half_precision(x)) or self.bias is None:
            return super().forward(x, output_size)
        y = F.conv_transpose2d(x, self.weight, None, self.stride, self.padding)  # type: ignore[arg-type]
        return y + self.bias.to(y.dtype).view(-1, 1, 1)


def _half_precision(x: Tensor) -> bool:
    return x.device.type == "cpu" and torch.is_autocast_enabled("cpu")


class _SmallMap(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: tuple[int, int]) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        return F.conv2d(x, weight, stride=stride, padding=1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor, None]:
        """The gradients of images (B, A, H, W) and weights (C, A, 3, 3), channels last, from that of (B, C, h, w)."""
        x, weight = ctx.saved_tensors
        gradient, (down, right) = gradients[0], ctx.stride
        of_x = None
        if ctx.needs_input_grad[0]:
            of_x = conv2d_input(x.shape, weight, gradient, stride=ctx.stride, padding=1)  # type: ignore[no-untyped-call]
        batch, out, height, width = gradient.shape
        channels = x.shape[1]
        padded = F.pad(x.movedim(1, -1), (0, 0, 1, 1, 1, 1)).contiguous()  # (B, H + 2, W + 2, A)
        row, pixel = padded.stride(1), padded.stride(2)
        # What each output saw, three pixels of a row at a time: (B, h, w, 3, 3·A).
        seen = padded.as_strided(
            (batch, height, width, 3, 3 * channels), (padded.stride(0), down * row, right * pixel, row, 1)
        )
        of_weight = gradient.movedim(1, -1).reshape(-1, out).T @ seen.reshape(-1, 9 * channels)
        return of_x, of_weight.view(out, 3, 3, channels).movedim(-1, 1), None
