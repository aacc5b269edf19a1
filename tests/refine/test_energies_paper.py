import math
from dataclasses import replace

import numpy as np
import parity
import pytest
import roma
import torch

from vibe.assets.archives import read_npz
from vibe.refine import energies_paper
from vibe.refine.energies import FitEvidence, FitPose
from vibe.refine.energies_paper import OPEN, load_mixture, mixture_energy, mixture_model
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


@pytest.fixture
def parts():
    """Means, covariances and weights of three Gaussians."""
    factors = 0.1 * torch.randn(3, 69, 69, dtype=torch.float64)
    covars = factors @ factors.mT + 0.05 * torch.eye(69)
    return 0.3 * torch.randn(3, 69, dtype=torch.float64), covars, torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)


def test_the_energy_is_minus_the_log_density_of_the_best_part_up_to_a_constant(parts):
    poses = 0.3 * torch.randn(5, 4, 69, dtype=torch.float64)
    means, covars, weights = parts
    logs = [
        torch.distributions.MultivariateNormal(mean, covar).log_prob(poses) + math.log(weight)
        for mean, covar, weight in zip(means, covars, weights.tolist(), strict=True)
    ]
    found = mixture_energy(poses, mixture_model(*parts)) + torch.stack(logs).amax(0)
    assert found.shape == (5, 4)
    torch.testing.assert_close(found, found[0, 0].expand_as(found), rtol=1e-4, atol=1e-3)


def test_what_is_no_mixture_is_refused(parts, tmp_path):
    means, covars, weights = parts
    with pytest.raises(ValueError, match="1 covariances and 0 weights"):
        mixture_model(means, covars * torch.tensor([1.0, -1.0, 1.0])[:, None, None], weights)
    with pytest.raises(ValueError, match="0 covariances and 1 weights"):
        mixture_model(means, covars, weights - 0.2)
    path = tmp_path / "pose_mixture.npz"
    np.savez(path, means=means, covars=covars[:, :60])
    with pytest.raises(ValueError, match=r"`covars` is of shape \(3, 60, 69\)"):
        load_mixture(path)
    path.write_bytes(b"no zip")
    with pytest.raises(ValueError, match="no pose mixture"):
        load_mixture(path)


def test_a_user_s_file_is_read(parts, tmp_path):
    means, covars, weights = parts
    np.savez(tmp_path / "pose_mixture.npz", means=means, covars=covars, weights=weights)
    found = load_mixture(tmp_path / "pose_mixture.npz")
    torch.testing.assert_close(found.means, means.float())
    torch.testing.assert_close(found.roots, mixture_model(*parts).roots)


def test_the_shipped_mixture_likes_a_person_s_pose_better_than_a_knot():
    stand, knot = torch.zeros(69), 1.5 * torch.randn(69)
    stand[[47, 50]] = torch.tensor([-1.2, 1.2])
    assert mixture_energy(stand, load_mixture()) < mixture_energy(knot, load_mixture()) - 100


def test_the_shipped_mixture_is_small_and_says_what_it_is():
    about = read_npz(OPEN)
    assert OPEN.stat().st_size < 300_000
    assert str(about["name"]) == "open-mixture"
    assert "NSF EIA-0196217" in str(about["licence"]) and "CC BY 3.0" in str(about["licence"])
