from dataclasses import asdict

import pytest
import torch

from vibe.models.attention import AttentionConfig, TransformerConfig
from vibe.models.convolutional import ConvolutionalConfig, HallucinatorConfig
from vibe.models.encoders import ENCODERS, AnyEncoderConfig, begin_at_input, build_encoder, encoder_config
from vibe.models.gru import EncoderConfig

SMALL: list[AnyEncoderConfig] = [
    EncoderConfig(features=16, hidden=16),
    EncoderConfig(features=16, hidden=16, bidirectional=True),
    ConvolutionalConfig(features=16, groups=4),
    HallucinatorConfig(features=16, hidden=16),
    AttentionConfig(features=16, hidden=16, heads=2, dropout=0.0),
    TransformerConfig(features=16, hidden=16, heads=2, layers=2, reach=2, dropout=0.0),
    TransformerConfig(features=16, hidden=16, heads=2, layers=2, reach=2, dropout=0.0, causal=True),
]
WAYS = ["gru", "gru-bidirectional", "convolutional", "hallucinator", "attention", "transformer", "transformer-causal"]
each_encoder = pytest.mark.parametrize("config", SMALL, ids=WAYS)


def test_every_name_is_tried_here() -> None:
    assert {config.kind for config in SMALL} == set(ENCODERS)


@each_encoder
def test_a_recipe_says_all_that_an_encoder_is(config: AnyEncoderConfig) -> None:
    again = encoder_config(asdict(config))
    assert again == config
    made, other = build_encoder(config).eval(), build_encoder(again).eval()
    other.load_state_dict(made.state_dict())
    features = torch.randn(2, 9, 16)
    assert torch.equal(made(features), other(features))


@each_encoder
@pytest.mark.parametrize("lead", [(), (2,), (2, 3)], ids=str)
@pytest.mark.parametrize("frames", [1, 7])
def test_out_come_as_many_vectors_as_go_in(config: AnyEncoderConfig, lead: tuple[int, ...], frames: int) -> None:
    features = torch.randn(*lead, frames, 16)
    assert build_encoder(config)(features).shape == features.shape


@each_encoder
def test_every_parameter_learns(config: AnyEncoderConfig) -> None:
    encoder = build_encoder(config)
    if config.kind == "transformer":
        torch.nn.init.normal_(encoder.get_parameter("widen.weight"))
    encoder(torch.randn(2, 9, 16)).square().mean().backward()
    still = [name for name, value in encoder.named_parameters() if value.grad is None or not value.grad.any()]
    assert still == []


@each_encoder
def test_what_the_frame_before_said_is_learned_by_all_that_look_around(config: AnyEncoderConfig) -> None:
    encoder, read = build_encoder(config), torch.nn.Linear(16, 1)
    optimiser = torch.optim.Adam([*encoder.parameters(), *read.parameters()], 5e-3)
    losses = []
    for _ in range(50):
        features = torch.randn(32, 12, 16)
        before = features[:, :-1, 0]
        loss = (read(encoder(features))[:, 1:, 0] - before).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    learned = sum(losses[-5:]) / 5
    assert (learned > 0.9) if config.kind == "hallucinator" else (learned < 0.8)


def test_a_recipe_without_a_name_has_a_gru_and_none_hands_the_features_on() -> None:
    assert encoder_config({"features": 8, "hidden": 4}) == EncoderConfig(features=8, hidden=4)
    assert isinstance(build_encoder(encoder_config(None)), torch.nn.Identity)


def test_unknown_names_and_fields_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="no encoder 'lstm': choose one of gru"):
        encoder_config({"kind": "lstm"})
    with pytest.raises(ValueError, match="transformer.*'hiden'"):
        encoder_config({"kind": "transformer", "hiden": 4})


def test_the_defaults_are_the_published_sizes() -> None:
    with torch.device("meta"):
        sizes = {
            name: sum(p.numel() for p in network(kind()).parameters()) for name, (kind, network) in ENCODERS.items()
        }
    block = 2 * (3 * 2048 * 2048 + 2048 + 2 * 2048)
    assert sizes["gru"] == 17_840_128
    assert sizes["convolutional"] == 3 * block
    assert sizes["hallucinator"] == 2 * (2048 * 2048 + 2048)


@each_encoder
def test_an_encoder_that_begins_at_its_input_hands_it_on_and_learns(config: AnyEncoderConfig) -> None:
    torch.manual_seed(0)
    encoder, features, wanted = build_encoder(config), torch.randn(2, 7, 16), torch.randn(2, 7, 16)
    begin_at_input(encoder)
    assert torch.equal(encoder(features), features)
    optimiser, error = torch.optim.Adam(encoder.parameters(), lr=1e-2), []
    for _ in range(20):
        optimiser.zero_grad()
        loss = (encoder(features) - wanted).square().mean()
        loss.backward()
        optimiser.step()
        error.append(float(loss.detach()))
    assert error[-1] < 0.9 * error[0]
