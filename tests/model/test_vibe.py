from pathlib import Path

import pytest
import reference
import roma
import torch

from vibe.model.encoder import EncoderConfig, GRUEncoder
from vibe.model.regressor import Regressor, RegressorConfig
from vibe.model.vibe import VIBE


def small() -> VIBE:
    return VIBE(
        torch.nn.Identity(),
        GRUEncoder(EncoderConfig(features=12, hidden=8, bidirectional=True)),
        Regressor(RegressorConfig(features=12, hidden=16)),
    ).eval()


@pytest.mark.parametrize("bidirectional", [False, True], ids=["official", "bidirectional"])
def test_official_weights_by_their_own_names_give_the_official_numbers(shared: Path, bidirectional: bool) -> None:
    model = "vibe.bidirectional" if bidirectional else "vibe.official"
    config = EncoderConfig(bidirectional=bidirectional)
    network = VIBE(torch.nn.Identity(), GRUEncoder(config), Regressor(RegressorConfig())).eval()
    if bidirectional:
        make = reference.recipe(shared)
        tensors = {
            name: torch.from_numpy(make.tensor(name, tuple(value.shape)))
            for name, value in network.state_dict().items()
        }
        mean = make.mean_params()
        tensors |= {f"regressor.init_{leaf}": torch.from_numpy(mean[leaf])[None] for leaf in ("pose", "shape", "cam")}
    else:
        tensors = reference.state(shared, model)
    network.load_state_dict(tensors)
    features = torch.from_numpy(reference.recipe(shared).array("features", (2, 16, 2048), 0.5))
    with torch.no_grad():
        encoded, theta = network.encoder(features), network(features)
    expected = torch.from_numpy(reference.entry(shared, f"{model}.theta"))
    torch.testing.assert_close(
        encoded[..., ::16],
        torch.from_numpy(reference.entry(shared, f"{model}.encoded_every_16th")),
        rtol=1e-3,
        atol=1e-4,
    )
    torch.testing.assert_close(theta.pred_cam, expected[..., :3], rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(theta.betas, expected[..., 75:], rtol=1e-3, atol=1e-4)
    rotmat = torch.from_numpy(reference.entry(shared, f"{model}.rotmat"))
    torch.testing.assert_close(theta.rotmat, rotmat, rtol=1e-3, atol=1e-4)
    aligned = roma.rotmat_to_rotvec(theta.rotmat.mT @ roma.rotvec_to_rotmat(expected[..., 3:75].unflatten(-1, (24, 3))))
    assert aligned.norm(dim=-1).max() < 1e-3


def test_leading_axes_are_free() -> None:
    network, features = small(), torch.randn(3, 2, 5, 12)
    whole = network(features)
    one = network(features[1, 0])
    torch.testing.assert_close(whole.rotmat[1, 0], one.rotmat)
    torch.testing.assert_close(whole.pred_cam[1, 0], one.pred_cam)


def test_the_rotations_are_rotations() -> None:
    rotmat = small()(torch.randn(2, 5, 12)).rotmat
    torch.testing.assert_close(rotmat @ rotmat.mT, torch.eye(3).expand_as(rotmat), atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.linalg.det(rotmat), torch.ones(2, 5, 24), atol=1e-5, rtol=0)


def test_computing_the_feature_part_once_equals_the_plain_regressor() -> None:
    regressor = Regressor(RegressorConfig(features=12, hidden=16, activation="relu")).eval()
    features = torch.randn(4, 12)
    state = torch.cat([regressor.init_pose, regressor.init_shape, regressor.init_cam], -1).expand(4, -1)
    for _ in range(3):
        hidden = regressor.fc2(regressor.fc1(torch.cat([features, state], -1)).relu()).relu()
        change = [decode(hidden) for decode in (regressor.decpose, regressor.decshape, regressor.deccam)]
        state = state + torch.cat(change, -1)
    torch.testing.assert_close(regressor(features).betas, state[:, 144:154], atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(regressor(features).pred_cam, state[:, 154:], atol=1e-6, rtol=1e-5)


def test_an_encoder_whose_width_does_not_fit_is_refused_with_what_to_do() -> None:
    with pytest.raises(ValueError, match="set linear"):
        GRUEncoder(EncoderConfig(features=12, hidden=8, linear=False))
