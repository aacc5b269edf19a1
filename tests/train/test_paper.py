from collections.abc import Iterator
from dataclasses import replace

import pytest
import roma
import torch
from torch import Tensor, nn

from vibe import cameras
from vibe.body.load import load_body
from vibe.body.marks import joints_and_keypoints
from vibe.body.record import Body
from vibe.model.discriminator import DiscriminatorConfig, MotionDiscriminator, motion_numbers
from vibe.model.encoder import EncoderConfig, GRUEncoder
from vibe.model.regressor import Regressor, RegressorConfig
from vibe.model.vibe import VIBE
from vibe.records import Theta
from vibe.rotations import rotmat_from_6d
from vibe.train.adversarial import loss_of_generator, losses_of_discriminator
from vibe.train.official import RELEASED, Annotation, Prediction, losses
from vibe.train.paper import Batch, add_gradients, optimisers, paper_step

BATCH, FRAMES, FEATURES = 3, 5, 12


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture
def body() -> Body:
    return load_body().to(dtype=torch.float64)


def networks(form: str = "axis_angle") -> tuple[VIBE, MotionDiscriminator]:
    torch.manual_seed(1)
    encoder = GRUEncoder(EncoderConfig(features=FEATURES, hidden=6))
    generator = VIBE(nn.Identity(), encoder, Regressor(RegressorConfig(features=FEATURES, hidden=8)))
    config = DiscriminatorConfig(form=form, hidden=6, attention_units=4, attention_layers=3)  # pyright: ignore[reportArgumentType]
    return generator.eval(), MotionDiscriminator(config).eval()


def batch() -> Batch:
    torch.manual_seed(2)
    some = torch.tensor([[True] * FRAMES, [False] * FRAMES, [True, False, True, True, False]])
    real, true = (roma.random_rotmat((count, FRAMES, 24), dtype=torch.float64) for count in (BATCH + 1, BATCH))
    points = torch.rand(BATCH, FRAMES, 49, 3), torch.randn(BATCH, FRAMES, 49, 3)
    truth = Annotation(*points, true, torch.randn(BATCH, FRAMES, 10), some, ~some)
    return Batch(torch.randn(BATCH, FRAMES, FEATURES), truth, real)


def plain_prediction(generator: VIBE, body: Body, features: Tensor) -> Prediction:
    """The regressor's three full iterations on features and state side by side."""
    regressor, latent = generator.regressor, generator.encoder(features)
    state = torch.cat([regressor.init_pose, regressor.init_shape, regressor.init_cam], 1).double()
    state = state.expand(BATCH, FRAMES, 157)
    for _ in range(3):
        hidden = regressor.fc2(regressor.fc1(torch.cat([latent, state], -1)))
        state = state + torch.cat([regressor.decpose(hidden), regressor.decshape(hidden), regressor.deccam(hidden)], -1)
    pose, betas, camera = state.split([144, 10, 3], -1)
    rotmat = rotmat_from_6d(pose.unflatten(-1, (24, 6)))
    points = joints_and_keypoints(body, rotmat, betas, "spin49")[1]
    return Prediction(Theta(rotmat, betas, camera), points, cameras.project_in_crop(points, camera))


def plain_gradients(generator: VIBE, judge: MotionDiscriminator, body: Body, given: Batch) -> dict[str, Tensor]:
    """The discriminator runs three times, each network has a way back of its own."""
    predicted = plain_prediction(generator, body, given.evidence)
    terms = losses(predicted, given.truth, RELEASED)
    fake, real = (motion_numbers(each, judge.form) for each in (predicted.theta.rotmat, given.real))
    terms["adversarial"] = RELEASED.adversarial * loss_of_generator(judge(fake))
    torch.stack(list(terms.values())).sum().backward(inputs=list(generator.parameters()))
    told = losses_of_discriminator(judge(real), judge(fake.detach()))
    told = {name: RELEASED.adversarial * term for name, term in told.items()}
    (told["real"] + told["fake"]).backward()
    return terms | told


@pytest.mark.parametrize("form", ["axis_angle", "6d"])
def test_the_fast_step_has_the_terms_and_gradients_of_the_plain_one(body: Body, form: str) -> None:
    mine, its, given = networks(form), networks(form), batch()
    found = add_gradients(*mine, given, body, RELEASED)
    wanted = plain_gradients(*its, body, given)
    assert found.keys() == wanted.keys()
    for name, term in wanted.items():
        torch.testing.assert_close(found[name], term.detach(), rtol=1e-10, atol=0)
    for one, two in zip(mine, its, strict=True):
        for (name, parameter), other in zip(one.named_parameters(), two.parameters(), strict=True):
            assert parameter.grad is not None and other.grad is not None
            torch.testing.assert_close(parameter.grad, other.grad, rtol=1e-8, atol=1e-12, msg=name)


def test_steps_bring_both_networks_losses_down(body: Body) -> None:
    both, given = networks(), batch()
    movers = optimisers(*both)
    for mover in (movers.generator, movers.discriminator):
        mover.param_groups[0]["lr"] = 3e-3
    terms = [paper_step(*both, given, body, movers, RELEASED) for _ in range(30)]
    for names in (("keypoints_2d", "keypoints_3d", "pose", "shape"), ("real", "fake")):
        first, last = (sum(float(each[name]) for name in names) for each in (terms[0], terms[-1]))
        assert last < first


def test_smoothed_targets_move_the_term_of_real_motion_alone(body: Body) -> None:
    plain = add_gradients(*networks(), batch(), body, RELEASED)
    smooth = add_gradients(*networks(), batch(), body, RELEASED, torch.Generator().manual_seed(0))
    assert {name for name in plain if plain[name] != smooth[name]} == {"real"}


def test_a_term_that_is_no_number_stops_the_step_before_anything_moves(body: Body) -> None:
    both, given = networks(), batch()
    before = [parameter.detach().clone() for network in both for parameter in network.parameters()]
    broken = replace(given, truth=replace(given.truth, keypoints_2d=torch.full((BATCH, FRAMES, 49, 3), torch.nan)))
    with pytest.raises(FloatingPointError, match="keypoints_2d nan"):
        paper_step(*both, broken, body, optimisers(*both), RELEASED)
    after = [parameter for network in both for parameter in network.parameters()]
    assert all(torch.equal(one, two) for one, two in zip(before, after, strict=True))
