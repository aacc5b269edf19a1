"""A result in the format of other programs, surfaces of every frame among them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from vibe.arrays import as_numpy
from vibe.assets.paths import file_in, folders_above, whole_folder
from vibe.body import Body, find_body
from vibe.errors import Misuse
from vibe.export.bvh import write_bvh
from vibe.export.fbx import write_fbx, write_onto_fbx
from vibe.export.formats import FORMATS, RIGGED, ExportOptions, Format
from vibe.export.gltf import write_glb, write_vrma
from vibe.export.onto import write_onto
from vibe.export.smpl_parameters import write_amass, write_legacy, write_smplx_json
from vibe.export.tables import write_c3d, write_csv, write_gait, write_mot, write_trc
from vibe.export.usd import write_usd
from vibe.motion import Result
from vibe.motion.scene import Character, Scene, SceneOptions, build_scene
from vibe.records import Progress, takes_options

CHUNK = 64
"""Frames whose vertices are held at a time."""
LOOSE = "it is not known when feet stand, so the character's are kept above the floor, but not held where they stand"


@dataclass(frozen=True)
class Exported:
    """What an export wrote."""

    files: tuple[Path, ...]
    """The file; or one for each person; or a folder of frames for each."""
    notes: tuple[str, ...]
    """One sentence for each thing that was changed or could not be known."""


@takes_options(ExportOptions)
def export(
    result: Result,
    path: Path | str,
    to: str,
    *,
    body: Body | Path | str | None = None,
    folder: Path | str | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Exported:
    """Write a result in another program's format, whole or not at all; what was written, and what to know about it.

        import vibe

        result = vibe.load("out/dance/motion.npz")
        vibe.export(result, "dance.glb", to="glb", ground=True)
        vibe.export(result, "dance.bvh", to="bvh", person=1, start=2.0, end=5.0)

    `to` is one of `vibe.export.formats.FORMATS`. People are in the world where the motion has one, else in the camera's
    space. The options are those of `vibe export` (docs/export.md), the fields of
    `vibe.export.formats.ExportOptions`: `start` and `end` are seconds in the video, both inclusive; lengths are metres,
    but centimetres in fbx and in bvh unless its `unit` is "m". `path` is the file, or a folder, which is there or ends
    in a slash; where a format takes a file for each person or frame they go into `folder`, by default `path` itself.
    `body` is needed only where the motion was made with a body file of one's own. Raises ValueError for what can't be
    written, FileNotFoundError if the body is not here, OSError if the file can't be written.
    """
    chosen = ExportOptions(**options)
    _check_options(to, chosen)
    format, made_with = FORMATS[to], as_numpy(find_body(result.body, body))
    format = replace(format, each="person") if chosen.onto else format
    file, folder = file_in(path, format.file), Path(folder or path)
    if to == "legacy":
        with folders_above(file):
            write_legacy(file, result, made_with, progress)
        return Exported((file,), ())
    shared = {each.name: getattr(chosen, each.name) for each in fields(SceneOptions)}
    defaults = {"up": chosen.up or format.up, "root": chosen.root or "origin"}
    scene = build_scene(result, made_with, SceneOptions(**{**shared, **defaults}), chosen.person)
    write, frames = ONTO[to] if chosen.onto else WRITERS[to], format.each == "frame"
    own = {name: getattr(chosen, name) for name in ("unit", "blender", "rig", "onto", "bones")}
    own["progress"] = progress if frames else None
    write = partial(write, **{name: value for name, value in own.items() if value})
    notes = (*scene.notes, *[LOOSE] * bool(chosen.onto and any(each.contacts is None for each in scene.characters)))
    if frames or (format.each == "person" and len(scene.characters) != 1):
        return Exported(_several(folder, format, scene, made_with, write), notes)
    with folders_above(file):
        write(file, scene, *(scene.characters if format.each == "person" else ()), made_with)
    return Exported((file,), notes)


def _check_options(to: str, chosen: ExportOptions) -> None:
    """Raise Misuse for a format that there is not, and for options that it has no use for."""
    if to not in FORMATS:
        raise Misuse(f"no format is called {to}: choose one of {', '.join(FORMATS)}")
    if chosen.unit and to != "bvh":
        raise Misuse("a unit is for bvh: other formats have their own")
    if chosen.rig and to not in RIGGED:
        raise Misuse(f"a rig is for {', '.join(RIGGED)}: other formats have SMPL's joints")
    if chosen.onto and (to not in ONTO or chosen.rig):
        raise Misuse("a character is written as glb or fbx, and has bones of its own: give --to glb or fbx and no rig")
    if chosen.bones and not chosen.onto:
        raise Misuse("a map of bones is for a character: give one with --onto")
    if chosen.blender and to != "fbx":
        raise Misuse("Blender is asked for fbx alone: no other format needs it")
    if to == "legacy" and chosen != ExportOptions():
        raise Misuse("legacy holds everybody as in the video: it takes no option but the file and the body")


def _several(folder: Path, format: Format, scene: Scene, body: Body, write: Callable[..., None]) -> tuple[Path, ...]:
    """Write a file for each person, or a folder of frames for each."""
    if folder.is_file() or (format.each == "person" and folder.suffix == Path(format.file).suffix):
        raise Misuse(f"{folder} is one file, and several are to be written: give a folder, or one person")
    if format.each == "frame" and folder.is_dir() and any(folder.iterdir()):
        raise Misuse(f"{folder} is not empty: give a new folder, so that the frames of two exports don't mix")
    names = [f"person{character.number}{Path(format.file).suffix}" for character in scene.characters]
    with whole_folder(folder) as written:
        for name, character in zip(names, scene.characters, strict=True):
            write(written / name, scene, character, body)
    return tuple(folder / name for name in names)


def write_meshes(
    folder: Path, scene: Scene, character: Character, body: Body, kind: str, progress: Progress | None = None
) -> None:
    """A new folder of a file for each frame, `000000.obj` and so on, numbered by the scene's; raises OSError.

    `kind` is one of `SURFACES`.
    """
    from vibe.body.outfit import dressed, vertex_colours
    from vibe.body.placed import vertices_cam

    folder.mkdir()
    faces, colours = body.faces.astype(np.int32), vertex_colours(body, character.number)
    character, body = character.with_fingers(dressed(body))
    smpl = character.smpl
    for start in range(0, len(smpl.rotmat), CHUNK):
        surface = vertices_cam(smpl.at(slice(start, start + CHUNK)), body)
        for frame, points in enumerate(surface, start=character.first + start):
            said = f"vibe: person {character.number}, frame {frame}, metres, right-handed, {scene.up} up, {scene.space}"
            (folder / f"{frame:06d}.{kind}").write_bytes(SURFACES[kind](points, colours, faces, said))
        if progress:
            progress(f"person {character.number}", min(start + CHUNK, len(smpl.rotmat)), len(smpl.rotmat))


def obj(
    points: Float[ndarray, "vertex 3"], colours: Float[ndarray, "vertex 3"], faces: Int[ndarray, "face 3"], said: str
) -> bytes:
    """A surface in Wavefront's text, with sRGB from 0 to 1 behind each vertex; faces count from 1."""
    rows = np.concatenate([points, colours], 1)
    places = "v %.5f %.5f %.5f %.3f %.3f %.3f\n" * len(rows) % tuple(rows.ravel().tolist())
    corners = "f %d %d %d\n" * len(faces) % tuple((faces + 1).ravel().tolist())
    return f"# {said}\n{places}{corners}".encode()


def ply(
    points: Float[ndarray, "vertex 3"], colours: Float[ndarray, "vertex 3"], faces: Int[ndarray, "face 3"], said: str
) -> bytes:
    """A surface in Stanford's binary form, little-endian, with sRGB from 0 to 255."""
    head = (
        f"ply\nformat binary_little_endian 1.0\ncomment {said}\nelement vertex {len(points)}\n"
        "property float x\nproperty float y\nproperty float z\n"
        "property uchar red\nproperty uchar green\nproperty uchar blue\n"
        f"element face {len(faces)}\nproperty list uchar int vertex_indices\nend_header\n"
    )
    rows = np.empty(len(points), np.dtype([("place", "<f4", 3), ("colour", "u1", 3)]))
    rows["place"], rows["colour"] = points, np.rint(255 * colours)
    corners = np.empty(len(faces), np.dtype([("count", "u1"), ("vertex", "<i4", 3)]))
    corners["count"], corners["vertex"] = 3, faces
    return head.encode() + rows.tobytes() + corners.tobytes()


SURFACES: dict[str, Callable[..., bytes]] = {"obj": obj, "ply": ply}
WRITERS: dict[str, Callable[..., None]] = {
    "bvh": write_bvh,
    "glb": write_glb,
    "usd": write_usd,
    "fbx": write_fbx,
    "vrma": write_vrma,
    "amass": write_amass,
    "csv": lambda path, scene, _: write_csv(path, scene),
    "gait": lambda path, scene, _: write_gait(path, scene),
    "c3d": write_c3d,
    "trc": write_trc,
    "mot": lambda path, scene, character, _: write_mot(path, scene, character),
    "smplx-json": write_smplx_json,
    **{kind: partial(write_meshes, kind=kind) for kind in SURFACES},
}
"""What writes a scene's clip, or one person of it, by the name of the format."""
ONTO: dict[str, Callable[..., None]] = {"glb": write_onto, "fbx": write_onto_fbx}
"""What writes one person onto a character."""
