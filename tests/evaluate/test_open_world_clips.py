"""Laws of the clips with moving cameras."""

import json
from pathlib import Path

import numpy as np
import pytest
from raw_files import write_video

from vibe.data.motion import HELD_OUT, read_motion_clips, subject_of
from vibe.evaluate import open_world_clips
from vibe.evaluate.open_world_clips import HELD_OUT_SHOTS, SHOTS, TRAINING_SHOTS, Shot, build_open_world, read_clip_list
from vibe.synthetic import camera_paths, scenery
from vibe.synthetic.camera_paths import MOTIONS
from vibe.video.read import open_video

SMALL = (Shot("along", (("cmu_12_02", 20), ("cmu_64_26", 0))),)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, shared: Path) -> Path:
    """One tiny clip of two people."""
    out = tmp_path_factory.mktemp("world")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIBE_MOTION", str(shared / "data" / "motion"))
        patch.setattr(open_world_clips, "FRAMES", 12)
        patch.setattr(camera_paths, "SIZES", ((160, 96), (96, 160)))
        patch.setattr(scenery, "TEXELS", 20)
        patch.setitem(SHOTS, "training", SMALL)
        (out / "videos").mkdir()
        write_video(out / "videos" / "still.mp4", 12, 30)
        assert build_open_world(out, "training", videos=out / "videos") == 2
    return out


def test_clips_are_of_whom_they_say_and_within_the_motion(shared: Path) -> None:
    *_, offsets, names = read_motion_clips(shared / "data" / "motion" / open_world_clips.MOTION)
    frames = dict(zip(names, np.diff(offsets), strict=True))
    for shots, held_out in ((HELD_OUT_SHOTS, True), (TRAINING_SHOTS, False)):
        assert {MOTIONS[shot.camera].kind for shot in shots} == {"still", "turning", "moving"}
        for shot in shots:
            for name, start in shot.people:
                assert (subject_of(name) in HELD_OUT) == held_out and frames[name] - start >= 90


def test_video_and_truth_agree(folder: Path) -> None:
    name, virtual = read_clip_list(folder)["clips"]
    assert np.load(folder / f"{virtual}.npz")["people"] == 0 and virtual == "virtual_00_still"
    truth = np.load(folder / f"{name}.npz")
    with open_video(folder / f"{name}.mp4") as video:
        pictures = [frame.rgb for frame in video]
    assert len(pictures) == 12 and pictures[0].shape[1::-1] == tuple(truth["size_px"]) and truth["people"] == 2
    for person in (1, 2):
        joints = truth[f"{person}/joints_world"]
        cam = np.einsum("tji,tkj->tki", truth["R_world_cam"], joints - truth["t_world_cam"][:, None])
        seen = cam @ truth["K_px"].T
        np.testing.assert_allclose(seen[..., :2] / seen[..., 2:], truth[f"{person}/joints_px"], atol=0.01)
        assert (
            0.6 < joints[:, 0, 2].mean() < 1.2
            and truth[f"{person}/feet_world"][truth[f"{person}/contacts"]][:, 2].max() < 0.12
        )
    apart = np.linalg.norm((truth["1/pelvis_world"] - truth["2/pelvis_world"])[:, :2], axis=1)
    assert apart.min() > open_world_clips.APART


def test_what_is_there_stays_and_other_subjects_are_not_mixed_in(folder: Path, shared: Path, monkeypatch) -> None:
    monkeypatch.setenv("VIBE_MOTION", str(shared / "data" / "motion"))
    monkeypatch.setitem(SHOTS, "training", SMALL)
    before = {path: path.stat().st_mtime_ns for path in folder.glob("0*")}
    assert build_open_world(folder, "training") == 1
    assert {path: path.stat().st_mtime_ns for path in folder.glob("0*")} == before
    with pytest.raises(FileNotFoundError, match="holds no video"):
        build_open_world(folder, "training", videos=shared / "data" / "motion")
    with pytest.raises(ValueError, match="training subjects: choose another folder"):
        build_open_world(folder, "held-out")


def test_a_folder_without_a_list_or_with_a_damaged_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="vibe prepare open-world"):
        read_clip_list(tmp_path)
    for content in ("{", json.dumps([1]), json.dumps({"clips": {}})):
        (tmp_path / open_world_clips.MANIFEST).write_text(content)
        with pytest.raises(ValueError, match="vibe prepare open-world"):
            read_clip_list(tmp_path)


def test_motion_that_lacks_a_clip_is_named(shared: Path) -> None:
    path = shared / "data" / "motion" / open_world_clips.MOTION
    with pytest.raises(ValueError, match="no clip cmu_06_01 of more than 5000 frames"):
        open_world_clips._motion(path, [Shot("still", (("cmu_06_01", 5000),))])
