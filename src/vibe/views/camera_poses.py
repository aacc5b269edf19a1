"""Where still cameras stood, from the people before them: skeletons laid over one another, then a bundle adjustment.

Points in space are no unknowns of the search: for given cameras they are triangulated, so that it has eight unknowns a
view: turn, place, time offset and focal length. The network's skeletons give the scale.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from vibe.skeletons import COCO, index
from vibe.views.record import Sighting

People = Sequence[Mapping[int, Sighting]]
"""Each person's sightings by the number of the view."""
HEIGHT = 1.7
"""Metres taken for a person where a scale is needed."""
ALIGN = 0.12
"""Metres by which a joint of two skeletons may be apart before it starts to count as wrong."""
PICTURE, ROBUST = 0.007, 0.04
"""Expected error of a keypoint in heights of a person, and where it starts to count as wrong."""
SKELETON = 0.1
"""Expected error of the network's points about their middle, metres."""
SURE = 0.2
"""Confidence squared from which a point tells of the scale."""
LIMB_BONES = (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"))
BONES = [
    *(index(COCO, [f"{side}_{joint}" for joint in bone]) for bone in LIMB_BONES for side in ("left", "right")),
    *(index(COCO, [f"{one}_shoulder", f"{other}_hip"]) for one in ("left", "right") for other in ("left", "right")),
    *(index(COCO, [f"left_{joint}", f"right_{joint}"]) for joint in ("shoulder", "hip")),
]
"""Pairs of points whose distance is known, whichever way somebody faces."""
CLOCK = 0.05
"""Expected error of a time offset, seconds."""
EVIDENCE = 50.0
"""So many keypoints' worth are all of them, which err together: with more, two views take errors of keypoints for other
focal lengths, and turn their cameras with them."""
MOMENTS = 80
"""That are looked at."""
SEEN, FAR = 0.1, 0.05
"""Confidence squared from which a keypoint counts in the error, and heights of a person that it counts at most."""
STEP = 1 / 15
"""Least seconds between them."""
FLOW = 0.05
"""Seconds over which the speed of a keypoint is measured."""
ROUNDS = 3


@dataclass(frozen=True)
class PosedCamera:
    """A still camera: `x_view = R_view_ref @ x_ref + t_view_ref`, and its clock against the reference's."""

    K_px: Float[ndarray, "3 3"]
    focal_doubt: float
    """Expected relative error of the focal length; 0 where it is known."""
    R_view_ref: Float[ndarray, "3 3"]
    t_view_ref: Float[ndarray, "3"]
    offset_s: float = 0.0
    """Added to the reference's time gives this one's."""
    is_fixed: bool = False
    """Whether its place is known, so that only its clock is looked for."""

    def after(self, base: PosedCamera) -> PosedCamera:
        """The camera against another reference, of which `base` has its present one."""
        R, t = self.R_view_ref @ base.R_view_ref, self.R_view_ref @ base.t_view_ref + self.t_view_ref
        return replace(self, R_view_ref=R, t_view_ref=t, offset_s=base.offset_s + self.offset_s)

    def reversed(self, lens: PosedCamera) -> PosedCamera:
        """The reference, whose lens that is, against this camera."""
        R = self.R_view_ref.T
        return replace(lens, R_view_ref=R, t_view_ref=-R @ self.t_view_ref, offset_s=-self.offset_s)


def relative_pose(
    one: Sequence[Sighting], two: Sequence[Sighting]
) -> tuple[Float[ndarray, "3 3"], Float[ndarray, "3"], float]:
    """R and t from the first view to the second, from the same people at the same moments; mean distance of joints.

    The rotation lays skeletons over one another; the places of pelvises, which a single view knows by their size
    alone, give the translation.
    """
    A, B = (np.concatenate([each.points for each in view]) for view in (one, two))
    sure = [np.concatenate([each.keypoints_px[..., 2] for each in view]) for view in (one, two)]
    weight = np.sqrt(sure[0] * sure[1]) + 0.05 * ((sure[0].max(1) > 0) & (sure[1].max(1) > 0))[:, None]
    robust = np.ones_like(weight)
    for _ in range(5):
        R = _kabsch(A, B, weight * robust)
        off = np.linalg.norm(A @ R.T - B, axis=-1)
        robust = 1 / (1 + (off / ALIGN) ** 2) ** 2
    known = weight.max(1) > 0
    away = (np.concatenate([each.pelvis for each in two]) - np.concatenate([each.pelvis for each in one]) @ R.T)[known]
    distance = float((off * weight).sum() / weight.sum()) if weight.any() else np.inf
    return R, np.median(away, axis=0) if len(away) else np.zeros(3), distance


def _kabsch(
    A: Float[ndarray, "*n 3"], B: Float[ndarray, "*n 3"], weight: Float[ndarray, "*n"]
) -> Float[ndarray, "3 3"]:
    """The rotation that brings A to B."""
    U, _, Vt = np.linalg.svd((weight[..., None] * B).reshape(-1, 3).T @ A.reshape(-1, 3))
    return U @ np.diag([1, 1, np.linalg.det(U @ Vt)]) @ Vt


@dataclass(frozen=True)
class _Rays:
    """All that is compared: of each view, moment and point."""

    points_px: Float[ndarray, "view moment 17 2"]
    flow_px: Float[ndarray, "view moment 17 2"]
    """Pixels a second."""
    sure: Float[ndarray, "view moment 17"]
    """Confidence squared."""
    skeleton: Float[ndarray, "view moment 17 3"]
    """The network's points about the pelvis, in each view's axes."""
    skeleton_sure: Float[ndarray, "view moment"]
    """1 where the view sees the person, else 0."""
    bones: Float[ndarray, "moment bone"]
    """Lengths of `BONES` in metres, the views' mean."""


def adjust_cameras(
    cameras: Sequence[PosedCamera], people: People, moments: int = MOMENTS
) -> tuple[list[PosedCamera], float]:
    """Bundle adjustment of all views but the first, which is the reference, and their error in heights of a person.

    Root mean square over keypoints, each at most `FAR`; infinite where no two views see the same.
    """
    cameras = list(cameras)
    for _ in range(ROUNDS):
        seen = _rays(cameras, people, moments)
        if seen is None:
            return cameras, np.inf
        robust = _trust(_off(cameras, seen, seen.sure)[0])
        cameras = _searched(cameras, seen, seen.sure * robust)
    # skeletons that are turned a little wrong agree best if they are small
    cameras = _sized(cameras, seen, seen.sure * robust)
    off, *_ = _off(cameras, seen, seen.sure)
    far = np.linalg.norm(off, axis=-1)[seen.sure > SEEN].clip(max=FAR)
    return cameras, float(np.sqrt((far**2).mean())) if len(far) else np.inf


def _rays(cameras: Sequence[PosedCamera], people: People, moments: int) -> _Rays | None:
    """What is seen at moments spread over all of which two views know; None if there are none."""
    parts = []
    for person in people:
        low = min(each.times[0] - cameras[view].offset_s for view, each in person.items())
        high = max(each.times[-1] - cameras[view].offset_s for view, each in person.items())
        times = np.arange(low, high, STEP)
        here = np.zeros((len(cameras), len(times), 17, 3)), np.zeros((len(cameras), len(times), 17, 2))
        skeleton, seen = np.zeros((len(cameras), len(times), 17, 3)), np.zeros((len(cameras), len(times)))
        for view, each in person.items():
            now = each.at(times + cameras[view].offset_s)
            soon, late = (each.at(times + cameras[view].offset_s + step) for step in (-FLOW, FLOW))
            here[0][view] = now.keypoints_px
            here[1][view] = (late.keypoints_px - soon.keypoints_px)[..., :2] / (2 * FLOW)
            skeleton[view], seen[view] = now.points, now.seen
        kept = seen.sum(0) >= 2
        parts.append([each[:, kept] for each in (*here, skeleton, seen)])
    points, flow, skeleton, seen = (np.concatenate(part, 1) for part in zip(*parts, strict=True))
    if not seen.any():
        return None
    some = np.linspace(0, seen.shape[1] - 1, min(moments, seen.shape[1])).round().astype(int)
    points, flow, skeleton, seen = (each[:, some] for each in (points, flow, skeleton, seen))
    sure = points[..., 2] ** 2
    sure = sure * ((sure > 0.05).sum(0) >= 2)
    bones = np.linalg.norm(_bones(skeleton), axis=-1)
    bones = (bones * seen[..., None]).sum(0) / seen.sum(0)[:, None]
    return _Rays(points[..., :2], flow, sure, skeleton, seen, bones)


def _bones(points: Float[ndarray, "*b 17 3"]) -> Float[ndarray, "*b bone 3"]:
    ends = np.array(BONES)
    return points[..., ends[:, 1], :] - points[..., ends[:, 0], :]


def _off(
    cameras: Sequence[PosedCamera], seen: _Rays, weight: Float[ndarray, "view moment 17"],
    moved: Sequence[float] | None = None,
) -> tuple[Float[ndarray, "view moment 17 2"], Float[ndarray, "moment 17 3"]]:  # fmt: skip
    """How far triangulated points lie beside the keypoints, in heights of a person, and the points."""
    steps = np.zeros(len(cameras)) if moved is None else np.asarray(moved)
    pixels = seen.points_px + seen.flow_px * steps[:, None, None, None]
    K = np.stack([camera.K_px for camera in cameras])[:, None, None]
    R = np.stack([camera.R_view_ref for camera in cameras])
    t = np.stack([camera.t_view_ref for camera in cameras])
    x = (pixels[..., 0] - K[..., 0, 2]) / K[..., 0, 0]
    y = (pixels[..., 1] - K[..., 1, 2]) / K[..., 1, 1]
    normal = np.stack([_row(R, 0, x), _row(R, 1, y)], -2)
    right = -np.stack([_beside(t, 0, x), _beside(t, 1, y)], -1)
    share = weight
    for _ in range(2):
        weighed = share[..., None, None] * normal
        squares = (weighed.swapaxes(-1, -2) @ normal).sum(0) + 1e-9 * np.eye(3)
        sums = (weighed * right[..., None]).sum((0, 3))
        points = np.linalg.solve(squares, sums[..., None])[..., 0]
        placed = _turned(R, points) + t[:, None, None]
        depth = placed[..., 2].clip(0.3)
        share = weight / depth**2
    off = placed[..., :2] / depth[..., None] - np.stack([x, y], -1)
    # a person of this height at the person's depth
    size = HEIGHT / np.median(depth, axis=2, keepdims=True)[..., None]
    return off / size, points


def _turned(R: Float[ndarray, "view 3 3"], points: Float[ndarray, "m p 3"]) -> Float[ndarray, "view m p 3"]:
    return (points.reshape(-1, 3) @ R.swapaxes(-1, -2)).reshape(len(R), *points.shape)


def _row(R: Float[ndarray, "view 3 3"], axis: int, x: Float[ndarray, "view m p"]) -> Float[ndarray, "view m p 3"]:
    return R[:, None, None, axis] - x[..., None] * R[:, None, None, 2]


def _beside(t: Float[ndarray, "view 3"], axis: int, x: Float[ndarray, "view m p"]) -> Float[ndarray, "view m p"]:
    return t[:, None, None, axis] - x * t[:, None, None, 2]


def _trust(off: Float[ndarray, "*n 2"]) -> Float[ndarray, "*n"]:
    return 1 / (1 + (off**2).sum(-1) / ROBUST**2)


def _sized(cameras: Sequence[PosedCamera], seen: _Rays, weight: Float[ndarray, "view moment 17"]) -> list[PosedCamera]:
    """The cameras as far apart as bones are as long as the network has them, the median."""
    if any(camera.is_fixed for camera in cameras):
        return list(cameras)
    points = _off(cameras, seen, weight)[1]
    ends = np.array(BONES)
    known = (weight > SURE).sum(0) >= 2
    known = known[:, ends[:, 0]] & known[:, ends[:, 1]]
    ratios = (seen.bones / np.linalg.norm(_bones(points), axis=-1).clip(1e-3))[known]
    scale = float(np.median(ratios)) if len(ratios) else 1.0
    return [replace(camera, t_view_ref=camera.t_view_ref * scale) for camera in cameras]


def _searched(
    cameras: Sequence[PosedCamera], seen: _Rays, weight: Float[ndarray, "view moment 17"]
) -> list[PosedCamera]:
    """The cameras that agree best with what is seen, by weight."""
    root, both = np.sqrt(weight), np.sqrt(weight.min(0, where=weight > 0, initial=1.0) * (weight > 0).any(0))
    share = seen.skeleton_sure[..., None] * both
    skeleton = _centred(seen.skeleton, share)
    scale = np.sqrt(EVIDENCE / max(float(weight.sum()), 1.0))

    # of the eight numbers of each camera those that move something
    movable = [
        6 * [place > 0 and not camera.is_fixed] + [place > 0, camera.focal_doubt > 0]
        for place, camera in enumerate(cameras)
    ]
    free = np.array(movable).ravel()

    def whole(numbers: Float[ndarray, "n"]) -> Float[ndarray, "whole"]:
        every = np.zeros(len(free))
        every[free] = numbers
        return every

    def residuals(numbers: Float[ndarray, "n"]) -> Float[ndarray, "m"]:
        moved, steps, priors = _moved(cameras, whole(numbers))
        off, points = _off(moved, seen, weight, steps)
        R = np.stack([camera.R_view_ref for camera in moved])
        turned = _centred(_turned(R, points), share)
        apart = np.tanh((turned - skeleton) / SKELETON / 3) * 3
        parts = root[..., None] * off / PICTURE, share[..., None] * apart
        return np.concatenate([*(scale * part.ravel() for part in parts), priors])

    found = least_squares(
        residuals, np.zeros(int(free.sum())), method="trf", x_scale="jac", max_nfev=12, xtol=1e-5, ftol=1e-5
    )
    moved, steps, _ = _moved(cameras, whole(found.x))
    return [replace(camera, offset_s=camera.offset_s + step) for camera, step in zip(moved, steps, strict=True)]


def _centred(points: Float[ndarray, "view m p 3"], share: Float[ndarray, "view m p"]) -> Float[ndarray, "view m p 3"]:
    """The points from their mean by weight."""
    middle = (points * share[..., None]).sum(2) / share.sum(2).clip(1e-9)[..., None]
    return points - middle[:, :, None]


def _moved(
    cameras: Sequence[PosedCamera], numbers: Float[ndarray, "n"]
) -> tuple[list[PosedCamera], list[float], list[float]]:
    """Cameras moved by eight numbers each, the steps of their clocks, and how unlikely each number is by itself."""
    moved, steps, priors = [], [], []
    for camera, eight in zip(cameras, numbers.reshape(-1, 8), strict=True):
        zoom = np.exp(camera.focal_doubt * eight[7])
        K_px = camera.K_px * np.array([[zoom, 1.0, 1.0], [1.0, zoom, 1.0], [1.0, 1.0, 1.0]])
        R = Rotation.from_rotvec(eight[:3]).as_matrix() @ camera.R_view_ref
        moved.append(replace(camera, K_px=K_px, R_view_ref=R, t_view_ref=camera.t_view_ref + eight[3:6]))
        steps.append(CLOCK * float(eight[6]))
        priors += [0.1 * eight[6], eight[7]]
    return moved, steps, priors
