"""FBX, which Blender makes out of our GLB: the user's program or the package bpy, run in the background."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from vibe import assets
from vibe.body import Body
from vibe.export.blender_fbx import CLOCK
from vibe.export.gltf import write_glb
from vibe.motion.scene import Character, Scene

PATIENCE, PATIENCE_FRAME = 120.0, 0.1
"""Seconds that Blender is given, and more for each frame."""
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
    longer than two minutes and 0.1 s a frame, and ValueError if z is to point up.
    """
    if scene.up != "y":
        raise ValueError("FBX is written with y up: leave --up out, programs turn it to their own axes")
    program = find_blender(blender)
    alone = replace(scene, characters=(replace(character, first=0),), t_scene_cam=None, fps=float(CLOCK))
    with tempfile.TemporaryDirectory(prefix="vibe-fbx-") as folder:
        glb, fbx = Path(folder) / "motion.glb", Path(folder) / "motion.fbx"
        write_glb(glb, alone, body, False, rig)  # many programs that read FBX show no colours of vertices
        _run(program, [str(glb), str(fbx), repr(scene.fps), str(len(character.joints))], len(character.joints))
        if not fbx.is_file():
            raise OSError(f"{program} ended without an FBX file: is it Blender? 4.2, 5.0 and 5.3 were tried")
        assets.write_whole(path, fbx.read_bytes())


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


def _run(program: Path, given: list[str], frames: int) -> None:
    """Blender in the background, with nothing of the user's own settings and add-ons."""
    script = str(Path(__file__).with_name("blender_fbx.py"))
    command = [str(program), "--background", "--factory-startup", "--python-exit-code", "1", "--python", script, "--"]
    if program == Path(sys.executable):
        command = [sys.executable, script, "--"]
    patience = PATIENCE + PATIENCE_FRAME * frames
    try:
        done = subprocess.run(
            command + given, capture_output=True, stdin=subprocess.DEVNULL, timeout=patience, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise OSError(f"{program} took longer than {patience:.0f} s and was stopped: write a part by --end") from error
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).decode(errors="replace").splitlines()
        raise OSError(f"{program} failed with code {done.returncode}: {' | '.join(said[-TAIL:]) or 'it said nothing'}")
