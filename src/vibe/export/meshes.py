"""The surface of a person in every frame: OBJ or PLY files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray

from vibe.body import Body, vertices
from vibe.motion.scene import Character, Scene
from vibe.records import Progress

CHUNK = 64
"""Frames whose vertices are held at a time."""


def write_meshes(
    folder: Path, kind: str, stage: Scene, actor: Character, body: Body, progress: Progress | None = None
) -> None:
    """A file for each frame, `000000.obj` or `000000.ply` and so on, numbered by the stage's frames; raises OSError."""
    write, faces = KINDS[kind], body.faces.numpy().astype(np.int32)
    for start in range(0, len(actor.joints), CHUNK):
        some = slice(start, start + CHUNK)
        with torch.no_grad():
            surface = vertices(body, actor.rotmat[some], actor.betas)
        surface = surface - actor.rest[0] + actor.joints[some, :1]
        for frame, points in enumerate(surface.numpy(), start=actor.first + start):
            said = f"vibe: person {actor.number}, frame {frame}, metres, right-handed, {stage.up} up"
            (folder / f"{frame:06d}.{kind}").write_bytes(write(points, faces, said))
        if progress:
            progress(f"person {actor.number}", min(start + CHUNK, len(actor.joints)), len(actor.joints))


def obj(points: Float[ndarray, "vertex 3"], faces: Int[ndarray, "face 3"], said: str) -> bytes:
    """A surface in Wavefront's text; faces count from 1."""
    places = "v %.5f %.5f %.5f\n" * len(points) % tuple(points.ravel().tolist())
    corners = "f %d %d %d\n" * len(faces) % tuple((faces + 1).ravel().tolist())
    return f"# {said}\n{places}{corners}".encode()


def ply(points: Float[ndarray, "vertex 3"], faces: Int[ndarray, "face 3"], said: str) -> bytes:
    """A surface in Stanford's binary form, little-endian."""
    head = (
        f"ply\nformat binary_little_endian 1.0\ncomment {said}\nelement vertex {len(points)}\n"
        "property float x\nproperty float y\nproperty float z\n"
        f"element face {len(faces)}\nproperty list uchar int vertex_indices\nend_header\n"
    )
    corners = np.empty(len(faces), np.dtype([("count", "u1"), ("vertex", "<i4", 3)]))
    corners["count"], corners["vertex"] = 3, faces
    return head.encode() + points.astype("<f4").tobytes() + corners.tobytes()


KINDS: dict[str, Callable[..., bytes]] = {"obj": obj, "ply": ply}
