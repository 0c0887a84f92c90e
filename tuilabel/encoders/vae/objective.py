"""What VAEs of images and of features have in common: a posterior over latents, and the terms of the loss.

In addition to the evidence lower bound, training maximises the mutual information of two augmented views of an image:
between the clusters they are assigned to, and by a contrastive loss. This separates classes in the latent space without
any labels.

B is the batch size, D the number of latent dimensions.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tuilabel.encoders.vae.processes import Part, gathered

TEMPERATURE = 0.2
_LOG_VARIANCE_RANGE = (-12.0, 12.0)


class LossTerms(NamedTuple):
    """The terms of the training loss, scalars in nats per image.

    The last two, the mutual information between the clusters of two views (mean of the heads; to be maximised) and the
    contrastive loss, are 0 without a second view.
    """

    reconstruction: Tensor
    kl: Tensor
    mutual_information: Tensor
    contrastive: Tensor


class HeadsConfig(Protocol):
    """The part of a configuration that the heads depend on; see `VAEConfig`."""

    @property
    def latent_dim(self) -> int: ...  # noqa: D102
    @property
    def clusters(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def projection(self) -> int: ...  # noqa: D102


class Autoencoder(nn.Module):
    """Encoder to a diagonal Gaussian over D latents, decoder, and heads for the terms that compare two views.

    A subclass sets `encoder` (input to means and log variances, (B, 2D)) and `decoder` (latents to whatever
    `reconstruction` compares), and then calls `add_heads`.
    """

    encoder: nn.Module
    decoder: nn.Module

    def add_heads(self, config: HeadsConfig) -> None:
        """Create the heads: `cluster` and `project`, None where the configuration has none."""
        self.clusters = config.clusters
        self.cluster = nn.Linear(config.latent_dim, sum(config.clusters)) if config.clusters else None
        self.project = None
        if config.projection:  # keeps what only identifies single images out of the latents (Chen et al. 2020)
            self.project = nn.Sequential(
                nn.Linear(config.latent_dim, 2 * config.projection),
                nn.SiLU(),
                nn.Linear(2 * config.projection, config.projection),
            )

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The posterior of a batch: means and log variances, both (B, D), float32."""
        mean, log_variance = self.encoder(x).float().chunk(2, dim=1)
        return mean, log_variance.clamp(*_LOG_VARIANCE_RANGE)

    def decode(self, z: Tensor) -> Tensor:
        """The decoder's output, float32, for latents (B, D)."""
        decoded: Tensor = self.decoder(z)
        return decoded.float()

    def reconstruction(self, z: Tensor, clean: Tensor) -> Tensor:
        """The negative log-likelihood of the originals given latents (B, D), in nats per image."""
        raise NotImplementedError

    def forward(
        self,
        view: Tensor,
        clean: Tensor,
        noise: Tensor | None = None,
        second: Tensor | None = None,
        part: Part | None = None,
    ) -> LossTerms:
        """The terms of the loss for a batch, or for a part of it: their mean over all processes is that of the batch.

        Parameters
        ----------
        view : what to encode, (B, …).
        clean : the originals to reconstruct; the same ones if there is no augmentation.
        noise : standard normal values (B, D) for the posterior sample; drawn here if None.
        second : another view of each image, for the terms that compare two.
        part : the rows of a batch that these are; all of them if None.
        """
        views = view if second is None else torch.cat([view, second])
        mean, log_variance = self.encode(views)  # (B, D) each, or (2B, D)
        first, std = mean[: len(view)], (0.5 * log_variance[: len(view)]).exp()
        noise = torch.randn_like(first) if noise is None else noise
        reconstruction = self.reconstruction(first + std * noise, clean)
        kl = kl_divergence(mean, log_variance)
        mi = contrastive = mean.new_zeros(())
        if part is not None and second is not None:  # the other terms compare all images of the batch
            mean = torch.cat([gathered(one, part) for one in mean.chunk(2)])
        if second is not None and self.cluster is not None:
            heads = self.cluster(mean).float().split(self.clusters, dim=1)  # (2B, K) each
            mi = torch.stack([mutual_information(*head.softmax(1).chunk(2)) for head in heads]).mean()
        if second is not None and self.project is not None:
            contrastive = contrastive_loss(*self.project(mean).float().chunk(2))
        weight = 1.0 if part is None else part.weight
        return LossTerms(weight * reconstruction, weight * kl, mi, contrastive)


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, exp(log_variance)) ‖ N(0, 1)) of (B, D), summed over D and averaged over B: nats per image."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum() / len(mean)


def mutual_information(one: Tensor, two: Tensor) -> Tensor:
    """Mutual information of two soft assignments (B, K) of the same images to clusters, in nats; at most log K.

    It is high if the cluster of one view predicts that of another view of the same image, and all clusters are used:
    invariant information clustering (Ji, Henriques & Vedaldi 2019, https://arxiv.org/abs/1807.06653).
    """
    joint = one.T @ two / len(one)  # (K, K)
    joint = ((joint + joint.T) / 2).clamp_min(1e-8)
    rows, columns = joint.sum(1, keepdim=True), joint.sum(0, keepdim=True)
    return (joint * (joint.log() - rows.log() - columns.log())).sum()


def contrastive_loss(one: Tensor, two: Tensor) -> Tensor:
    """Cross-entropy, in nats, of identifying the other view of an image among the 2B - 1 other views of a batch.

    By cosine similarity over `TEMPERATURE`; views are rows of (B, P). log(2B - 1) minus the loss is a lower bound of
    the mutual information of two views: InfoNCE (van den Oord, Li & Vinyals 2018, https://arxiv.org/abs/1807.03748), as
    in SimCLR (Chen et al. 2020, https://arxiv.org/abs/2002.05709).
    """
    views = F.normalize(torch.cat([one, two]), dim=1)  # (2B, P)
    similarity = views @ views.T / TEMPERATURE  # (2B, 2B)
    diagonal = torch.eye(len(views), dtype=torch.bool, device=views.device)
    partner = torch.arange(len(views), device=views.device).roll(len(one))
    return F.cross_entropy(similarity.masked_fill(diagonal, -torch.inf), partner)
