"""Windows over a sequence that share frames with their neighbours: where they lie, and how they are blended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from vibe.records import SmplParams
from vibe.rotations import interpolate

Arrays = Mapping[str, Tensor]
"""Arrays of one window, whose first axis is time."""


def half_overlapping(frames: int, window: int) -> list[slice]:
    """Windows of equal length, each of which shares half with the next, the last one more."""
    length = min(window, frames)
    starts = [*range(0, frames - length, max(length // 2, 1)), frames - length]
    return [slice(start, start + length) for start in starts]


def equal_spans(frames: int, window: int, overlap: int) -> list[slice]:
    """As few windows of equal length as cover all frames, evenly spread, that share `overlap` or more."""
    count = max(1, -(-(frames - overlap) // (window - overlap)))
    length = min(frames, window)
    firsts = torch.linspace(0, frames - length, count).round().int().tolist()
    return [slice(first, first + length) for first in firsts]


def fixed_spans(frames: int, window: int, overlap: int) -> list[slice]:
    """Windows of which neighbours share exactly `overlap`; the last one may be shorter."""
    if frames <= window:
        return [slice(0, frames)]
    return [slice(start, min(start + window, frames)) for start in range(0, frames - overlap, window - overlap)]


def triangle(frames: int) -> Float[Tensor, "{frames}"]:
    """Weights of a window's frames that rise by one a frame to its middle and fall likewise."""
    rising = torch.arange(1.0, frames + 1)
    return torch.minimum(rising, rising.flip(0))


def ramp(frames: int, overlap: int) -> Float[Tensor, "{frames}"]:
    """Weights of a window's frames: rising without a kink over the overlap, 1, falling likewise."""
    place = torch.arange(frames) + 0.5
    part = (torch.minimum(place, frames - place) / max(overlap, 1)).clamp_max(1)
    return part**2 * (3 - 2 * part)


def overlap_add(
    spans: Sequence[slice], read: Callable[[slice], Arrays], weights: Float[Tensor, "frame"], first: int = 0
) -> Iterator[dict[str, Tensor]]:
    """The weighted means of windows that are read one after the other, in pieces as soon as no later one adds to them.

    All windows have the length of `weights`; only those that reach the frame number `first` or one after it are read.
    """
    sums: dict[str, Tensor] = {}
    for span, stop in zip(spans, [*(span.start for span in spans[1:]), spans[-1].stop], strict=True):
        if span.stop <= first:
            continue
        found = read(span)
        share = weights.to(next(iter(found.values())))
        new = {name: _along(share, each) * each for name, each in found.items()} | {"": share.clone()}
        for name, old in sums.items():
            new[name][: len(old)] = old + new[name][: len(old)]
        done, low = stop - span.start, max(first - span.start, 0)
        sums = {name: each[done:] for name, each in new.items()}
        if low < done:
            total = new.pop("")[low:done]
            yield {name: each[low:done] / _along(total, each) for name, each in new.items()}


def cross_fade(parts: Iterator[tuple[slice, SmplParams]]) -> Iterator[tuple[slice, SmplParams]]:
    """Stretches of one motion without the rows that each shares with the next, over which one fades into the other."""
    rows, part = next(parts)
    for new_rows, new in parts:
        first, shared = new_rows.start - rows.start, rows.stop - new_rows.start
        yield slice(rows.start, new_rows.start), part.at(slice(0, first))
        share = ramp(2 * shared, shared)[:shared]
        one, two = part.rotmat[first:], new.rotmat[:shared]
        same = (one == two).all(-1).all(-1)[..., None, None]
        mixed = torch.where(same, one, interpolate(one, two, share[:, None]))
        pelvis = torch.lerp(part.pelvis[first:], new.pelvis[:shared], share[:, None])
        rotmat, place = torch.cat([mixed, new.rotmat[shared:]]), torch.cat([pelvis, new.pelvis[shared:]])
        rows, part = new_rows, SmplParams(rotmat, new.betas, place)
    yield rows, part


def _along(weights: Float[Tensor, "frame"], values: Tensor) -> Tensor:
    """The weights with the axes of the values."""
    return weights.reshape(-1, *[1] * (values.ndim - 1))
