"""SMPLify's pose prior: a mixture of Gaussians over the 69 numbers of a body pose (Bogo et al. 2016)."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import roma
import torch
from jaxtyping import Float
from torch import Tensor

from vibe.assets.archives import read_npz
from vibe.skeletons import SMPL_BODY_POSE

OPEN = Path(__file__).parent / "open_mixture.npz"
"""Fitted by `tools/pose_mixture.py` to free motion capture."""


@dataclass(frozen=True)
class Mixture:
    """Gaussians over the axis-angles of joints 1 to 23, in the form that their energy needs."""

    means: Float[Tensor, "part 69"]
    """Radians."""
    roots: Float[Tensor, "part 69 69"]
    """R with R.T @ R the inverse of the covariance."""
    costs: Float[Tensor, "part"]
    """Minus the logarithm of each weight, normalised as in `mixture_model`."""

    def to(self, like: Tensor) -> Mixture:
        """The same with the device and dtype of another tensor."""
        return Mixture(self.means.to(like), self.roots.to(like), self.costs.to(like))


def mixture_model(
    means: Float[Tensor, "part 69"], covars: Float[Tensor, "part 69 69"], weights: Float[Tensor, "part"]
) -> Mixture:
    """Built from what a mixture's file holds; raises ValueError if a covariance or a weight is not positive.

    As published, a weight is divided by the root of its covariance's determinant over the smallest such root, and by
    (2 pi)^(69/2): the energies of the parts then differ as their densities do.
    """
    roots, failed = torch.linalg.cholesky_ex(covars.double())
    if bool((failed != 0).any()) or not bool((weights > 0).all()):
        raise ValueError(f"{int((failed != 0).sum())} covariances and {int((weights <= 0).sum())} weights of the "
                         "mixture are not positive: it is no mixture of Gaussians")  # fmt: skip
    size = roots.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    costs = size - size.min() + SMPL_BODY_POSE / 2 * math.log(2 * math.pi) - weights.double().log()
    identity = torch.eye(SMPL_BODY_POSE, dtype=roots.dtype, device=roots.device).expand_as(roots)
    inverse = torch.linalg.solve_triangular(roots, identity, upper=False)
    return Mixture(means.double().float(), inverse.float(), costs.float())


def mixture_energy(body_pose: Float[Tensor, "*b 69"], parts: Mixture) -> Float[Tensor, "*b"]:
    """Half the squared Mahalanobis distance minus the logarithm of the weight, of the part where it is least."""
    parts = parts.to(body_pose)
    away = body_pose[..., None, :] - parts.means
    distance = torch.einsum("...ki,kji->...kj", away, parts.roots).square().sum(-1)
    return (distance / 2 + parts.costs).amin(-1)


def axis_angle(rotmat: Float[Tensor, "*b 24 3 3"]) -> Float[Tensor, "*b 69"]:
    """The body pose of all rotations, radians, each at most pi; its gradient is finite everywhere."""
    return roma.rotmat_to_rotvec(rotmat[..., 1:, :, :]).flatten(-2)


@functools.cache
def load_mixture(path: Path = OPEN) -> Mixture:
    """A mixture's file, by default the one that is shipped: `means`, `covars`, `weights` in an .npz.

    Raises FileNotFoundError, and ValueError that names what the file lacks.
    """
    try:
        arrays = read_npz(path)
    except ValueError as error:
        raise ValueError(f"{path} is no pose mixture ({error}): give the .npz that `vibe assets add` wrote") from error
    tensors = []
    for key, shape in (("means", (SMPL_BODY_POSE,)), ("covars", (SMPL_BODY_POSE, SMPL_BODY_POSE)), ("weights", ())):
        found = arrays.get(key)
        if found is None or found.ndim == 0 or found.shape[1:] != shape or not np.isfinite(found).all():
            seen = "absent" if found is None else f"of shape {found.shape}"
            raise ValueError(f"{path}: `{key}` is {seen}: a pose mixture holds one of {('K', *shape)}, all finite")
        tensors.append(torch.from_numpy(found.astype(np.float64)))
    if len({len(tensor) for tensor in tensors}) != 1:
        raise ValueError(f"{path}: means, covars and weights are of {[len(tensor) for tensor in tensors]} parts")
    return mixture_model(*tensors)
