"""Feet that stand stay where they stand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from walkers import true_contacts, walker

from vibe.arrays import as_numpy
from vibe.body.feet import plant_feet
from vibe.body.pose import pose_joints
from vibe.body.skin_points import sole_points, standing_spans
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
    planted = plant_feet(body, smpl, _joints(body, smpl), contacts, one.up, ground, one.times)
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
    planted = plant_feet(body, smpl, _joints(body, smpl), contacts, one.up, ground, one.times)
    assert np.allclose(planted.rotmat, smpl.rotmat, atol=2e-3)
