"""One person's motion, and everything found in one video."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import roma
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from vibe.body import Body, find_body, keypoints, rest_joints, vertices
from vibe.motion.series import CAMERA, PARENT, Series, within
from vibe.records import Camera, Clip, Weights
from vibe.skeletons import JOINT_SETS, SMPL

if TYPE_CHECKING:
    from pandas import DataFrame


CHUNK = 64
"""Frames whose vertices are computed at a time."""
LARGEST = 1 << 31
"""Bytes of vertices that are held together."""


@torch.no_grad()
def keypoints_cam(motion: Motion, body: Body, points: str) -> Float[Tensor, "time point 3"]:
    """One of the body's point sets, metres; raises ValueError if the body does not have it."""
    body = body.to(motion.trans.device)
    return keypoints(body, motion.rotmat, motion.betas, points) + _origin(motion, body)


@torch.no_grad()
def vertices_cam(motion: Motion, body: Body) -> Float[Tensor, "time vertex 3"]:
    """The surface, metres; raises ValueError if it takes more memory than `LARGEST`."""
    shape = (len(motion), *body.v_template.shape)
    size = 4 * shape[0] * shape[1] * shape[2]
    if size > LARGEST:
        raise ValueError(
            f"the vertices of {shape[0]} frames take {size / 1e9:.1f} GB, {LARGEST / 1e9:.1f} at most are held: go "
            "through the motion in parts, as in motion[0.0:10.0].vertices()"
        )
    body, surface = body.to(motion.trans.device), motion.trans.new_empty(shape)
    for start in range(0, len(motion), CHUNK):
        rows = torch.arange(start, min(start + CHUNK, len(motion)), device=motion.trans.device)
        part = motion.at(rows)
        surface[rows] = vertices(body, part.rotmat, part.betas) + _origin(part, body)
    return surface


def _origin(motion: Motion, body: Body) -> Float[Tensor, "time 1 3"]:
    """Where the body's own origin lies: `trans` is the place of the pelvis joint."""
    return (motion.trans - rest_joints(body, motion.betas)[..., 0, :])[:, None]


@dataclass(frozen=True, eq=False)
class Motion:
    """One person's motion in the camera's frame (x right, y down, z forward; metres, seconds, radians).

        import vibe

        result = vibe.load("out/dance/motion.npz")
        person = result.people[0]
        print(len(person), person.body_pose.shape)  # frames, [frames, 69]
        hand = person[2.0:5.0].joints("coco17")["left_wrist"]
        print(hand.velocity().norm().numpy())  # m/s

    `motion[2.0:5.0]` is a stretch in seconds of the video, from its start and without its end.
    """

    frames: Int[Tensor, "time"]
    """Indices into the clip; increasing, gaps allowed."""
    times: Float[Tensor, "time"]
    """Seconds in the video, float64."""
    box_px: Float[Tensor, "time 4"]
    """Centre x, centre y, width, height."""
    global_orient: Float[Tensor, "time 3"]
    """Axis-angle of the pelvis in the camera's frame."""
    body_pose: Float[Tensor, "time 69"]
    """Axis-angle of joints 1 to 23, each relative to its parent."""
    betas: Float[Tensor, "*t 10"]
    """One shape for the whole track; or one a frame, where the network's own answer was asked for."""
    trans: Float[Tensor, "time 3"]
    """Position of the pelvis joint, metres."""
    pred_cam: Float[Tensor, "time 3"]
    """s, tx, ty: weak perspective of the box's square crop (the paper, section 3)."""
    joints_cam: Float[Tensor, "time 24 3"]
    """SMPL's joints in the camera's frame, metres."""
    joints_px: Float[Tensor, "time 24 2"]
    """The same, projected."""
    keypoints_px: Float[Tensor, "time 17 3"]
    """The 2D evidence: COCO-17 x, y, confidence."""
    confidence: Float[Tensor, "time"]
    """Mean keypoint confidence; 0 where the frame was filled in."""
    body: Weights
    """The body that the pose and shape are of."""

    def __len__(self) -> int:
        """Frames."""
        return len(self.frames)

    def __getitem__(self, part: slice) -> Motion:
        """The stretch `[2.0:5.0]`, in seconds of the video, without its end; it may have no frames."""
        if not isinstance(part, slice):
            raise TypeError(f"a motion is cut by seconds, as in motion[2.0:5.0], not by {part!r}")
        return self.at(within(self.times, part))

    def at(self, rows: Bool[Tensor, "time"] | Int[Tensor, "row"]) -> Motion:
        """The motion at some of its frames, which are named by their rows or by a mask."""
        whole = {"body"} | ({"betas"} if self.betas.ndim == 1 else set())
        return replace(
            self, **{each.name: getattr(self, each.name)[rows] for each in fields(self) if each.name not in whole}
        )

    @property
    def rotmat(self) -> Float[Tensor, "time 24 3 3"]:
        """All rotations as matrices: the pelvis's in the camera's frame, the others relative to their parents."""
        rotvec = torch.cat([self.global_orient, self.body_pose], 1).unflatten(1, (24, 3))
        return roma.rotvec_to_rotmat(rotvec)

    @property
    def mean_betas(self) -> Float[Tensor, "10"]:
        """One shape for the whole track, also where there is one a frame; zeros of no frames."""
        return self.betas if self.betas.ndim == 1 else self.betas.mean(0).nan_to_num()

    def joints(self, set: str = "smpl24", body: Body | Path | str | None = None) -> Series:
        """Places of joints in the camera's frame, metres: [time, joint, 3] with names and times.

        `set` is smpl24, or one of those that the body has: coco17, detected17 (the same where the shipped detector
        marks them), spin49, h36m17, common14; their order is in `vibe.skeletons`. All but smpl24 need the body, which
        is found by its checksum; `body` names a file of one's own. FileNotFoundError if it is not here, ValueError for
        another body or set.
        """
        if set not in JOINT_SETS:
            raise ValueError(
                f"there is no joint set {set!r}: choose smpl24, coco17, detected17, spin49, h36m17 or common14"
            )
        places = self.joints_cam if set == "smpl24" else keypoints_cam(self, find_body(self.body, body), set)
        return Series(places, tuple(JOINT_SETS[set]), self.times, self.frames, "m", CAMERA)

    def angles(self) -> Series:
        """How far each joint is turned from the T-pose, degrees in [0, 180]: [time, joint].

        The angle of the whole rotation relative to the parent joint, of the pelvis relative to the camera; of a hinge
        such as the knee it is the flexion.
        """
        turns = torch.rad2deg(roma.rotmat_to_rotvec(self.rotmat).norm(dim=-1))
        return Series(turns, tuple(SMPL), self.times, self.frames, "deg", PARENT)

    def vertices(self, body: Body | Path | str | None = None) -> Float[Tensor, "time vertex 3"]:
        """The surface in every frame, in the camera's frame, metres; its faces are `vibe.load_body().faces`.

            for second in range(60):
                surface = motion[second : second + 1].vertices()

        The body is found by its checksum; `body` names a file of one's own, or is a body such as
        `vibe.load_body(detail="low")`. ValueError if all would take more than 2.1 GB (13,000 frames of the open body's
        13,524 vertices): then go through it in parts. FileNotFoundError if the body is not here.
        """
        return vertices_cam(self, find_body(self.body, body))

    def to_dataframe(self, set: str = "smpl24", body: Body | Path | str | None = None) -> DataFrame:
        """A row for each frame and joint: frame, time_s, joint, x_m, y_m, z_m, confidence (of the frame).

        Camera's frame. Errors as of `joints`; needs pandas (ImportError says how to get it).
        """
        series = self.joints(set, body)
        table = series.to_dataframe()
        table["confidence"] = self.confidence.cpu().repeat_interleave(len(series.names)).numpy()
        return table


@dataclass(frozen=True, eq=False)
class Result:
    """Everything found in one video: what `vibe.estimate` returns and `vibe.load` reads.

        import vibe

        result = vibe.load("out/dance/motion.npz")
        for person in result:
            print(person.frames[0], person.joints().values.shape)
        result[2.0:5.0].save("chorus.npz")

    `len(result)` is the number of people, `result[2.0:5.0]` a stretch in seconds of the video.
    """

    clip: Clip
    camera: Camera
    people: tuple[Motion, ...]
    """Numbered 1, 2, ... in the files, in this order."""
    body: Weights
    weights: Weights
    notes: tuple[str, ...]
    """One sentence for each thing that was dropped or repaired."""

    def __len__(self) -> int:
        """People."""
        return len(self.people)

    def __iter__(self) -> Iterator[Motion]:
        """One person after the other, in the order of their numbers."""
        return iter(self.people)

    def __getitem__(self, part: slice) -> Result:
        """The stretch `[2.0:5.0]`, in seconds of the video, without its end.

        Everybody keeps their number: who is not in view has no frames. The clip stays that of the whole video.
        """
        if not isinstance(part, slice):
            raise TypeError(f"a result is cut by seconds, as in result[2.0:5.0], not by {part!r}: see result.people")
        return replace(self, people=tuple(motion[part] for motion in self.people))

    def numbered(self, person: int | None = None) -> list[tuple[int, Motion]]:
        """Everybody with their numbers, or one of them; raises ValueError for a number that nobody has."""
        numbered = list(enumerate(self.people, start=1))
        if person is None:
            return numbered
        if not 1 <= person <= len(numbered):
            there = ", ".join(str(number) for number, _ in numbered) or "nobody"
            raise ValueError(f"there is no person {person} in the motion: it has {there}")
        return [numbered[person - 1]]

    def save(self, path: Path | str) -> None:
        """Write motion.npz (docs/conventions.md), whole or not at all; `vibe.load` reads it. Raises OSError."""
        from vibe.motion.npz import save

        save(path, self)

    def to_dataframe(self, set: str = "smpl24", body: Body | Path | str | None = None) -> DataFrame:
        """A row for each person, frame and joint: person (from 1), frame, time_s, joint, x_m, y_m, z_m, confidence.

        Camera's frame. Errors as of `Motion.joints`; needs pandas (ImportError says how to get it).
        """
        from vibe.motion.table import together

        return together([motion.to_dataframe(set, body) for motion in self.people])
