"""What a variational prior of poses or motion learns from: it gives back what it read, by a latent that says little."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from vibe.body import joints, vertices
from vibe.body.record import Body
from vibe.model.latent import Latent, Reconstruction, whole_body

BodyPoints = Callable[[Tensor], Tensor]
"""From body rotations [*b, joint, 3, 3] to points [*b, point, 3], metres."""
POINTS: dict[str, Callable[[Body, Tensor, Tensor], Tensor]] = {"joints": joints, "vertices": vertices}


@dataclass(frozen=True)
class VAEWeights:
    """Weight of each term."""

    rotations: float = 1.0
    """Squared distance of the matrices (Frobenius), summed over the joints."""
    distances: float = 0.0
    """The distance itself, likewise: small errors count more than by their squares."""
    points: float = 0.0
    """Mean distance of the points of `body_points`, metres."""
    kl: float = 0.005
    """Divergence of the latent from the standard normal."""


def kl_divergence(latent: Latent) -> Float[Tensor, "*b"]:
    """Of each latent from the standard normal, in nats."""
    variance = latent.log_variance.exp()
    return (variance + latent.mean.square() - 1 - latent.log_variance).sum(-1) / 2


def body_points(body: Body, kind: str) -> BodyPoints:
    """The mean body's points, "joints" or "vertices", with its root unturned; raises ValueError for other points."""
    if kind not in POINTS:
        raise ValueError(f"a body has no {kind!r}: choose {' or '.join(POINTS)}")

    def points(rotmat: Float[Tensor, "*b joint 3 3"]) -> Float[Tensor, "*b point 3"]:
        whole = whole_body(rotmat)
        return POINTS[kind](body, whole, whole.new_zeros(10).expand(*whole.shape[:-3], 10))

    return points


def losses(
    made: Reconstruction, truth: Float[Tensor, "*b joint 3 3"], weights: VAEWeights, points: BodyPoints | None = None
) -> dict[str, Float[Tensor, ""]]:
    """Each term times its weight, averaged over the frames; the term of points only with a function that makes them."""
    read = truth[..., : made.rotmat.shape[-3], :, :]
    squares = (made.rotmat - read).square().sum((-1, -2))
    terms = {
        "rotations": weights.rotations * squares.sum(-1).mean(),
        "kl": weights.kl * kl_divergence(made.latent).mean(),
    }
    if weights.distances:
        terms["distances"] = weights.distances * (squares + 1e-6).sqrt().sum(-1).mean()
    if points is not None:
        off = (points(made.rotmat) - points(read)).square().sum(-1)
        terms["points"] = weights.points * (off + 1e-8).sqrt().mean()
    return terms
