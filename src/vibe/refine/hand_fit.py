"""The pose of a hand from the places of its 21 points: angles within its joints' limits, and the wrist's turn."""

from __future__ import annotations

import numpy as np
import roma
import torch
from jaxtyping import Float
from numpy import ndarray
from scipy import optimize
from torch import Tensor

from vibe.body.hand_joints import ANGLES, HandSkeleton, angle_limits, hand_points, hand_rotmat, relaxed_angles

RIGID = (0, 5, 9, 13, 17)
"""The wrist and the knuckles, which hardly move against each other."""
MOST_TURN = 1.0
"""Radians about each axis by which the wrist may turn from where the body has it."""
TOLERANCE = 0.012
"""Metres from which an error of a point counts less than by its square."""
PLAIN, TURNED = 1e-4, 4e-6
"""Price of a squared radian away from a relaxed hand, and of the wrist's turn; against the squares of metres."""
MOST_SCALE = 1.35
"""By how much a hand may be larger or smaller than the model has it, which does not know its size."""
EVALUATIONS = 40
CHUNK = 512
"""Readings that are fitted at a time."""
WIDTH, NOTHING = 0.09, 0.05
"""Seconds of the bell that smooths over time, and the weight of what is taken where nothing is seen."""


def fit_hand(
    skeleton: HandSkeleton, places: Float[Tensor, "reading 21 3"], R_wrist: Float[Tensor, "reading 3 3"]
) -> tuple[Float[Tensor, "reading 21"], Float[Tensor, "reading 3"], Float[Tensor, "reading"]]:
    """The angles of each reading, the turn of the wrist (axis-angle, in its own axes) and the points' error in metres.

    `places` are metres, from anywhere, in the axes that the body's `R_wrist` leads to. Each reading is by itself.
    """
    parts = [
        _fitted(skeleton, places[first : first + CHUNK], R_wrist[first : first + CHUNK])
        for first in range(0, len(places), CHUNK)
    ]
    angles, turn, error = (torch.cat(each) for each in zip(*parts, strict=True))
    return angles, turn, error


def _fitted(skeleton: HandSkeleton, places: Tensor, R_wrist: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The same of a few."""
    # L-BFGS within bounds: what a joint cannot do is never tried
    count = len(places)
    low, high = (torch.from_numpy(each) for each in angle_limits())
    relaxed = torch.from_numpy(relaxed_angles()).expand(count, ANGLES)
    bounds = [torch.cat([edge, torch.full((3,), turn)]) for edge, turn in ((low, -MOST_TURN), (high, MOST_TURN))]
    rest = hand_points(skeleton, R_wrist, hand_rotmat(skeleton, relaxed))
    seen = places * _scales(rest, places)[:, None, None]
    seen = seen - seen.mean(1, keepdim=True)
    turn = roma.rotmat_to_rotvec(R_wrist.mT @ _palm_turn(rest, seen) @ R_wrist)
    start = torch.cat([relaxed, turn.clamp(-MOST_TURN, MOST_TURN)], 1)

    def missed(numbers: Tensor) -> Tensor:
        rotmat = R_wrist @ roma.rotvec_to_rotmat(numbers[:, ANGLES:])
        points = hand_points(skeleton, rotmat, hand_rotmat(skeleton, numbers[:, :ANGLES]))
        return (points - points.mean(1, keepdim=True) - seen).norm(dim=-1)

    def evaluate(flat: Float[ndarray, "n"]) -> tuple[float, Float[ndarray, "n"]]:
        numbers = torch.from_numpy(flat).float().view(count, -1).requires_grad_()
        far = missed(numbers)
        off = numbers - torch.cat([relaxed, torch.zeros(count, 3)], 1)
        robust = TOLERANCE**2 * ((1 + (far / TOLERANCE) ** 2).sqrt() - 1)
        energy = robust.sum() + PLAIN * off[:, :ANGLES].square().sum() + TURNED * off[:, ANGLES:].square().sum()
        (slope,) = torch.autograd.grad(energy * 1e4, numbers)
        return 1e4 * energy.item(), slope.double().numpy().ravel()

    span = list(zip(*(edge.double().repeat(count).numpy() for edge in bounds), strict=True))
    limits = {"maxfun": EVALUATIONS, "maxiter": EVALUATIONS, "ftol": 1e-7}
    found = optimize.minimize(
        evaluate, start.double().numpy().ravel(), jac=True, method="L-BFGS-B", bounds=span, options=limits
    )
    numbers = torch.from_numpy(found.x).float().view(count, -1)
    with torch.no_grad():
        return numbers[:, :ANGLES], numbers[:, ANGLES:], missed(numbers).mean(1)


def _scales(rest: Float[Tensor, "reading 21 3"], places: Float[Tensor, "reading 21 3"]) -> Float[Tensor, "reading"]:
    """The size of the palm at rest over that of the one seen."""
    one, two = (_about_middle(each).norm(dim=(1, 2)) for each in (rest, places))
    return (one / two.clamp_min(1e-3)).clamp(1 / MOST_SCALE, MOST_SCALE)


def _palm_turn(
    rest: Float[Tensor, "reading 21 3"], seen: Float[Tensor, "reading 21 3"]
) -> Float[Tensor, "reading 3 3"]:
    """The rotation that brings the palm at rest nearest to the one seen."""
    return roma.special_procrustes(_about_middle(seen).mT @ _about_middle(rest))  # pyright: ignore[reportReturnType]


def _about_middle(points: Float[Tensor, "reading 21 3"]) -> Float[Tensor, "reading 5 3"]:
    """The palm's points about their middle."""
    palm = points[:, list(RIGID)]
    return palm - palm.mean(1, keepdim=True)


def over_time(
    values: Float[ndarray, "reading n"], weight: Float[ndarray, "reading"], times: Float[ndarray, "reading"],
    moments: Float[ndarray, "time"], otherwise: Float[ndarray, "n"],
) -> tuple[Float[ndarray, "time n"], Float[ndarray, "time"]]:  # fmt: skip
    """Readings at some times smoothed and carried over to other moments, and how sure they are there.

    A third of a second from the nearest one there is nothing of them left but `otherwise`.
    """
    first = np.searchsorted(times, moments - 4 * WIDTH)
    count = np.searchsorted(times, moments + 4 * WIDTH) - first
    index = first[:, None] + np.arange(max(int(count.max(initial=0)), 1))
    inside = index < (first + count)[:, None]
    index = index.clip(max=len(times) - 1)
    share = weight[index] * inside * np.exp(-(((times[index] - moments[:, None]) / WIDTH) ** 2) / 2)
    whole = share.sum(1)
    mixed = np.einsum("tk,tkn->tn", share, values[index]) + NOTHING * otherwise
    return mixed / (whole + NOTHING)[:, None], share.max(1)
