"""One person's motion, and everything found in one video, in memory and in its file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from vibe.arrays import as_numpy
from vibe.body import Body, find_body, rest_joints
from vibe.body.hands import smplh_rotmat, with_fingers
from vibe.motion import npz
from vibe.motion.series import SEGMENTS, SPACES, Series, together, within
from vibe.records import Camera, Clip, SmplParams, View, Weights, World
from vibe.rotations import rotmat_from_rotvec, rotvec_from_rotmat
from vibe.skeletons import JOINT_SETS, SMPL, SMPLH

if TYPE_CHECKING:
    from pandas import DataFrame

    from vibe.motion.gait import Gait

SAME = ("frames", "box_px", "transl", "pred_cam", "joints_px", "keypoints_px", "confidence")
"""Fields of a motion that its file has under their own names."""
NO_WORLD = "the motion has no world: people are as the camera sees them"
MAYBE = ("betas_per_frame", "contacts", "joints_std", *npz.PERSON_HANDS)
"""Fields that it has where a motion has them."""


@dataclass(frozen=True, eq=False, repr=False)
class Motion:
    """One person's motion in the camera's frame (x right, y down, z forward; metres, seconds, radians).

    Where the camera is known in the world, the same is there in the world too (`World`: z up, the floor at 0).

        import vibe

        result = vibe.load("out/dance/motion.npz")
        person = result.people[0]
        print(len(person), person.body_pose.shape)  # frames, [frames, 69]
        hand = person[2.0:5.0].joints("coco17")["left_wrist"]
        print(hand.velocity().norm().numpy())  # m/s

    `motion[2.0:5.0]` is a stretch in seconds of the video, from its start and without its end.
    """

    frames: Int[ndarray, "time"]
    """Indices into the clip; increasing, gaps allowed."""
    times: Float[ndarray, "time"]
    """Seconds in the video, float64."""
    box_px: Float[ndarray, "time 4"]
    """Centre x, centre y, width, height."""
    smpl: SmplParams
    """Rotations [time, 24, 3, 3], one shape [10] for the whole track, and the place of the pelvis joint [time, 3]."""
    transl: Float[ndarray, "time 3"]
    """SMPL's own translation, metres: the pelvis minus its place at rest in the frame's shape."""
    pred_cam: Float[ndarray, "time 3"]
    """s, tx, ty: weak perspective of the box's square crop (the paper, section 3)."""
    joints_cam: Float[ndarray, "time 24 3"]
    """SMPL's joints in the camera's frame, metres."""
    joints_px: Float[ndarray, "time 24 2"]
    """The same, projected."""
    keypoints_px: Float[ndarray, "time 17 3"]
    """The 2D evidence: COCO-17 x, y, confidence."""
    confidence: Float[ndarray, "time"]
    """Mean keypoint confidence; 0 where the frame was filled in."""
    body: Weights
    """The body that the pose and shape are of."""
    betas_per_frame: Float[ndarray, "time 10"] | None = None
    """Shapes as the published network says them, one a frame, where they were neither smoothed nor refined; then the
    one shape is their mean."""
    contacts: Float[ndarray, "time 4"] | None = None
    """Probability that the left heel, left toe, right heel and right toe stand; None where it was not estimated."""
    joints_std: Float[ndarray, "time 24 2"] | None = None
    """Standard deviation along either axis across the line of sight, and along it, metres: first of the pelvis's place
    in the camera's frame, then of joints about the pelvis; None where it was not calibrated."""
    R_world_cam: Float[ndarray, "time 3 3"] | None = None
    """The camera's, at the motion's frames; None where no world is known."""
    t_world_cam: Float[ndarray, "time 3"] | None = None
    """Place of the camera's centre in the world at those frames."""
    left_hand_pose: Float[ndarray, "time 45"] | None = None
    """Axis-angle of the left hand's 15 joints in SMPL-H's order, each relative to its parent, all 0 in the body's rest
    hand; None of who has no fingers. With them SMPL's two hand joints stay at rest."""
    right_hand_pose: Float[ndarray, "time 45"] | None = None
    hand_confidence: Float[ndarray, "time 2"] | None = None
    """How sure the left and the right hand's pose is; 0 where it was not seen."""
    name: str = ""
    """Somebody's for them."""

    def __repr__(self) -> str:
        if not len(self):
            return "Motion of no frames"
        first, last = (f"{frame} ({time:.2f} s)" for frame, time in zip(self.frames[[0, -1]], self.times[[0, -1]]))
        return f"Motion of {len(self)} frames from {first} to {last}, confidence {self.confidence.mean():.2f}"

    def __len__(self) -> int:
        """Frames."""
        return len(self.frames)

    def __getitem__(self, part: slice) -> Motion:
        """The stretch `[2.0:5.0]`, in seconds of the video, without its end; it may have no frames."""
        if not isinstance(part, slice):
            raise TypeError(f"a motion is cut by seconds, as in motion[2.0:5.0], not by {part!r}")
        return self.at(within(self.times, part))

    def at(self, rows: Bool[ndarray, "time"] | Int[ndarray, "row"]) -> Motion:
        """The motion at some of its frames, which are named by their rows or by a mask."""
        arrays = {each.name: getattr(self, each.name) for each in fields(self)}
        parts = {name: array[rows] for name, array in arrays.items() if isinstance(array, ndarray)}
        return replace(self, **parts, smpl=self.smpl.at(rows))

    def in_world(self, world: World | None) -> Motion:
        """The same motion, seen by the camera of this world; None takes the world away."""
        if world is None:
            return replace(self, R_world_cam=None, t_world_cam=None)
        return replace(self, R_world_cam=world.R_world_cam[self.frames], t_world_cam=world.t_world_cam[self.frames])

    def _arrays(self) -> dict[str, ndarray]:
        """What a file holds of the person."""
        arrays = {name: getattr(self, name) for name in (*SAME, "global_orient", "body_pose")}
        arrays |= {"betas": self.smpl.betas, "pelvis": self.smpl.pelvis, "joints": self.joints_cam}
        arrays |= {name: array for name in MAYBE if (array := getattr(self, name)) is not None}
        if self.R_world_cam is not None:
            arrays |= {name: getattr(self, name) for name in npz.PERSON_WORLD}
        return arrays | ({"name": np.array(self.name)} if self.name else {})

    @property
    def smpl_shaped(self) -> SmplParams:
        """The same parameters, with betas [time, 10] where the network said one shape a frame."""
        return self.smpl if self.betas_per_frame is None else replace(self.smpl, betas=self.betas_per_frame)

    def posed(self, body: Body) -> tuple[SmplParams, Body]:
        """What is to be skinned, of a body that knows of its fingers: with SMPL-H's 52 joints where the motion has
        fingers, else of SMPL's with hands that hang."""
        if self.left_hand_pose is None or self.right_hand_pose is None or body.hands is None:
            from vibe.body.hands import relaxed

            return self.smpl_shaped, relaxed(body)
        smpl = self.smpl_shaped
        rotmat = smplh_rotmat(smpl.rotmat, self.left_hand_pose, self.right_hand_pose)
        return replace(smpl, rotmat=rotmat), with_fingers(body)

    @property
    def global_orient(self) -> Float[ndarray, "time 3"]:
        """Axis-angle of the pelvis in the camera's frame."""
        return rotvec_from_rotmat(self.smpl.rotmat[:, 0])

    @property
    def body_pose(self) -> Float[ndarray, "time 69"]:
        """Axis-angle of joints 1 to 23, each relative to its parent."""
        return rotvec_from_rotmat(self.smpl.rotmat[:, 1:]).reshape(len(self), 3 * (len(SMPL) - 1))

    @property
    def global_orient_world(self) -> Float[ndarray, "time 3"]:
        """Axis-angle of the pelvis in the world; ValueError where none is known."""
        return rotvec_from_rotmat(self._world_camera()[0] @ self.smpl.rotmat[:, 0])

    @property
    def pelvis_world(self) -> Float[ndarray, "time 3"]:
        """Place of the pelvis joint in the world, metres; ValueError where none is known."""
        return self._placed(self.smpl.pelvis[:, None], "world")[:, 0]

    @property
    def joints_world(self) -> Float[ndarray, "time 24 3"]:
        """SMPL's joints in the world, metres; ValueError where none is known."""
        return self._placed(self.joints_cam, "world")

    def _world_camera(self) -> tuple[Float[ndarray, "time 3 3"], Float[ndarray, "time 3"]]:
        """R_world_cam and t_world_cam; raises ValueError where there are none."""
        if self.R_world_cam is None or self.t_world_cam is None:
            raise ValueError("the motion has no world: take the camera's space, or estimate the video again")
        return self.R_world_cam, self.t_world_cam

    @property
    def space(self) -> str:
        """The key of `SPACES` of the world, if the motion is known in it, else of the camera."""
        return "camera" if self.R_world_cam is None else "world"

    def _placed(self, points_cam: Float[ndarray, "time point 3"], space: str) -> Float[ndarray, "time point 3"]:
        """Points in the axes of a space; raises ValueError for one that there is not."""
        if space not in SPACES:
            raise ValueError(f"there is no space {space!r}: choose {' or '.join(SPACES)}")
        if space == "camera":
            return points_cam
        R_world_cam, t_world_cam = self._world_camera()
        return points_cam @ R_world_cam.mT + t_world_cam[:, None]

    def joints(self, set: str = "smpl24", body: Body | Path | str | None = None, space: str = "camera") -> Series:
        """Places of joints in the camera's frame, or the world's, metres: [time, joint, 3] with names and times.

        `set` is smpl24, smplh52 of who has fingers, or one of those that the body has: coco17, detected17 (the same
        where the shipped detector marks them), spin49, h36m17, common14; their order is in `vibe.skeletons`. All but
        smpl24 need the body, which is found by its checksum; `body` names a file of one's own. FileNotFoundError if it
        is not here, ValueError for another body or set, or a world or fingers that the motion does not have.
        """
        if set not in JOINT_SETS:
            raise ValueError(
                f"there is no joint set {set!r}: choose smpl24, smplh52, coco17, detected17, spin49, h36m17 or common14"
            )
        if set == "smpl24":
            places = self.joints_cam
        elif JOINT_SETS[set] is SMPLH:
            from vibe.body.placed import joints_cam

            smpl, fingered = self.posed(find_body(self.body, body))
            if smpl.rotmat.shape[1] != len(SMPLH):
                raise ValueError("the motion has no fingers: take the joint set smpl24")
            places = joints_cam(smpl, fingered)
        else:
            from vibe.body.placed import keypoints_cam

            places = keypoints_cam(self.smpl_shaped, find_body(self.body, body), set)
        return Series(self._placed(places, space), tuple(JOINT_SETS[set]), self.times, self.frames, "m", SPACES[space])

    def joint_angles(self, body: Body | Path | str | None = None) -> Series:
        """Signed joint angles in degrees, such as right_knee_flexion: [time, angle], named as in docs/biomechanics.md.

        The pelvis's are against the world, or where there is none the camera, held level. Errors as of `joints`, of
        whose `body` the bones are.
        """
        from vibe.motion.joint_angles import R_GROUND_SPACE, angle_names, joint_angles_deg

        R = np.array(R_GROUND_SPACE[self.space])
        rest = rest_joints(as_numpy(find_body(self.body, body)), self.smpl.betas)
        angles = joint_angles_deg(self.smpl.rotmat, rest, R if self.R_world_cam is None else R @ self.R_world_cam)
        return Series(angles, tuple(angle_names()), self.times, self.frames, "deg", SEGMENTS)

    def gait(self) -> Gait:
        """Strikes and offs of feet, and steps, of who walks; few of who runs, none of who does neither.

        ValueError where it is not known which feet stand, or there is no world.
        """
        from vibe.motion.gait import gait

        return gait(self.contacts, self.joints_world, np.array([0.0, 0.0, 1.0]), self.times)

    def vertices(self, body: Body | Path | str | None = None, space: str = "camera") -> Float[ndarray, "time vertex 3"]:
        """The surface in every frame, in the camera's frame or the world's, metres; fingers not known of are relaxed.

        Its faces are `vibe.load_body().faces`.

        The body is found by its checksum; `body` names a file of one's own, or is a body such as
        `vibe.load_body(detail="low")`. ValueError if all would take more than 2.1 GB (13,000 frames of the open body's
        13,524 vertices): then take parts, as `motion[0:60].vertices()`. FileNotFoundError if the body is not here.
        """
        from vibe.body.placed import vertices_cam

        return self._placed(vertices_cam(*self.posed(find_body(self.body, body))), space)

    def to_dataframe(
        self, set: str = "smpl24", body: Body | Path | str | None = None, space: str = "camera"
    ) -> DataFrame:
        """A row for each frame and joint: frame, time_s, joint, x_m, y_m, z_m, confidence (of the frame).

        In the camera's frame or the world's; std_across_m and std_along_m of SMPL's joints, if known. Errors as of
        `joints`; needs pandas (ImportError says how to get it).
        """
        series = self.joints(set, body, space)
        table = series.to_dataframe()
        table["confidence"] = np.repeat(self.confidence, len(series.names))
        if set == "smpl24" and self.joints_std is not None:
            table["std_across_m"], table["std_along_m"] = self.joints_std.reshape(-1, 2).T
        return table


@dataclass(frozen=True, eq=False, repr=False)
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
    world: World | None = None
    """Where the camera was in the people's world, in every frame of the clip; None where that is not known."""
    views: tuple[View, ...] = ()
    """All cameras, this one first, where several videos of the same people were estimated together."""

    def __repr__(self) -> str:
        lines = [f"Result of {self.clip.path.name}: {len(self)} people, {len(self.clip.timestamps)} frames"]
        return "\n  ".join(lines + [f"person {number}: {motion!r}" for number, motion in self.numbered()])

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

    def in_space(self, space: str | None) -> tuple[Result, tuple[str, ...]]:
        """The result with everybody in the world that it knows, or, in the camera's space, as if it knew none.

        And a sentence where there is no world that was asked for; None asks for the world if there is one. Raises
        ValueError for a space that there is not.
        """
        if space not in (None, *SPACES):
            raise ValueError(f"there is no space {space!r}: choose {' or '.join(SPACES)}")
        world = None if space == "camera" else self.world
        notes = (NO_WORLD,) if space == "world" and world is None else ()
        return replace(self, people=tuple(motion.in_world(world) for motion in self.people), world=world), notes

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
        head = {
            "video": str(self.clip.path),
            "fps": self.clip.fps,
            "width": self.clip.width,
            "height": self.clip.height,
            "timestamps": self.clip.timestamps,
            "body": [self.body.name, self.body.sha256],
            "weights": [self.weights.name, self.weights.sha256],
            "camera/K": self.camera.K_px,
            "camera/source": self.camera.source,
            "notes": np.array(self.notes, np.str_),
        }
        if self.camera.distortion is not None:
            head |= {"camera/distortion": self.camera.distortion, "camera/fisheye": self.camera.fisheye}
        if self.world is not None:
            head |= {name: getattr(self.world, name.partition("/")[2]) for name in npz.WORLD_ARRAYS}
        head |= npz.view_arrays(self.views)
        npz.write_npz(Path(path), head, [motion.in_world(self.world)._arrays() for motion in self.people])

    def to_dataframe(
        self, set: str = "smpl24", body: Body | Path | str | None = None, space: str = "camera"
    ) -> DataFrame:
        """The rows of `Motion.to_dataframe` of everybody, in each first the number of the person, from 1."""
        return together([motion.to_dataframe(set, body, space) for motion in self.people])


def load(path: Path | str) -> Result:
    """What `vibe estimate` or `Result.save` wrote: a motion.npz.

        import vibe

        result = vibe.load("out/dance/motion.npz")
        print(len(result), "people in", result.clip.path)

    The file does not hold licences and damaged packets, which come back empty. Raises OSError if it can't be
    read and ValueError, with the reason, if it is no motion file, a damaged one or one of a later version.
    """
    head, people = npz.read_motion_npz(Path(path))
    body, weights = (Weights(*head[name].tolist(), licence="") for name in ("body", "weights"))
    width, height = int(head["width"]), int(head["height"])
    clip = Clip(Path(str(head["video"])), float(head["fps"]), width, height, head["timestamps"], damaged=0)
    world = npz.read_world(head)
    found = tuple(_motion(person, clip, body).in_world(world) for person in people)
    lens = head.get("camera/distortion"), bool(head.get("camera/fisheye", 0)), str(head.get("camera/source", "default"))
    camera, notes = Camera(head["camera/K"], width, height, *lens), tuple(head["notes"].tolist())
    return Result(clip, camera, found, body, weights, notes, world, npz.read_views(head))


def _motion(person: dict[str, ndarray], clip: Clip, body: Weights) -> Motion:
    rotvec = np.concatenate([person["global_orient"], person["body_pose"]], 1).reshape(-1, len(SMPL), 3)
    return Motion(
        times=clip.timestamps[person["frames"]],
        smpl=SmplParams(rotmat_from_rotvec(rotvec), person["betas"], person["pelvis"]),
        joints_cam=person["joints"],
        body=body,
        **{name: person[name] for name in (*SAME, *MAYBE) if name in person},
        name=str(person.get("name", "")),
    )
