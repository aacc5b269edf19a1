import math
from dataclasses import replace

import pytest
import roma
import torch
from torch import Tensor

from vibe.body import joints
from vibe.body.load import load_body
from vibe.data.motion import clip_weights, find_motion, load_motions
from vibe.records import GeneratorOutput
from vibe.skeletons import SMPL
from vibe.synthetic.examples import Example, feet_down, synthesise
from vibe.train.losses_keypoints import STRIDES, LossConfig, flexion, keypoint_losses, motion_errors, slide
from vibe.train.recipes import Recipe


def walk(speed: float) -> Tensor:
    """A left foot that stands and a right one that goes ahead, metres, y up."""
    feet = torch.zeros(10, 2, 3)
    feet[:, 1, 2] = speed * torch.arange(10)
    return feet


def example(recipe: Recipe) -> Example:
    motions = load_motions([find_motion("tiny.npz")], held_out=False)
    return synthesise(motions, clip_weights(motions), load_body(), recipe.synthesis, torch.Generator().manual_seed(0))


def exact(batch: Example) -> GeneratorOutput:
    return GeneratorOutput(batch.rotmat, batch.betas[:, None].expand(*batch.rotmat.shape[:2], 10), torch.ones(4, 8, 3))


def test_a_foot_stands_where_it_is_low_and_still() -> None:
    down = feet_down(walk(0.05))
    assert down[:, 0].all() and not down[:, 1].any()
    assert feet_down(walk(0.0)).all()
    lifted = walk(0.0)
    lifted[:, 1, 1] = 0.3
    assert feet_down(lifted)[:, 0].all() and not feet_down(lifted)[:, 1].any()


def test_standing_depends_neither_on_the_place_nor_on_the_heading() -> None:
    feet = walk(0.02) + torch.tensor([0.0, 0.02, 0.0]) * torch.rand(10, 2, 1)
    turn = roma.rotvec_to_rotmat(torch.tensor([0.0, 1.2, 0.0]))
    assert torch.equal(feet_down(feet @ turn.mT + torch.tensor([3.0, -7.0, 2.0])), feet_down(feet))


def test_a_sliding_foot_costs_what_it_moves_and_a_lifted_one_nothing() -> None:
    step, down = torch.zeros(10, 2, 3), torch.tensor([True, False]).expand(10, 2)
    step[:, 0, 2] = 0.03
    step[:, 1] = 5.0
    assert float(slide(step, down)) == pytest.approx(0.03, abs=1e-4)
    assert float(slide(step, ~down)) == pytest.approx(5.0 * math.sqrt(3))
    assert float(slide(step, torch.zeros_like(down))) == 0


def test_the_truth_does_not_slide_and_a_shaken_truth_does(tiny: Recipe) -> None:
    batch, config = example(tiny), LossConfig(slide=1.0)
    batch = replace(batch, feet_down=torch.ones_like(batch.feet_down))
    assert float(keypoint_losses(exact(batch), batch, load_body(), config)["slide"]) < 1e-3
    shake = roma.rotvec_to_rotmat(0.1 * torch.randn(4, 8, 24, 3))
    shaken = replace(exact(batch), rotmat=batch.rotmat @ shake)
    assert float(keypoint_losses(shaken, batch, load_body(), config)["slide"]) > 0.02


def test_without_a_weight_the_term_is_not_there(tiny: Recipe) -> None:
    batch = example(tiny)
    plain, whole = (
        keypoint_losses(exact(batch), batch, load_body(), LossConfig(slide=weight)) for weight in (0.0, 2.0)
    )
    assert set(whole) - set(plain) == {"slide"}
    assert all(torch.equal(plain[name], whole[name]) for name in plain)


def test_whoever_stands_still_before_a_moving_camera_has_both_feet_down(tiny: Recipe) -> None:
    motions = load_motions([find_motion("tiny.npz")], held_out=False)
    still = replace(motions, quaternions=torch.tensor([0.0, 0.0, 0.0, 1.0]).expand_as(motions.quaternions))
    poses = replace(tiny.synthesis.poses, limb=0.0, wobble=0.0, tumble=0.0)
    config = replace(tiny.synthesis, poses=poses, views=replace(tiny.synthesis.views, moving=1.0))
    batch = synthesise(still, clip_weights(still), load_body(), config, torch.Generator().manual_seed(0))
    assert batch.feet_down.all()


def test_flexion_is_the_angle_between_thigh_and_shank_and_between_upper_arm_and_forearm() -> None:
    body = load_body()
    bend = torch.zeros(24, 3)
    bend[SMPL.index("left_knee"), 0], bend[SMPL.index("right_elbow"), 1] = 0.7, 1.1
    rest, bent = (
        flexion(joints(body, roma.rotvec_to_rotmat(pose), torch.zeros(10))) for pose in (torch.zeros(24, 3), bend)
    )
    assert rest.max() < 0.2
    torch.testing.assert_close(bent[1:3], rest[1:3])
    assert float(bent[0]) == pytest.approx(0.7, abs=0.1) and float(bent[3]) == pytest.approx(1.1, abs=0.2)


def test_errors_of_motion_do_not_see_where_somebody_is_and_a_damped_motion_has_too_little_speed() -> None:
    truth = torch.randn(2, 20, 5, 3, generator=torch.Generator().manual_seed(0)).cumsum(1)
    moved, damped = motion_errors(truth + 3.0, truth), motion_errors(0.5 * truth, truth)
    assert all(error.max() < 1e-3 for error in moved.values())
    assert damped["speed"].shape == (2, len(STRIDES))
    strides = [(truth[:, n:] - truth[:, :-n]).norm(dim=-1).mean((1, 2)) / n**0.5 for n in STRIDES]
    torch.testing.assert_close(damped["speed"], 0.5 * torch.stack(strides, 1), atol=1e-4, rtol=1e-3)
    assert motion_errors(truth[:, :3], truth[:, :3])["speed"].shape == (2, 1)


def test_rotations_half_a_turn_wrong_have_a_gradient_that_is_a_number(tiny: Recipe) -> None:
    batch = example(tiny)
    turned = batch.rotmat @ torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    for rotmat in (batch.rotmat, turned):
        leaf = rotmat.clone().requires_grad_()
        terms = keypoint_losses(replace(exact(batch), rotmat=leaf), batch, load_body(), LossConfig())
        torch.stack(list(terms.values())).sum().backward()
        assert leaf.grad is not None and leaf.grad.isfinite().all()
