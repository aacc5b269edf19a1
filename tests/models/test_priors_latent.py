import pytest
import roma
import torch
from torch import Tensor

from vibe.models.priors import (
    Latent,
    MPoser,
    MPoserConfig,
    Prior,
    VPoser,
    VPoserConfig,
    pose_energy,
    prior_loss,
    sample,
    whole_body,
)


def priors() -> list[MPoser | VPoser]:
    made: list[MPoser | VPoser] = [MPoser(MPoserConfig(hidden=8)), VPoser(VPoserConfig(hidden=8))]
    return [prior.eval().requires_grad_(False) for prior in made]


class Perfect(Prior):
    """A prior that gives back what it reads and finds everything ordinary."""

    def __init__(self) -> None:
        super().__init__(23, 1, 1)

    def encode(self, rotmat: Tensor) -> Latent:
        numbers = rotmat.flatten(-3)
        return Latent(numbers, torch.zeros_like(numbers))

    def decode(self, z: Tensor) -> Tensor:
        return z.unflatten(-1, (-1, 3, 3))


def test_samples_have_the_mean_and_the_spread_of_the_latent() -> None:
    latent = Latent(torch.tensor([1.0, -2.0]).expand(20000, 2), torch.tensor([0.25, 4.0]).log().expand(20000, 2))
    drawn = sample(latent, torch.Generator().manual_seed(0))
    torch.testing.assert_close(drawn.mean(0), torch.tensor([1.0, -2.0]), atol=0.05, rtol=0)
    torch.testing.assert_close(drawn.std(0), torch.tensor([0.5, 2.0]), atol=0.05, rtol=0)


def test_the_prior_loss_is_the_length_of_z_with_a_gradient_at_zero() -> None:
    z = torch.tensor([[3.0, 4.0], [0.0, 0.0]], requires_grad=True)
    loss = prior_loss(z)
    assert loss.item() == pytest.approx(2.5, abs=1e-3)
    loss.backward()
    assert z.grad is not None and z.grad.isfinite().all()


def test_the_energy_of_poses_that_come_back_is_half_the_square_of_z() -> None:
    rotmat = roma.random_rotmat((4, 23))
    energy = pose_energy(Perfect(), fidelity=1000.0)
    torch.testing.assert_close(energy(rotmat), rotmat.square().sum() / 2)


@pytest.mark.parametrize("kind", [0, 1], ids=["mposer", "vposer"])
def test_the_energy_is_one_number_with_a_gradient_for_every_rotation(kind: int) -> None:
    rotmat = roma.random_rotmat((4, 23)).requires_grad_()
    energy = pose_energy(priors()[kind])(rotmat)
    energy.backward()
    assert energy.shape == () and rotmat.grad is not None
    assert rotmat.grad.isfinite().all() and (rotmat.grad.abs().amax((-1, -2)) > 0).all()


def test_a_prior_without_hands_leaves_them_free() -> None:
    prior = VPoser(VPoserConfig(joints=21, hidden=8)).eval().requires_grad_(False)
    rotmat = roma.random_rotmat((4, 23)).requires_grad_()
    pose_energy(prior)(rotmat).backward()
    assert rotmat.grad is not None and (rotmat.grad[:, 21:] == 0).all() and (rotmat.grad[:, :21] != 0).any()


def test_the_fit_can_follow_the_energy_downhill() -> None:
    energy, offset = pose_energy(priors()[0]), torch.zeros(4, 23, 3, requires_grad=True)
    start = roma.random_rotmat((4, 23))
    search = torch.optim.LBFGS([offset], max_iter=10, line_search_fn="strong_wolfe")

    def evaluate() -> float:
        search.zero_grad()
        value = energy(start @ roma.rotvec_to_rotmat(offset))
        value.backward()
        return value.item()

    before = evaluate()
    search.step(evaluate)
    assert evaluate() < before / 2


@pytest.mark.parametrize("joints", [21, 23])
def test_a_whole_body_has_the_given_rotations_between_a_root_and_hands_at_rest(joints: int) -> None:
    rotmat = roma.random_rotmat((2, 5, joints))
    whole = whole_body(rotmat)
    assert whole.shape == (2, 5, 24, 3, 3)
    assert torch.equal(whole[..., 1 : joints + 1, :, :], rotmat)
    assert (whole[..., 0, :, :] == torch.eye(3)).all() and (whole[..., joints + 1 :, :, :] == torch.eye(3)).all()
