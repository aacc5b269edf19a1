"""Bodies in SMPL's layout: load, shape, pose, skin, points."""

from vibe.body.keypoint_regressor import joints_and_keypoints, keypoints
from vibe.body.lbs import vertices
from vibe.body.load import find_body, load_body, load_smpl
from vibe.body.pose import joints, pose_joints, rest_joints, rest_vertices
from vibe.body.record import Body

__all__ = [
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
