import numpy as np
import pytest
import roma
import torch

import pose_mixture
from pose_mixture import FLOOR, body_poses, fit_mixture, log_densities
from vibe.body.pose import mirror_rotmat
from vibe.data.motion import load_motions
from vibe.refine.energies_paper import OPEN


def test_help_and_what_is_no_option_fit_nothing(monkeypatch, capsys):
    monkeypatch.setattr(pose_mixture, "load_motions", lambda *_, **__: pytest.fail("a fit begins"))
    for given, code in (("--help", 0), ("--out", 2)):
        monkeypatch.setattr("sys.argv", ["pose_mixture.py", given])
        with pytest.raises(SystemExit) as ended:
            pose_mixture.main()
        assert ended.value.code == code
    assert "the file to write" in capsys.readouterr().out


def test_parts_that_lie_apart_are_found():
    centres = torch.zeros(3, 69, dtype=torch.float64)
    centres[1, 0], centres[2, 30] = 3.0, -3.0
    label = torch.randint(3, (3000,))
    poses = centres[label] + 0.2 * torch.randn(3000, 69, dtype=torch.float64)
    means, covars, weights = fit_mixture(poses, 3, 0.01, torch.Generator().manual_seed(0))
    order = torch.cdist(centres, means).argmin(-1)
    assert sorted(order.tolist()) == [0, 1, 2]
    assert (means[order] - centres).abs().max() < 0.05
    assert (weights[order] - torch.bincount(label) / 3000).abs().max() < 1e-3
    assert (covars.diagonal(dim1=-2, dim2=-1).sqrt() - 0.2).abs().max() < 0.03


def test_numbers_that_never_move_keep_the_floor():
    poses = torch.randn(400, 69, dtype=torch.float64)
    poses[:, 60:] = 0.0
    _, covars, _ = fit_mixture(poses, 2, 0.05, torch.Generator().manual_seed(0), rounds=5)
    assert torch.allclose(covars[:, 60:, 60:], 0.05**2 * torch.eye(9, dtype=torch.float64))


def test_each_round_fits_better():
    poses = torch.randn(500, 69, dtype=torch.float64).cumsum(-1)
    scores = [
        float(
            log_densities(poses, *fit_mixture(poses, 4, 0.3, torch.Generator().manual_seed(0), n)).logsumexp(-1).mean()
        )
        for n in (0, 1, 3, 6)
    ]
    assert scores == sorted(scores)


def test_densities_are_the_gaussians_own():
    poses, means = torch.randn(5, 69, dtype=torch.float64), torch.randn(2, 69, dtype=torch.float64)
    factors = torch.randn(2, 69, 69, dtype=torch.float64)
    covars, weights = factors @ factors.mT + torch.eye(69), torch.tensor([0.3, 0.7], dtype=torch.float64)
    plain = torch.distributions.MultivariateNormal(means, covars).log_prob(poses[:, None]) + weights.log()
    torch.testing.assert_close(log_densities(poses, means, covars, weights), plain)


def test_poses_are_drawn_with_their_mirror_images(motion_folder):
    motions = load_motions([motion_folder / "tiny.npz"], held_out=False)
    poses = body_poses(motions, 40, torch.Generator().manual_seed(0))
    assert poses.shape == (80, 69)
    turns = roma.rotvec_to_rotmat(torch.nn.functional.pad(poses, (3, 0)).unflatten(-1, (24, 3)))
    torch.testing.assert_close(mirror_rotmat(turns[:40])[:, 1:], turns[40:, 1:], rtol=0, atol=1e-5)


def test_what_ships_describes_subjects_that_it_was_not_fitted_to_better_than_one_gaussian(shared):
    motions = [load_motions([shared / "data/motion/open_30fps.npz"], held_out) for held_out in (False, True)]
    fitted, held_out = (body_poses(each, 3000, torch.Generator().manual_seed(0)).double() for each in motions)
    one = fit_mixture(fitted, 1, FLOOR, torch.Generator().manual_seed(0))
    with np.load(OPEN, allow_pickle=False) as file:
        shipped = [torch.from_numpy(file[key]).double() for key in ("means", "covars", "weights")]
    one, eight = (float(log_densities(held_out, *each).logsumexp(-1).mean()) for each in (one, shipped))
    assert eight > one + 5
