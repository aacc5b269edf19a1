"""The recurrent encoder: feature vectors of a track in, as many latent vectors out (the paper, section 3.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional


class GRU(nn.GRU):
    """In one direction, windows first; raises ValueError for any other.

    torch adds up a layer's weight gradients frame by frame, each a product of its own; here they are one product over
    all frames. Used where a gradient is wanted, on a processor, from rest and in full precision: everything else is
    nn.GRU's. Gradients can't be differentiated again.
    """

    def __init__(self, features: int, hidden: int, layers: int) -> None:
        super().__init__(features, hidden, layers, batch_first=True)

    def forward(
        self, input: Float[Tensor, "*batch time feature"], hx: Float[Tensor, "layer *batch hidden"] | None = None
    ) -> tuple[Float[Tensor, "*batch time hidden"], Float[Tensor, "layer *batch hidden"]]:
        plain = hx is not None or input.dim() != 3 or input.device.type != "cpu"
        if plain or not torch.is_grad_enabled() or torch.is_autocast_enabled("cpu"):
            return super().forward(input, hx)
        states, last = input.transpose(0, 1).contiguous(), []
        for layer in range(self.num_layers):
            names = (f"{kind}_l{layer}" for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
            found: Any = Layer.apply(states, *(self.get_parameter(name) for name in names))
            states = found
            last.append(states[-1])
        return states.transpose(0, 1), torch.stack(last)


class Layer(torch.autograd.Function):
    """One layer over all frames, frames first; gates in torch's order: reset, update, new."""

    @staticmethod
    def forward(
        ctx: Any, x: Float[Tensor, "time batch feature"], weight_ih: Float[Tensor, "gates feature"],
        weight_hh: Float[Tensor, "gates hidden"], bias_ih: Float[Tensor, "gates"], bias_hh: Float[Tensor, "gates"],
    ) -> Float[Tensor, "time batch hidden"]:  # fmt: skip
        hidden = weight_hh.shape[1]
        given = functional.linear(x, weight_ih, bias_ih)
        states = x.new_zeros(len(x) + 1, x.shape[1], hidden)
        kept = x.new_empty(len(x), x.shape[1], 4 * hidden)
        for time, (from_x, saved) in enumerate(zip(given, kept, strict=True)):
            before = states[time]
            from_h = torch.addmm(bias_hh, before, weight_hh.T)
            gates, new, recalled = saved.split([2 * hidden, hidden, hidden], 1)
            torch.add(from_x[:, : 2 * hidden], from_h[:, : 2 * hidden], out=gates).sigmoid_()
            recalled.copy_(from_h[:, 2 * hidden :])
            reset, update = gates.chunk(2, 1)
            torch.addcmul(from_x[:, 2 * hidden :], reset, recalled, out=new).tanh_()
            torch.lerp(new, before, update, out=states[time + 1])
        ctx.save_for_backward(x, weight_ih, weight_hh, states, kept)
        return states[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Float[Tensor, "time batch hidden"]) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        x, weight_ih, weight_hh, states, kept = ctx.saved_tensors
        hidden = weight_hh.shape[1]
        (outer,) = gradients
        by_x, by_recalled = x.new_empty(len(x), x.shape[1], 3 * hidden), torch.empty_like(states[1:])
        weight_gates, weight_recalled = weight_hh.split([2 * hidden, hidden])
        later = torch.zeros_like(states[0])
        for time in reversed(range(len(x))):
            reset, update, new, recalled = kept[time].chunk(4, 1)
            at_reset, at_update, at_new = by_x[time].chunk(3, 1)
            at_state = outer[time] + later
            torch.mul(at_state * (1 - update), 1 - new.square(), out=at_new)
            torch.mul(at_new, reset, out=by_recalled[time])
            torch.mul(by_recalled[time] * recalled, 1 - reset, out=at_reset)
            torch.mul(at_state * (states[time] - new), update * (1 - update), out=at_update)
            later = torch.addmm(at_state * update, by_x[time, :, : 2 * hidden], weight_gates)
            later.addmm_(by_recalled[time], weight_recalled)
        by_x, by_recalled, before = by_x.flatten(0, 1), by_recalled.flatten(0, 1), states[:-1].flatten(0, 1)
        at_x = (by_x @ weight_ih).view_as(x) if ctx.needs_input_grad[0] else None
        at_weight, at_bias = torch.empty_like(weight_hh), by_x.sum(0)
        torch.mm(by_x[:, : 2 * hidden].T, before, out=at_weight[: 2 * hidden])
        torch.mm(by_recalled.T, before, out=at_weight[2 * hidden :])
        at_bias_hh = torch.cat([at_bias[: 2 * hidden], by_recalled.sum(0)])
        return at_x, by_x.T @ x.flatten(0, 1), at_weight, at_bias, at_bias_hh


@dataclass(frozen=True)
class EncoderConfig:
    """Sizes of the recurrent encoder; the defaults are those of the published model."""

    features: int = 2048
    """Width of the input and of the output."""
    hidden: int = 1024
    """Units of a GRU layer and direction."""
    layers: int = 2
    bidirectional: bool = False
    """The paper's text says both directions, its published model has one."""
    linear: bool = True
    """A linear layer after the GRU; needed where its width is not that of the features."""
    residual: bool = True
    """Add the input to the output."""
    kind: Literal["gru"] = "gru"
    """Its name in a recipe."""


class GRUEncoder(nn.Module):
    """GRU, linear layer, residual."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        width = config.hidden * (2 if config.bidirectional else 1)
        if not config.linear and width != config.features:
            raise ValueError(f"the GRU gives {width} numbers, {config.features} are read: set linear")
        sizes = config.features, config.hidden, config.layers
        self.gru = nn.GRU(*sizes, batch_first=True, bidirectional=True) if config.bidirectional else GRU(*sizes)
        self.linear = nn.Linear(width, config.features) if config.linear else None
        self.residual = config.residual

    @property
    def streams(self) -> bool:
        """Whether a frame's latent vector waits for no later frame, so that `step` can be used."""
        return not self.gru.bidirectional

    def forward(self, features: Float[Tensor, "*b time feature"]) -> Float[Tensor, "*b time feature"]:
        return self.answer(self.read(features)[0], features)

    def step(
        self, features: Float[Tensor, "*b time feature"], state: Float[Tensor, "layer *b hidden"] | None = None
    ) -> tuple[Float[Tensor, "*b time feature"], Float[Tensor, "layer *b hidden"]]:
        """The next frames of a track, given the state that the frames before them left (None at its start).

        However a track is cut, its pieces give what the whole gives. Raises ValueError for a bidirectional GRU, which
        has to see a track's end before it can tell its beginning.
        """
        if not self.streams:
            raise ValueError("a bidirectional encoder reads whole tracks: call it on all frames at once")
        units, after = self.read(features, state)
        return self.answer(units, features), after

    def read(
        self, features: Float[Tensor, "*b time feature"], state: Float[Tensor, "layer *b hidden"] | None = None
    ) -> tuple[Float[Tensor, "*b time unit"], Float[Tensor, "layer *b hidden"]]:
        """The GRU's part: its last layer's units in each frame, and the state after the last frame."""
        lead = features.shape[:-2]
        before = None if state is None else state.reshape(len(state), -1, state.shape[-1])
        units, after = self.gru(features.reshape(-1, *features.shape[-2:]), before)
        return units.reshape(*features.shape[:-1], -1), after.reshape(len(after), *lead, -1)

    def answer(
        self, units: Float[Tensor, "*b time unit"], features: Float[Tensor, "*b time feature"]
    ) -> Float[Tensor, "*b time feature"]:
        """What comes after the GRU, frame by frame: linear layer and residual."""
        latent = units if self.linear is None else self.linear(units.relu())
        return latent + features if self.residual else latent
