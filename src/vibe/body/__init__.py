"""Bodies in SMPL's layout: load, shape, pose, skin, points."""

from vibe.body.find import find_body
from vibe.body.load import BODIES, load_body, load_smpl
from vibe.body.marks import joints_and_keypoints, keypoints
from vibe.body.pose import joints, pose_joints
from vibe.body.record import Body
from vibe.body.shape import rest_joints, rest_vertices
from vibe.body.skin import vertices

__all__ = [
    "BODIES",
    "Body",
    "find_body",
    "joints",
    "joints_and_keypoints",
    "keypoints",
    "load_body",
    "load_smpl",
    "pose_joints",
    "rest_joints",
    "rest_vertices",
    "vertices",
]
