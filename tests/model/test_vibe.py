from pathlib import Path

import pytest
import reference
import roma
import torch
from torch import Tensor

from vibe.model.encoder import EncoderConfig, GRUEncoder
from vibe.model.regressor import Regressor, RegressorConfig
from vibe.model.stream import stream
from vibe.model.vibe import VIBE
from vibe.records import Theta

each_model = pytest.mark.parametrize("model", ["vibe.official", "vibe.bidirectional"])


def small() -> VIBE:
    return VIBE(
        torch.nn.Identity(),
        GRUEncoder(EncoderConfig(features=12, hidden=8, bidirectional=True)),
        Regressor(RegressorConfig(features=12, hidden=16)),
    ).eval()


def published(shared: Path, model: str) -> tuple[VIBE, Tensor]:
    """The network of the reference file and the features it was given."""
    config = EncoderConfig(bidirectional=model == "vibe.bidirectional")
    network = VIBE(torch.nn.Identity(), GRUEncoder(config), Regressor(RegressorConfig())).eval()
    make = reference.recipe(shared)
    if config.bidirectional:
        shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
        tensors = {name: torch.from_numpy(make.tensor(name, shape)) for name, shape in shapes.items()}
        mean = make.mean_params()
        tensors |= {f"regressor.init_{leaf}": torch.from_numpy(mean[leaf])[None] for leaf in ("pose", "shape", "cam")}
    else:
        tensors = reference.state(shared, model)
    network.load_state_dict(tensors)
    return network, torch.from_numpy(make.array("features", (2, 16, 2048), 0.5))


def assert_theta(theta: Theta, expected: Tensor) -> None:
    """Compare with camera, axis-angle pose and shape side by side."""
    torch.testing.assert_close(theta.pred_cam, expected[..., :3], rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(theta.betas, expected[..., 75:], rtol=1e-3, atol=1e-4)
    rotmat = roma.rotvec_to_rotmat(expected[..., 3:75].unflatten(-1, (24, 3)))
    assert roma.rotmat_to_rotvec(theta.rotmat.mT @ rotmat).norm(dim=-1).max() < 1e-3


@each_model
def test_official_weights_by_their_own_names_give_the_official_numbers(shared: Path, model: str) -> None:
    network, features = published(shared, model)
    with torch.no_grad():
        encoded, theta = network.encoder(features), network(features)
    latent = torch.from_numpy(reference.entry(shared, f"{model}.encoded_every_16th"))
    rotmat = torch.from_numpy(reference.entry(shared, f"{model}.rotmat"))
    torch.testing.assert_close(encoded[..., ::16], latent, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(theta.rotmat, rotmat, rtol=1e-3, atol=1e-4)
    assert_theta(theta, torch.from_numpy(reference.entry(shared, f"{model}.theta")))


@each_model
@pytest.mark.parametrize("chunk", [1, 5, 512])
def test_official_weights_give_the_official_numbers_in_pieces_too(shared: Path, model: str, chunk: int) -> None:
    network, features = published(shared, model)
    theta = stream(network, features, chunk)
    rotmat = torch.from_numpy(reference.entry(shared, f"{model}.rotmat"))
    torch.testing.assert_close(theta.rotmat, rotmat, rtol=1e-3, atol=1e-4)
    assert_theta(theta, torch.from_numpy(reference.entry(shared, f"{model}.theta")))


def test_the_single_frame_regressor_gives_the_official_numbers(shared: Path) -> None:
    network = VIBE(torch.nn.Identity(), torch.nn.Identity(), Regressor(RegressorConfig())).eval()
    tensors = reference.state(shared, "hmr")
    network.regressor.load_state_dict({name: tensors[name] for name in network.regressor.state_dict()})
    features = torch.from_numpy(reference.entry(shared, "resnet50.features"))
    with torch.no_grad():
        theta = network(features)
    assert_theta(theta, torch.from_numpy(reference.entry(shared, "hmr.theta")))


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
