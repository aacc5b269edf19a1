"""AMASS's format: SMPL-H poses in an .npz, which the SMPL add-on of Blender and aitviewer load."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from vibe import __version__, assets
from vibe.body.record import Body
from vibe.motion.scene import Character, Scene
from vibe.rotations import rotvec_from_rotmat

BODY_JOINTS = 22
"""Joints that SMPL and SMPL-H share: pelvis to wrists."""
COLUMNS = 156
"""Of a pose in SMPL-H: 52 joints; those of the fingers are left at 0."""


@dataclass(frozen=True)
class Parameters:
    """A person as SMPL's software takes them."""

    poses: Float[ndarray, "time 24 3"]
    """Axis-angle; the pelvis's is to the scene."""
    betas: Float[ndarray, "10"]
    """SMPL's; zero where the motion was made with a body whose betas mean other shapes."""
    transl: Float[ndarray, "time 3"]
    """What is added to a posed body whose pelvis is where it lies at rest; AMASS calls it `trans`."""
    gender: str


def parameters(scene: Scene, character: Character, body: Body) -> Parameters:
    """The person's pose, shape and translation.

    `transl` is the pelvis's place minus its place at rest in the shape that is given as `betas`.
    """
    is_smpl = scene.body.name.lower().startswith("smpl")
    words = scene.body.name.lower().split()
    gender = next((word for word in ("female", "male") if is_smpl and word in words), "neutral")
    smpl, nothing = character.smpl, np.zeros_like(character.smpl.betas)
    betas, pelvis_at_rest = (smpl.betas, character.rest[0]) if is_smpl else (nothing, body.J_template[0])
    return Parameters(rotvec_from_rotmat(smpl.rotmat), betas, smpl.pelvis - pelvis_at_rest, gender)


def write_amass(path: Path, scene: Scene, character: Character, body: Body) -> None:
    """One person's motion, written whole or not at all; raises OSError."""
    given = parameters(scene, character, body)
    poses = np.zeros((len(given.poses), COLUMNS))
    poses[:, : 3 * BODY_JOINTS] = given.poses[:, :BODY_JOINTS].reshape(len(poses), -1)
    content = io.BytesIO()
    np.savez(
        content,
        poses=poses.astype(np.float32),
        betas=given.betas.astype(np.float32),
        trans=given.transl.astype(np.float32),
        gender=np.array(given.gender),
        mocap_framerate=np.array(scene.fps),
        mocap_frame_rate=np.array(scene.fps),
        surface_model_type=np.array("smplh"),
        axes=np.array(f"right-handed, {scene.up} up; metres, radians"),
        start_seconds=np.array(scene.start + character.first / scene.fps),
        confidence=character.confidence.astype(np.float32),
        body=np.array([scene.body.name, scene.body.sha256]),
        body_betas=character.smpl.betas.astype(np.float32),
        vibe_version=np.array(__version__),
    )
    assets.write_whole(path, content.getvalue())
