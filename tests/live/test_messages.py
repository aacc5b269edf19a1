"""The lines that others read."""

import json

import numpy as np
import roma
import torch

from vibe.live.outputs import poses_json, start_json
from vibe.live.pose import LiveEstimator
from vibe.skeletons import SMPL


def test_a_line_holds_everybody_in_the_named_shapes_and_units(moment):
    line = poses_json(moment, 81.26)
    assert "\n" not in line
    told = json.loads(line)
    assert set(told) == {"type", "frame", "time", "delay_ms", "people"}
    assert (told["type"], told["frame"], told["delay_ms"]) == ("frame", moment.index, 81.3)
    assert [one["number"] for one in told["people"]] == [1, 2]
    for one, pose in zip(told["people"], moment.people, strict=True):
        assert set(one) == {"number", "confidence", "pelvis", "rotations", "betas", "joints"}
        assert np.shape(one["rotations"]) == np.shape(one["joints"]) == (24, 3)
        assert np.shape(one["betas"]) == (10,) and 0 <= one["confidence"] <= 1
        assert np.allclose(one["joints"], pose.joints, atol=1e-5) and np.allclose(one["pelvis"], pose.trans, atol=1e-5)
        assert torch.allclose(roma.rotvec_to_rotmat(torch.tensor(one["rotations"])), pose.rotmat, atol=1e-4)
        assert one["joints"][0] == one["pelvis"]


def test_the_first_line_says_what_does_not_change(method):
    crowd = LiveEstimator(method, 640, 480)
    told = json.loads(start_json("camera 0", crowd.camera, 1, method.body.origin, method.network.about))
    assert told["joint_names"] == SMPL and told["width"] == 640
    assert told["K_px"] == [[800, 0, 320], [0, 800, 240], [0, 0, 1]]
    assert (told["type"], told["source"], told["frames_back"]) == ("start", "camera 0", 1)
