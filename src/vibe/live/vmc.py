"""Avatars that move live, by the Virtual Motion Capture protocol: OSC that VSeeFace, Warudo, VNyan and others read.

Unity's frame: y up, left-handed; the avatar faces z and has its left at -x. It takes over its bones' turns against a
T-pose, by their names in Unity.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from vibe.arrays import as_numpy
from vibe.body.hands import ARMS, relaxed_rotmat, with_fingers
from vibe.body.pose import rest_joints, rest_vertices
from vibe.body.record import Body
from vibe.export.rigs import RIGS
from vibe.live.outputs import Outbox, osc_bundle, osc_outbox
from vibe.live.person import LivePose
from vibe.live.pose import LivePoses
from vibe.rotations import quaternions_from_rotmat
from vibe.skeletons import SMPL, SMPLH

MOST_BONES = 16
"""Of a packet, so that it fits one of Ethernet's."""
READY = [1, 3, 0]
"""An avatar is loaded, calibrated, in the ordinary mode."""
R_LEVEL_CAM = np.diag([1.0, -1.0, -1.0]).astype(np.float32)
"""From the camera's axes to y up, z towards the camera."""
_THUMBS = (("ThumbProximal", "ThumbIntermediate"), ("ThumbMetacarpal", "ThumbProximal"))


def _unity_name(name: str) -> str:
    """From VRM 1.0's, which begins with a small letter and names the thumb's bones otherwise."""
    for theirs, unity in _THUMBS:
        name = name.replace(theirs, unity)
    return name[0].upper() + name[1:]


BONES = {joint: _unity_name(name) for joint, name in RIGS["vrm"].bones.items()}
"""Unity's names of SMPL-H's joints."""
FEET = [SMPL.index(f"{side}_{joint}") for side in ("left", "right") for joint in ("ankle", "foot")]


def vmc(address: str, body: Body) -> Outbox:
    """Sends the first person's pose to HOST:PORT; raises ValueError, OSError or ImportError as `osc_outbox` does."""
    avatar = VmcAvatar(body)
    return osc_outbox(address, "vmc", lambda poses, _: avatar.bundles(poses))


class VmcAvatar:
    """The messages of one avatar: it stays with a person as long as they are in view.

    Its fingers hang relaxed, since nobody looks at hands live; of a body without fingers it keeps its own.
    """

    def __init__(self, body: Body) -> None:
        body = as_numpy(body)
        fingers = np.zeros((0, 3, 3), np.float32) if body.hands is None else relaxed_rotmat(body)
        self._body, self._fingers = body if body.hands is None else with_fingers(body), fingers
        self._number = 0
        self._begins = np.zeros(3, np.float32)

    def bundles(self, poses: LivePoses) -> Iterator[Any]:
        """State, time and root, then all bones in packets; nobody in view leaves the avatar as it is."""
        yield osc_bundle(
            [
                ("/VMC/Ext/OK", READY),
                ("/VMC/Ext/T", [float(poses.time)]),
                ("/VMC/Ext/Root/Pos", ["root", 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]),
            ]
        )
        if not poses.people:
            return
        by_number = {pose.number: pose for pose in poses.people}
        pose = by_number.get(self._number, poses.people[0])
        if pose.number != self._number:
            self._number, self._begins = pose.number, R_LEVEL_CAM @ as_numpy(pose.trans)
        messages = [("/VMC/Ext/Bone/Pos", each) for each in self._bones(pose)]
        for start in range(0, len(messages), MOST_BONES):
            yield osc_bundle(messages[start : start + MOST_BONES])

    def _bones(self, pose: LivePose) -> Iterator[list]:
        """Name, place in the bone above and turn of each bone: x, y, z, then the quaternion x, y, z, w."""
        rotmat, betas = np.concatenate([as_numpy(pose.rotmat)[:ARMS], self._fingers]), as_numpy(pose.betas)
        rest = rest_joints(self._body, betas)
        rotmat[0] = R_LEVEL_CAM @ rotmat[0]
        offsets = rest - rest[list(self._body.parents)]
        offsets[0] = R_LEVEL_CAM @ as_numpy(pose.trans) - self._begins
        offsets[0, 1] = self._height(as_numpy(pose.joints) @ R_LEVEL_CAM.T, rest, betas)
        quaternions = quaternions_from_rotmat(rotmat)
        for place, joint in enumerate(SMPLH[: len(rotmat)]):
            name = BONES[joint]
            yield [name, *unity_place(offsets[place]).tolist(), *unity_turn(quaternions[place]).tolist()]

    def _height(
        self, joints: Float[ndarray, "24 3"], rest: Float[ndarray, "joint 3"], betas: Float[ndarray, "10"]
    ) -> float:
        """Of the pelvis above the floor, on which the lower foot stands: a camera alone does not know its floor."""
        soles = rest[FEET, 1] - rest_vertices(self._body, betas)[:, 1].min()
        return float(joints[0, 1] - (joints[FEET, 1] - soles).min())


def unity_place(place: Float[ndarray, "*b 3"]) -> Float[ndarray, "*b 3"]:
    """From right-handed axes with the left at x to Unity's."""
    return place * np.array([-1, 1, 1], place.dtype)


def unity_turn(quaternion: Float[ndarray, "*b 4"]) -> Float[ndarray, "*b 4"]:
    """Likewise of a rotation, x, y, z, w."""
    return quaternion * np.array([1, -1, -1, 1], quaternion.dtype)
