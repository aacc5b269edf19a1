from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import roma
import torch
from torch import Tensor

from vibe.body import joints, load_body, vertices
from vibe.data.motion import Motions, clip_weights, draw_windows, load_motions
from vibe.evaluate.metrics import mpjpe_mm
from vibe.models.priors import Latent, MPoser, MPoserConfig, VPoser, VPoserConfig, pose_energy
from vibe.train.distributed import ProcessGroup
from vibe.train.priors import (
    PRIOR_RECIPES,
    VAEWeights,
    begin_at_axes,
    draw_batch,
    kl_divergence,
    take_step,
    vae_losses,
    vae_points,
)


def test_the_standard_normal_has_no_divergence() -> None:
    assert (kl_divergence(Latent(torch.zeros(3, 32), torch.zeros(3, 32))) == 0).all()


def test_divergences_that_are_known() -> None:
    shifted = Latent(torch.tensor([2.0, 0.0]), torch.zeros(2))
    assert kl_divergence(shifted).item() == pytest.approx(2.0)
    narrow = Latent(torch.zeros(1), torch.tensor([0.25]).log())
    assert kl_divergence(narrow).item() == pytest.approx((0.25 - 1 - torch.tensor(0.25).log().item()) / 2)


def test_the_divergence_agrees_with_torchs_own() -> None:
    latent = Latent(torch.randn(4, 32), torch.randn(4, 32))
    normal = torch.distributions.Normal(latent.mean, (latent.log_variance / 2).exp())
    expected = torch.distributions.kl_divergence(normal, torch.distributions.Normal(0.0, 1.0)).sum(-1)
    torch.testing.assert_close(kl_divergence(latent), expected)


def test_a_perfect_reconstruction_costs_its_divergence_alone() -> None:
    numbers, latent = torch.randn(2, 5, 69), Latent(torch.randn(2, 5, 32), torch.randn(2, 5, 32))
    early, late = (vae_losses(numbers, latent, numbers, VAEWeights(kl=0.5, anneal=10), step) for step in (4, 10))
    assert early["points"] < 0.01
    torch.testing.assert_close(late["kl"], 0.5 * kl_divergence(latent).mean())
    torch.testing.assert_close(early["kl"], 0.5 * late["kl"])


@pytest.mark.parametrize("points", [joints, vertices])
def test_points_are_those_of_a_body_that_stands_with_its_root_unturned(points) -> None:
    body = load_body(detail="low")
    still = vae_points(points, body, torch.eye(3).expand(3, 23, 3, 3))
    assert still.shape == (3, 24 if points is joints else len(body.v_template), 3)
    expected = body.J_template if points is joints else body.v_template
    torch.testing.assert_close(still[1], expected, atol=1e-5, rtol=0)


@pytest.fixture(scope="module")
def motion(shared: Path) -> tuple[Motions, Motions]:
    """Free motion: to learn from, and of subjects that are held out."""
    path = shared / "data" / "motion" / "open2_30fps.npz"
    return load_motions([path], held_out=False), load_motions([path], held_out=True)


def windows(motions: Motions, count: int, generator: torch.Generator) -> Tensor:
    quaternions, _ = draw_windows(motions, clip_weights(motions), count, 16, 1.0, generator)
    return roma.unitquat_to_rotmat(quaternions[:, :, 1:])


@pytest.fixture(scope="module", params=["mposer", "vposer"])
def learnt(request: pytest.FixtureRequest, motion: tuple[Motions, Motions]) -> MPoser | VPoser:
    """A small prior after a few seconds of training."""
    torch.manual_seed(0)
    mposer, vposer = MPoserConfig(hidden=64, layers=1), VPoserConfig(hidden=64, dropout=0.0)
    prior = MPoser(mposer) if request.param == "mposer" else VPoser(vposer)
    weights = clip_weights(motion[0])
    begin_at_axes(prior, motion[0], weights, load_body())
    recipe = replace(PRIOR_RECIPES["mposer"], batch=16, steps=60, losses=VAEWeights(kl=0.005, anneal=0))
    optimiser = torch.optim.Adam(prior.parameters())
    for step in range(recipe.steps):
        take_step(prior, draw_batch(motion[0], weights, recipe, step), recipe, optimiser, step, ProcessGroup())
    return prior.eval().requires_grad_(False)


def test_a_prior_gives_motion_back_better_than_the_mean_pose(
    learnt: MPoser | VPoser, motion: tuple[Motions, Motions]
) -> None:
    train, held_out = motion
    rotmat = windows(held_out, 64, torch.Generator().manual_seed(1))
    mean = roma.special_procrustes(roma.unitquat_to_rotmat(train.quaternions[::50, 1:]).mean(0)).expand_as(rotmat)
    points = partial(vae_points, joints, load_body(detail="low"))
    lost, without = (mpjpe_mm(points(made), points(rotmat)).mean() for made in (learnt(rotmat)[0], mean))
    assert lost < 0.7 * without


def mean_length(prior: MPoser | VPoser, rotmat: Tensor) -> float:
    return prior.encode(rotmat).mean.norm(dim=-1).mean().item()


def test_z_is_shorter_for_motion_than_for_jitter(learnt: MPoser | VPoser, motion: tuple[Motions, Motions]) -> None:
    rotmat = windows(motion[1], 64, torch.Generator().manual_seed(1))
    jittered = rotmat @ roma.rotvec_to_rotmat(0.3 * torch.randn(rotmat.shape[:-1]))
    assert mean_length(learnt, rotmat) < mean_length(learnt, jittered)


def test_the_energy_of_motion_is_lower_than_that_of_jitter_and_of_joints_in_the_wrong_places(
    learnt: MPoser | VPoser, motion: tuple[Motions, Motions]
) -> None:
    energy, rotmat = pose_energy(learnt), windows(motion[1], 64, torch.Generator().manual_seed(1))
    jittered = rotmat @ roma.rotvec_to_rotmat(0.2 * torch.randn(rotmat.shape[:-1]))
    for other in (jittered, rotmat[:, :, torch.randperm(23)], roma.random_rotmat(rotmat.shape[:-2])):
        assert all(energy(true) < energy(wrong) for true, wrong in zip(rotmat, other, strict=True))


@pytest.mark.parametrize("learnt", ["mposer"], indirect=True)
def test_the_energy_of_an_mposer_is_higher_for_frames_in_the_wrong_order(
    learnt: MPoser | VPoser, motion: tuple[Motions, Motions]
) -> None:
    energy, rotmat = pose_energy(learnt), windows(motion[1], 64, torch.Generator().manual_seed(1))
    order = torch.randperm(16)
    assert sum(energy(true) for true in rotmat) < sum(energy(wrong) for wrong in rotmat[:, order])
