from dataclasses import replace

import parity
import pytest
import roma
import torch

from vibe.body import joints
from vibe.body.load import load_body
from vibe.data.motion import clip_weights, find_motion, load_motions
from vibe.data.windows import Annotation
from vibe.records import GeneratorOutput
from vibe.skeletons import SMPL
from vibe.synthetic.examples import Example, synthesise
from vibe.train.losses import (
    PUBLISHED,
    STRIDES,
    LossConfig,
    PredictedClips,
    feature_losses,
    flexion,
    keypoint_losses,
    motion_errors,
)
from vibe.train.recipes import Recipe


def small() -> tuple[PredictedClips, Annotation]:
    rotmat = roma.random_rotmat((2, 5, 24))
    predicted = PredictedClips(
        GeneratorOutput(rotmat, torch.randn(2, 5, 10), torch.randn(2, 5, 3)),
        torch.randn(2, 5, 49, 3),
        torch.randn(2, 5, 49, 2),
    )
    everywhere = torch.ones(2, 5, dtype=torch.bool)
    points_2d = torch.cat([torch.randn(2, 5, 49, 2), torch.ones(2, 5, 49, 1)], -1)
    truth = Annotation(
        points_2d, torch.randn(2, 5, 49, 3), roma.random_rotmat((2, 5, 24)), torch.randn(2, 5, 10), everywhere,
        everywhere,
    )  # fmt: skip
    return predicted, truth


def test_the_truth_costs_nothing_wherever_the_body_stands() -> None:
    predicted, truth = small()
    exact = PredictedClips(
        GeneratorOutput(truth.rotmat, truth.betas, predicted.theta.pred_cam),
        truth.points + 3.0,
        truth.keypoints_2d[..., :2],
    )
    assert max(feature_losses(exact, truth).values()) < 1e-9


@pytest.mark.parametrize("mask, terms", [("has_points", {"keypoints_3d"}), ("has_theta", {"pose", "shape"})])
def test_what_no_frame_knows_costs_nothing(mask: str, terms: set[str]) -> None:
    predicted, truth = small()
    nowhere = torch.zeros(2, 5, dtype=torch.bool)
    found = feature_losses(predicted, replace(truth, **{mask: nowhere}))
    assert {name for name, value in found.items() if value == 0} == terms
    whole = feature_losses(predicted, truth)
    assert all(found[name] == whole[name] for name in found if name not in terms)


def test_what_is_not_known_may_be_no_number(given: parity.Given) -> None:
    predicted, truth = parity.loss_batch(given)
    assert truth.points.isnan().any() and truth.rotmat.isnan().any()
    points, rotmat = predicted.points.clone().requires_grad_(), predicted.theta.rotmat.clone().requires_grad_()
    guess = replace(predicted, points=points, theta=replace(predicted.theta, rotmat=rotmat))
    torch.stack(list(feature_losses(guess, truth).values())).sum().backward()
    for number, known in ((points, truth.has_points), (rotmat, truth.has_theta)):
        assert number.grad is not None and number.grad.isfinite().all()
        assert (number.grad[~known] == 0).all() and (number.grad[known] != 0).any()


def test_the_mean_is_over_the_known_frames() -> None:
    predicted, truth = small()
    some = torch.tensor([[True, False, True, False, False], [False] * 5])
    chosen = feature_losses(predicted, replace(truth, has_theta=some))["pose"]
    off = (predicted.theta.rotmat - truth.rotmat)[0, [0, 2]]
    torch.testing.assert_close(chosen, PUBLISHED.pose * off.square().mean())


@pytest.mark.parametrize("angle", [0.0, torch.pi])
def test_the_pose_term_has_a_gradient_at_rest_and_at_half_a_turn(angle: float) -> None:
    predicted, truth = small()
    axis = torch.nn.functional.normalize(torch.randn(2, 5, 24, 3), dim=-1)
    rotmat = roma.rotvec_to_rotmat(angle * axis).requires_grad_()
    feature_losses(replace(predicted, theta=replace(predicted.theta, rotmat=rotmat)), truth)["pose"].backward()
    assert rotmat.grad is not None and rotmat.grad.isfinite().all() and rotmat.grad.abs().max() > 0


def test_leading_axes_are_free() -> None:
    predicted, truth = small()
    one = PredictedClips(
        GeneratorOutput(predicted.theta.rotmat[0], predicted.theta.betas[0], predicted.theta.pred_cam[0]),
        predicted.points[0],
        predicted.points_2d[0],
    )
    its = Annotation(
        truth.keypoints_2d[0], truth.points[0], truth.rotmat[0], truth.betas[0], truth.has_points[0],
        truth.has_theta[0],
    )  # fmt: skip
    doubled = PredictedClips(
        GeneratorOutput(*(torch.stack([x, x]) for x in (one.theta.rotmat, one.theta.betas, one.theta.pred_cam))),
        torch.stack([one.points] * 2),
        torch.stack([one.points_2d] * 2),
    )
    both = Annotation(*(torch.stack([getattr(its, name)] * 2) for name in Annotation.__dataclass_fields__))
    for name, value in feature_losses(one, its).items():
        torch.testing.assert_close(feature_losses(doubled, both)[name], value)


def test_the_halves_of_a_batch_have_the_whole_batch_s_losses_as_their_mean() -> None:
    predicted, truth = small()
    some = torch.tensor([[True, False, True, False, False], [True, True, True, True, False]])
    truth = replace(truth, has_points=some, has_theta=~some)
    halves = []
    for at in range(2):
        theta = GeneratorOutput(
            *(getattr(predicted.theta, name)[at : at + 1] for name in ("rotmat", "betas", "pred_cam"))
        )
        part = PredictedClips(theta, predicted.points[at : at + 1], predicted.points_2d[at : at + 1])
        its = Annotation(*(getattr(truth, name)[at : at + 1] for name in Annotation.__dataclass_fields__))
        known = {"points": float(some.sum()) / 2, "theta": float((~some).sum()) / 2}
        halves.append(feature_losses(part, its, known=known))
    for name, value in feature_losses(predicted, truth).items():
        torch.testing.assert_close((halves[0][name] + halves[1][name]) / 2, value)


def example(recipe: Recipe) -> Example:
    motions = load_motions([find_motion("tiny.npz")], held_out=False)
    return synthesise(motions, clip_weights(motions), load_body(), recipe.synthesis, torch.Generator().manual_seed(0))


def true_output(batch: Example) -> GeneratorOutput:
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
        terms = keypoint_losses(replace(true_output(batch), rotmat=leaf), batch, load_body(), LossConfig())
        torch.stack(list(terms.values())).sum().backward()
        assert leaf.grad is not None and leaf.grad.isfinite().all()


def test_doubtful_poses_do_not_make_people_small(tiny: Recipe) -> None:
    """With the right shape nothing pulls at it, however wrong the pose; a wrong one is pulled at."""
    batch = example(tiny)
    turned = batch.rotmat @ roma.rotvec_to_rotmat(torch.tensor([0.5, 0.2, 0.0]))
    pulls = []
    for error in (0.0, 0.5):
        betas = (true_output(batch).betas + error).requires_grad_()
        terms = keypoint_losses(
            replace(true_output(batch), rotmat=turned, betas=betas), batch, load_body(), LossConfig()
        )
        torch.stack(list(terms.values())).sum().backward()
        assert betas.grad is not None
        pulls.append(float(betas.grad[batch.labelled].abs().max()))
    assert pulls[0] < 1e-6 < 1e-3 < pulls[1]
