"""The even timeline that the network reads: about 30 moments a second, whatever the video's frame rate."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

RATE = 30.0
"""Frames a second that the network was trained on, give or take 60 %."""
LONGEST_GAP = 0.55
"""Seconds between neighbours beyond which a track is cut in two."""
PIECE = 4096
"""Moments that are resampled at a time."""


def stretches(times: Float[Tensor, "time"]) -> list[slice]:
    """The parts of a track without a gap."""
    cuts = (times.diff() > LONGEST_GAP).nonzero()[:, 0].add(1).tolist()
    return [slice(first, last) for first, last in zip([0, *cuts], [*cuts, len(times)], strict=True)]


def even_times(times: Float[Tensor, "time"]) -> Float[Tensor, "moment"]:
    """Evenly spaced moments from the first time to the last or just beyond, in seconds.

    A whole fraction or multiple of the mean frame rate is chosen, so that at an even rate of 20 to 45 frames a second
    they are the times themselves, if need be with a file's rounding (up to a twentieth of a step).
    """
    if len(times) < 2:
        return times
    rate = (len(times) - 1) / float(times[-1] - times[0])
    rate = rate / round(rate / RATE) if rate > RATE else rate * round(RATE / rate)
    count = math.ceil(float(times[-1] - times[0]) * rate - 0.01) + 1
    moments = times[0] + torch.arange(count, dtype=times.dtype) / rate
    return times if len(times) == count and torch.allclose(moments, times, rtol=0, atol=0.05 / rate) else moments


def resample_evidence(
    keypoints_px: Float[Tensor, "time 17 3"],
    box_px: Float[Tensor, "time 4"],
    times: Float[Tensor, "time"],
    moments: Float[Tensor, "moment"],
) -> tuple[Float[Tensor, "moment 17 3"], Float[Tensor, "moment 4"]]:
    """Keypoints and boxes at other moments: means under a triangular window, keypoints weighted by confidence.

    The window reaches one step of the sparser of the two timelines to either side, so that equal times change nothing
    and sparser ones are interpolated. A moment without a frame in reach takes the nearest, with confidence 0.
    """
    if torch.equal(times, moments):
        return keypoints_px, box_px
    reach = max(float(steps.diff().median()) for steps in (times, moments) if len(steps) > 1)
    points, boxes = keypoints_px.new_empty(len(moments), 17, 3), box_px.new_empty(len(moments), 4)
    for first in range(0, len(moments), PIECE):
        at = slice(first, first + PIECE)
        points[at], boxes[at] = _resampled(keypoints_px, box_px, times, moments[at], reach)
    return points, boxes


def _resampled(
    keypoints_px: Float[Tensor, "time 17 3"], box_px: Float[Tensor, "time 4"],
    times: Float[Tensor, "time"], moments: Float[Tensor, "moment"], reach: float,
) -> tuple[Float[Tensor, "moment 17 3"], Float[Tensor, "moment 4"]]:  # fmt: skip
    """The same for some of the moments, under a window of `reach` seconds to either side."""
    first = torch.searchsorted(times, moments - reach)
    last = torch.searchsorted(times, moments + reach, right=True)
    index = first[:, None] + torch.arange(max(int((last - first).max()), 1))
    inside = index < last[:, None]
    index = index.clamp(max=len(times) - 1)
    weight = (1 - (times[index] - moments[:, None]).abs() / reach).clamp_min(0) * inside
    weight = weight.to(keypoints_px.dtype)
    empty = weight.sum(1) < 1e-6
    weight[empty, 0] = 1.0
    share = weight / weight.sum(1, keepdim=True)
    box = (box_px[index] * share[..., None]).sum(1)
    points = keypoints_px[index]
    sure = share[..., None] * points[..., 2]
    total = sure.sum(1)
    trust = torch.where(total[:, None] > 1e-6, sure, share[..., None].expand_as(sure))
    place = (points[..., :2] * trust[..., None]).sum(1) / trust.sum(1)[..., None]
    return torch.cat([place, (total * ~empty[:, None])[..., None]], -1), box
