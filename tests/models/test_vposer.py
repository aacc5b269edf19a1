import roma
import torch

from vibe.models.priors import VPoser, VPoserConfig

SMALL = VPoserConfig(hidden=16)


def turned(*shape: int) -> torch.Tensor:
    return roma.rotvec_to_rotmat(0.3 * torch.randn(*shape, 3))


def test_a_pose_has_32_numbers_and_comes_back_as_rotations() -> None:
    rotmat, latent = VPoser(SMALL).eval()(turned(2, 7, 23))
    assert latent.mean.shape == latent.log_variance.shape == (2, 7, 32)
    torch.testing.assert_close(rotmat @ rotmat.mT, torch.eye(3).expand(2, 7, 23, 3, 3), atol=1e-5, rtol=0)


def test_every_frame_is_on_its_own() -> None:
    prior, rotmat = VPoser(SMALL).eval(), turned(3, 5, 23)
    whole, latent = prior(rotmat)
    torch.testing.assert_close(prior(rotmat[1, 2])[0], whole[1, 2])
    order = torch.randperm(5)
    torch.testing.assert_close(prior.encode(rotmat[:, order]).mean, latent.mean[:, order])


def test_the_same_seed_draws_the_same_sample_and_no_seed_takes_the_mean() -> None:
    prior, rotmat = VPoser(SMALL).eval(), turned(5, 23)
    one, again, other = (prior(rotmat, torch.Generator().manual_seed(seed))[0] for seed in (1, 1, 2))
    assert torch.equal(one, again) and not torch.equal(one, other)
    assert torch.equal(prior(rotmat)[0], prior.decode(prior.encode(rotmat).mean))


def test_a_joint_that_never_moved_in_training_does_not_drown_the_others() -> None:
    prior, pose = VPoser(SMALL), turned(400, 23)
    pose[:, 22] = torch.eye(3)
    for _ in range(100):
        prior(pose)
    prior.eval()

    def change(joint: int) -> torch.Tensor:
        moved = pose.clone()
        moved[:, joint] = pose[:, joint] @ roma.rotvec_to_rotmat(torch.tensor([0.1, 0.1, 0.1]))
        return (prior.encode(moved).mean - prior.encode(pose).mean).norm(dim=-1).mean()

    assert change(22) < 5 * change(17)


def test_a_saved_vposer_is_the_same_vposer() -> None:
    prior, twin, rotmat = VPoser(SMALL), VPoser(SMALL), turned(50, 23)
    prior(rotmat)
    twin.load_state_dict(prior.state_dict())
    assert torch.equal(prior.eval()(rotmat)[0], twin.eval()(rotmat)[0])
