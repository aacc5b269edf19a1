"""Laws of posing people a few frames at a time."""

from dataclasses import replace

import numpy as np
import performers
import torch

from vibe.body.outfit import dressed
from vibe.render.compositor import CHUNK, Poser


def test_people_posed_in_parts_are_those_of_the_whole_motion(low):
    motion = performers.performer(low, torch.arange(10, 10 + 2 * CHUNK))
    people, whole = Poser([(3, motion, low)]), motion.vertices(dressed(low))
    for frame in (10, 9 + 2 * CHUNK, CHUNK - 1, CHUNK):
        (posed,) = people.at(frame)
        np.testing.assert_allclose(posed.vertices, whole[frame - 10], atol=1e-5)
        np.testing.assert_allclose(posed.joints, motion.joints_cam[frame - 10])
        assert posed.number == 3
    assert people.at(9) == [] and people.at(10 + 2 * CHUNK) == []


def test_without_surface_people_have_joints_only(low):
    motion = performers.performer(low, torch.arange(3))
    (posed,) = Poser([(1, motion, low)], surface=False).at(1)
    assert len(posed.vertices) == len(posed.faces) == 0
    assert posed.points is posed.joints


def test_frames_that_were_filled_in_are_told(low):
    motion = performers.performer(low, torch.arange(3))
    people = Poser([(1, replace(motion, confidence=np.float32([1, 0, 0.5])), low)])
    assert [people.at(frame)[0].seen for frame in range(3)] == [True, False, True]
