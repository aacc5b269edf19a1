"""AMASS's form: SMPL-H poses in an .npz, which the SMPL add-on of Blender and aitviewer load."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import roma
import torch
from jaxtyping import Float
from torch import Tensor

from vibe import __version__, assets
from vibe.body import Body
from vibe.motion.scene import Character, Scene

BODY_JOINTS = 22
"""Joints that SMPL and SMPL-H share: pelvis to wrists."""
COLUMNS = 156
"""Of a pose in SMPL-H: 52 joints; those of the fingers are left at 0."""


@dataclass(frozen=True)
class Parameters:
    """A person as SMPL's software takes them."""

    poses: Float[Tensor, "time 24 3"]
    """Axis-angle; the pelvis's is to the stage."""
    betas: Float[Tensor, "10"]
    """SMPL's; zero where the motion was made with a body whose betas mean other shapes."""
    trans: Float[Tensor, "time 3"]
    """What is added to a posed body whose pelvis is where it lies at rest."""
    gender: str


def parameters(stage: Scene, actor: Character, body: Body) -> Parameters:
    """The person's pose, shape and translation.

    `trans` is the pelvis's place minus its place at rest in the shape that is given as `betas`.
    """
    is_smpl = stage.body.name.lower().startswith("smpl")
    words = stage.body.name.lower().split()
    gender = next((word for word in ("female", "male") if is_smpl and word in words), "neutral")
    betas, pelvis_at_rest = (actor.betas, actor.rest[0]) if is_smpl else (torch.zeros(10), body.J_template[0])
    return Parameters(roma.rotmat_to_rotvec(actor.rotmat), betas, actor.joints[:, 0] - pelvis_at_rest, gender)


def write_amass(path: Path, stage: Scene, actor: Character, body: Body) -> None:
    """One person's motion, written whole or not at all; raises OSError."""
    given = parameters(stage, actor, body)
    poses = np.zeros((len(given.poses), COLUMNS))
    poses[:, : 3 * BODY_JOINTS] = given.poses[:, :BODY_JOINTS].flatten(1).numpy()
    content = io.BytesIO()
    np.savez(
        content,
        allow_pickle=False,
        poses=poses.astype(np.float32),
        betas=given.betas.numpy().astype(np.float32),
        trans=given.trans.numpy().astype(np.float32),
        gender=np.array(given.gender),
        mocap_framerate=np.array(stage.fps),
        mocap_frame_rate=np.array(stage.fps),
        surface_model_type=np.array("smplh"),
        axes=np.array(f"right-handed, {stage.up} up; metres, radians"),
        start_seconds=np.array(stage.start + actor.first / stage.fps),
        confidence=actor.confidence.numpy().astype(np.float32),
        body=np.array([stage.body.name, stage.body.sha256]),
        body_betas=actor.betas.numpy().astype(np.float32),
        vibe_version=np.array(__version__),
    )
    assets.write_whole(path, content.getvalue())
