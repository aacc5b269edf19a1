"""What was answered, as a motion file has it."""

from dataclasses import replace

import numpy as np

import vibe
from vibe import cameras
from vibe.live.outputs import Recorder


def test_what_was_answered_is_what_the_motion_file_says(method, moment, shot, tmp_path):
    keeper = Recorder()
    for index in range(4):
        people = moment.people if index != 2 else moment.people[:1]
        keeper.put(replace(moment, index=3 * index, time=5.0 + index / 10, people=people), shot, 80.0)
    keeper.result("camera 0", cameras.default_camera(640, 480), method).save(tmp_path / "kept.npz")
    kept = vibe.load(tmp_path / "kept.npz")
    assert np.allclose(kept.clip.timestamps, np.arange(4) / 10, atol=1e-6)
    assert [person.frames.tolist() for person in kept] == [[0, 1, 2, 3], [0, 1, 3]]
    for person, pose in zip(kept, moment.people, strict=True):
        assert np.allclose(person.joints().values[0], pose.joints, atol=1e-4)
        assert np.allclose(person.smpl.rotmat[0], pose.rotmat, atol=1e-4)
