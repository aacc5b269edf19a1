"""Captured motion put on a floor: feet that stand rest on it and stay, whatever body walks."""

from __future__ import annotations

import numpy as np
import roma
import torch
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.ndimage import binary_closing, binary_opening
from torch import Tensor

from vibe import body as bodies
from vibe.body import Body
from vibe.records import SmplParams
from vibe.skeletons import SMPL, SPIN49, index

FEET = ("op_left_heel", "op_left_big_toe", "op_right_heel", "op_right_big_toe")
"""The points whose contact is known, in the order of `Motion.contacts`; on SMPL's mesh the four vertices by which foot
sliding is measured."""
CARRIERS = ("left_ankle", "left_foot", "right_ankle", "right_foot")
"""The joints that they move with."""
LEGS = tuple(f"{side}_{joint}" for side in ("left", "right") for joint in ("hip", "knee", "ankle"))
PLANTED, BENT, SWUNG = 0.002, 0.1, 0.06
"""What counts alike when feet are planted: metres from where a point stands, radians by which a joint is bent for it,
radians a frame squared by which that changes."""
SLOW = 0.15
"""Metres a second: a foot's point that is slower may stand (the threshold of GVHMR's labels) ..."""
LOW = 0.03
"""... if it is no more than so much higher, in metres, than where it is when the sole lies on the floor."""
ROUNDS = ((0.45, 0.08), (0.30, 0.05), (SLOW, LOW), (SLOW, LOW))
"""Speed and height that count as standing, from round to round: captured feet slide on a body of another size."""
STIFF = 2.0
"""Weight of the second difference of the correction along the floor, beside a standing point's step ..."""
STIFF_UP = 8.0
"""... and upwards, beside the height of the sole."""


def stand_on_floor(body: Body, smpl: SmplParams, fps: float) -> tuple[SmplParams, Bool[ndarray, "time 4"]]:
    """The motion on a floor at z = 0 of a world with z up, and which of `FEET` stand in each frame.

    The pelvis's path gets a smooth correction by which points that stand do not move along the
    floor and the lowest vertex is at 0 while anything stands; in the air it follows from what is before and after. What
    is left, turns of the foot and of the body's other proportions, goes into hips, knees and ankles.
    """
    feet, sole, rest = foot_points(body, smpl), _lowest(body, smpl), _rest_heights(body, smpl)
    pelvis = smpl.pelvis.numpy().astype(np.float64)
    still = _speeds(feet + pelvis[:, None], fps).min(1) < 2 * SLOW
    pelvis = pelvis - [0, 0, np.percentile((sole + pelvis[:, 2])[still if still.any() else slice(None)], 20)]
    for speed, height in ROUNDS:
        stands = _standing(feet + pelvis[:, None], rest, fps, speed, height)
        pelvis = pelvis + _correction(feet + pelvis[:, None], sole + pelvis[:, 2], stands)
    stands = _steady(_standing(feet + pelvis[:, None], rest, fps, SLOW, LOW))
    shifted = SmplParams(smpl.rotmat, smpl.betas, torch.from_numpy(pelvis).float())
    planted = _planted(body, shifted, feet + pelvis[:, None], rest, stands)
    feet = foot_points(body, planted) + pelvis[:, None]
    return planted, _steady(_standing(feet, rest, fps, SLOW, LOW))


@torch.no_grad()
def foot_points(body: Body, smpl: SmplParams) -> Float[ndarray, "time 4 3"]:
    """`FEET` as seen from the pelvis, metres."""
    points = bodies.keypoints(body, smpl.rotmat, smpl.betas, "spin49")[:, index(SPIN49, FEET)]
    return (points - bodies.rest_joints(body, smpl.betas)[0]).numpy().astype(np.float64)


@torch.no_grad()
def _lowest(body, smpl):
    """Height of the lowest vertex over the pelvis in each frame."""
    surface = bodies.vertices(body, smpl.rotmat, smpl.betas)[..., 2].amin(-1)
    return (surface - bodies.rest_joints(body, smpl.betas)[0, 2]).numpy().astype(np.float64)


def _rest_heights(body, smpl):
    """Of `FEET` above the sole in the pose of rest, where up is y."""
    rest = torch.eye(3).expand(1, len(smpl.rotmat[0]), 3, 3)
    points = bodies.keypoints(body, rest, smpl.betas, "spin49")[0, index(SPIN49, FEET), 1]
    return (points - bodies.rest_vertices(body, smpl.betas)[:, 1].min()).numpy().astype(np.float64)


def _speeds(points, fps):
    """Metres a second of [time, point, 3], by central differences."""
    return np.linalg.norm(np.gradient(points, axis=0), axis=-1) * fps


def _standing(points, rest, fps, speed, height):
    return (_speeds(points, fps) < speed) & (points[..., 2] - rest < height)


def _steady(stands):
    """Without gaps of up to two frames and then without spells of up to two, but for the ends."""
    ends = ((2, 2), (0, 0))
    closed = binary_closing(np.pad(stands, ends, mode="edge"), np.ones((3, 1)))
    return binary_opening(np.pad(closed, ends, mode="edge"), np.ones((3, 1)))[4:-4]


def _planted(body, smpl, feet, rest, stands):
    """The motion with legs bent so that each point stays where, on the mean of a spell, it stands."""
    anchors = np.zeros(feet.shape)
    for point in range(feet.shape[1]):
        edges = np.flatnonzero(np.diff(stands[:, point].astype(int), prepend=0, append=0))
        for start, stop in edges.reshape(-1, 2):
            anchors[start:stop, point] = [*feet[start:stop, point, :2].mean(0), rest[point]]
    legs, carriers = index(SMPL, LEGS), index(SMPL, CARRIERS)
    R_world, joints = bodies.pose_joints(body, smpl.rotmat, smpl.betas)
    at = torch.from_numpy(feet).float() - smpl.pelvis[:, None] - joints[:, carriers] + joints[:, :1]
    offsets = (R_world[:, carriers].mT @ at[..., None])[..., 0]
    target, weight = torch.from_numpy(anchors).float(), torch.from_numpy(stands).float()[..., None]
    turns = torch.zeros(len(feet), len(legs), 3, requires_grad=True)

    def turned() -> Tensor:
        rotmat = smpl.rotmat.clone()
        rotmat[:, legs] = rotmat[:, legs] @ roma.rotvec_to_rotmat(turns)
        return rotmat

    def cost() -> Tensor:
        optimizer.zero_grad()
        R_world, joints = bodies.pose_joints(body, turned(), smpl.betas)
        points = joints[:, carriers] + (R_world[:, carriers] @ offsets[..., None])[..., 0]
        off = (points - joints[:, :1] + smpl.pelvis[:, None] - target) * weight / PLANTED
        loss = off.square().sum() + (turns / BENT).square().sum() + (turns.diff(n=2, dim=0) / SWUNG).square().sum()
        loss.backward()
        return loss

    optimizer = torch.optim.LBFGS([turns], max_iter=80, line_search_fn="strong_wolfe")
    optimizer.step(cost)
    with torch.no_grad():
        return SmplParams(turned(), smpl.betas, smpl.pelvis)


def _correction(feet, sole, stands):
    """The smooth shift of each frame, metres, by which feet that stand do not move and soles are on the floor."""
    time = len(feet)
    bend = np.diff(np.eye(time), 2, axis=0)
    before, point = np.nonzero(stands[:-1] & stands[1:])
    step = np.eye(time)[before + 1] - np.eye(time)[before]
    slid = feet[before, point, :2] - feet[before + 1, point, :2]
    first = np.eye(time)[:1]
    matrix = np.concatenate([step, STIFF * bend, first])
    along = np.linalg.lstsq(matrix, np.concatenate([slid, np.zeros((len(bend) + 1, 2))]), rcond=None)[0]
    rests = stands.any(1)
    matrix = np.concatenate([np.eye(time)[rests], STIFF_UP * bend, 1e-3 * np.eye(time)])
    up = np.linalg.lstsq(matrix, np.concatenate([-sole[rests], np.zeros(len(bend) + time)]), rcond=None)[0]
    return np.concatenate([along, up[:, None]], 1)
