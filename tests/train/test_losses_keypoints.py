from dataclasses import replace

import pytest
import roma
import torch

from vibe.body import joints
from vibe.body.load import load_body
from vibe.data.motion import clip_weights, find_motion, load_motions
from vibe.records import GeneratorOutput
from vibe.skeletons import SMPL
from vibe.synthetic.examples import Example, synthesise
from vibe.train.losses import STRIDES, LossConfig, flexion, keypoint_losses, motion_errors
from vibe.train.recipes import Recipe


def example(recipe: Recipe) -> Example:
    motions = load_motions([find_motion("tiny.npz")], held_out=False)
    return synthesise(motions, clip_weights(motions), load_body(), recipe.synthesis, torch.Generator().manual_seed(0))


def exact(batch: Example) -> GeneratorOutput:
    return GeneratorOutput(batch.rotmat, batch.betas[:, None].expand(*batch.rotmat.shape[:2], 10), torch.ones(4, 8, 3))


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


def test_doubtful_poses_do_not_make_people_small(tiny: Recipe) -> None:
    """With the right shape nothing pulls at it, however wrong the pose; a wrong one is pulled at."""
    batch = example(tiny)
    turned = batch.rotmat @ roma.rotvec_to_rotmat(torch.tensor([0.5, 0.2, 0.0]))
    pulls = []
    for error in (0.0, 0.5):
        betas = (exact(batch).betas + error).requires_grad_()
        terms = keypoint_losses(replace(exact(batch), rotmat=turned, betas=betas), batch, load_body(), LossConfig())
        torch.stack(list(terms.values())).sum().backward()
        assert betas.grad is not None
        pulls.append(float(betas.grad[batch.labelled].abs().max()))
    assert pulls[0] < 1e-6 < 1e-3 < pulls[1]
