"""FBX, which Blender makes out of our GLB: the user's program or the package bpy, run in the background."""

from __future__ import annotations

import importlib.util
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from vibe import assets
from vibe.body import Body
from vibe.errors import shorten
from vibe.export import blender_fbx
from vibe.export.armature import build_armature
from vibe.export.character_file import ADVICE, LARGEST, SUFFIXES, read_character
from vibe.export.fbx_file import BonePath, animated
from vibe.export.gltf import write_glb
from vibe.export.onto import fitted
from vibe.export.rigs import RIGS
from vibe.motion.scene import Character, Scene

PATIENCE = 120.0
"""Seconds that Blender is given."""
METRE = np.array([[0.01], [0.01], [0.01], [1.0]])
"""Of the rows of a matrix in centimetres."""
TAIL = 8
"""Lines of what Blender said that an error repeats."""
NO_BLENDER = (
    "FBX is written by Blender, which is not here: install it from blender.org, or as a package on Python 3.13 "
    "(pip install 'vibe-motion[fbx]'), or name the program with --blender. Without it, glb and bvh open in the same "
    "programs"
)


def write_fbx(
    path: Path, scene: Scene, character: Character, body: Body, blender: Path | str | None = None, rig: str = "smpl"
) -> None:
    """One person's skinned body and motion, written whole or not at all.

    Centimetres, y up. Raises FileNotFoundError where there is no Blender (`find_blender`), OSError if it fails or takes
    longer than two minutes, and ValueError if z is to point up.
    """
    _check_up(scene)
    program = find_blender(blender)
    still = replace(scene, characters=(character.at_first(),), t_scene_cam=None)
    with tempfile.TemporaryDirectory(prefix="vibe-fbx-") as folder:
        glb, fbx = Path(folder) / "motion.glb", Path(folder) / "motion.fbx"
        write_glb(glb, still, body, False, rig)  # many programs that read FBX show no colours of vertices
        content = _run(program, glb, fbx, scene, character)
    armature = build_armature(RIGS[rig], scene, character, body, body)
    paths = {}
    for place, name in enumerate(armature.bones):
        travel = armature.places[:, place] if place in armature.travels else None
        paths[name] = BonePath(armature.R_body_bone[place], armature.R_scene_bone[:, place], travel)
    assets.write_whole(path, _animated(program, content, paths, scene.fps))


def write_onto_fbx(
    path: Path, scene: Scene, character: Character, body: Body, onto: Path | str, bones: Path | str | None = None,
    blender: Path | str | None = None,
) -> None:  # fmt: skip
    """One person's motion on a user's own FBX character, as `write_onto` does it, written whole or not at all.

    Mesh, skin, materials and textures are as Blender reads and writes them; animations that the file has are left out.
    Raises ValueError for a character that can't be moved, what `write_fbx` raises, and OSError.
    """
    onto = Path(onto)
    _check_up(scene)
    assets.keep_inputs((path,), onto, bones)
    if onto.suffix.lower() not in (".fbx", *SUFFIXES):
        raise ValueError(f"{onto} is no character: give a .fbx, .glb or .vrm file")
    if (size := onto.stat().st_size) > LARGEST:
        raise ValueError(
            f"{onto} has {size / 1e9:.1f} GB, {LARGEST / 1e9:.1f} at most are read: make its textures smaller"
        )
    program = find_blender(blender)
    with tempfile.TemporaryDirectory(prefix="vibe-fbx-") as folder:
        glb, fbx = Path(folder) / "character.glb", Path(folder) / "motion.fbx"
        content = _run(program, onto, fbx, scene, character, glb)
        try:
            file = read_character(glb)
        except ValueError as error:
            raise ValueError(str(error).replace(str(glb), str(onto)).replace(ADVICE, "export it again")) from error
    # Blender's scene has centimetres, and its GLB takes no notice
    file = replace(file, path=onto, matrices=file.matrices * METRE, skin=file.skin * METRE[:3, 0])
    found, moved, places = fitted(file, scene, character, body, bones)
    paths = {}
    for joint, R_scene_bone in moved.items():
        axes = file.matrices[found[joint], :3, :3]
        travel = places if joint == "pelvis" else None
        paths[file.names[found[joint]]] = BonePath(axes / np.linalg.norm(axes, axis=0), R_scene_bone, travel)
    assets.write_whole(path, _animated(program, content, paths, scene.fps))


def _check_up(scene: Scene) -> None:
    if scene.up != "y":
        raise ValueError("FBX is written with y up: leave --up out, programs turn it to their own axes")


def _animated(program: Path, content: bytes, paths: dict[str, BonePath], fps: float) -> bytes:
    """The motion in a file that Blender made; raises OSError if it is another one than Blender makes."""
    try:
        return animated(content, paths, fps)
    except (ValueError, KeyError, StopIteration, struct.error) as error:
        raise OSError(
            f"{program} wrote an FBX that can't take a motion ({error}): 4.2, 5.0 and 5.3 were tried"
        ) from error


def find_blender(named: Path | str | None = None) -> Path:
    """The Blender that was named; else that on the PATH; else the newest of those in the usual places.

    This Python where only the package bpy is here. Raises FileNotFoundError that says how to get one.
    """
    if found := shutil.which(Path(named).expanduser() if named else "blender"):
        return Path(found)
    if named is not None:
        raise FileNotFoundError(f"{named} is no program: name Blender's with --blender")
    if installed := [path for path in _places() if os.access(path, os.X_OK)]:
        return installed[-1]
    if importlib.util.find_spec("bpy"):
        return Path(sys.executable)
    raise FileNotFoundError(NO_BLENDER)


def _places() -> Iterator[Path]:
    """Where Blender's installers and people who unpack it put it, older versions first."""
    own = Path()
    with suppress(RuntimeError):  # some users have no home folder
        own = Path.home()
    if sys.platform == "darwin":
        for folder in (Path("/Applications"), own / "Applications"):
            yield from sorted(folder.glob("Blender*.app/Contents/MacOS/Blender"))
    elif sys.platform == "win32":
        programs = Path(os.environ.get("PROGRAMFILES", "C:/Program Files"))
        yield from sorted((programs / "Blender Foundation").glob("Blender*/blender.exe"))
    else:
        for folder in (Path("/opt"), own, own / "Applications"):
            yield from sorted(folder.glob("blender*/blender"))
        yield Path("/snap/bin/blender")


def _run(program: Path, source: Path, fbx: Path, scene: Scene, character: Character, glb: Path | None = None) -> bytes:
    """The FBX that Blender makes in the background, with nothing of the user's own settings and add-ons."""
    script = blender_fbx.__file__
    command = [str(program), "--background", "--factory-startup", "--python-exit-code", "1", "--python", script, "--"]
    if program == Path(sys.executable):
        command = [sys.executable, script, "--"]
    command += [str(source), str(fbx), repr(scene.fps), str(len(character.joints)), f"person {character.number}"]
    try:
        done = subprocess.run(
            [*command, str(glb or "")], capture_output=True, stdin=subprocess.DEVNULL, timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise OSError(f"{program} took longer than {PATIENCE:.0f} s and was stopped") from error
    said = (done.stderr.strip() or done.stdout.strip()).decode(errors="replace").splitlines()
    if done.returncode == blender_fbx.UNREADABLE and said:
        raise ValueError(f"{source} can't be opened by Blender ({shorten(said[-1])}): export it again as binary FBX")
    if done.returncode:
        raise OSError(f"{program} failed with code {done.returncode}: {' | '.join(said[-TAIL:]) or 'it said nothing'}")
    if not fbx.is_file():
        raise OSError(f"{program} ended without {fbx.name}: is it Blender? 4.2, 5.0 and 5.3 were tried")
    return fbx.read_bytes()
