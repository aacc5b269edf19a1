from dataclasses import replace

import roma
import torch

from vibe import skeletons
from vibe.body.load import load_body
from vibe.data.motion import clip_weights, find_motion, load_motions
from vibe.records import GeneratorOutput
from vibe.skeletons import SMPL
from vibe.synthetic import examples, keypoint_noise, poses
from vibe.train import losses
from vibe.train.recipes import RECIPES, Recipe


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def example(recipe: Recipe, noisy: bool, known: float = 0.3) -> examples.Example:
    motions = load_motions([find_motion("tiny.npz")], held_out=False)
    config = replace(recipe.synthesis, batch=16, ends=1.0, views=replace(recipe.synthesis.views, known=known))
    return examples.synthesise(motions, clip_weights(motions), load_body(), config, seeded(), noisy)


def test_the_same_random_state_makes_the_same_example(tiny: Recipe) -> None:
    first, second = example(tiny, True), example(tiny, True)
    assert torch.equal(first.evidence.keypoints, second.evidence.keypoints)
    assert torch.equal(first.rotmat, second.rotmat)


def test_without_noise_the_evidence_is_the_truth(tiny: Recipe) -> None:
    batch = example(tiny, False)
    torch.testing.assert_close(batch.evidence.keypoints[..., :2], batch.keypoints_2d, atol=1e-5, rtol=0)


def test_hands_and_feet_go_astray_with_wrists_and_ankles_and_are_of_some_windows_only() -> None:
    generator, noise = seeded(), keypoint_noise.NoiseConfig(ends_mm=(0.0,) * 5)
    truth, metre = torch.randn(8, 12, 27, 2, generator=generator), torch.ones(8, 12, 27)
    detected = keypoint_noise.imitate_detector(truth[:, :, :17], metre[:, :, :17], torch.ones(8, 2), noise, generator)
    ends = keypoint_noise.imitate_ends(truth, detected, metre, noise, generator)
    for k, name in enumerate(skeletons.DETECTED27[17:]):
        side, part = name.split("_")
        near = skeletons.COCO.index(f"{side}_{'ankle' if part in ('heel', 'toes') else 'wrist'}")
        torch.testing.assert_close(
            ends[:, :, k, :2] - truth[:, :, 17 + k], detected[:, :, near, :2] - truth[:, :, near]
        )
        assert ((ends[:, :, k, 2] == 0) == (detected[:, :, near, 2] == 0)).all()


def test_the_true_body_seen_by_the_best_weak_camera_lies_on_its_keypoints(tiny: Recipe) -> None:
    batch = example(tiny, False, known=1.0)
    points = batch.points[..., 24:, :].double()
    rays = batch.keypoints_2d.double() * batch.half_side[..., None, None]
    ones, zeros = torch.ones_like(rays[..., 0]), torch.zeros_like(rays[..., 0])
    rows = torch.stack([
        torch.stack([ones, zeros, -rays[..., 0]], -1), torch.stack([zeros, ones, -rays[..., 1]], -1)
    ], -2).flatten(-3, -2)  # fmt: skip
    aims = (rays * points[..., 2:] - points[..., :2]).flatten(-2)[..., None]
    pelvis = torch.linalg.lstsq(rows, aims).solution[..., 0]
    scale = 1 / (pelvis[..., 2] * batch.half_side)
    seen = losses.project_weak(points, torch.stack([scale, pelvis[..., 0], pelvis[..., 1]], -1), batch.half_side)
    close = (batch.keypoints_2d.abs().amax((-1, -2)) < 2.5) & (pelvis[..., 2] > 1)
    assert close.float().mean() > 0.8
    torch.testing.assert_close(seen[close], batch.keypoints_2d.double()[close], atol=2e-3, rtol=0)


def test_the_truth_has_no_loss(tiny: Recipe) -> None:
    batch = example(tiny, True)
    theta = GeneratorOutput(batch.rotmat, batch.betas[:, None].expand(-1, 8, -1), torch.ones(16, 8, 3))
    terms = losses.keypoint_losses(theta, batch, load_body(), losses.LossConfig())
    for name in ("points", "shape_of_pose", "rotations", "betas", "velocity"):
        assert float(terms[name]) < 0.01, name


def test_a_detector_without_errors_says_the_truth() -> None:
    silent = keypoint_noise.NoiseConfig(
        bias_mm=(0.0,) * 9, spike=0.0, astray=0.0, swap=0.0, lost=0.0, cut=0.0, blank=0.0, mood=0.0, vague=0.0
    )
    truth, metre = torch.rand(4, 10, 17, 2) - 0.5, torch.full((4, 10, 17), 0.2)
    seen = keypoint_noise.imitate_detector(truth, metre, torch.ones(4, 2), silent, seeded())
    torch.testing.assert_close(seen[..., :2], truth)
    assert seen[..., 2].min() > 0.7


def test_confidence_falls_with_the_error() -> None:
    truth, metre = torch.zeros(64, 20, 17, 2), torch.full((64, 20, 17), 0.2)
    seen = keypoint_noise.imitate_detector(truth, metre, torch.ones(64, 2), keypoint_noise.NoiseConfig(), seeded())
    error, confidence = seen[..., :2].norm(dim=-1) / 0.2, seen[..., 2]
    there = confidence > 0
    assert confidence[there & (error < 0.03)].mean() > confidence[there & (error > 0.15)].mean() + 0.2


def test_wobble_never_bends_a_hinge_backwards() -> None:
    still = torch.tensor([0.0, 0.0, 0.0, 1.0]).expand(200, 8, 24, 4)
    rotvec = roma.unitquat_to_rotvec(poses.wobble(still, 1.0, seeded()))
    for name, (axis, sense) in poses.HINGES.items():
        joint = SMPL.index(name)
        assert (rotvec[:, :, joint, axis] * sense).min() > -1e-5


def test_wobble_stretches_a_bent_hinge_until_it_is_straight_and_no_further() -> None:
    bend = torch.zeros(24, 3)
    for name, (axis, sense) in poses.HINGES.items():
        bend[SMPL.index(name), axis] = 0.2 * sense
    bent = roma.rotvec_to_unitquat(bend).expand(400, 8, 24, 4)
    rotvec = roma.unitquat_to_rotvec(poses.wobble(bent, 1.0, seeded()))
    for name in ("left_knee", "right_knee"):
        flexion = rotvec[:, :, SMPL.index(name), 0]
        assert flexion.min() > -0.05 and (flexion < 0.1).float().mean() > 0.05 and (flexion > 0.3).float().mean() > 0.05


def test_the_share_of_exact_windows_falls_as_the_training_goes_on(tiny: Recipe) -> None:
    motions, body = load_motions([find_motion("tiny.npz")], held_out=False), load_body()
    config = replace(tiny.synthesis, batch=64, exact=(0.75, 0.0))
    first, last = (
        examples.synthesise(motions, clip_weights(motions), body, config, seeded(), done=done) for done in (0.0, 1.0)
    )
    shares = [
        float(
            ((batch.evidence.keypoints[..., :2] - batch.keypoints_2d)[:, :, :17].abs().amax((1, 2, 3)) < 1e-5)
            .float()
            .mean()
        )
        for batch in (first, last)
    ]
    assert 0.55 < shares[0] < 0.9 and shares[1] == 0


def test_exchanged_limbs_come_whole_from_one_window() -> None:
    windows = torch.arange(6.0)[:, None, None, None].expand(6, 4, 24, 4)
    mixed = poses.exchange_limbs(windows, 0.7, seeded())
    for group in poses.GROUPS:
        joints = [SMPL.index(name) for name in group]
        assert (mixed[:, :, joints] == mixed[:, :1, joints[:1]]).all()
    assert (mixed[:, :, 0] == windows[:, :, 0]).all()


def test_the_shipped_recipes_name_their_licence() -> None:
    assert "NSF EIA-0196217" in RECIPES["open"].licence
    assert "non-commercial" in RECIPES["open-nc"].licence
