"""Laws of motion that is put on a floor."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vibe import body as bodies
from vibe.records import SmplParams
from vibe.synthetic.clips import walk
from vibe.synthetic.standing import foot_points, stand_on_floor

FPS = 30.0
R_ZUP_YUP = torch.tensor([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])


@pytest.fixture(scope="module")
def body():
    return bodies.load_body(detail="low")


@pytest.fixture(scope="module")
def walked(body):
    """A walk made for one body, done by another, 20 cm above the floor, which slides backwards."""
    times = torch.arange(60, dtype=torch.float64) / FPS
    rotmat, pelvis = walk(body, torch.zeros(10), times, 0.3 * times)
    rotmat = torch.cat([(R_ZUP_YUP @ rotmat[:, 0])[:, None], rotmat[:, 1:]], 1)
    pelvis = pelvis @ R_ZUP_YUP.mT + torch.tensor([0.0, 0.0, 0.2]) - 0.04 * times.float()[:, None] * torch.eye(3)[0]
    betas = torch.tensor([1.2, -0.8, 0.5, 0, 0, 0.9, 0, 0, 0, 0])
    return SmplParams(rotmat, betas, pelvis), *stand_on_floor(body, SmplParams(rotmat, betas, pelvis), FPS)


def test_feet_that_stand_stay_and_soles_are_on_the_floor(body, walked):
    before, after, stands = walked
    feet = foot_points(body, after) + after.pelvis.numpy()[:, None]
    slid = np.linalg.norm(np.diff(feet, axis=0), axis=-1)[stands[1:] & stands[:-1]]
    assert stands.any(1).mean() > 0.55 and slid.mean() < 0.0015
    surface = bodies.vertices(body, after.rotmat, after.betas) - bodies.rest_joints(body, after.betas)[0]
    soles = (surface[..., 2].amin(-1) + after.pelvis[:, 2]).numpy()
    assert np.abs(soles[stands.any(1)]).mean() < 0.008 and np.abs(soles).max() < 0.03


def test_poses_are_changed_by_little_and_only_in_the_legs(walked):
    before, after, _ = walked
    turned = torch.rad2deg(torch.linalg.matrix_norm(before.rotmat - after.rotmat) / 2**0.5)
    upper = [joint for joint in range(24) if joint not in (1, 2, 4, 5, 7, 8)]
    assert turned[:, upper].max() == 0 and turned.mean(0).max() < 6
    assert torch.equal(before.betas, after.betas)


def test_who_flies_is_not_pulled_down_in_the_air(body, walked):
    before, *_ = walked
    time = torch.arange(60) / FPS
    standing = SmplParams(
        before.rotmat[:1].expand(60, -1, -1, -1), before.betas, before.pelvis[:1].expand(60, -1).clone()
    )
    flight = (0.5 * 9.81 * (0.25**2 - (time - 1.0) ** 2)).clamp(min=0)
    standing.pelvis[:, 2] += flight
    after, stands = stand_on_floor(body, standing, FPS)
    assert not stands[28:33].any() and stands[:20].any(1).all() and stands[45:].any(1).all()
    assert (after.pelvis[30, 2] - after.pelvis[5, 2]) == pytest.approx(float(flight[30]), abs=0.02)
