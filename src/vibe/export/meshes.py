"""The surface of a person in every frame: OBJ or PLY files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from vibe.arrays import as_numpy
from vibe.body.record import Body
from vibe.motion.scene import Character, Scene
from vibe.records import Progress

CHUNK = 64
"""Frames whose vertices are held at a time."""


def write_meshes(
    folder: Path, kind: str, scene: Scene, character: Character, body: Body, progress: Progress | None = None
) -> None:
    """A file for each frame, `000000.obj` or `000000.ply` and so on, numbered by the scene's frames; raises OSError."""
    from vibe.body.placed import vertices_cam

    write, faces, smpl = KINDS[kind], as_numpy(body.faces).astype(np.int32), character.smpl
    for start in range(0, len(smpl.rotmat), CHUNK):
        some = slice(start, start + CHUNK)
        surface = vertices_cam(smpl.at(some), body)
        for frame, points in enumerate(surface, start=character.first + start):
            said = f"vibe: person {character.number}, frame {frame}, metres, right-handed, {scene.up} up"
            (folder / f"{frame:06d}.{kind}").write_bytes(write(points, faces, said))
        if progress:
            progress(f"person {character.number}", min(start + CHUNK, len(smpl.rotmat)), len(smpl.rotmat))


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
