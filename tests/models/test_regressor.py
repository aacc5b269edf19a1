from typing import Literal

import pytest
import torch
from torch import Tensor

from vibe.models.regressor import Regressor, RegressorConfig, fold_iterations
from vibe.records import GeneratorOutput
from vibe.rotations import rotmat_from_6d

each_activation = pytest.mark.parametrize("activation", ["none", "relu"])


def regressor(activation: Literal["none", "relu"] = "none", dropout: float = 0.5, iterations: int = 3) -> Regressor:
    made = Regressor(RegressorConfig(12, 16, iterations, dropout, activation))
    for decoder in (made.decpose, made.decshape, made.deccam):
        torch.nn.init.normal_(decoder.weight, std=0.2)
    return made.double()


def plain(made: Regressor, features: Tensor, iterations: int = 3) -> GeneratorOutput:
    """Features and state side by side through the whole first layer, in each iteration."""
    pose, betas, pred_cam = (
        start.expand(len(features), -1) for start in (made.init_pose, made.init_shape, made.init_cam)
    )
    for _ in range(iterations):
        hidden = made.drop(made.activation(made.fc1(torch.cat([features, pose, betas, pred_cam], 1))))
        hidden = made.drop(made.activation(made.fc2(hidden)))
        pose, betas, pred_cam = (
            pose + made.decpose(hidden),
            betas + made.decshape(hidden),
            pred_cam + made.deccam(hidden),
        )
    return GeneratorOutput(rotmat_from_6d(pose.unflatten(-1, (24, 6))), betas, pred_cam)


def assert_same(one: GeneratorOutput, other: GeneratorOutput) -> None:
    torch.testing.assert_close(one.rotmat, other.rotmat, rtol=0, atol=1e-9)
    torch.testing.assert_close(one.betas, other.betas, rtol=0, atol=1e-9)
    torch.testing.assert_close(one.pred_cam, other.pred_cam, rtol=0, atol=1e-9)


@each_activation
@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize("trains", [False, True], ids=["evaluates", "trains"])
def test_computing_the_feature_part_once_equals_the_plain_regressor(
    activation: Literal["none", "relu"], dropout: float, trains: bool
) -> None:
    made, features = regressor(activation, dropout).train(trains), torch.randn(40, 12, dtype=torch.float64)
    torch.manual_seed(7)
    once = made(features)
    torch.manual_seed(7)
    assert_same(once, plain(made, features))


def test_dropout_acts_in_training_only() -> None:
    made, features = regressor(), torch.randn(40, 12, dtype=torch.float64)
    assert not torch.equal(made.train()(features).betas, made(features).betas)
    assert torch.equal(made.eval()(features).betas, made(features).betas)


@pytest.mark.parametrize("iterations", [1, 2, 3, 5])
def test_without_activation_all_iterations_fold_into_one_map(iterations: int) -> None:
    made, features = regressor(iterations=iterations).eval(), torch.randn(2, 20, 12, dtype=torch.float64)
    folded = fold_iterations(made)
    assert folded is not made
    assert_same(folded(features), made(features))


def test_the_folded_map_keeps_the_gradient() -> None:
    made, features = regressor().eval(), torch.randn(20, 12, dtype=torch.float64, requires_grad=True)
    (one,) = torch.autograd.grad(fold_iterations(made)(features).rotmat.square().mean(-1)[:, :, 0].sum(), features)
    (other,) = torch.autograd.grad(made(features).rotmat.square().mean(-1)[:, :, 0].sum(), features)
    torch.testing.assert_close(one, other, rtol=0, atol=1e-9)


def test_with_an_activation_or_in_training_nothing_is_folded() -> None:
    for made in (regressor("relu").eval(), regressor().train()):
        assert fold_iterations(made) is made


def test_it_starts_at_the_mean_parameters() -> None:
    made, mean = regressor(iterations=0).eval(), torch.randn(1, 10, dtype=torch.float64)
    made.init_shape.copy_(mean)
    torch.testing.assert_close(made(torch.randn(4, 12, dtype=torch.float64)).betas, mean.expand(4, -1))
