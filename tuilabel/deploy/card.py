"""The description inside a model file: its classes, and how to preprocess images."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tuilabel.encoders.image_input import ImageInput
from tuilabel.version import SCHEMA


@dataclass(frozen=True)
class ModelCard:
    """The description that is written into a model file, and next to it as `FILE.json`."""

    classes: Sequence[str]
    """In the order of the columns of `probabilities`."""
    input: ImageInput
    """The images that the model takes."""
    encoder: str
    dataset: str
    labels: int
    """Number of labels the classifier was trained on."""
    temperature: float
    checkpoint: str | None
    """BLAKE2b digest of the VAE's file, 32 hexadecimal digits; None without a VAE."""
    version: str
    """The version of tuilabel."""

    @property
    def preprocessing(self) -> str:
        """How to preprocess images, in words."""
        given = self.input
        mode = "greyscale" if given.channels == 1 else "RGB"
        one_filter = given.shrink == given.enlarge
        enlarge = "" if one_filter else f", or {given.enlarge} if that is larger"
        return (
            f"Shrink each image, turned upright, in its proportions to at most {given.longest} pixels per side "
            f"(bicubic), and convert it to {mode}, transparency over white; resize it to {given.width} pixels wide and "
            f"{given.height} high with Pillow's filter {given.shrink}{enlarge}; stack them as uint8 "
            f"(N, {given.height}, {given.width}, {given.channels}), values 0 to 255. Scaling and everything after it "
            "is in the model."
        )

    def document(self) -> dict[str, Any]:
        """The card as a JSON document, with the preprocessing in words and in numbers."""
        fields = asdict(self)
        fields["tuilabel"] = fields.pop("version")
        given = self.input
        return {
            "schema": SCHEMA,
            **fields,
            "classes": list(self.classes),
            "input": {
                "name": "images",
                "dtype": "uint8",
                "shape": ["N", given.height, given.width, given.channels],
                "mode": given.mode,
                "values": [0, 255],
                "longest": given.longest,
                "shrink": given.shrink,
                "enlarge": given.enlarge,
            },
            "outputs": {"probabilities": ["N", len(self.classes)], "latents": ["N", "D"]},
            "preprocessing": self.preprocessing,
        }

    def properties(self) -> dict[str, str]:
        """The document as strings for the metadata of a model file: text unchanged, everything else as JSON."""
        return {key: value if isinstance(value, str) else json.dumps(value) for key, value in self.document().items()}
