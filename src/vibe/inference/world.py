"""Everyone in one world: up and floor from the people, feet that stand, and where the camera was in every frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.ndimage import gaussian_filter1d, maximum_filter1d

from vibe.arrays import as_numpy, as_tensors
from vibe.body.feet import plant_feet
from vibe.body.pose import pose_joints, rest_planes, shape_of_height, turn_root
from vibe.body.posture import posture
from vibe.body.record import Body
from vibe.body.skin_points import sole_points, unbroken
from vibe.distortion import undistort_background
from vibe.edits.record import CorrectedPerson
from vibe.inference.config import Refinement
from vibe.motion import Motion
from vibe.motion.gravity import PICTURE_UP, lowest_foot
from vibe.motion.tensors import to_motion
from vibe.records import Background, Camera, Clip, Lens, SmplParams, Track, World
from vibe.rotations import unit
from vibe.skeletons import COCO
from vibe.world.camera_motion import CameraMotion, solve_rotations, standing_camera
from vibe.world.floor import Floor, Standing, contact_probability, find_floor, ground_heights
from vibe.world.trajectories import Walk, solve_paths

LENGTHS = np.append(0.0, 0.1 * 1.15 ** np.arange(48))
"""Metres of a camera's path that are tried: up to 71."""
TREMBLING = 0.2
"""Seconds over which a camera's path is smoothed."""
ROUNDS = 2
"""How often contacts, floor and the camera's path are found, each from what the others were the last time."""
NOTICED = 0.005
"""Share by which somebody must be larger for their shape to be changed."""
ANKLES = [COCO.index(f"{side}_ankle") for side in ("left", "right")]
SEEN = 0.5
"""Confidence of an ankle's keypoint, the best of 9 frames, from which its foot may stand."""
SHORTEST, TALLEST = 0.5, 2.5
"""Metres that nobody's height is brought beyond."""


@dataclass(frozen=True)
class _Marks:
    """What somebody said of one person's feet."""

    stands: Bool[ndarray, "time 4"]
    """That each sole stands."""
    on_floor: Bool[ndarray, "time"]
    """That the lower foot is on the floor."""


@dataclass(frozen=True)
class _Person:
    """One motion in axes that do not turn with the camera, from where the camera is in each frame; metres."""

    motion: Motion
    """In the camera's frame."""
    smpl: SmplParams
    joints: Float[ndarray, "time 24 3"]
    soles: Float[ndarray, "time 4 3"]

    @property
    def sight(self) -> Float[ndarray, "time 3"]:
        """Direction from the camera to the pelvis."""
        return unit(self.smpl.pelvis.astype(np.float64))


def camera_motion(background: Background | None, clip: Clip, camera: Camera) -> CameraMotion:
    """How the camera turned, as far as what stands behind the people tells; without it the camera is taken to stand."""
    if background is None:
        return standing_camera(len(clip.timestamps))
    background = undistort_background(background, camera)
    return solve_rotations(background, clip.timestamps, camera.K_px, (clip.width, clip.height))


def place_in_world(
    people: Sequence[Motion], clip: Clip, lens: Lens, body: Body, seen: CameraMotion, how: Refinement,
    measured: bool = False, said: Sequence[CorrectedPerson] = (),
) -> tuple[tuple[Motion, ...], World, list[str]]:  # fmt: skip
    """The people with contacts and their world, and what is to be said of it.

    Where the fit asks for it, sizes, distances and legs are changed, by little, so that feet that stand do stand on
    the floor; what the paper's method says stays as it is. Sizes stay where several cameras have `measured` them, as
    they do where the height is known. Each scene of the clip has a world of its own. The arrays
    are NumPy's, the body's are tensors. `said` is what somebody said of everybody's feet.
    """
    frames, placed = len(clip.timestamps), list(people)
    marks = [_Marks(one.stands.numpy().repeat(2, axis=1), one.on_floor.numpy()) for one in said]
    marks = marks or [_Marks(np.zeros((len(one), 4), bool), np.zeros(len(one), bool)) for one in people]
    R_world_cam, t_world_cam = np.tile(np.eye(3, dtype=np.float32), (frames, 1, 1)), np.zeros((frames, 3), np.float32)
    found: list[World] = []
    for first, last in zip(seen.begins, [*seen.begins[1:], frames], strict=True):
        inside = [n for n, one in enumerate(people) if len(one) and first <= one.frames[0] and one.frames[-1] < last]
        scene = [people[n] for n in inside], [marks[n] for n in inside], slice(first, last)
        mine, world = _place_scene(*scene, clip, lens, body, seen, how, measured)
        R_world_cam[first:last], t_world_cam[first:last] = world.R_world_cam, world.t_world_cam
        for number, motion in zip(inside, mine, strict=True):
            placed[number] = motion
        found += [world] if inside or not found else []
    main = found[0] if len(found) == 1 else min(found, key=lambda world: (world.floor == "none", world.tilt_error_deg))
    world = replace(main, R_world_cam=R_world_cam, t_world_cam=t_world_cam)
    notes = [*seen.notes]
    if any(len(one) for one in people) and any(each.floor == "none" for each in found):
        vertical = "the picture's vertical is taken for up, and " if lens.up_cam is None else ""
        notes.append(f"nobody stands upright long enough to tell the floor: {vertical}the lowest foot is at height 0")
    return tuple(one.in_world(world) for one in placed), world, notes


def _place_scene(
    people: Sequence[Motion], marks: Sequence[_Marks], span: slice, clip: Clip, lens: Lens, body: Body,
    seen: CameraMotion, how: Refinement, measured: bool,
) -> tuple[list[Motion], World]:  # fmt: skip
    """The same for people of one scene, whose frames lie in a span; the world has those frames alone."""
    arrays, times = as_numpy(body), clip.timestamps[span]
    persons = [_person(one, one.smpl, arrays, seen) for one in people]
    measured |= how.height_m is not None
    picture_up = (PICTURE_UP if lens.up_cam is None else lens.up_cam).astype(np.float64)
    up = picture_up
    likely = path = _first_path(persons, _steady(seen.path_cam0[span], times), up, span)
    for _ in range(ROUNDS + seen.travels):
        contacts = [
            np.maximum(_contacts(one, up, path[one.motion.frames - span.start]), said.stands)
            for one, said in zip(persons, marks, strict=True)
        ]
        standing = [
            _standing(one, path[one.motion.frames - span.start], c) for one, c in zip(persons, contacts, strict=True)
        ]
        floor = find_floor(standing, picture_up, measured, lens.up_cam is not None)
        known = floor if floor.standing and floor.stances else None
        up = floor.up if floor.standing else picture_up
        if seen.travels:
            path = solve_paths(_walks(persons, contacts, path, span, known), times, up, likely)[1]
    if known and how.fitting and how.fitting.grounded:
        persons = [_sized(one, scale, body, seen) for one, scale in zip(persons, known.scales, strict=True)]
        walks = _walks(persons, contacts, path, span, known)
        steps, path = solve_paths(walks, times, up, likely)
        persons = [
            _planted(_stepped(one, step), walk, path[walk.frames], up, arrays, seen)
            for one, step, walk in zip(persons, steps, walks, strict=True)
        ]
        people = [_finished(one, lens.camera, body, seen) for one in persons]
    people = [replace(one, contacts=c) for one, c in zip(people, contacts, strict=True)]
    world = _world(persons, path, up, known, seen, span, arrays, marks)
    return people, world if lens.up_cam is None else replace(world, gravity="calibration")


def _person(motion: Motion, smpl: SmplParams, body: Body, seen: CameraMotion) -> _Person:
    """One motion whose parameters in the camera's frame are these."""
    R = seen.R_cam0_cam[motion.frames].astype(np.float32)
    turned = SmplParams(turn_root(R, smpl.rotmat), smpl.betas, (R @ smpl.pelvis[..., None])[..., 0])
    posed = pose_joints(body, turned.rotmat, smpl.betas)[1]
    joints = posed - posed[:, :1] + turned.pelvis[:, None]
    return _Person(motion, turned, joints, sole_points(body, turned, joints)[0])


def _in_camera(one: _Person, seen: CameraMotion) -> SmplParams:
    """The person's parameters in the camera's frame."""
    R = seen.R_cam0_cam[one.motion.frames].astype(np.float32).mT
    return SmplParams(turn_root(R, one.smpl.rotmat), one.smpl.betas, (R @ one.smpl.pelvis[..., None])[..., 0])


def _contacts(one: _Person, up: Float[ndarray, "3"], path: Float[ndarray, "time 3"]) -> Float[ndarray, "time 4"]:
    """How likely the soles stand, where the camera went along a path; stretches between gaps by themselves."""
    shift = path[:, None]
    frames, found = one.motion.frames, np.zeros((len(path), 4), np.float32)
    for rows in unbroken(frames):
        places = (one.soles + shift)[rows], (one.joints + shift)[rows]
        found[rows] = contact_probability(*places, one.sight[rows], up, one.motion.times[rows])
    # of feet that are out of sight nothing is known
    seen = maximum_filter1d(one.motion.keypoints_px[:, ANKLES, 2], 9, axis=0)
    return found * (seen / SEEN).clip(0, 1).repeat(2, axis=1).astype(np.float32)


def _steady(path: Float[ndarray, "frame 3"], times: Float[ndarray, "frame"]) -> Float[ndarray, "frame 3"]:
    """A camera's path from 0 without the trembling of how it was found."""
    if not path.any():
        return np.zeros(path.shape)
    smooth = gaussian_filter1d(path, TREMBLING / float(np.median(np.diff(times))), axis=0, mode="nearest")
    return smooth - smooth[0]


def _first_path(
    persons: Sequence[_Person], shape: Float[ndarray, "frame 3"], up: Float[ndarray, "3"], span: slice
) -> Float[ndarray, "frame 3"]:
    """The path of the camera with the length for which there is a foot that stands in most frames."""
    length = float(np.linalg.norm(np.diff(shape, axis=0), axis=-1).sum())
    if not length or not persons:
        return np.zeros(shape.shape)
    paths = [shape * (metres / length) for metres in LENGTHS]
    surest = [
        sum(
            float(np.log(_contacts(one, up, path[one.motion.frames - span.start]).max(-1).clip(1e-3)).sum())
            for one in persons
        )
        for path in paths
    ]
    return paths[int(np.argmax(surest))]


def _standing(one: _Person, path: Float[ndarray, "time 3"], contacts: Float[ndarray, "time 4"]) -> Standing:
    return Standing(one.motion.times, one.soles, path, contacts, *posture(one.joints))


def _walks(
    persons: Sequence[_Person], contacts: Sequence[Float[ndarray, "_ 4"]], path: Float[ndarray, "frame 3"],
    span: slice, floor: Floor | None,
) -> list[Walk]:  # fmt: skip
    """What the paths are found from, where the camera so far is thought to have gone along a path."""
    walks = []
    for one, sure in zip(persons, contacts, strict=True):
        frames, ground = one.motion.frames - span.start, None
        if floor:
            heights = (one.soles + path[frames][:, None]) @ floor.up + floor.height
            ground = ground_heights(heights, sure, floor.levels, one.motion.times) - floor.height
        walks.append(Walk(frames, one.smpl.pelvis, one.soles, sure, ground))
    return walks


def _sized(one: _Person, scale: float, body: Body, seen: CameraMotion) -> _Person:
    """The person larger and as much farther away, which looks the same."""
    betas = as_tensors(one.smpl).betas.float()
    up = rest_planes(body, betas)[1]
    height = float(up.max() - up.min())
    wanted = float(min(max(height * scale, SHORTEST), TALLEST))
    if abs(wanted / height - 1) < NOTICED:
        return one
    smpl = one.motion.smpl
    taller = SmplParams(smpl.rotmat, as_numpy(shape_of_height(body, betas, wanted)), smpl.pelvis * (wanted / height))
    return _person(one.motion, taller, as_numpy(body), seen)


def _stepped(one: _Person, step: Float[ndarray, "time 3"]) -> _Person:
    """The person moved by a step in each frame."""
    step = step.astype(np.float32)
    smpl = replace(one.smpl, pelvis=one.smpl.pelvis + step)
    return replace(one, smpl=smpl, joints=one.joints + step[:, None], soles=one.soles + step[:, None])


def _planted(
    one: _Person, walk: Walk, path: Float[ndarray, "time 3"], up: Float[ndarray, "3"], body: Body, seen: CameraMotion
) -> _Person:
    """The person with standing feet still on what they stand on, in axes in which the camera went along a path."""
    assert walk.ground is not None
    joints = one.joints + path[:, None].astype(np.float32)
    smpl = plant_feet(body, one.smpl, joints, walk.contacts, up, walk.ground, one.motion.times, walk.frames)
    return _person(one.motion, _in_camera(replace(one, smpl=smpl), seen), body, seen)


def _finished(one: _Person, camera: Camera, body: Body, seen: CameraMotion) -> Motion:
    """The motion as a result has it."""
    motion = one.motion
    tensors = as_tensors(camera)
    track = Track(*(torch.from_numpy(getattr(motion, name)) for name in ("frames", "box_px", "keypoints_px")))
    placed = to_motion(as_tensors(_in_camera(one, seen)), track, torch.from_numpy(motion.times), tensors, body)
    return replace(placed, joints_std=motion.joints_std)


def _world(
    persons: Sequence[_Person], path: Float[ndarray, "frame 3"], up: Float[ndarray, "3"], floor: Floor | None,
    seen: CameraMotion, span: slice, body: Body, marks: Sequence[_Marks],
) -> World:  # fmt: skip
    """The world whose x axis is where the first person first faces, and above whose origin they start.

    Its height 0 is where somebody said that the floor is, or where feet stand, or at the lowest foot.
    """
    first = min(persons, key=lambda one: one.motion.frames[0], default=None)
    facing = np.array([0.0, 0.0, 1.0]) if first is None else first.smpl.rotmat[0, 0, :, 2].astype(np.float64)
    level = facing - (facing @ up) * up
    if np.linalg.norm(level) < 0.5 and first is not None:  # of somebody who lies the direction across the hips tells it
        level = np.cross(first.smpl.rotmat[0, 0, :, 0].astype(np.float64), up)
    x = unit(level) if np.linalg.norm(level) > 1e-6 else unit(np.cross(up, [1.0, 0.0, 0.0]))
    R_world_cam0 = np.stack([x, np.cross(up, x), up])
    start = np.zeros(3) if first is None else first.smpl.pelvis[0] + path[first.motion.frames[0] - span.start]
    pointed = any(said.on_floor.any() for said in marks)
    low = []
    for one, said in zip(persons, marks, strict=True):
        joints = one.joints + path[one.motion.frames - span.start][:, None]
        for rows in np.flatnonzero(said.on_floor)[:, None] if pointed else [slice(None)]:
            low.append(lowest_foot(body, one.smpl.at(rows), joints[rows], up))
    height = -float(np.mean(low)) if pointed else floor.height if floor else -min(low, default=0.0)
    t_world_cam0 = -R_world_cam0 @ (start - (start @ up + height) * up)
    return World(
        R_world_cam=(R_world_cam0 @ seen.R_cam0_cam[span]).astype(np.float32),
        t_world_cam=(path @ R_world_cam0.T + t_world_cam0).astype(np.float32),
        camera="moving" if seen.travels else "turning" if not seen.still else "still" if seen.sure.any() else "unknown",
        gravity="people" if floor else "camera",
        floor="feet" if floor or pointed else "none",
        tilt_error_deg=floor.tilt_error_deg if floor else float("nan"),
    )
