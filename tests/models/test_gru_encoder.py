import pytest
import torch

from vibe.models.gru import EncoderConfig, GRUEncoder

VARIANTS = [
    EncoderConfig(features=12, hidden=hidden, layers=layers, bidirectional=bidirectional, linear=linear, residual=both)
    for layers in (1, 2, 3)
    for bidirectional in (False, True)
    for linear, hidden in ((True, 8), (False, 6 if bidirectional else 12))
    for both in (False, True)
]


def variant(config: EncoderConfig) -> str:
    words = {"bidirectional": config.bidirectional, "linear": config.linear, "residual": config.residual}
    return "-".join([str(config.layers), *(word for word, on in words.items() if on)])


each_variant = pytest.mark.parametrize("config", VARIANTS, ids=variant)
each_forward = pytest.mark.parametrize("config", [each for each in VARIANTS if not each.bidirectional], ids=variant)


def by_hand(encoder: GRUEncoder, config: EncoderConfig, features: torch.Tensor) -> torch.Tensor:
    """The recurrence written out for one track, frame by frame."""
    weights, latent = dict(encoder.gru.named_parameters()), features
    for layer in range(config.layers):
        sides = []
        for suffix in ("", "_reverse") if config.bidirectional else ("",):
            of_input, of_state, bias, state_bias = (
                weights[f"{name}_l{layer}{suffix}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            )
            state, states = torch.zeros(config.hidden), []
            for frame in latent.flip(0) if suffix else latent:
                reset, update, new = (of_input @ frame + bias).chunk(3)
                was_reset, was_update, was_new = (of_state @ state + state_bias).chunk(3)
                update = (update + was_update).sigmoid()
                new = (new + (reset + was_reset).sigmoid() * was_new).tanh()
                state = (1 - update) * new + update * state
                states.append(state)
            sides.append(torch.stack(states[::-1] if suffix else states))
        latent = torch.cat(sides, -1)
    if encoder.linear is not None:
        latent = latent.relu() @ encoder.linear.weight.mT + encoder.linear.bias
    return latent + features if config.residual else latent


@each_variant
def test_every_variant_is_the_recurrence_written_out(config: EncoderConfig) -> None:
    encoder, features = GRUEncoder(config), torch.randn(2, 7, 12)
    expected = torch.stack([by_hand(encoder, config, track) for track in features])
    torch.testing.assert_close(encoder(features), expected, rtol=0, atol=1e-5)


@each_forward
@pytest.mark.parametrize("sizes", [(40,), (1,) * 40, (39, 1), (1, 39), (16, 16, 8), (0, 3, 0, 37)], ids=str)
def test_a_track_cut_anyhow_gives_what_the_whole_gives(config: EncoderConfig, sizes: tuple[int, ...]) -> None:
    encoder, features, state, pieces = GRUEncoder(config).eval(), torch.randn(3, 40, 12), None, []
    for part in features.split([size for size in sizes if size], 1):
        latent, state = encoder.step(part, state)
        pieces.append(latent)
    torch.testing.assert_close(torch.cat(pieces, 1), encoder(features), rtol=0, atol=1e-5)


def test_a_step_of_one_track_and_of_a_grid_of_tracks_carry_their_own_states() -> None:
    encoder, features = GRUEncoder(VARIANTS[0]), torch.randn(2, 3, 9, 12)
    _, states = encoder.step(features[..., :4, :])
    _, state = encoder.step(features[1, 2, :4])
    assert states.shape == (1, 2, 3, 8)
    torch.testing.assert_close(states[:, 1, 2], state)
    grid, _ = encoder.step(features[..., 4:, :], states)
    torch.testing.assert_close(grid[1, 2], encoder.step(features[1, 2, 4:], state)[0])


def test_one_direction_never_looks_ahead_and_two_do() -> None:
    features = torch.randn(1, 10, 12)
    later = torch.cat([features[:, :6], torch.randn(1, 4, 12)], 1)
    for config in VARIANTS:
        encoder = GRUEncoder(config)
        same = torch.equal(encoder(features)[:, :6], encoder(later)[:, :6])
        assert same != config.bidirectional


def test_a_bidirectional_encoder_refuses_to_be_fed_in_pieces() -> None:
    encoder = GRUEncoder(EncoderConfig(features=12, hidden=8, bidirectional=True))
    with pytest.raises(AssertionError, match="two directions"):
        encoder.step(torch.randn(4, 12))


def test_an_encoder_whose_width_does_not_fit_is_refused_with_what_to_do() -> None:
    with pytest.raises(ValueError, match="set linear"):
        GRUEncoder(EncoderConfig(features=12, hidden=8, linear=False))
