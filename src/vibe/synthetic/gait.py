"""A walk made by rule: hips, knees, arms and trunk as waves of the step's phase, feet that stay where they stand."""

from __future__ import annotations

import math

import roma
import torch
from jaxtyping import Float
from torch import Tensor

from vibe import body as bodies
from vibe.body import Body
from vibe.skeletons import SMPL

JOINT: dict[str, int] = {name: joint for joint, name in enumerate(SMPL)}
STRIDES = 0.85
"""Per second; two steps each."""


def walk(
    body: Body, betas: Float[Tensor, "10"], times: Float[Tensor, "time"], turn: Float[Tensor, "time"]
) -> tuple[Float[Tensor, "time 24 3 3"], Float[Tensor, "time 3"]]:
    """Rotations and pelvis positions of somebody who walks, facing `turn` radians to the left of +z.

    In a world of y up with the floor at y = 0, starting above its origin. The soles follow the floor.
    """
    phase = 2 * math.pi * STRIDES * times.float()
    angles = torch.zeros(len(times), 24, 3)
    for side, shift in (("left", 0.0), ("right", math.pi)):
        _leg(angles, side, phase + shift)
        _arm(angles, side, phase + shift + math.pi)
    _trunk(angles, phase)
    rotmat = roma.rotvec_to_rotmat(angles)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        hang = torch.tensor([0.0, 0.0, -1.28 * sign])
        shoulder = JOINT[f"{side}_shoulder"]
        rotmat[:, shoulder] = rotmat[:, shoulder] @ roma.rotvec_to_rotmat(hang)
    heading = torch.nn.functional.pad(turn.float()[:, None], (1, 1))
    rotmat[:, 0] = roma.rotvec_to_rotmat(heading) @ rotmat[:, 0]
    return rotmat, _path(body, betas, rotmat)


def _bump(phase, centre, width):
    """A smooth bump once per cycle."""
    return torch.exp((torch.cos(phase - centre) - 1) / width**2)


def _leg(angles, side, phase):
    """Phase 0 is the strike of the heel; degrees as in a textbook of gait."""
    hip, knee, ankle, foot = (JOINT[f"{side}_{joint}"] for joint in ("hip", "knee", "ankle", "foot"))
    angles[:, hip, 0] = -torch.deg2rad(9 + 21 * torch.cos(phase + 0.1))
    angles[:, knee, 0] = torch.deg2rad(6 + 12 * _bump(phase, 0.9, 0.55) + 56 * _bump(phase, 4.55, 0.75))
    lift = 9 * _bump(phase, 2.7, 0.7) - 20 * _bump(phase, 3.95, 0.45)
    angles[:, ankle, 0] = -torch.deg2rad(lift - 2)
    angles[:, foot, 0] = -torch.deg2rad(22 * _bump(phase, 3.5, 0.5))


def _arm(angles, side, phase):
    """Swings against the leg of its side."""
    sign = 1.0 if side == "left" else -1.0
    shoulder, elbow, wrist = (JOINT[f"{side}_{joint}"] for joint in ("shoulder", "elbow", "wrist"))
    swing = torch.cos(phase + 0.1)
    angles[:, shoulder, 0] = -torch.deg2rad(20 * swing)
    angles[:, elbow, 1] = -sign * torch.deg2rad(20 + 9 * swing)
    angles[:, wrist, 1] = -sign * math.radians(6)
    angles[:, elbow, 0] = math.radians(14)


def _trunk(angles, phase):
    """The pelvis turns with the forward leg, the chest against it; the head looks ahead and a little about."""
    twist = torch.sin(phase + math.pi / 2 + 0.1)
    angles[:, 0, 1] = -torch.deg2rad(5 * twist)
    angles[:, 0, 2] = torch.deg2rad(2.5 * torch.sin(phase))
    for joint in ("spine1", "spine2", "spine3"):
        angles[:, JOINT[joint], 1] = torch.deg2rad(4 * twist)
        angles[:, JOINT[joint], 0] = math.radians(1.5)
    neck, head = JOINT["neck"], JOINT["head"]
    angles[:, neck, 1] = -torch.deg2rad(5 * twist)
    angles[:, neck, 0] = math.radians(6)
    angles[:, head, 1] = torch.deg2rad(10 * torch.sin(phase * 0.23))
    angles[:, head, 0] = -math.radians(7)


def _path(body, betas, rotmat):
    """Pelvis positions for which the lowest point of the soles rests on the floor and stays where it is."""
    R_world, joints = bodies.pose_joints(body, rotmat, betas)
    rest = bodies.rest_joints(body, betas)
    floor = bodies.rest_vertices(body, betas)[:, 1].min()
    soles = []
    for side in ("left", "right"):
        ankle, foot = JOINT[f"{side}_ankle"], JOINT[f"{side}_foot"]
        for carrier, forward in ((ankle, rest[ankle, 2] - 0.045), (ankle, rest[foot, 2]), (foot, rest[foot, 2] + 0.06)):
            offset = torch.stack([rest[foot, 0], floor, forward]) - rest[carrier]
            soles.append(joints[:, carrier] + R_world[:, carrier] @ offset)
    points = torch.stack(soles, 1) - joints[:, :1]
    lowest = points[..., 1].argmin(1)
    steps = (points[:-1] - points[1:])[torch.arange(len(points) - 1), lowest[:-1]]
    steps = _smoothed(torch.nn.functional.pad(steps * torch.tensor([1.0, 0.0, 1.0]), (0, 0, 1, 0)))
    height = _smoothed(-points[..., 1].amin(1, keepdim=True))
    return steps.cumsum(0) + torch.nn.functional.pad(height, (1, 1))


def _smoothed(values):
    """Mean with the neighbours in time, weighted 1 2 1."""
    padded = torch.cat([values[:1], values, values[-1:]])
    return (padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4
