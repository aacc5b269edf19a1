"""What people stand on above the floor, read off their feet."""

from dataclasses import replace

import numpy as np
import performers
import pytest

from vibe.body import load_body
from vibe.motion import Motion
from vibe.motion.platforms import find_platforms, standing_heights

ABOVE = 0.9
"""Metres, of a stage."""


@pytest.fixture(scope="module")
def stander() -> Motion:
    """Somebody who stands on the floor before a moving camera, four seconds."""
    body = load_body(detail="low")
    motion = performers.standing(body, 100)
    still = replace(motion, smpl=motion.smpl.at(np.zeros(100, int)), joints_cam=motion.joints_cam[:1].repeat(100, 0))
    given = performers.on_the_floor(body, performers.show(body, still))
    return replace(given.people[0], contacts=np.ones((100, 4), np.float32))


def lifted(motion: Motion, rows: slice, metres: float = ABOVE, aside: float = 0.0) -> Motion:
    """The motion, but higher in the world in some of its rows."""
    assert motion.t_world_cam is not None
    place = motion.t_world_cam.copy()
    place[rows, 2] += metres
    place[:, 0] += aside
    return replace(motion, t_world_cam=place)


def test_who_stands_on_the_floor_stands_on_nothing_else(stander):
    assert find_platforms([(1, stander)]) == () and not standing_heights(stander).any()


def test_a_stage_is_found_for_as_long_as_somebody_stands_on_it(stander):
    (stage,) = find_platforms([(3, lifted(stander, slice(40, 100)))])
    assert stage.people == (3,) and (stage.first, stage.last) == (pytest.approx(40, abs=3), 99)
    assert stage.height == pytest.approx(ABOVE, abs=0.06)
    np.testing.assert_allclose(stage.centre, stander.pelvis_world[50, :2], atol=0.05)
    assert 0.5 <= stage.radius < 0.6


def test_a_jump_from_the_floor_is_no_platform(stander):
    jump = lifted(stander, slice(40, 60), 0.5)
    stands = (np.arange(100) // 20 != 2)[:, None].repeat(4, 1).astype(np.float32)
    flying = replace(jump, contacts=stands)
    assert find_platforms([(1, flying)]) == ()


def test_those_who_stand_as_high_and_near_stand_on_one(stander):
    both = [(1, lifted(stander, slice(100))), (2, lifted(stander, slice(100), ABOVE + 0.04, aside=0.8))]
    (stage,) = find_platforms(both)
    assert stage.people == (1, 2) and stage.height == pytest.approx(ABOVE + 0.02, abs=0.06)
    for _, motion in both:
        assert np.linalg.norm(motion.pelvis_world[:, :2] - stage.centre, axis=1).max() < stage.radius - 0.45
    low, high = find_platforms([both[0], (2, lifted(stander, slice(100), 2 * ABOVE, aside=0.8))])
    assert low.height < high.height and (low.people, high.people) == ((1,), (2,))


def test_without_a_world_or_contacts_nothing_is_known(stander):
    stage = lifted(stander, slice(100))
    assert find_platforms([(1, stage.in_world(None)), (2, replace(stage, contacts=None)), (3, stage[100.0:])]) == ()
