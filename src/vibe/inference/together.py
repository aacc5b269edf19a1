"""Several videos of the same people together: their clocks, who is who, and where the cameras stood."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy import ndarray

from vibe.arrays import as_numpy, as_tensors
from vibe.body.keypoint_regressor import joints_and_keypoints
from vibe.body.record import Body
from vibe.cache import StageCache, content_key, key
from vibe.inference.config import EstimatorConfig
from vibe.inference.joint_people import JointPerson, SeenView, as_tall, join_people, posed_camera
from vibe.models.network import Network
from vibe.records import Camera, View
from vibe.video.sound import RATE, read_sound
from vibe.views.camera_poses import PosedCamera, adjust_cameras
from vibe.views.correspondence import ALIKE, agreement, pair_views, same_people, sound_offset, time_offsets
from vibe.views.record import Sighting

MOST = 8
"""Videos."""
FOLDER = "together"
"""In the folder of stages, for those of videos that are estimated together."""
FOCAL_DOUBT = {"calibration": 0.0, "fov": 0.02, "file": 0.03, "pan": 0.05, "travel": 0.05, "default": 0.12}
"""Expected relative error of the focal length, by where it is from: keys of `vibe.cameras.LENS_SOURCES`."""
TRIED = 40
"""Moments that tell likely time offsets apart."""
WORST = 0.03
"""Distance, root mean square, of triangulated joints from where they are seen, heights of a person, beyond which two
videos don't show the same."""
CLOSE = 0.8
"""Ratio of how badly the two likeliest time offsets fit, from which it is said that either may be right."""
UNSURE = 0.5
"""How unlike the people of two views may be, as `vibe.views.correspondence` measures it."""
NEAR = 0.06
"""Seconds within which sound tells the same time offset: it takes 3 ms a metre."""
UNLIKE = "does not show the people of {} at the same time"
STANDING = "give videos of cameras that stand still, one of each"
SAME, LEAST_SHARED = 0.03, 10
"""Median distance of keypoints in two pictures, heights of a person, within which they show the same; over so many
frames of a track or more."""
MEND = "give videos of one scene that overlap by two seconds or more, none of them mirrored"


@dataclass(frozen=True)
class JoinedViews:
    """Several videos of the same people, ready for the fit."""

    views: list[SeenView]
    """The first is the reference."""
    cameras: list[PosedCamera]
    people: list[JointPerson]
    notes: list[str]

    @property
    def camera(self) -> Camera:
        """The reference's."""
        return posed_camera(self.views[0].lens.camera, self.cameras[0])


def check_videos(videos: Sequence[Path | str], config: EstimatorConfig, network: Network) -> list[Path]:
    """The paths of 2 to 8 different videos; raises ValueError, FileNotFoundError or OSError, with what to do."""
    paths = [Path(video) for video in videos]
    if not 2 <= len(paths) <= MOST:
        count = f"{len(paths)} {'video' if len(paths) == 1 else 'videos'}"
        raise ValueError(f"{count} can't be estimated together: give 2 to {MOST} of the same people")
    if network.evidence == "images" or config.fitting != "open":
        raise ValueError("several videos together need weights that read keypoints, and our own fit: leave --weights, "
                         "--fitting and --no-refine out")  # fmt: skip
    known: dict[str, Path] = {}
    for path in paths:
        content = content_key(path)
        if content in known:
            raise ValueError(f"{known[content]} and {path} are the same video: give each camera's video once")
        known[content] = path
    return paths


def joint_content(paths: Sequence[Path]) -> str:
    """What tells several videos from others, as `content_key` tells one; raises OSError."""
    return key(*map(content_key, paths))


def joint_stages(paths: Sequence[Path], config: EstimatorConfig, folder: Path | str | None) -> StageCache:
    """What several videos together give, kept in a folder if there is one; raises OSError."""
    return StageCache() if folder is None else StageCache(Path(folder), config.keys(joint_content(paths)))


def evidence_key(camera: Camera | None, *records: Any) -> str:
    """Under what the fit of a person is kept: what tells records of tensors, and the camera, from any others."""
    digest = hashlib.sha256(b"" if camera is None else camera.K_px.numpy().tobytes())
    for record in records:
        for array in vars(record).values():
            digest.update(b"none" if array is None else array.numpy().tobytes())
    return digest.hexdigest()[:32]


def join_views(views: Sequence[SeenView], config: EstimatorConfig, network: Network, body: Body) -> JoinedViews:
    """The cameras, and everybody as all views have them. Raises ValueError for views that don't belong together.

    Of three videos and more those that do not are left out with a note; the first of the others is the reference.
    """
    notes, kept = [f"{view.path.name}: {note}" for view in views for note in view.notes], []
    unfit: list[tuple[str, str]] = []
    for view in views:
        if (why := _unfit(view, kept)) is None:
            kept.append(view)
        else:
            unfit.append((view.path.name, why))
    if len(kept) < 2:
        name, why = unfit[-1]
        raise ValueError(f"{name} can't be taken together with others: {why}: {STANDING}")
    notes += [f"{name} was left out: {why}" for name, why in unfit]
    known = known_places(kept, config)
    cameras, groups, remarks = pose_cameras(kept, body, known)
    used = [place for place, camera in enumerate(cameras) if camera is not None]
    number = {place: index for index, place in enumerate(used)}
    groups = [[(number[view], track) for view, track in group] for group in groups]
    views, posed = [kept[place] for place in used], [camera for camera in cameras if camera is not None]
    if config.height_m is not None:
        views, posed = as_tall(views, posed, config.height_m, body)
    return JoinedViews(views, posed, join_people(views, posed, groups, network, body), notes + remarks)


def _unfit(view: SeenView, others: Sequence[SeenView]) -> str | None:
    """Why a video is none of a still camera of its own, if it is not."""
    if view.moved is not None and not view.moved.still:
        return "its camera moves"
    if view.moved is not None and len(view.moved.begins) > 1:
        return "it has a cut, after which another camera may show it"
    same = next((other for other in others if _same_picture(view, other)), None)
    return None if same is None else f"it shows the same picture as {same.path.name}"


def _same_picture(one: SeenView, two: SeenView) -> bool:
    """Whether somebody is at the same places of both pictures all the time, as in a copy with the same clock."""
    for mine in one.tracks:
        times, points = one.clip.timestamps[mine.frames].numpy(), mine.keypoints_px.flatten(1).numpy()
        height = np.median(mine.box_px[:, 3].numpy()) / one.clip.height
        for track in two.tracks:
            there, other = two.clip.timestamps[track.frames].numpy(), track.keypoints_px.flatten(1).numpy()
            inside = (times >= there[0]) & (times <= there[-1])
            if inside.sum() < LEAST_SHARED:
                continue
            other = np.stack([np.interp(times[inside], there, each) for each in other.T], 1)
            away = points[inside] / one.clip.height - other / two.clip.height
            away = np.linalg.norm(away.reshape(len(away), -1, 3)[..., :2], axis=-1)
            if np.median(away) < SAME * height:
                return True
    return False


def known_places(views: Sequence[SeenView], config: EstimatorConfig) -> list[tuple[ndarray, ndarray] | None]:
    """R and t from the first view to each, where one calibration tells them of all."""
    if config.camera_file is None:
        return [None] * len(views)
    from vibe.calibration import calibrated_place

    places = [calibrated_place(config.camera_file, view.path) for view in views]
    found: list[tuple[ndarray, ndarray] | None] = []
    for place in places:
        if place is None or places[0] is None:
            return [None] * len(views)
        R = place[0] @ places[0][0].T
        found.append((R, place[1] - R @ places[0][1]))
    return found


def sightings(view: SeenView, body: Body) -> list[Sighting]:
    """Everybody in a view, as the search for the cameras reads them."""
    found = []
    for prediction in view.predictions:
        said = prediction.whole
        with torch.no_grad():
            joints, points = joints_and_keypoints(body, said.smpl.rotmat, said.smpl.betas, "detected17")
        arrays = said.keypoints_px, points - joints[:, :1], said.smpl.pelvis, said.smpl.rotmat[:, 0]
        found.append(Sighting(*(as_numpy(each, np.float64) for each in (prediction.timeline.times, *arrays))))
    return found


def pose_cameras(
    views: Sequence[SeenView], body: Body, known: Sequence[tuple[ndarray, ndarray] | None]
) -> tuple[list[PosedCamera | None], list[list[tuple[int, int]]], list[str]]:
    """The cameras, the first of which is the reference, everybody as (view, track) pairs, and what there is to say.

    `known` has R and t from the first view to each where a calibration tells them. A view that does not show the same
    people at the same time as others has no camera; raises ValueError, with what to do, if no two do.
    """
    people = [sightings(view, body) for view in views]
    found, notes = _connected(views, people, known)
    used = [place for place, camera in enumerate(found) if camera is not None]
    cameras = [camera for camera in found if camera is not None]
    groups = same_people([people[place] for place in used], cameras)
    shared = [
        _joined([people[place] for place in used], group) for group in groups if len({view for view, _ in group}) > 1
    ]
    cameras, _ = adjust_cameras(cameras, shared)
    for place, camera in zip(used, cameras, strict=True):
        found[place] = camera
    return found, [[(used[view], track) for view, track in group] for group in groups], notes


@dataclass(frozen=True)
class _Pair:
    """Two views, by their places in the list, and what they tell of one another."""

    one: int
    two: int
    likely: list[tuple[float, PosedCamera]]
    """Cameras of the second against the first, the one that fits best first, each with how badly it fits."""
    heard: float | None
    """The time offset that sound tells."""

    def agreed(
        self, found: Mapping[int, PosedCamera], alone: Sequence[PosedCamera], people: Sequence[Sequence[Sighting]]
    ) -> list[tuple[PosedCamera, PosedCamera]]:
        """The likely cameras with which all that are found agree; each also as of the one that is not among them."""
        steps = [step for _, step in self.likely]
        if self.one in found:
            new, cameras = self.two, [step.after(found[self.one]) for step in steps]
        else:
            new, cameras = self.one, [step.reversed(alone[self.one]).after(found[self.two]) for step in steps]
        there = [people[place] for place in (*found, new)]
        return [
            (step, camera)
            for step, camera in zip(steps, cameras, strict=True)
            if len(found) == 1 or _heard(step, self.heard) or agreement(there, [*found.values(), camera]) > ALIKE
        ]


def _connected(
    views: Sequence[SeenView], people: Sequence[Sequence[Sighting]], known: Sequence[tuple[ndarray, ndarray] | None]
) -> tuple[list[PosedCamera | None], list[str]]:
    """The cameras of views that show the same, against the first of them, None for others; and what there is to say.

    Each view is laid over the one whose people move most alike, and the pair that fits best is begun with. The others
    join in order of likeness to any of those that are there, if these agree. A view that is left out changes nothing.
    """
    alone = [replace(_alone(view), is_fixed=place is not None) for view, place in zip(views, known, strict=True)]
    hear = cache(lambda place: read_sound(views[place].path))

    @cache
    def compared(one: int, two: int) -> _Pair:
        sound, other = hear(one), hear(two)
        heard = None if sound is None or other is None else sound_offset(sound, other, RATE)
        place = _between(known[one], known[two])
        return _Pair(one, two, _paired(people[one], people[two], alone[one], alone[two], place, heard), heard)

    alike = {(a, b): time_offsets(people[a], people[b], 1) for a, b in combinations(range(len(views)), 2)}
    order = sorted(alike, key=lambda pair: -alike[pair][0][1] if alike[pair] else 0.0)
    # all pairs of eight videos would take a minute
    likest = {next(pair for pair in order if place in pair) for place in range(len(views))}
    begun = [pair for pair in sorted(likest) if compared(*pair).likely]
    begun = begun or [pair for pair in order if compared(*pair).likely][:1]
    if not begun:
        raise ValueError(f"{_nothing_shared(views)}: {MEND}")
    start = min(begun, key=lambda pair: compared(*pair).likely[0][0])
    found, links, order = {start[0]: alone[start[0]]}, [], [start, *order]
    while (pair := next((compared(*pair) for pair in order if len(found.keys() & pair) == 1), None)) is not None:
        order = [each for each in order if each != (pair.one, pair.two)]
        if placed := pair.agreed(found, alone, people):
            found[pair.two if pair.one in found else pair.one] = placed[0][1]
            links.append((pair, [step for step, _ in placed]))
    first = min(found)
    base = found[first].reversed(alone[start[0]])
    cameras = [found[place].after(base) if place in found else None for place in range(len(views))]
    cameras[first] = alone[first]
    notes = [note for pair, steps in links for note in _doubts(views, first, pair, steps)]
    for view, camera in zip(views, cameras, strict=True):
        notes += [f"{view.path.name} was left out: {UNLIKE.format(views[first].path.name)}"] if camera is None else []
    return cameras, notes


def _between(
    one: tuple[ndarray, ndarray] | None, two: tuple[ndarray, ndarray] | None
) -> tuple[ndarray, ndarray] | None:
    """R and t from a view to another, of which those from the first view to either are known."""
    if one is None or two is None:
        return None
    R = two[0] @ one[0].T
    return R, two[1] - R @ one[1]


def _nothing_shared(views: Sequence[SeenView]) -> str:
    names = [view.path.name for view in views]
    if len(names) == 2:
        return f"{names[1]} {UNLIKE.format(names[0])}"
    return f"no two of {', '.join(names)} show the same people at the same time"


def _doubts(views: Sequence[SeenView], first: int, pair: _Pair, steps: Sequence[PosedCamera]) -> list[str]:
    """What there is to say of a clock, against the first view's unless another is named."""
    clock = f"the clock of {views[pair.two].path.name}"
    clock += "" if pair.one == first else f", against {views[pair.one].path.name}'s,"
    notes = []
    if pair.heard is not None and not _heard(steps[0], pair.heard):
        moves = f"told by how people move, {steps[0].offset_s:+.2f} s"
        notes.append(f"{clock} is {moves}; sound tells another one, {pair.heard:+.2f} s")
    if len(steps) > 1:
        either = " or ".join(f"{step.offset_s:+.2f}" for step in steps)
        notes.append(f"{clock} is not sure, {either} s: what is done repeats itself")
    return notes


def _paired(
    one: Sequence[Sighting], two: Sequence[Sighting], first: PosedCamera, second: PosedCamera,
    known: tuple[ndarray, ndarray] | None, heard: float | None = None,
) -> list[tuple[float, PosedCamera]]:  # fmt: skip
    """The second camera from what both see, for each likely time offset; the one that fits best, and its equals.

    Each with how badly it fits: the error of the keypoints, heights of a person, by the likeness of motion.
    What sound tells, `heard`, is tried too, and of several that fit about equally well the one it tells is taken alone.
    """
    found, offsets = [], time_offsets(one, two)
    # who moves more as the others do in the mirror was filmed in one, or by an app that shows one
    mirror = time_offsets(one, [each.mirrored for each in two], 1)
    if mirror and (not offsets or mirror[0][1] > offsets[0][1]):
        return []
    if heard is not None and not any(abs(offset_s - heard) < NEAR for offset_s, _ in offsets):
        offsets = [*offsets, (heard, ALIKE)]
    for offset_s, alike in offsets:
        paired = pair_views(one, two, offset_s)
        if paired is None or paired[3] > UNSURE:
            continue
        R, t = paired[:2] if known is None else known
        camera = replace(second, R_view_ref=R, t_view_ref=t, offset_s=offset_s, is_fixed=known is not None)
        posed, error = adjust_cameras([first, camera], [{0: one[i], 1: two[j]} for i, j in paired[2]], TRIED)
        if error < WORST:
            # places of people compare best under the cameras that were laid over them
            camera = replace(camera, offset_s=posed[1].offset_s)
            found.append((error / alike, camera))
    found.sort(key=lambda each: each[0])
    likely = [(cost, camera) for cost, camera in found if cost * CLOSE <= found[0][0]]
    return [(cost, camera) for cost, camera in likely if _heard(camera, heard)][:1] or likely


def _heard(camera: PosedCamera, heard: float | None) -> bool:
    """Whether sound tells a camera's clock."""
    return heard is not None and abs(camera.offset_s - heard) < NEAR


def _alone(view: SeenView) -> PosedCamera:
    K_px = as_numpy(view.lens.camera.K_px, np.float64)
    return PosedCamera(K_px, FOCAL_DOUBT[view.lens.camera.source], np.eye(3), np.zeros(3))


def _joined(people: Sequence[Sequence[Sighting]], group: Sequence[tuple[int, int]]) -> Mapping[int, Sighting]:
    """Of one person the sightings by view, those of several tracks one after the other."""
    found: dict[int, Sighting] = {}
    for view, track in group:
        mine, before = people[view][track], found.get(view)
        if before is not None:
            both = [before, mine] if before.times[0] <= mine.times[0] else [mine, before]
            later = both[1].times > both[0].times[-1]
            parts = (vars(both[0]), {name: array[later] for name, array in vars(both[1]).items()})
            mine = Sighting(**{name: np.concatenate([part[name] for part in parts]) for name in parts[0]})
        found[view] = mine
    return found


def view_records(joined: JoinedViews) -> tuple[View, ...]:
    """The cameras as a result has them."""
    return tuple(
        View(
            as_numpy(view.clip),
            as_numpy(posed_camera(as_tensors(view.lens.camera), camera)),
            camera.R_view_ref.astype(np.float32),
            camera.t_view_ref.astype(np.float32),
            camera.offset_s,
        )
        for view, camera in zip(joined.views, joined.cameras, strict=True)
    )
