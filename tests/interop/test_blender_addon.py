"""The add-on for Blender: what it makes of our files in Blender's package, people, camera, video and clock."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import performers
import pytest
from readers import read_glb

from vibe.export.export import export
from vibe.motion import Result
from vibe.skeletons import SMPL
from vibe.video.write import VideoWriter

ADDON = Path(__file__).parents[2] / "tools" / "blender" / "vibe_import.py"
READER = Path(__file__).with_name("addon_in_blender.py")
FPS = 30000 / 1001


def opened(python: Path, path: Path) -> tuple[dict[str, np.ndarray], str]:
    """What Blender finds in its scene once the add-on has opened a file, and what was said on the way."""
    out = path.with_suffix(".found.npz")
    settings = os.environ | {"BLENDER_USER_SCRIPTS": str(path.parent / "scripts")}
    done = subprocess.run([python, READER, ADDON, path, out], capture_output=True, text=True, env=settings)
    assert done.returncode == 0, done.stderr[-2000:]
    if not out.exists():
        return {}, done.stdout + done.stderr
    with np.load(out) as file:
        return dict(file), done.stdout + done.stderr


@pytest.fixture(scope="module")
def folder(given, body, tmp_path_factory) -> Path:
    """A motion in its world before a moving camera off the middle, and its video a folder above."""
    folder = tmp_path_factory.mktemp("addon") / "dance"
    folder.mkdir()
    with VideoWriter(folder.parent / "clip.mp4", 64, 36, FPS) as writer:
        for frame in range(100):
            writer.write(np.full((36, 64, 3), frame, np.uint8), frame / FPS)
    performers.on_the_floor(body, given).save(folder / "motion.npz")
    return folder


def misses(found: dict[str, np.ndarray], result: Result, late: int = 0) -> tuple[float, float]:
    """By how much joints miss their places, in metres, and where the picture has them, in shares of its width."""
    places, shown = [0.0], [0.0]
    for number, motion in enumerate(result.people, start=1):
        order, rows = [found[f"{number}/bones"].tolist().index(name) for name in SMPL], motion.frames - late
        joints, joints_px = found[f"{number}/joints"][rows][:, order], found[f"{number}/joints_px"][rows][:, order]
        px = joints_px * result.clip.width / found["size"][0] - motion.joints_px
        places += [np.abs(joints - motion.joints_world).max()] if result.world else []
        shown.append(np.abs(px).max() / result.clip.width)
    return max(places), max(shown)


def test_people_stand_in_the_world_and_in_the_picture(blender_python, given, body, folder):
    found, said = opened(blender_python, folder / "motion.npz")
    assert found["objects"].tolist() == ["person 1", "person 2", "floor", "camera"] and "Warning" not in said
    place, shown = misses(found, performers.on_the_floor(body, given))
    assert place < 1e-5 and shown < 1e-5
    assert found["fps"] == pytest.approx(FPS, rel=1e-5) and found["range"].tolist() == [0, 99]
    assert found["shown"].tolist() == ["clip.mp4"] and found["video"].tolist() == [0], "frame 0 is the video's first"


def test_people_are_called_what_they_were_named(blender_python, given, folder):
    one, two = given.people
    for name, called in (("Ånna", ["Ånna", "person 2"]), ("\U0001f483" * 60, ["\U0001f483" * 15, "person 2"])):
        replace(given, people=(replace(one, name=name), two)).save(folder / "named.npz")
        found, said = opened(blender_python, folder / "named.npz")
        shown = found["objects"].tolist()[:2]
        assert shown[0].startswith(called[0]) and shown[1] == called[1] and "Error" not in said


def test_a_motion_with_nobody_in_it_says_so(blender_python, given, folder):
    replace(given, people=()).save(folder / "nobody.npz")
    found, said = opened(blender_python, folder / "nobody.npz")
    assert not found and "nobody.npz has nobody in it: choose the motion of a video in which" in said


def test_a_camera_off_the_middle_with_oblong_pixels_is_the_camera(blender_python, given, folder):
    K_px = np.array([[900, 0, 600], [0, 1000, 400], [0, 0, 1]], np.float32)
    seen = []
    for motion in given.people:
        px = motion.joints_cam @ K_px.T
        seen.append(replace(motion, joints_px=px[..., :2] / px[..., 2:]))
    result = replace(given, people=tuple(seen), camera=replace(given.camera, K_px=K_px))
    result.save(folder / "oblong.npz")
    found, _ = opened(blender_python, folder / "oblong.npz")
    assert misses(found, result)[1] < 1e-5
    assert "floor" not in found["objects"], "the camera's space knows none"


def test_a_glb_comes_with_skin_camera_and_video(blender_python, given, body, folder):
    result = performers.on_the_floor(body, given)
    export(result, folder / "part.glb", "glb", body=body, start=10 / FPS)
    found, said = opened(blender_python, folder / "part.glb")
    assert {"person 1", "person 1 skin", "camera", "floor"} <= set(found["objects"].tolist()) and "Warning" not in said
    kept = [motion.at(motion.frames >= 10) for motion in result.people]
    place, shown = misses(found, replace(result, people=tuple(kept)), late=10)
    assert place < 1e-4 and shown < 1e-4
    assert found["fps"] == pytest.approx(FPS, rel=1e-5) and found["video"].tolist() == [-10]
    assert read_glb(folder / "part.glb")[0]["asset"]["extras"]["fps"] == pytest.approx(FPS)


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"no archive", "give a motion.npz that this version of vibe wrote"),
        ("vibe-motion 1", "has format 'vibe-motion 1'"),
        ("1/joints", "damaged numbers in 1/joints"),
        ("1/name", "damaged name of person 1"),
        ("timestamps", "lacks 'timestamps"),
    ],
)
def test_what_is_no_motion_is_refused_in_a_sentence(content, reason, blender_python, folder, tmp_path):
    path = tmp_path / "motion.npz"
    with np.load(folder / "motion.npz") as file:
        arrays = dict(file)
    if content == "1/joints":
        arrays[content] = arrays[content] * np.nan
    elif content == "1/name":
        arrays[content] = np.array("a\nb")
    elif content == "timestamps":
        del arrays[content]
    else:
        arrays["format"] = np.array(content)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.savez(path, **arrays)
    found, said = opened(blender_python, path)
    assert not found and reason in said and "Traceback" not in said
    (tmp_path / "x.glb").write_bytes(b"glTF")
    assert "is no GLB that vibe export wrote" in opened(blender_python, tmp_path / "x.glb")[1]
