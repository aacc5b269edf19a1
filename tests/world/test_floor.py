"""Up, floor, levels and sizes from how people stand."""

from __future__ import annotations

import numpy as np
import pytest
from walkers import walker

from vibe.arrays import as_numpy
from vibe.body.posture import posture
from vibe.body.soles import sole_points
from vibe.world.contacts import contact_probability
from vibe.world.floor import Standing, find_floor

PICTURE_UP = np.array([0.0, -1.0, 0.0])


def _standing(body, one, size=1.0):
    """As if the person were so much smaller and nearer than they are, which looks the same."""
    soles, _ = sole_points(as_numpy(body), one.smpl, one.joints)
    sight = one.smpl.pelvis / np.linalg.norm(one.smpl.pelvis, axis=-1, keepdims=True)
    contacts = contact_probability(soles, one.joints, sight, one.up, one.times)
    return Standing(one.times, soles / size, contacts, *posture(one.joints))


def _apart_deg(one, two):
    return np.degrees(np.arccos(min(1.0, float(one @ two))))


@pytest.mark.parametrize(("pitch", "roll"), [(0, 0), (25, 0), (10, 12), (-8, -3)])
def test_up_and_height_of_a_tilted_camera(low, pitch, roll):
    one = walker(low, pitch_deg=pitch, roll_deg=roll)
    found = find_floor([_standing(low, one)], PICTURE_UP)
    assert found.standing and found.stances > 4
    assert _apart_deg(found.up, one.up) < 3.0
    assert abs(found.height - one.height) < 0.3
    assert 0 < found.tilt_error_deg < 6


def test_people_of_wrong_sizes_are_brought_onto_one_floor(low):
    near, far = walker(low, away=(-1.0, 4.0)), walker(low, away=(1.0, 7.0), heading=2.0)
    found = find_floor([_standing(low, near), _standing(low, far, 1.04)], PICTURE_UP)
    assert np.allclose(found.levels, 0)
    assert found.scales[1] / found.scales[0] == pytest.approx(1.04, abs=0.02)


def test_whoever_stands_on_a_roof_is_left_there(low):
    people = [walker(low, away=(-1.0, 5.0)), walker(low, away=(1.0, 6.0), level=2.2)]
    found = find_floor([_standing(low, one) for one in people], PICTURE_UP)
    assert found.levels[0] == 0
    assert found.levels[1] == pytest.approx(2.2, abs=0.35)
    assert np.allclose(found.scales, 1, atol=0.03)


def test_nobody_upright_is_said(low):
    one = walker(low)
    lying = _standing(low, one)
    turned = Standing(lying.times, lying.soles, lying.contacts, lying.rising[:, [1, 0, 2]], lying.upright)
    assert not find_floor([turned], PICTURE_UP).standing
    assert not find_floor([], PICTURE_UP).standing
