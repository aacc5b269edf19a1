"""One person of a scene, as exports write them down."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from vibe.body.hands import ARMS, relaxed, with_fingers
from vibe.body.pose import pose_joints, rest_joints
from vibe.body.record import Body
from vibe.records import SmplParams
from vibe.skeletons import SMPL, SMPL_PARENTS, SMPLH, SMPLH_PARENTS


@dataclass(frozen=True)
class Character:
    """One person of a scene, at even moments without a gap: with SMPL's joints, or SMPL-H's (`with_fingers`)."""

    number: int
    """As in motion.npz, from 1."""
    first: int
    """Frames of the scene before the person's first."""
    smpl: SmplParams
    """In the scene's axes: the pelvis's rotation maps from the body's axes to them."""
    rest: Float[ndarray, "joint 3"]
    """Joints of this shape at rest, in the body's own axes (y up, looking along z)."""
    joints: Float[ndarray, "time joint 3"]
    """In the scene's axes, metres; the first is the pelvis."""
    confidence: Float[ndarray, "time"]
    """Mean keypoint confidence; 0 where the person was not seen and the motion is filled in."""
    contacts: Float[ndarray, "time 4"] | None = None
    """Probability that left heel, left toe, right heel and right toe stand; 0 in gaps."""
    joints_std: Float[ndarray, "time 24 2"] | None = None
    """Standard deviations as `vibe.motion.Motion` has them, metres; NaN in gaps, None where they are not known."""
    fingers: Float[ndarray, "time 30 3 3"] | None = None
    """Rotations of the fingers in SMPL-H's order, the left hand's first; None of who has none."""

    @property
    def has_fingers(self) -> bool:
        """Whether it is known how the fingers are held."""
        return self.fingers is not None

    @property
    def names(self) -> list[str]:
        """Of the joints."""
        return SMPL if len(self.rest) == len(SMPL) else SMPLH

    @property
    def parents(self) -> tuple[int, ...]:
        """Of the joints; -1 of the pelvis."""
        return SMPL_PARENTS if len(self.rest) == len(SMPL) else SMPLH_PARENTS

    @property
    def steps(self) -> Float[ndarray, "joint 3"]:
        """From the parent to each joint at rest, the pelvis's from the origin; metres, in the body's own axes."""
        return np.concatenate([self.rest[:1], self.rest[1:] - self.rest[list(self.parents[1:])]])

    def at_first(self) -> Character:
        """The first frame alone."""
        one = {name: getattr(self, name) for name in ("joints", "confidence", "contacts", "joints_std", "fingers")}
        cut = {name: None if array is None else array[:1] for name, array in one.items()}
        return replace(self, first=0, smpl=self.smpl.at(slice(1)), **cut)

    def with_fingers(self, body: Body) -> tuple[Character, Body]:
        """The same person and body with SMPL-H's 52 joints; of who has no fingers the body with relaxed ones in its
        skin, and all as it is of who has them already."""
        if len(self.rest) != len(SMPL):
            return self, body
        if self.fingers is None:
            return self, relaxed(body)
        body = with_fingers(body)
        smpl = replace(self.smpl, rotmat=np.concatenate([self.smpl.rotmat[:, :ARMS], self.fingers], 1))
        rest = rest_joints(body, smpl.betas)
        joints = pose_joints(body, smpl.rotmat, smpl.betas)[1] - rest[0] + smpl.pelvis[:, None]
        return replace(self, smpl=smpl, rest=rest, joints=joints), body
