"""Gaps closed, motion smoothed and resampled, one shape for one person.

Smoothing is a local regression: around each wanted moment a quadratic in time is fitted to the samples nearby,
weighted by a Gaussian window in seconds and by confidence. It has no lag, does not shrink the ends, asks for no
even sampling, and gives the motion at any moment, so that it resamples too. Rotations are fitted as quaternions,
brought to one side of the sphere around each moment, and set back to length 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import cast

import roma
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from vibe import skeletons
from vibe.refine.one_euro import one_euro_rotations
from vibe.refine.presets import OneEuro, Smoothing
from vibe.rotations import interpolate

REACH = 3.5
"""Half the window, in standard deviations of the Gaussian."""
SPARSE = 0.75
"""The least standard deviation, in intervals between the samples around the wanted moment."""
UNSEEN = 0.05
"""The least weight: of a frame without evidence, which still says more than nothing."""
BEND = 0.01
"""Ridge on the quadratic's bend; holds it near a line where the samples lie on one side or far away."""
Mix = Callable[[Tensor, Tensor, Tensor], Tensor]
"""From two samples and how far it is on the way from one to the other, in [0, 1], to what is there."""
TRUNK = [word in ("pelvis", "neck", "head") or "spine" in word or "collar" in word for word in skeletons.SMPL]


def smooth(
    rotmat: Float[Tensor, "time_in 24 3 3"],
    trans: Float[Tensor, "time_in 3"],
    times_in: Float[Tensor, "time_in"],
    times_out: Float[Tensor, "time_out"],
    smoothing: Smoothing | OneEuro,
    weight: Float[Tensor, "time_in"] | None = None,
) -> tuple[Float[Tensor, "time_out 24 3 3"], Float[Tensor, "time_out 3"]]:
    """Rotations and pelvis position (camera frame, metres) at other moments (seconds), smoothed.

    Positions are smoothed as the ray through the pelvis and the logarithm of its depth: a wavering depth then moves
    the body along its line of sight and not across the picture. The one-euro filter runs over rotations alone, as
    published, at the moments given, before they are resampled. Raises ValueError as `smooth_positions` does.
    """
    if isinstance(smoothing, OneEuro):
        _check(times_in)
        rotmat = one_euro_rotations(rotmat, times_in, smoothing)
        smoothing = Smoothing(limbs=0.0, trunk=0.0, across=0.0, depth=0.0)
    sigma = torch.where(torch.tensor(TRUNK), smoothing.trunk, smoothing.limbs)
    rotmat_out = smooth_rotations(rotmat, times_in, times_out, sigma, weight)
    if not (smoothing.across or smoothing.depth) and torch.equal(times_in, times_out):
        return rotmat_out, trans
    depth = trans[:, 2:].clamp_min(0.01)
    line = torch.cat([trans[:, :2] / depth, depth.log()], -1)
    widths = torch.tensor([smoothing.across, smoothing.across, smoothing.depth])
    line = smooth_positions(line, times_in, times_out, widths, weight)
    ray = torch.nn.functional.pad(line[:, :2], (0, 1), value=1.0)
    return rotmat_out, ray * line[:, 2:].exp()


def smooth_rotations(
    rotmat: Float[Tensor, "time_in joint 3 3"],
    times_in: Float[Tensor, "time_in"],
    times_out: Float[Tensor, "time_out"],
    sigma: Float[Tensor, "joint"],
    weight: Float[Tensor, "time_in"] | None = None,
) -> Float[Tensor, "time_out joint 3 3"]:
    """Rotations at other moments, smoothed with a window of its own for each joint; sigma 0 is slerp.

    Times in seconds, `times_in` increasing; outside of it the ends are held. Raises ValueError as `smooth_positions`.
    """

    def mean(part: Tensor, width: float) -> Tensor:
        before, after, way = _neighbours(times_in, times_out)
        quat = roma.rotmat_to_unitquat(part)
        middle = quat[torch.where(way < 0.5, before, after)]
        total = torch.zeros_like(middle)
        for tap, share in _window(times_in, times_out, width, weight):
            sample, share = quat[tap], share.to(quat)[:, None, None]
            total += torch.where((sample * middle).sum(-1, keepdim=True) < 0, -share, share) * sample
        return roma.unitquat_to_rotmat(torch.nn.functional.normalize(total, dim=-1))

    return _by_width(rotmat, times_in, times_out, sigma, interpolate, mean)


def smooth_positions(
    x: Float[Tensor, "time_in d"],
    times_in: Float[Tensor, "time_in"],
    times_out: Float[Tensor, "time_out"],
    sigma: Float[Tensor, "d"],
    weight: Float[Tensor, "time_in"] | None = None,
) -> Float[Tensor, "time_out d"]:
    """Numbers at other moments, smoothed with a window of its own for each column; sigma 0 is linear interpolation.

    Times in seconds, `times_in` increasing; outside of it the ends are held. Raises ValueError if `times_in` is empty
    or does not increase.
    """

    def mean(part: Tensor, width: float) -> Tensor:
        taps = _window(times_in, times_out, width, weight)
        return cast(Tensor, sum(share.to(x)[:, None] * part[tap] for tap, share in taps))

    return _by_width(x, times_in, times_out, sigma, torch.lerp, mean)


def _by_width(
    x: Tensor, times_in: Tensor, times_out: Tensor, sigma: Float[Tensor, "n"], between: Mix,
    mean: Callable[[Tensor, float], Tensor],
) -> Tensor:  # fmt: skip
    """Each column by itself, those of one window together: the mean over the window, or what lies between samples."""
    _check(times_in)
    out = x.new_empty(len(times_out), *x.shape[1:])
    for width in sigma.unique().tolist():
        columns = (sigma == width).nonzero()[:, 0]
        part = x[:, columns]
        out[:, columns] = mean(part, width) if width else _between(part, times_in, times_out, between)
    return out


def close_gaps(
    rotmat: Float[Tensor, "time joint 3 3"],
    positions: Float[Tensor, "time d"],
    times: Float[Tensor, "time"],
    seen: Bool[Tensor, "time"],
) -> tuple[Float[Tensor, "time joint 3 3"], Float[Tensor, "time d"]]:
    """Frames not seen, between seen ones: rotations by slerp, positions (or cameras) by linear interpolation.

    What lies before the first or after the last seen frame stays as it was.
    """
    known = seen.nonzero()[:, 0]
    if len(known) < 2:
        return rotmat, positions
    inner = (times > times[known[0]]) & (times < times[known[-1]]) & ~seen
    rotmat, positions = rotmat.clone(), positions.clone()
    rotmat[inner] = _between(rotmat[known], times[known], times[inner], interpolate)
    positions[inner] = _between(positions[known], times[known], times[inner], torch.lerp)
    return rotmat, positions


def one_shape(betas: Float[Tensor, "time 10"], weight: Float[Tensor, "time"]) -> Float[Tensor, "10"]:
    """The mean shape, weighted by confidence; the plain mean if no frame has any."""
    weight = weight.clamp_min(0)
    weight = torch.where(weight.sum() > 0, weight, torch.ones_like(weight)).to(betas)
    return (betas * weight[:, None]).sum(0) / weight.sum()


def _check(times_in: Float[Tensor, "time"]) -> None:
    if len(times_in) == 0 or not bool((times_in.diff() > 0).all()):
        raise ValueError(f"{len(times_in)} sample times: give at least one, and let each be later than the one before")


def _neighbours(
    times_in: Float[Tensor, "time_in"], times_out: Float[Tensor, "time_out"]
) -> tuple[Int[Tensor, "time_out"], Int[Tensor, "time_out"], Float[Tensor, "time_out"]]:
    """The samples before and after each moment, and how far it is on the way from one to the other, in [0, 1]."""
    times_in, times_out = times_in.double(), times_out.double()
    last = len(times_in) - 1
    after = torch.searchsorted(times_in, times_out, right=True).clamp(min(1, last), last)
    before = (after - 1).clamp_min(0)
    span = (times_in[after] - times_in[before]).clamp_min(1e-12)
    return before, after, ((times_out - times_in[before]) / span).clamp(0, 1)


def _between(x: Tensor, times_in: Tensor, times_out: Tensor, mix: Mix) -> Tensor:
    """The samples before and after each moment, mixed by how near they are."""
    if torch.equal(times_in, times_out):
        return x
    before, after, way = _neighbours(times_in, times_out)
    return mix(x[before], x[after], way.to(x)[:, None])


def _window(
    times_in: Float[Tensor, "time_in"],
    times_out: Float[Tensor, "time_out"],
    sigma: float,
    weight: Float[Tensor, "time_in"] | None,
) -> Iterator[tuple[Int[Tensor, "time_out"], Float[Tensor, "time_out"]]]:
    """The samples around all moments, one after the other, and the share each has in the local quadratic's value there.

    The shares of a moment sum to 1. Where samples are sparser than the window, the window widens to a few of them.
    """
    times_in = times_in.double()
    moment = times_out.double().clamp(times_in[0], times_in[-1])
    before, after, _ = _neighbours(times_in, moment)
    width = (SPARSE * (times_in[after] - times_in[before])).clamp_min(sigma)
    first = torch.searchsorted(times_in, moment - REACH * width).minimum(before)
    end = torch.searchsorted(times_in, moment + REACH * width, right=True).maximum(after + 1)
    index = first[:, None] + torch.arange(int((end - first).max()))
    inside = index < end[:, None]
    index = index.clamp_max(len(times_in) - 1)
    offset = (times_in[index] - moment[:, None]) / width[:, None]
    share = torch.exp(-(offset**2) / 2) * inside
    if weight is not None:
        share = share * weight.double().clamp_min(UNSEEN)[index]
    share = share / share.sum(-1, keepdim=True)
    powers = torch.stack([torch.ones_like(offset), offset, offset**2], -1)
    moments = (powers * share[..., None]).mT @ powers + torch.diag(torch.tensor([0, 1e-6, BEND]).to(share))
    value = torch.linalg.cross(moments[:, 1], moments[:, 2])  # Cramer's rule: batched LU fails at times on two threads
    value = value / (moments[:, 0] * value).sum(-1, keepdim=True)
    share = share * (powers @ value[..., None])[..., 0]
    return zip(index.unbind(-1), share.unbind(-1), strict=True)
