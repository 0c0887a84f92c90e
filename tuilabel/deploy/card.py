"""The description inside a model file: its classes, and how to preprocess images."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class ModelCard:
    """The description that is written into a model file, and next to it as `FILE.json`."""

    classes: Sequence[str]
    """In the order of the columns of `probabilities`."""
    height: int
    width: int
    channels: int
    dataset: str
    labels: int
    """Number of labels the classifier was trained on."""
    temperature: float
    checkpoint: str
    """BLAKE2b digest of the VAE's file, 32 hexadecimal digits."""
    version: str
    """The version of tuilabel."""

    @property
    def preprocessing(self) -> str:
        """How to preprocess images, in words."""
        mode = "greyscale" if self.channels == 1 else "RGB"
        return (
            f"Convert each image to {mode} and resize it to {self.width} pixels wide and {self.height} high; stack "
            f"them as uint8 (N, {self.height}, {self.width}, {self.channels}), values 0 to 255. Scaling to 0…1 and "
            "everything after it is in the model."
        )

    def document(self) -> dict[str, object]:
        """The card as a JSON document, with the preprocessing in words and in numbers."""
        fields = asdict(self)
        fields["tuilabel"] = fields.pop("version")
        height, width, channels = (fields.pop(name) for name in ("height", "width", "channels"))
        return {
            **fields,
            "classes": list(self.classes),
            "input": {
                "name": "images",
                "dtype": "uint8",
                "shape": ["N", height, width, channels],
                "mode": "L" if channels == 1 else "RGB",
                "values": [0, 255],
            },
            "outputs": {"probabilities": ["N", len(self.classes)], "latents": ["N", "D"]},
            "preprocessing": self.preprocessing,
        }

    def properties(self) -> dict[str, str]:
        """The document as strings for the metadata of a model file: text unchanged, everything else as JSON."""
        return {key: value if isinstance(value, str) else json.dumps(value) for key, value in self.document().items()}
