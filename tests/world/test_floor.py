"""Up, floor, levels and sizes from how people stand; heels and toes that stand, and what is under them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from walkers import FPS, walker

from vibe.arrays import as_numpy
from vibe.body.pose import pose_joints
from vibe.body.posture import posture
from vibe.body.skin_points import rest_soles, sole_points, standing_spans
from vibe.records import SmplParams
from vibe.rotations import rotmat_from_rotvec
from vibe.skeletons import SMPL
from vibe.world.floor import Standing, contact_probability, find_floor, ground_heights

PICTURE_UP = np.array([0.0, -1.0, 0.0])


def _standing(body, one, size=1.0, path=None):
    """As if the person were so much smaller and nearer, which looks the same, and the camera on a path."""
    soles, _ = sole_points(as_numpy(body), one.smpl, one.joints)
    sight = one.smpl.pelvis / np.linalg.norm(one.smpl.pelvis, axis=-1, keepdims=True)
    contacts = contact_probability(soles, one.joints, sight, one.up, one.times)
    path = np.zeros((len(one.times), 3)) if path is None else path
    return Standing(one.times, soles / size - path[:, None], path, contacts, *posture(one.joints))


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


def test_a_camera_that_rises_on_its_way_sees_the_floor_of_one_that_stands(low):
    one = walker(low)
    rising = np.linspace(0, 1, len(one.times))[:, None] * (0.8 * one.up + [0.5, 0.0, 0.3])
    stood, rose = (find_floor([_standing(low, one, path=path)], PICTURE_UP) for path in (0 * rising, rising))
    assert _apart_deg(stood.up, rose.up) < 0.2 and abs(stood.height - rose.height) < 0.02


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
    turned = replace(lying, rising=lying.rising[:, [1, 0, 2]])
    assert not find_floor([turned], PICTURE_UP).standing
    assert not find_floor([], PICTURE_UP).standing


def _contacts(body, one, up=None):
    soles, _ = sole_points(as_numpy(body), one.smpl, one.joints)
    sight = one.smpl.pelvis / np.linalg.norm(one.smpl.pelvis, axis=-1, keepdims=True)
    return soles, contact_probability(soles, one.joints, sight, one.up if up is None else up, one.times)


def test_heels_lie_behind_toes_and_both_at_the_sole(low):
    body = as_numpy(low)
    points = rest_soles(body, np.zeros(10, np.float32))
    soles, _ = sole_points(body, (one := walker(low, 2)).smpl, one.joints)
    assert points[0, 2] < points[1, 2] and points[2, 2] < points[3, 2]
    lengths = np.linalg.norm(soles[:, 1] - soles[:, 0], axis=-1)
    assert (lengths > 0.12).all() and (lengths < 0.3).all()


def test_a_walker_stands_on_the_foot_that_does_not_move(low):
    soles, contacts = _contacts(low, one := walker(low))
    speed = np.linalg.norm(np.gradient(soles, one.times, axis=0), axis=-1)
    still, swinging = speed < 0.1, speed > 1.0
    assert contacts[still].mean() > 0.8
    assert contacts[swinging].max() < 0.3
    # the walker made by rule slides by itself while the weight goes from foot to foot, so not in all frames
    feet = contacts.reshape(len(contacts), 2, 2).max(-1) > 0.5
    assert feet.any(-1).mean() > 0.5 and feet.all(-1).mean() < 0.3


def test_a_foot_that_is_read_with_noise_stands_throughout(low):
    one = walker(low, 60)
    soles, _ = sole_points(as_numpy(low), one.smpl, one.joints)
    still = soles[:1] + 0.008 * np.random.default_rng(0).standard_normal((60, 4, 3))
    still -= ((still - soles[:1]) @ one.up)[..., None] * one.up.astype(np.float32)
    still[:, 1::2] += ((still[:, ::2] - still[:, 1::2]) @ one.up)[..., None] * one.up
    sight = one.smpl.pelvis / np.linalg.norm(one.smpl.pelvis, axis=-1, keepdims=True)
    found = contact_probability(still.astype(np.float32), one.joints, sight, one.up, one.times)
    lowest = (still @ one.up).mean(0) < (still @ one.up).min() + 0.01
    assert (found[:, lowest] > 0.5).mean() > 0.9


def test_whoever_is_upside_down_does_not_stand_on_the_feet(low):
    one = walker(low)
    _, contacts = _contacts(low, one, up=-one.up)
    assert contacts.max() < 0.1


def test_a_foot_that_is_held_up_does_not_stand_however_still_it_is(low):
    one = walker(low, 30)
    standing = SmplParams(one.smpl.rotmat[:1].repeat(30, 0), one.smpl.betas, one.smpl.pelvis[:1].repeat(30, 0))
    hip, knee = SMPL.index("right_hip"), SMPL.index("right_knee")
    bent = rotmat_from_rotvec(np.array([[-1.5, 0, 0], [1.5, 0, 0]], np.float32))
    standing.rotmat[:, [hip, knee]] = bent
    posed = pose_joints(as_numpy(low), standing.rotmat, standing.betas)[1]
    joints = posed - posed[:, :1] + standing.pelvis[:, None]
    _, contacts = _contacts(low, replace(one, smpl=standing, joints=joints))
    assert contacts[:, 2:].max() < 0.1 < contacts[:, :2].max(-1).min()


def test_a_stance_lasts_a_tenth_of_a_second():
    standing = np.zeros(30, bool)
    standing[[3, 4]] = True
    standing[10:20] = True
    assert standing_spans(standing, np.arange(30) / FPS) == [slice(10, 20)]


@pytest.mark.parametrize(("height", "expected"), [(0.03, 0.0), (0.95, 1.0), (0.5, 0.5)])
def test_a_stance_is_on_a_known_level_or_on_its_own(height, expected):
    times, contacts = np.arange(40) / FPS, np.zeros((40, 4), np.float32)
    contacts[:15], contacts[25:, 0] = 1.0, 1.0
    heights = np.zeros((40, 4))
    heights[25:] = height
    ground = ground_heights(heights, contacts, np.array([1.0]), times)
    assert np.allclose(ground[:15], 0.0)
    assert np.allclose(ground[25:, 0], expected)
    assert np.allclose(ground[15:25], 0.0)  # between two the lower one, so that nobody is lifted while they jump


def test_one_frame_tells_nothing_and_nothing_stands(low):
    one = walker(low, 1)
    assert (_contacts(low, one)[1] == 0).all()
