import math
from dataclasses import replace

import pytest
import roma
import torch

from vibe import cameras, skeletons
from vibe.records import BY_HAND, SmplParams
from vibe.refine import energies
from vibe.refine.energies import FitEvidence, FitPose, acceleration, bones_in_depth
from vibe.refine.presets import OPEN
from vibe.refine.smplify import ENERGIES


@pytest.fixture
def pose_and_evidence(scene, body):
    a = scene(20)
    joints, keypoints = body(a.rotmat, a.betas)
    pelvis = joints[:, :1]
    smpl = SmplParams(a.rotmat, torch.zeros(10), a.trans)
    pose = FitPose(torch.zeros(20, 24, 3), smpl, joints - pelvis, keypoints - pelvis)
    return pose, FitEvidence(a.keypoints_px, a.K_px, torch.full((20,), 500.0), a.times, a.trans[:, 2])


def test_true_keypoints_cost_nothing(pose_and_evidence):
    assert ENERGIES["reprojection"](*pose_and_evidence) < 1e-4


def test_a_keypoint_costs_at_most_its_confidence_squared(pose_and_evidence):
    pose, seen = pose_and_evidence
    keypoints_px = seen.keypoints_px.clone()
    keypoints_px[3, 7] = torch.tensor([1e6, 1e6, 0.5])
    assert abs(float(ENERGIES["reprojection"](pose, replace(seen, keypoints_px=keypoints_px))) - 0.25) < 1e-3


def test_a_keypoint_that_somebody_put_there_costs_the_square_of_its_distance_however_far_it_is(pose_and_evidence):
    pose, seen = pose_and_evidence
    costs = []
    for away in (1e3, 2e3):
        keypoints_px = seen.keypoints_px.clone()
        keypoints_px[3, 7] += torch.tensor([away, 0.0, BY_HAND - 1])
        costs.append(float(ENERGIES["reprojection"](pose, replace(seen, keypoints_px=keypoints_px))))
    assert costs[0] > 1000 and costs[1] == pytest.approx(4 * costs[0], rel=0.01)


def test_an_unsure_keypoint_s_error_counts_by_the_fourth_power_of_its_confidence(pose_and_evidence):
    pose, seen = pose_and_evidence
    costs = []
    for confidence in (1.0, 0.5):
        keypoints_px = seen.keypoints_px + torch.tensor([1.0, 0.0, confidence - 1])
        costs.append(float(ENERGIES["reprojection"](pose, replace(seen, keypoints_px=keypoints_px))))
    assert costs[1] == pytest.approx(costs[0] / 16, rel=1e-2)


def test_an_acceleration_counts_squared_where_it_is_small_and_by_its_logarithm_where_it_is_large(pose_and_evidence):
    pose, seen = pose_and_evidence
    fall = 0.5 * seen.times.float()[:, None, None].square() * (torch.arange(24) == 5)[:, None] * torch.eye(3)[0]
    costs = [
        float(ENERGIES["joint_acceleration"](replace(pose, joints=size * fall), seen)) for size in (0.1, 500, 1000)
    ]
    assert costs[0] == pytest.approx(18 * 0.1**2, rel=0.02)
    assert costs[2] - costs[1] == pytest.approx(18 * energies.BRISK**2 * math.log(4), rel=0.02)


def test_a_bone_pays_for_leaving_the_depth_that_the_landmarks_tell(pose_and_evidence, monkeypatch):
    pose, seen = pose_and_evidence
    landmarks = torch.zeros(20, 33, 6)
    sight = torch.nn.functional.normalize(pose.smpl.pelvis, dim=-1)
    coco = skeletons.index(skeletons.BLAZEPOSE, skeletons.COCO)
    R_sight_cam = cameras.crop_view(
        torch.nn.functional.pad(cameras.project(pose.smpl.pelvis, seen.K_px), (0, 2)), seen.K_px
    )[0]
    landmarks[:, coco, 2:5] = (R_sight_cam[:, None] @ pose.keypoints[..., None])[..., 0] * 1.3
    landmarks[..., 5] = 1
    monkeypatch.setattr(energies, "_BIAS", [0.0] * 8)
    assert torch.allclose((R_sight_cam @ sight[..., None])[..., 2, 0], torch.ones(20), atol=1e-5)
    agreed = replace(seen, bones=bones_in_depth(landmarks))
    assert ENERGIES["bone_depth"](pose, agreed) < 1e-4 and ENERGIES["bone_depth"](pose, seen) == 0
    landmarks[:, coco, 4] *= -1
    assert ENERGIES["bone_depth"](pose, replace(seen, bones=bones_in_depth(landmarks))) > 1
    landmarks[..., 5] = 0
    assert ENERGIES["bone_depth"](pose, replace(seen, bones=bones_in_depth(landmarks))) == 0


@pytest.mark.parametrize(("joint", "axis", "good"), [(4, 0, 1), (5, 0, 1), (18, 1, -1), (19, 1, 1)])
def test_knees_and_elbows_bend_one_way(pose_and_evidence, joint, axis, good):
    pose, seen = pose_and_evidence
    straight = torch.eye(3).repeat(20, 24, 1, 1)
    costs = []
    for angle in (good * 0.5, -good * 0.5):
        rotmat = straight.clone()
        rotmat[:, joint] = roma.rotvec_to_rotmat(angle * torch.eye(3)[axis])
        costs.append(float(ENERGIES["straightness"](replace(pose, smpl=replace(pose.smpl, rotmat=rotmat)), seen)))
    assert costs[0] == 0 and abs(costs[1] - 20 * torch.tensor(0.5).sin().square()) < 1e-4


def test_acceleration_is_known_at_uneven_times():
    times = torch.tensor([0.0, 0.1, 0.15, 0.4, 0.45], dtype=torch.float64)
    fall = -4.9 * times[:, None] ** 2 + 3 * times[:, None]
    assert torch.allclose(acceleration(fall, times), torch.full((3, 1), -9.8, dtype=torch.float64))


@pytest.mark.parametrize("name", [name for name in OPEN.weights if name != "reprojection"])
def test_a_body_at_rest_as_the_network_has_it_costs_nothing(name, pose_and_evidence):
    pose, seen = pose_and_evidence
    still = replace(
        pose,
        smpl=SmplParams(torch.eye(3).repeat(20, 24, 1, 1), pose.smpl.betas, pose.smpl.pelvis[:1].expand(20, -1)),
        joints=pose.joints[:1].expand(20, -1, -1),
    )
    assert ENERGIES[name](still, seen) == 0
