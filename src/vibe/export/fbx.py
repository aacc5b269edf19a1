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

from vibe import assets
from vibe.body import Body
from vibe.export import blender_fbx
from vibe.export.armature import build_armature
from vibe.export.fbx_file import BonePath, animated
from vibe.export.gltf import write_glb
from vibe.export.rigs import RIGS
from vibe.motion.scene import Character, Scene

PATIENCE = 120.0
"""Seconds that Blender is given."""
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
    if scene.up != "y":
        raise ValueError("FBX is written with y up: leave --up out, programs turn it to their own axes")
    program = find_blender(blender)
    still = replace(scene, characters=(character.at_first(),), t_scene_cam=None)
    with tempfile.TemporaryDirectory(prefix="vibe-fbx-") as folder:
        glb, fbx = Path(folder) / "motion.glb", Path(folder) / "motion.fbx"
        write_glb(glb, still, body, False, rig)  # many programs that read FBX show no colours of vertices
        content = _run(program, [str(glb), str(fbx), repr(scene.fps), str(len(character.joints))], fbx)
    armature = build_armature(RIGS[rig], scene, character, body, body)
    paths = {}
    for place, name in enumerate(armature.bones):
        travel = armature.places[:, place] if place in armature.travels else None
        paths[name] = BonePath(armature.R_body_bone[place], armature.R_scene_bone[:, place], travel)
    assets.write_whole(path, _animated(program, content, paths, scene.fps))


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


def _run(program: Path, given: list[str], made: Path) -> bytes:
    """What Blender makes in the background, with nothing of the user's own settings and add-ons."""
    script = blender_fbx.__file__
    command = [str(program), "--background", "--factory-startup", "--python-exit-code", "1", "--python", script, "--"]
    if program == Path(sys.executable):
        command = [sys.executable, script, "--"]
    try:
        done = subprocess.run(
            command + given, capture_output=True, stdin=subprocess.DEVNULL, timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise OSError(f"{program} took longer than {PATIENCE:.0f} s and was stopped") from error
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).decode(errors="replace").splitlines()
        raise OSError(f"{program} failed with code {done.returncode}: {' | '.join(said[-TAIL:]) or 'it said nothing'}")
    if not made.is_file():
        raise OSError(f"{program} ended without {made.name}: is it Blender? 4.2, 5.0 and 5.3 were tried")
    return made.read_bytes()
