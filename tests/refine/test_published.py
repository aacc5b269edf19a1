import pytest
import reference
import roma
import torch

from vibe import skeletons
from vibe.cameras import CROP_SCALE
from vibe.refine import published
from vibe.refine.fitting import BODY, CAMERA, ENERGIES
from vibe.refine.mixture import axis_angle, mixture, mixture_energy
from vibe.refine.priors import TORSO, Evidence, Pose


@pytest.fixture
def prior(shared):
    """The recipe's mixture."""
    make = reference.recipe(shared)
    means, factors, weights = (
        torch.from_numpy(make.array(f"gmm.{name}", shape, scale))
        for name, shape, scale in (("means", (8, 69), 0.3), ("factors", (8, 69, 69), 0.05), ("weights", (8,), 1.0))
    )
    covars = factors.double() @ factors.double().mT + 0.05 * torch.eye(69)
    weights = weights.double().abs() + 0.1
    return mixture(means, covars, weights / weights.sum())


@pytest.fixture
def scene_of_reference(shared):
    """The recipe's pose and evidence: the crop is the picture, its camera the paper's."""
    make = reference.recipe(shared)

    def array(name, shape, scale=1.0):
        return torch.from_numpy(make.array(f"fit.{name}", shape, scale))

    body_pose = array("body_pose", (16, 69), 0.3)
    rotmat = roma.rotvec_to_rotmat(torch.cat([torch.zeros(16, 3), body_pose], -1).unflatten(-1, (24, 3)))
    away = torch.tensor([0.0, 0.0, 45.0])
    trans, before = array("cam_t", (16, 3), 0.1) + away, array("cam_t0", (16, 3), 0.1) + away
    confidence = array("confidence", (16, 49), 0.5).abs().clamp(0, 1)
    keypoints_px = torch.cat([array("keypoints", (16, 49, 2), 40) + 112, confidence[..., None]], -1)
    joints = array("joints", (16, 49, 3), 0.4)
    K_px = torch.tensor([[5000.0, 0.0, 112.0], [0.0, 5000.0, 112.0], [0.0, 0.0, 1.0]])
    size_px = torch.full((16,), published.CROP_PX / CROP_SCALE)
    torso = tuple(skeletons.index(skeletons.SPIN49, ["op_" + name for name in TORSO]))
    seen = Evidence(keypoints_px, K_px, size_px, torch.arange(16.0), before[:, 2], torso)
    return Pose(torch.zeros(16, 24, 3), rotmat, array("betas", (1, 10))[0], trans, joints[:, :24], joints), seen


def agree(shared, name, found):
    expected = torch.from_numpy(reference.entry(shared, f"smplify.{name}"))
    torch.testing.assert_close(found.reshape(expected.shape).float(), expected, rtol=1e-4, atol=1e-4)


def test_the_priors_are_the_published_ones(shared, scene_of_reference, prior):
    pose, _ = scene_of_reference
    agree(shared, "pose_prior", mixture_energy(axis_angle(pose.rotmat), prior))
    agree(shared, "angle_prior", published.bent_backwards(pose.rotmat))


def test_the_evidence_counts_as_published(shared, scene_of_reference):
    agree(shared, "reprojection", published.missed(*published.in_crop(*scene_of_reference)))


def test_the_stages_lower_the_published_sums(shared, scene_of_reference, prior):
    energies = ENERGIES | {"pose_prior": published.mixture_prior(prior)}
    for name, stage in (("camera_loss", CAMERA), ("body_loss", BODY)):
        terms = [weight * energies[key](*scene_of_reference) for key, weight in stage.weights.items()]
        agree(shared, name, torch.stack(terms).sum())


def test_the_energies_do_not_depend_on_the_resolution(scene_of_reference):
    pose, seen = scene_of_reference
    triple = torch.tensor([3.0, 3.0, 1.0])
    large = Evidence(
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
    turned = Pose(offset, rotmat, pose.betas, pose.trans, pose.joints, pose.keypoints)
    for name in ("pose_prior", "angle_prior", "straightness", "nearness", "steadiness"):
        (gradient,) = torch.autograd.grad(ENERGIES[name](turned, seen), offset, retain_graph=True)
        assert gradient.isfinite().all(), name


def test_the_robust_square_is_the_square_when_small_and_bounded_when_large():
    x = torch.tensor([0.1, 1e6])
    assert abs(float(published.geman_mcclure(x)[0]) - 0.01) < 1e-6
    assert abs(float(published.geman_mcclure(x)[1]) - 1e4) < 1
