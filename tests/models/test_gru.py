import pytest
import torch
from torch import Tensor, nn

from vibe.models.gru import GRU


def pair(layers: int) -> tuple[GRU, nn.GRU]:
    """Ours and torch's with the same parameters."""
    ours, plain = GRU(7, 5, layers).double(), nn.GRU(7, 5, layers, batch_first=True).double()
    plain.load_state_dict(ours.state_dict())
    return ours, plain


def gradients(gru: nn.GRU, x: Tensor, to_states: Tensor, to_last: Tensor) -> list[Tensor]:
    states, last = gru(x)
    wanted = [*gru.parameters(), x]
    return [states, last, *torch.autograd.grad((states * to_states).sum() + (last * to_last).sum(), wanted)]


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("frames", [1, 6])
def test_answers_and_gradients_are_those_of_torch(layers: int, frames: int) -> None:
    ours, plain = pair(layers)
    x = torch.randn(3, frames, 7, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(3, frames, 5, dtype=torch.float64), torch.randn(layers, 3, 5, dtype=torch.float64)
    for mine, its in zip(gradients(ours, x, *weights), gradients(plain, x, *weights), strict=True):
        torch.testing.assert_close(mine, its, rtol=1e-10, atol=1e-12)


def test_gradients_are_the_differences_of_the_answers() -> None:
    ours, _ = pair(2)
    x = torch.randn(2, 4, 7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: ours(x)[0], x)


def test_frames_that_need_no_gradient_get_none() -> None:
    ours, _ = pair(1)
    x = torch.randn(2, 4, 7, dtype=torch.float64)
    ours(x)[0].sum().backward()
    assert x.grad is None and all(parameter.grad is not None for parameter in ours.parameters())


def test_without_gradients_and_from_a_state_it_is_the_same_network() -> None:
    ours, plain = pair(2)
    x = torch.randn(3, 6, 7, dtype=torch.float64)
    with torch.no_grad():
        whole, _ = ours(x)
    torch.testing.assert_close(ours(x)[0], whole)
    _, state = ours(x[:, :4])
    torch.testing.assert_close(ours(x[:, 4:], state)[0], plain(x)[0][:, 4:])


def test_a_way_back_can_be_gone_twice() -> None:
    ours, _ = pair(2)
    total = ours(torch.randn(2, 4, 7, dtype=torch.float64))[0].sum()
    first, second = (torch.autograd.grad(total, list(ours.parameters()), retain_graph=True) for _ in range(2))
    assert all(torch.equal(one, two) for one, two in zip(first, second, strict=True))
