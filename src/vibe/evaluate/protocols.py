"""Protocols that read a store of clips, as values: which joints, about what root, in which frames, which metrics."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from vibe import skeletons
from vibe.evaluate.scores import JOINTS, WORLD

HIP_JOINTS = ("right_hip", "left_hip")
SURFACE = ("pve_mm", "pve_unaligned_mm")
CORRECT = ("pck", "auc")


@dataclass(frozen=True)
class Protocol:
    """How errors are measured on one set, so that they can be compared with others of the same name."""

    name: str
    store: str
    """The set whose store it reads, as `vibe prepare` names it."""
    joints: str
    """Joint set (`vibe.skeletons.JOINT_SETS`)."""
    root: tuple[str, ...]
    """The joints whose mean is the root about which MPJPE, PCK and accelerations are taken."""
    metrics: tuple[str, ...]
    """Names of `vibe.evaluate.scores.METRICS`, with their units."""
    frames: str
    """Which frames are counted."""
    truth: Literal["points", "gendered", "neutral"]
    """The set's own joints, or those of its SMPL parameters: on the body of the person's gender, or on the neutral."""
    source: str
    """Who measures so."""
    split: str = "test"
    camera: str = ""
    """Only recordings whose source has this in its name."""
    feet: tuple[str, ...] = ()
    """Joints that are watched for sliding, where the cameras stand still."""
    window: int | None = None
    """Frames that the network reads at a time; whole recordings without it."""
    world: bool = False
    """Whether motion is compared in the world: the whole product is run on the pictures, told the lens."""
    half: bool = False
    """Whether the truth is rounded to 16 bits, as the published loader keeps it."""

    @property
    def centre(self) -> list[int]:
        """Where the root's joints stand in the set."""
        return skeletons.index(skeletons.JOINT_SETS[self.joints], self.root)

    @property
    def ground(self) -> list[int]:
        """Where the feet stand in the set."""
        return skeletons.index(skeletons.JOINT_SETS[self.joints], self.feet)

    @property
    def says(self) -> str:
        """The joint set, and about what it is compared, as tables have it."""
        root = "the mid-hip" if self.root == HIP_JOINTS else " and ".join(self.root)
        return f"{self.joints} about {root}"


THREEDPW = Protocol(
    name="3dpw",
    store="3dpw",
    joints="common14",
    root=HIP_JOINTS,
    metrics=(*JOINTS, *SURFACE, "jitter_m_s3"),
    frames="every valid frame of the test recordings",
    truth="gendered",
    source="Kolotouros et al., ICCV 2019, and those after them: 14 joints of the surface by the H36M regressor",
)
THREEDPW_24 = replace(
    THREEDPW,
    name="3dpw-smpl24",
    joints="smpl24",
    root=("pelvis",),
    metrics=(*JOINTS, "jitter_m_s3"),
    truth="points",
    source="von Marcard et al., ECCV 2018: the 24 joints that the set's own files give",
)
MPI_INF_3DHP = Protocol(
    name="mpi-inf-3dhp",
    store="mpi-inf-3dhp",
    joints="mpii3d_test17",
    root=("mid_hip",),
    metrics=(*JOINTS, *CORRECT, "jitter_m_s3", "foot_slide_mm"),
    frames="every valid frame of TS1 to TS6",
    truth="points",
    source="Mehta et al., 3DV 2017; all 17 joints of the test set, as Kolotouros et al., ICCV 2019",
    feet=("left_ankle", "right_ankle"),
)
H36M_P1 = Protocol(
    name="h36m-p1",
    store="h36m",
    joints="common14",
    root=HIP_JOINTS,
    metrics=(*JOINTS, "jitter_m_s3", "foot_slide_mm"),
    frames="every frame of the store (25 a second) of subjects 9 and 11, all four cameras",
    truth="points",
    source="Kanazawa et al., CVPR 2018: protocol 1, read for its MPJPE",
    feet=("left_ankle", "right_ankle"),
)
H36M_P2 = replace(
    H36M_P1,
    name="h36m-p2",
    frames="every frame of the store (25 a second) of subjects 9 and 11, the frontal camera 60457274",
    source="Kanazawa et al., CVPR 2018: protocol 2, read for its PA-MPJPE",
    camera="60457274",
)
VIBE_OFFICIAL = replace(
    THREEDPW,
    name="vibe-official",
    metrics=("pa_mpjpe_mm", "mpjpe_mm", "pve_unaligned_mm", "acceleration_mm", "acceleration_error_mm"),
    frames="every valid frame of the test recordings, in pieces of 16; what is left of a recording is dropped",
    truth="neutral",
    source="the published program's evaluator, quirks included (`vibe.evaluate.with_true_boxes`)",
    window=16,
    half=True,
)
EMDB_1 = Protocol(
    name="emdb-1",
    store="emdb-1",
    joints="smpl24",
    root=HIP_JOINTS,
    metrics=(*JOINTS, *SURFACE, "jitter_m_s3"),
    frames="every frame of the set's first part that its files call good",
    truth="gendered",
    source="Kaufmann et al., ICCV 2023; SMPL's 24 joints about the hips, as WHAM and GVHMR measure them",
)
EMDB_2 = Protocol(
    name="emdb-2",
    store="emdb-2",
    joints="smpl24",
    root=("pelvis",),
    metrics=(*JOINTS, *WORLD, "camera_rotation_deg"),
    frames="every frame of the set's second part that its files call good, those of a sequence as if in a row",
    truth="points",
    source="Kaufmann et al., ICCV 2023; motion in the world as WHAM (Shin et al., CVPR 2024) and GVHMR measure it",
    world=True,
)
PROTOCOLS = {
    each.name: each for each in (THREEDPW, THREEDPW_24, EMDB_1, EMDB_2, MPI_INF_3DHP, H36M_P1, H36M_P2, VIBE_OFFICIAL)
}
"""The protocols that read a store."""
