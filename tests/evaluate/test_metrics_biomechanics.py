"""Errors of angles and of strikes of feet: none for the truth, known ones for what was changed by a known amount."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from vibe.arrays import as_numpy
from vibe.body import load_body
from vibe.evaluate.metrics import ANGLES, angle_errors_deg, event_errors
from vibe.motion import Motion
from vibe.rotations import rotmat_from_rotvec
from vibe.skeletons import SMPL


@pytest.fixture(scope="module")
def body():
    return as_numpy(load_body())


@pytest.fixture
def motion(world_clip, tmp_path) -> Motion:
    """Somebody who walks, as they truly do."""
    return world_clip.result(tmp_path / "clip.mp4", 0).people[0]


def truth(world_clip, motion):
    person = world_clip.people[0].smpl
    places = torch.from_numpy(motion.joints_world)
    return person, {"joints_world": places, "contacts": torch.from_numpy(motion.contacts)}


def test_the_truth_has_no_errors(world_clip, motion, body):
    person, events = truth(world_clip, motion)
    angles = angle_errors_deg(motion, person.rotmat.numpy(), person.betas.numpy(), body)
    assert set(angles) == set(ANGLES) and all(float(each.abs().max()) < 0.05 for each in angles.values())
    off = event_errors(motion, events, 30.0)
    assert float(off["f1"]) == 100 and len(off["frames"]) >= 3 and not off["frames"].any()


def test_a_knee_that_is_bent_more_is_told(world_clip, motion, body):
    rotmat = motion.smpl.rotmat.copy()
    knee = SMPL.index("left_knee")
    rotmat[:, knee] = rotmat[:, knee] @ rotmat_from_rotvec(np.radians(np.array([10, 0, 0], np.float32)))
    bent = replace(motion, smpl=replace(motion.smpl, rotmat=rotmat))
    person, _ = truth(world_clip, motion)
    errors = angle_errors_deg(bent, person.rotmat.numpy(), person.betas.numpy(), body)["knee_flexion"]
    right, left = errors.chunk(2)
    assert float(right.abs().max()) < 0.05 and float((left - 10).abs().max()) < 0.5


def test_events_that_come_later_or_not_at_all_are_told(world_clip, motion):
    _, events = truth(world_clip, motion)
    late = {name: torch.cat([each[:1].expand(1, *each.shape[1:]), each[:-1]]) for name, each in events.items()}
    off = event_errors(motion, late, 30.0)
    assert 0.3 < float(off["frames"].nanmean()) < 1.1 and float(off["f1"]) > 60
    none = event_errors(replace(motion, contacts=np.zeros_like(motion.contacts)), events, 30.0)
    assert float(none["f1"]) == 0 and bool(none["frames"].isnan().all())
    unknown = event_errors(replace(motion, contacts=None), events, 30.0)
    assert all(bool(each.isnan().all()) for each in unknown.values())
