from dataclasses import replace

import parity
import pytest
import roma
import torch

from vibe.refine import energies_paper
from vibe.refine.energies import FitEvidence, FitPose
from vibe.refine.smplify import ENERGIES


@pytest.fixture
def scene_of_reference(given):
    """The published crop is the picture, its camera the paper's."""
    return parity.fitting_scene(given)


def test_the_energies_do_not_depend_on_the_resolution(scene_of_reference):
    pose, seen = scene_of_reference
    triple = torch.tensor([3.0, 3.0, 1.0])
    large = FitEvidence(
        seen.keypoints_px * triple, triple[:, None] * seen.K_px, 3 * seen.size_px, seen.times, seen.depth, seen.torso
    )
    for name in ("crop_reprojection", "torso", "depth", "smooth_picture", "smooth_space"):
        torch.testing.assert_close(ENERGIES[name](pose, large), ENERGIES[name](pose, seen), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("angle", [0.0, 1e-7, 1.0, torch.pi - 1e-6, torch.pi])
@pytest.mark.parametrize("axis", range(3))
def test_gradients_are_finite_at_every_angle(scene_of_reference, angle, axis):
    pose, seen = scene_of_reference
    turn = (angle * torch.eye(3)[axis]).repeat(16, 24, 1)
    offset = torch.zeros(16, 24, 3, requires_grad=True)
    rotmat = roma.rotvec_to_rotmat(turn) @ roma.rotvec_to_rotmat(offset)
    turned = FitPose(offset, replace(pose.smpl, rotmat=rotmat), pose.joints, pose.keypoints)
    for name in ("pose_prior", "angle_prior", "straightness", "nearness", "steadiness"):
        (gradient,) = torch.autograd.grad(ENERGIES[name](turned, seen), offset, retain_graph=True)
        assert gradient.isfinite().all(), name


def test_the_robust_square_is_the_square_when_small_and_bounded_when_large():
    x = torch.tensor([0.1, 1e6])
    assert abs(float(energies_paper.geman_mcclure(x)[0]) - 0.01) < 1e-6
    assert abs(float(energies_paper.geman_mcclure(x)[1]) - 1e4) < 1
