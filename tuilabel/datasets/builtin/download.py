"""`python -m tuilabel.datasets.builtin.download CLASS ROOT` downloads a dataset with torchvision.

If that fails, the last line on stderr is the reason; the caller shows only that line.
"""

from __future__ import annotations

import socket
import sys
from typing import Any

STALLED_AFTER = 30.0  # seconds without a byte


def download(name: str, root: str) -> None:
    """Download every split of the torchvision dataset called `name` into `root`."""
    from torchvision import datasets

    socket.setdefaulttimeout(STALLED_AFTER)
    kind: Any = getattr(datasets, name)
    if name in ("SVHN", "STL10"):
        for split in ("train", "test"):
            kind(root, split=split, download=True)
    elif name == "EMNIST":
        kind(root, split="letters", download=True)
    else:
        kind(root, download=True)


if __name__ == "__main__":
    try:
        download(sys.argv[1], sys.argv[2])
    except Exception as error:
        print(f"{' '.join(str(error).split()) or type(error).__name__}", file=sys.stderr)
        sys.exit(1)
