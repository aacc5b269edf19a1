import copy
from dataclasses import replace

import pytest
import roma
import torch

from vibe.models.discriminator import (
    PAPER,
    POOLS,
    RELEASED,
    VELOCITY,
    DiscriminatorConfig,
    MotionDiscriminator,
    SelfAttention,
    motion_numbers,
)

SMALL = DiscriminatorConfig(hidden=8, attention_units=6)


def test_the_paper_and_the_release_differ_in_layers_and_dropout_alone() -> None:
    assert (PAPER.attention_layers, PAPER.dropout) == (2, 0.1)
    assert replace(PAPER, attention_layers=3, dropout=0.2) == RELEASED


@pytest.mark.parametrize("pool", ["attention", *POOLS])
def test_leading_axes_are_free_and_one_frame_or_one_motion_is_no_special_case(pool: str) -> None:
    discriminator = MotionDiscriminator(replace(SMALL, pooling=pool)).eval()
    motion = torch.randn(3, 2, 5, 69)
    whole = discriminator(motion)
    assert whole.shape == (3, 2)
    torch.testing.assert_close(discriminator(motion[1, 0]), whole[1, 0])
    torch.testing.assert_close(discriminator(motion[1:2, :1]), whole[1:2, :1])
    assert discriminator(motion[:, :, :1]).shape == (3, 2)
    assert discriminator(motion[0, 0, :1]).shape == ()


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("units", [512, 1024])
def test_attention_weighs_the_frames_by_shares_that_sum_to_one(layers: int, units: int) -> None:
    attention = SelfAttention(12, units, layers, 0.1).eval()
    states = torch.randn(2, 7, 12)
    shares = attention.weights(states)
    torch.testing.assert_close(shares.sum(-1), torch.ones(2))
    assert shares.min() > 0
    torch.testing.assert_close(attention(states), torch.einsum("bt,btu->bu", shares, states))


def test_attention_does_not_see_the_order_of_the_states() -> None:
    attention, states = SelfAttention(12, 6, 2, 0.1).eval(), torch.randn(7, 12)
    torch.testing.assert_close(attention(states[torch.randperm(7)]), attention(states))


def test_dropout_acts_on_the_scores_in_training_and_never_outside() -> None:
    attention, states = SelfAttention(12, 6, 1, 0.9), torch.randn(40, 12)
    assert (attention.attention(states) == 0).any()
    attention.eval()
    torch.testing.assert_close(attention(states), attention(states), rtol=0, atol=0)


def test_concat_is_the_mean_and_the_maximum_side_by_side() -> None:
    states = torch.randn(2, 7, 8)
    both = torch.cat([POOLS["mean"](states), POOLS["max"](states)], -1)
    torch.testing.assert_close(POOLS["concat"](states), both)


@pytest.mark.parametrize("form", ["axis_angle", "6d"])
def test_a_motion_is_the_body_without_its_heading(form: str) -> None:
    rotmat = roma.random_rotmat((2, 5, 24))
    numbers = motion_numbers(rotmat, form)
    assert numbers.shape == (2, 5, 69 if form == "axis_angle" else 138)
    torch.testing.assert_close(motion_numbers(rotmat[..., 1:, :, :], form), numbers)
    turned = torch.cat([roma.random_rotmat((2, 5, 1)), rotmat[..., 1:, :, :]], -3)
    torch.testing.assert_close(motion_numbers(turned, form), numbers)
    assert MotionDiscriminator(replace(SMALL, form=form))(numbers).shape == (2,)


def test_velocities_stand_behind_6d_and_are_nothing_where_nothing_moves() -> None:
    rotmat = roma.random_rotmat((2, 5, 24))
    numbers = motion_numbers(rotmat, "6d_velocity").unflatten(-1, (23, 12))
    torch.testing.assert_close(numbers[..., :6].flatten(-2), motion_numbers(rotmat, "6d"))
    assert not numbers[:, 0, :, 6:].any()
    torch.testing.assert_close(numbers[:, 1:, :, 6:], VELOCITY * numbers[..., :6].diff(dim=1))
    assert (
        not motion_numbers(rotmat[:, :1].expand(-1, 5, -1, -1, -1), "6d_velocity")
        .unflatten(-1, (23, 12))[..., 6:]
        .any()
    )


def test_spectral_norm_leaves_no_matrix_that_stretches_and_every_one_learns() -> None:
    judge = MotionDiscriminator(replace(SMALL, spectral=True))
    with torch.no_grad():
        judge.gru.parametrizations["weight_ih_l0"].original.mul_(9.0)
        for _ in range(30):  # the largest singular value is found step by step
            before = judge(torch.randn(3, 5, 69))
    for layer in ("weight_ih_l0", "weight_hh_l1"):
        largest = torch.linalg.matrix_norm(getattr(judge.eval().gru, layer), 2)
        assert float(largest.detach()) == pytest.approx(1, abs=0.05)
    judge(torch.randn(3, 5, 69)).sum().backward()
    assert before.shape == (3,)
    assert all(each.grad is not None and each.grad.abs().sum() > 0 for each in judge.gru.parameters())
    assert copy.deepcopy(judge)(torch.zeros(1, 5, 69)).shape == (1,)


def test_axis_angle_is_what_the_rotations_were_made_of() -> None:
    rotvec = 0.5 * torch.randn(4, 69)
    rotmat = roma.rotvec_to_rotmat(rotvec.unflatten(-1, (23, 3)))
    torch.testing.assert_close(motion_numbers(rotmat), rotvec, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("form", ["axis_angle", "6d"])
@pytest.mark.parametrize("angle", [0.0, 1e-8, 1e-4, torch.pi - 1e-4, torch.pi - 1e-7, torch.pi])
def test_gradients_are_finite_at_rest_and_at_half_a_turn(form: str, angle: float) -> None:
    axes = torch.nn.functional.normalize(torch.cat([torch.eye(3), -torch.eye(3), torch.randn(17, 3)]), dim=-1)
    rotmat = roma.rotvec_to_rotmat(angle * axes)[None].requires_grad_()
    motion_numbers(rotmat, form).square().sum().backward()
    assert rotmat.grad is not None and rotmat.grad.isfinite().all() and rotmat.grad.abs().max() < 100


def test_what_does_not_fit_is_refused_with_what_to_do() -> None:
    with pytest.raises(AssertionError, match="and the root's"):
        motion_numbers(torch.eye(3).expand(4, 22, 3, 3))
    with pytest.raises(ValueError, match="1, 2 or 3"):
        MotionDiscriminator(replace(SMALL, attention_layers=4))


def test_weights_with_a_name_too_many_are_not_taken() -> None:
    tensors = MotionDiscriminator(SMALL).state_dict()
    with pytest.raises(RuntimeError, match="attention"):
        MotionDiscriminator(replace(SMALL, pooling="last")).load_state_dict(tensors)
