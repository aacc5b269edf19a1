import parity
import pytest
import torch
from whole_tracks import of_features

from vibe.models.generator import VIBE
from vibe.models.gru import EncoderConfig, GRUEncoder
from vibe.models.regressor import Regressor, RegressorConfig


def small() -> VIBE:
    return VIBE(
        torch.nn.Identity(),
        GRUEncoder(EncoderConfig(features=12, hidden=8, bidirectional=True)),
        Regressor(RegressorConfig(features=12, hidden=16)),
    ).eval()


@pytest.mark.parametrize("model", ["vibe.official", "vibe.bidirectional"])
@pytest.mark.parametrize("chunk", [1, 5, 512])
def test_official_weights_give_the_official_rotations_in_pieces_too(
    given: parity.Given, model: str, chunk: int
) -> None:
    encoder = GRUEncoder(EncoderConfig(bidirectional=model == "vibe.bidirectional"))
    network = given.fill(VIBE(torch.nn.Identity(), encoder, Regressor(RegressorConfig())), f"{model}.state_keys")
    theta = of_features(network, given.array("features", 2, 16, 2048, scale=0.5), chunk)
    expected = torch.from_numpy(given.theirs[f"{model}.rotmat"])
    torch.testing.assert_close(theta.rotmat, expected, rtol=1e-3, atol=1e-4)


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
