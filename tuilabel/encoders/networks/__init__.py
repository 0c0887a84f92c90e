"""Pretrained networks as encoders: the bundled one, and those of other libraries.

`names` parses the name of a network, `load_network` loads it, with one module per provider; `NetworkEncoder` turns its
features into latents: `pictures` reads the images, `feature_file` keeps the features, `projection` reduces them, and
`export` makes one network of all that. `views` and `invariance` serve the VAE that is trained on features.
Importing this package does not import torch.
"""

from tuilabel.encoders.networks.encoder import NetworkEncoder
from tuilabel.encoders.networks.network import Network, load_network

__all__ = ["Network", "NetworkEncoder", "load_network"]
