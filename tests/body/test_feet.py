"""Feet that stand stay where they stand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import maximum_filter1d
from walkers import true_contacts, walker

from vibe.arrays import as_numpy
from vibe.body.feet import LONGER, _held_longer, plant_feet
from vibe.body.pose import pose_joints
from vibe.body.skin_points import sole_points, sole_velocity, standing_spans
from vibe.rotations import rotvec_from_rotmat
from vibe.skeletons import SMPL


def _shaky(body, seed=0):
    """A walker whose hips, knees and ankles are read with slow errors of some degrees."""
    one, random = walker(body), np.random.default_rng(seed)
    rotmat = one.smpl.rotmat.copy()
    for name in ("hip", "knee", "ankle"):
        for side in ("left", "right"):
            angle = np.radians(3) * np.sin(4 * one.times + random.uniform(0, 6))
            turn = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], -1).reshape(-1, 2, 2)
            joint = SMPL.index(f"{side}_{name}")
            rotmat[:, joint, :, 1:] = rotmat[:, joint, :, 1:] @ turn.astype(np.float32)
    return one, replace(one.smpl, rotmat=rotmat)


def _joints(body, smpl):
    posed = pose_joints(body, smpl.rotmat, smpl.betas)[1]
    return posed - posed[:, :1] + smpl.pelvis[:, None]


def test_standing_soles_neither_slide_nor_sink(low):
    body = as_numpy(low)
    one, smpl = _shaky(low)
    contacts = true_contacts(low, one)
    ground = np.full(contacts.shape, -one.height)
    planted = plant_feet(
        body, smpl, _joints(body, smpl), contacts, one.up, ground, one.times, np.arange(len(one.times))
    )
    before, after = (sole_points(body, each, _joints(body, each))[0] for each in (smpl, planted))
    slide = []
    for each in (before, after):
        parts = [each[span, sole] for sole in range(4) for span in standing_spans(contacts[:, sole] > 0.5, one.times)]
        slide.append(np.mean([np.linalg.norm(part - part.mean(0), axis=-1).mean() for part in parts]))
    assert slide[1] < 0.2 * slide[0] and slide[1] < 0.002
    assert (after @ one.up + one.height).min() > -0.01
    # hips, knees and ankles alone are turned, and by little
    legs = [SMPL.index(f"{side}_{name}") for side in ("left", "right") for name in ("hip", "knee", "ankle")]
    others = np.setdiff1d(np.arange(24), legs)
    assert (planted.rotmat[:, others] == smpl.rotmat[:, others]).all()
    assert np.allclose(planted.rotmat @ planted.rotmat.mT, np.eye(3), atol=1e-4)
    shift = np.linalg.norm(_joints(body, planted) - _joints(body, smpl), axis=-1)
    assert shift.max() < 0.16
    # and a leg is hardly bent more than it was: the body is moved rather
    steps = np.linalg.norm(planted.pelvis - smpl.pelvis, axis=-1)
    assert 0 < steps.max() <= 0.05
    knees = [SMPL.index("left_knee"), SMPL.index("right_knee")]
    bends = [np.linalg.norm(rotvec_from_rotmat(each.rotmat[:, knees]), axis=-1) for each in (smpl, planted)]
    assert np.abs(bends[1] - bends[0]).mean() < np.radians(6)


def test_feet_that_never_stand_stay_as_they_are(low):
    body = as_numpy(low)
    one, smpl = _shaky(low)
    contacts, ground = np.zeros((len(one.times), 4), np.float32), np.full((len(one.times), 4), -9.0)
    planted = plant_feet(
        body, smpl, _joints(body, smpl), contacts, one.up, ground, one.times, np.arange(len(one.times))
    )
    assert np.allclose(planted.rotmat, smpl.rotmat, atol=2e-3)


def _correction(body, one, smpl, contacts, frames=None):
    """By how much planting moves each sole, metres, on the walker's own floor."""
    ground = np.full(contacts.shape, -one.height)
    frames = np.arange(len(one.times)) if frames is None else frames
    planted = plant_feet(body, smpl, _joints(body, smpl), contacts, one.up, ground, one.times, frames)
    before, after = (sole_points(body, each, _joints(body, each))[0] for each in (smpl, planted))
    return after - before


def test_stretches_between_gaps_are_planted_each_by_itself(low):
    body, (one, smpl) = as_numpy(low), _shaky(low)
    kept = np.r_[0:35, 52:90]
    contacts, joints, times = true_contacts(low, one)[kept], _joints(body, smpl)[kept], one.times[kept]
    given = (contacts, one.up, np.full(contacts.shape, -one.height), times, kept)
    whole = plant_feet(body, smpl.at(kept), joints, *given)
    for rows in (slice(0, 35), slice(35, None)):
        contact, up, ground, stamps, frames = (each if each is one.up else each[rows] for each in given)
        alone = plant_feet(body, smpl.at(kept).at(rows), joints[rows], contact, up, ground, stamps, frames)
        assert np.allclose(whole.rotmat[rows], alone.rotmat, atol=1e-6)
        assert np.allclose(whole.pelvis[rows], alone.pelvis, atol=1e-6)


def test_single_frames_between_gaps_move_nothing(low):
    body, (one, smpl) = as_numpy(low), _shaky(low)
    odd = replace(one, times=one.times[::2], height=one.height + 0.2)
    contacts = np.full((len(odd.times), 4), 0.5, np.float32)
    moved = _correction(body, odd, smpl.at(slice(None, None, 2)), contacts, np.arange(90)[::2])
    assert np.abs(moved).max() < 5e-4


def test_a_quick_sole_in_the_air_is_hardly_held_back(low):
    body, one = as_numpy(low), walker(low)
    soles = sole_points(body, one.smpl, one.joints)[0]
    quick = np.linalg.norm(sole_velocity(soles, one.times, 0.05), axis=-1) > 1.5
    moved = np.linalg.norm(_correction(body, one, one.smpl, np.where(quick, np.float32(0.6), np.float32(0))), axis=-1)
    assert quick.mean() > 0.1 and moved[quick].max() < 0.003


def test_a_correction_goes_smoothly_through_a_swing(low):
    body, (one, smpl) = as_numpy(low), _shaky(low)
    contacts = true_contacts(low, one)
    moved = _correction(body, one, smpl, contacts)
    level = moved - (moved @ one.up)[..., None] * one.up
    bend = np.linalg.norm(np.diff(level, 2, axis=0), axis=-1) / np.diff(one.times)[:-1, None] ** 2
    stood = maximum_filter1d(contacts.reshape(-1, 2, 2).max(-1).repeat(2, 1), 2 * round(LONGER * 30) + 1, axis=0)
    flies = stood == 0
    swings = flies[2:] & flies[1:-1] & flies[:-2]
    assert swings.sum() > 50 and bend[swings].max() < 4  # metres per second squared


def test_how_firmly_a_trembling_sole_is_held_does_not_depend_on_the_frame_rate(low):
    body, start, lifts = as_numpy(low), walker(low, frames=1), []
    for fps in (30, 240):
        frames = 2 * fps
        smpl = start.smpl.at(np.zeros(frames, int))
        noise = 0.003 * np.random.default_rng(0).standard_normal((frames, 3))
        smpl = replace(smpl, pelvis=(smpl.pelvis + noise).astype(np.float32))
        lowest = (sole_points(body, smpl, _joints(body, smpl))[0] @ start.up).min()
        one = replace(start, times=np.arange(frames) / fps, height=0.02 - lowest)
        lifts.append((_correction(body, one, smpl, np.full((frames, 4), 0.3, np.float32)) @ one.up).mean())
    assert lifts[1] == pytest.approx(lifts[0], rel=0.1)


@pytest.mark.parametrize("times", [np.arange(60) / 30, np.r_[np.arange(30) / 240, 29 / 240 + np.arange(1, 31) / 5]])
def test_a_slow_sole_is_held_a_little_longer_a_quick_one_is_not(times):
    contacts = np.zeros((60, 4))
    contacts[20:40] = 1
    ground = np.zeros((60, 4))
    held, _ = _held_longer(contacts, np.ones((60, 4)), ground, times)
    within = (times >= times[20] - LONGER - 1e-6) & (times <= times[39] + LONGER + 1e-6)
    assert within.sum() > 20 and (held[within] == 1).all() and (held[~within] == 0).all()
    # one that is quick, and read to stand with some doubt, is held as its own frame says and no longer
    held, _ = _held_longer(0.8 * contacts, np.full((60, 4), 3.0), ground, times)
    assert (held[20:40] > 0.5).all() and (held[:20] == 0).all() and (held[40:] == 0).all()


def test_a_sole_that_is_held_longer_is_held_on_the_step_that_it_stands_on():
    times, contacts, ground = np.arange(60) / 30, np.zeros((60, 4)), np.zeros((60, 4))
    contacts[:20], contacts[30:] = 1, 1
    ground[30:] = 0.17
    _, under = _held_longer(contacts, np.ones((60, 4)), ground, times)
    assert (under[:28] == 0).all() and (under[28:] == 0.17).all()
