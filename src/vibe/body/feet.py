"""Feet that stand are put where they stand: the likeliest path of heel and toe, then hip, knee and ankle by two-bone
inverse kinematics."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from vibe.body.pose import pose_joints
from vibe.body.record import Body
from vibe.body.skin_points import sole_points, sole_velocity, unbroken
from vibe.records import SmplParams
from vibe.rotations import rotmat_from_rotvec, shortest_turn, unit
from vibe.skeletons import SMPL, SMPL_PARENTS

LEGS = [[SMPL.index(f"{side}_{joint}") for joint in ("hip", "knee", "ankle")] for side in ("left", "right")]
LOOSE, FIRM = 0.15, 0.6
"""Probability of standing up to which a sole goes as it was read, and from which it is held."""
RUNS, QUICK = 0.8, 0.05
"""Metres a second, over so many seconds to either side, from which a sole that moves is held less than its probability
of standing says: a little of a high speed is far."""
LONGER = 0.067
"""Seconds for which a slow sole is taken to stand before and after it is read to: motion that is read is smoother than
it was, so that feet leave the ground too early and come to it too late."""
SPEED, HELD = 0.3, 0.01
"""Expected error of a sole's speed, metres a second: as it was read, and where it is held."""
PLACE, HEIGHT, STIFF = 0.03, 0.01, 0.005
"""Metres by which a sole may be read beside its place, by which one that is held may miss the ground, and by which heel
and toe may be moved unlike while either is in the air."""
STARTS = 6.0
"""Metres per second squared by which a sole that goes as it was read may be moved unevenly."""
FARTHEST = 0.12
"""Metres; a foot that would have to be moved farther was read wrongly, and is moved so far."""
LOATH, HIGHEST, STEADY = 0.1, 0.05, 0.05
"""How loath the body is to move rather than to bend a knee, how many metres it does at most, and over how many seconds
that is smoothed."""
STRETCH = 0.999
"""Share of its length to which a leg is straightened."""


def plant_feet(
    body: Body, smpl: SmplParams, joints: Float[ndarray, "time 24 3"], contacts: Float[ndarray, "time 4"],
    up: Float[ndarray, "3"], ground: Float[ndarray, "time 4"], times: Float[ndarray, "time"],
    frames: Int[ndarray, "time"],
) -> SmplParams:  # fmt: skip
    """The same motion with standing soles still and on the ground, and none below it.

    All in axes that neither turn nor move, metres; `ground` is the height along `up` of what is under each sole. `body`
    is of NumPy's arrays. Nobody knows what a foot did where indices into the clip, `frames`, are missing: the stretches
    between such gaps are planted each by itself, and none of less than three frames is held.
    """
    rotmat, pelvis = smpl.rotmat.copy(), smpl.pelvis.copy()
    for rows in unbroken(frames):
        part = _planted(body, smpl.at(rows), joints[rows], contacts[rows], up, ground[rows], times[rows])
        rotmat[rows], pelvis[rows] = part.rotmat, part.pelvis
    return SmplParams(rotmat, smpl.betas, pelvis)


def _planted(
    body: Body, smpl: SmplParams, joints: Float[ndarray, "time 24 3"], contacts: Float[ndarray, "time 4"],
    up: Float[ndarray, "3"], ground: Float[ndarray, "time 4"], times: Float[ndarray, "time"],
) -> SmplParams:  # fmt: skip
    """One stretch without gaps."""
    # heel and toe of a foot are moved together, then both as one stiff foot, and the leg follows
    soles, _ = sole_points(body, smpl, joints)
    speed = np.linalg.norm(sole_velocity(soles.astype(np.float64), times, QUICK), axis=-1)
    held, under = _held_longer(contacts.astype(np.float64), 1 + (speed / RUNS) ** 2, ground, times)
    targets = []
    for side, leg in enumerate(LEGS):
        points, pair = soles[:, 2 * side : 2 * side + 2], slice(2 * side, 2 * side + 2)
        move = _held_foot(points, held[:, pair], up, under[:, pair], times)
        sunk = ground[:, pair] - (points + move) @ up
        move = move + sunk.clip(0, FARTHEST)[..., None] * up
        length = np.linalg.norm(move, axis=-1, keepdims=True)
        move = move * np.minimum(1, FARTHEST / length.clip(1e-9))
        targets.append(_moved_foot(points, points + move, joints[:, leg[2]]))
    firm = np.stack([held[:, :2].max(1), held[:, 2:].max(1)], 1)
    step = _spare_knees(joints, np.stack([ankle for _, ankle in targets], 1), firm, times).astype(np.float32)
    rotmat, moved = smpl.rotmat.copy(), joints + step[:, None]
    R_world, _ = pose_joints(body, smpl.rotmat, smpl.betas)
    for side, (R_turn, ankle) in enumerate(targets):
        bend_leg(rotmat, R_world, moved, LEGS[side], R_turn, ankle + (1 - firm[:, side, None]) * step)
    return SmplParams(rotmat, smpl.betas, smpl.pelvis + step)


def _held_longer(
    contacts: Float[ndarray, "time 4"], doubt: Float[ndarray, "time 4"], ground: Float[ndarray, "time 4"],
    times: Float[ndarray, "time"],
) -> tuple[Float[ndarray, "time 4"], Float[ndarray, "time 4"]]:  # fmt: skip
    """How far each sole is held, 0 to 1, and how high: on its own ground, or on that of the stance it is held for."""
    sure = contacts**doubt
    first, last = (np.searchsorted(times, times + way * (LONGER + 1e-6)) for way in (-1, 1))
    near = np.minimum(first[:, None] + np.arange((last - first).max()), last[:, None] - 1)
    # of equals the nearest in time
    likely = sure[near] - 1e-6 * np.abs(times[near] - times[:, None])[..., None]
    stance = np.take_along_axis(near, likely.argmax(1), 1)
    longer = np.take_along_axis(sure, stance, 0) ** doubt
    held = ((np.maximum(sure, longer) - LOOSE) / (FIRM - LOOSE)).clip(0, 1)
    under = np.where(longer > sure, np.take_along_axis(ground, stance, 0), ground)
    return held**2 * (3 - 2 * held), under


def _spare_knees(
    joints: Float[ndarray, "time 24 3"], ankles: Float[ndarray, "time 2 3"], stands: Float[ndarray, "time 2"],
    times: Float[ndarray, "time"],
) -> Float[ndarray, "time 3"]:  # fmt: skip
    """The step of the whole body with which the legs that stand reach their ankles' new places as bent as they are.

    A leg that is a centimetre too long for where it stands bends a straight knee by twelve degrees; the body is then
    rather that much too high.
    """
    from scipy.ndimage import gaussian_filter1d

    hips = np.stack([joints[:, leg[0]] for leg in LEGS], 1)
    long = np.linalg.norm(hips - np.stack([joints[:, leg[2]] for leg in LEGS], 1), axis=-1)
    legs = hips - ankles
    reach = np.linalg.norm(legs, axis=-1)
    ways, missing = legs / reach[..., None].clip(1e-6), (long - reach) * stands
    normal = np.einsum("tli,tlj,tl->tij", ways, ways, stands) + LOATH * np.eye(3)
    step = np.linalg.solve(normal, np.einsum("tli,tl->ti", ways, missing)[..., None])[..., 0]
    step *= np.minimum(1, HIGHEST / np.linalg.norm(step, axis=-1, keepdims=True).clip(1e-9))
    interval = float(np.median(np.diff(times))) if len(times) > 1 else 1.0
    return gaussian_filter1d(step, STEADY / interval, axis=0, mode="nearest")


def _held_foot(
    points: Float[ndarray, "time 2 3"], held: Float[ndarray, "time 2"], up: Float[ndarray, "3"],
    ground: Float[ndarray, "time 2"], times: Float[ndarray, "time"],
) -> Float[ndarray, "time 2 3"]:  # fmt: skip
    """By how much heel and toe of a foot are to be moved, metres.

    The likeliest path of both, near where they were read: a sole goes as it was read as far as it is not `held`, from 0
    to 1, and neither moves nor leaves the ground as far as it is.
    """
    from scipy.sparse import bmat, csr_matrix, diags, eye
    from scipy.sparse.linalg import splu

    # Nothing is switched on or off, so that no foot is pulled to its place in a hurry before it stands or after it: a
    # correction fades through the whole swing. Heel and toe are one system, as a foot is stiff.
    count, dt = len(points), np.diff(times)
    if count < 3:
        return np.zeros(points.shape)
    seconds = np.gradient(times)
    rows = csr_matrix(eye(count))
    step = rows[1:] - rows[:-1]
    speed = diags(1 / dt) @ step
    bend = speed[1:] - speed[:-1]
    loose = diags(seconds * (1 - held.min(1)) / STIFF**2)
    blocks, right = [], []
    for end in range(2):
        still = np.minimum(held[1:, end], held[:-1, end])
        sure = diags((SPEED**-2 + (still / HELD) ** 2) / dt)
        free = diags(2 * (1 - np.maximum(still[1:], still[:-1])) / (dt[1:] + dt[:-1]) / STARTS**2)
        blocks.append(step.T @ sure @ step + bend.T @ free @ bend + diags(seconds / PLACE**2) + loose)
        right.append(-step.T @ (sure @ (still[:, None] * np.diff(points[:, end], axis=0))))
    normal, wanted = bmat([[blocks[0], -loose], [-loose, blocks[1]]], format="csc"), np.concatenate(right)
    rests = (seconds[:, None] * held / HEIGHT**2).T.ravel()
    lift = wanted @ up + rests * (ground - points @ up).T.ravel()
    level = splu(normal).solve(wanted - (wanted @ up)[:, None] * up)
    rise = splu(normal + diags(rests, format="csc")).solve(lift)
    return (level + rise[:, None] * up).reshape(2, count, 3).swapaxes(0, 1)


def _moved_foot(
    points: Float[ndarray, "time 2 3"], targets: Float[ndarray, "time 2 3"], ankle: Float[ndarray, "time 3"]
) -> tuple[Float[ndarray, "time 3 3"], Float[ndarray, "time 3"]]:
    """The smallest turn that brings heel and toe into line with their targets, and where the ankle comes to lie
    then."""
    R_turn = shortest_turn(points[:, 1] - points[:, 0], targets[:, 1] - targets[:, 0]).astype(np.float32)
    middle = points.mean(1)
    return R_turn, targets.mean(1) + (R_turn @ (ankle - middle)[..., None])[..., 0]


def bend_leg(
    rotmat: Float[ndarray, "time joint 3 3"], R_world: Float[ndarray, "time joint 3 3"],
    joints: Float[ndarray, "time joint 3"], leg: list[int], R_turn: Float[ndarray, "time 3 3"],
    ankle: Float[ndarray, "time 3"],
) -> None:  # fmt: skip
    """Turn hip and knee so that the ankle comes to its place, and the ankle so that the foot is turned by `R_turn`; in
    place.

    `R_world` and `joints` are how a leg's joints (hip, knee, ankle) are turned, and where they are, before that.
    """
    hip, knee, end = (joints[:, joint] for joint in leg)
    thigh, shin = (np.linalg.norm(b - a, axis=-1) for a, b in ((hip, knee), (knee, end)))
    reach = np.linalg.norm(ankle - hip, axis=-1)
    reach = reach.clip(np.abs(thigh - shin) + 1e-3, STRETCH * (thigh + shin))
    # the knee's angle comes from the three lengths; its axis stays, or is the body's own where the leg is straight
    angle = np.pi - np.arccos(((thigh**2 + shin**2 - reach**2) / (2 * thigh * shin)).clip(-1, 1))
    axis = np.cross(knee - hip, end - knee)
    own = R_world[:, leg[0], :, 0]
    axis = unit(np.where(np.linalg.norm(axis, axis=-1, keepdims=True) > 0.02 * (thigh * shin)[:, None], axis, own))
    before = np.arctan2((np.cross(knee - hip, end - knee) * axis).sum(-1), ((knee - hip) * (end - knee)).sum(-1))
    R_knee = rotmat_from_rotvec((axis * (angle - before)[:, None]).astype(np.float32))
    bent = knee + (R_knee @ (end - knee)[..., None])[..., 0]
    R_hip = shortest_turn(bent - hip, ankle - hip).astype(np.float32)
    R_above = R_world[:, SMPL_PARENTS[leg[0]]]
    R_thigh, R_shin = R_hip @ R_world[:, leg[0]], R_hip @ R_knee @ R_world[:, leg[1]]
    rotmat[:, leg[0]] = R_above.mT @ R_thigh
    rotmat[:, leg[1]] = R_thigh.mT @ R_shin
    rotmat[:, leg[2]] = R_shin.mT @ R_turn @ R_world[:, leg[2]]
