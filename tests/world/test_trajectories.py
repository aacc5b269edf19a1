"""Depths for which standing feet stand, and the path of a camera that travels."""

from __future__ import annotations

import numpy as np
from walkers import true_contacts, walker

from vibe.arrays import as_numpy
from vibe.body.skin_points import sole_points
from vibe.world import trajectories
from vibe.world.trajectories import Walk, solve_paths


def _walk(body, one, depth):
    """As the fit would have it: in every frame at another distance than the person is."""
    soles, _ = sole_points(as_numpy(body), one.smpl, one.joints)
    sight = one.smpl.pelvis / np.linalg.norm(one.smpl.pelvis, axis=-1, keepdims=True)
    contacts = true_contacts(body, one)
    away = sight * depth[:, None]
    ground = np.full(contacts.shape, -one.height)
    return Walk(np.arange(len(depth)), one.smpl.pelvis + away, soles + away[:, None], contacts, ground)


def test_a_depth_that_sways_is_steadied_by_standing_feet(low):
    one = walker(low)
    swaying = 0.2 * np.sin(3 * one.times)
    walk = _walk(low, one, swaying)
    (steps,), path = solve_paths([walk], one.times, one.up)
    speeds = [np.diff(np.linalg.norm(each - one.smpl.pelvis, axis=-1)) for each in (walk.pelvis, walk.pelvis + steps)]
    assert not path.any()
    assert np.abs(speeds[1]).mean() < 0.8 * np.abs(speeds[0]).mean()
    across = steps - (steps @ one.up)[:, None] * one.up
    assert np.abs(np.cross(across, walk.pelvis) @ one.up).max() < 1e-6  # along the line of sight, and up or down


def test_a_camera_goes_its_likely_path_a_little_longer_or_shorter_as_the_feet_tell(low):
    one = walker(low, frames=120)
    # the same walk, seen by a camera that goes to the right and forwards
    true = np.stack([0.5 * one.times, 0.0 * one.times, 0.3 * one.times], 1)
    walk = _walk(low, one, np.zeros(len(one.times)))
    moved = Walk(walk.frames, walk.pelvis - true, walk.soles - true[:, None], walk.contacts, walk.ground)
    _, path = solve_paths([moved], one.times, one.up, 1.1 * true)
    length, error = np.linalg.norm(true[-1]), np.linalg.norm(path - true, axis=-1)
    assert error.max() < 0.095 * length
    assert np.allclose(path, path[-1:] * one.times[:, None] / one.times[-1], atol=0.03)


def test_standing_soles_tell_a_travelling_camera_more_than_one_that_stands(low, monkeypatch):
    one = walker(low, frames=120)
    true = np.stack([0.5 * one.times, 0.0 * one.times, 0.3 * one.times], 1)
    walk, random = _walk(low, one, np.zeros(len(one.times))), np.random.default_rng(0)
    shaken = walk.soles - true[:, None] + 0.01 * random.standard_normal(walk.soles.shape)
    moved = Walk(walk.frames, walk.pelvis - true, shaken, walk.contacts, walk.ground)
    trembling = true + np.cumsum(0.003 * random.standard_normal(true.shape), 0)
    slides = []
    for sway in (trajectories.SWAY, trajectories.SLIDE):
        monkeypatch.setattr(trajectories, "SWAY", sway)
        (step,), path = solve_paths([moved], one.times, one.up, trembling)
        places = moved.soles + (step + path)[:, None]
        stands = np.minimum(moved.contacts[1:], moved.contacts[:-1]) > 0.5
        slides.append(np.linalg.norm(np.diff(places, axis=0), axis=-1)[stands].mean())
    assert slides[0] < 0.95 * slides[1]


def test_nobody_moves_nothing():
    steps, path = solve_paths([], np.arange(5.0), np.array([0.0, -1.0, 0.0]), np.zeros((5, 3)))
    assert steps == [] and path.shape == (5, 3) and not path.any()
