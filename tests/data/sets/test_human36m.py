"""Human3.6M, from a miniature in its own layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import roma
import torch
from raw_files import cut, write_cdf, write_video

from vibe.body.load import load_smpl
from vibe.cameras import BOX_MARGIN
from vibe.data.prepare import StoreWriter, prepare
from vibe.data.sets.human36m import CAMERAS, HUMAN36M, read_camera
from vibe.data.store import Store, open_store
from vibe.evaluate.protocols import PROTOCOLS
from vibe.evaluate.with_true_boxes import person_of, sequences_of
from vibe.skeletons import COMMON14, H36M17, SPIN49, convert_joints

COUNT = 11
ORDER = (
    *"mid_hip right_hip right_knee right_ankle toes end left_hip left_knee left_ankle toes end".split(),
    *"mid_hip h36m_spine lsp_neck h36m_head head_top lsp_neck left_shoulder left_elbow left_wrist".split(),
    *"wrist thumb end end lsp_neck right_shoulder right_elbow right_wrist wrist thumb end end".split(),
)
"""The set's 32 joints by our names; what has none of ours has another."""
FOCAL, CENTRE = (1145.0, 1143.8), (512.5, 515.4)
K_PX = np.array([[FOCAL[0], 0, CENTRE[0]], [0, FOCAL[1], CENTRE[1]], [0, 0, 1]])


def person(seed: int) -> np.ndarray:
    """32 joints in a camera's frame, millimetres, of which those of one name are one point: [frame, joint, 3]."""
    random = np.random.default_rng(seed)
    named = {name: 400 * random.normal(size=3) for name in sorted(set(ORDER))}
    still = np.stack([named[name] for name in ORDER])
    walk = np.stack([20.0 * np.arange(COUNT), 3.0 * np.arange(COUNT), 5000 + 10.0 * np.arange(COUNT)], 1)
    return still + walk[:, None]


def projected(points: np.ndarray) -> np.ndarray:
    return points[..., :2] / points[..., 2:] * FOCAL + CENTRE


def write(raw: Path, subject: str, name: str, points: np.ndarray, video: int = COUNT, mono: bool = True) -> None:
    features = raw / subject / "MyPoseFeatures"
    write_cdf(features / "D2_Positions" / f"{name}.cdf", projected(points).reshape(COUNT, 64))
    if mono:
        write_cdf(features / "D3_Positions_mono" / f"{name}.cdf", points.reshape(COUNT, 96))
    if video:
        write_video(raw / subject / "Videos" / f"{name}.mp4", video, 50)


def write_metadata(path: Path) -> dict[str, Any]:
    """Invented cameras, in the order of the set's own file; those of S11's third camera."""
    random = np.random.default_rng(3)
    moved = random.normal(size=(4, 11, 6)) * [1, 1, 1, 3000, 3000, 3000]
    lenses = np.concatenate([np.tile([*FOCAL, *CENTRE], (4, 1)), 0.1 * random.normal(size=(4, 5))], 1)
    numbers = " ".join(f"{value:.12g}" for value in (*moved.ravel(), *lenses.ravel()))
    path.write_text(f"<?xml version='1.0'?>\n<metadata><other>1</other><w0>[{numbers}]</w0></metadata>")
    x, y, z, *place = moved[2, 10]
    axes = np.eye(3)
    turns = [roma.rotvec_to_rotmat(torch.from_numpy(angle * axis)) for angle, axis in zip((x, y, z), axes)]
    return {"R_cam_world": (turns[0] @ turns[1] @ turns[2]).numpy(), "place": np.array(place)}


def run(tmp_path: Path) -> tuple[StoreWriter, Store]:
    done = prepare("h36m", HUMAN36M, tmp_path / "raw", tmp_path / "out")
    return done, open_store(tmp_path / "out")


def assert_joints(store: Store, each, points: np.ndarray) -> None:
    rows, names = store.frames[each.rows], [ORDER.index(name) for name in H36M17]
    pixels = projected(points[rows][:, names])
    flagged = np.concatenate([pixels, np.ones_like(pixels[..., :1])], -1)
    for column, value in (("points.spin49", points[rows][:, names] / 1000), ("keypoints_px.spin49", flagged)):
        wanted = convert_joints(torch.from_numpy(value), H36M17, SPIN49).numpy()
        np.testing.assert_allclose(store.column(column)[each.rows], wanted, rtol=1e-5, atol=1e-5)
    assert store.column("points.spin49")[each.rows][:, [SPIN49.index(name) for name in COMMON14]].all()
    low, high = pixels.min(1), pixels.max(1)
    box_px = np.concatenate([(low + high) / 2, BOX_MARGIN * (high - low)], 1)
    np.testing.assert_allclose(store.column("box_px")[each.rows], box_px, rtol=1e-5)


def test_videos_are_found_again_at_25_frames_a_second_with_their_splits_and_cameras(tmp_path):
    raw, known = tmp_path / "raw", {}
    for place, (subject, name) in enumerate(
        [
            ("S1", "Directions 1.54138969"),
            ("S8", "Walking.60457274"),
            ("S9", "Eating 2.60457274"),
            ("S11", "Sitting.55011271"),
        ]
    ):
        known[f"{subject}/{name}"] = person(place)
        write(raw, subject, name, known[f"{subject}/{name}"])
    write_video(raw / "S1" / "Videos" / "_ALL 1.54138969.mp4", 3, 50)
    write_video(raw / "S9" / "Videos" / "Eating 2.60457274.mp4", COUNT - 2, 50)
    done, store = run(tmp_path)
    assert {each.name for each in store.sequences} == set(known)
    assert set(done.dropped) == {"S5", "S6", "S7"}
    for each in store.sequences:
        count = COUNT - 2 if each.subject == "S9" else COUNT
        assert store.frames[each.rows].tolist() == list(range(0, count, 2))
        assert (each.fps, each.step) == (25.0, 2)
        assert each.split == ("test" if each.subject in ("S9", "S11") else "train")
        folder, name = each.name.split("/")
        assert each.source == f"{folder}/Videos/{name}.mp4"
        np.testing.assert_allclose(each.K_px, K_PX, atol=0.05)  # the pixels are in 32 bits
        assert_joints(store, each, known[each.name])
        assert store.column("has_points")[each.rows].all() and not store.column("has_theta")[each.rows].any()
    for name, count in (("h36m-p1", 2), ("h36m-p2", 1)):
        people = [person_of(store, each, PROTOCOLS[name], load_smpl) for each in sequences_of(store, PROTOCOLS[name])]
        assert len(people) == count
        for each in people:
            points = known[each.sequence.name][store.frames[each.sequence.rows]] / 1000
            points = points[:, [ORDER.index(joint) for joint in COMMON14]]
            np.testing.assert_allclose(each.points, points, rtol=1e-5, atol=1e-5)


def test_positions_in_the_world_are_turned_into_the_cameras_frame(tmp_path):
    raw, name = tmp_path / "raw", f"Posing.{CAMERAS[2]}"
    points = person(1)
    write(raw, "S11", name, points, mono=False)
    camera = write_metadata(raw / "metadata.xml")
    world = points @ camera["R_cam_world"] + camera["place"]
    write_cdf(raw / "S11" / "MyPoseFeatures" / "D3_Positions" / "Posing.cdf", world.reshape(COUNT, 96))
    _, store = run(tmp_path)
    [each] = store.sequences
    np.testing.assert_allclose(each.K_px, K_PX, atol=0.05)
    assert_joints(store, each, points)
    R_cam_world, _ = read_camera(raw / "metadata.xml", 11, CAMERAS[2])
    np.testing.assert_allclose(R_cam_world, camera["R_cam_world"], atol=1e-9)


@pytest.mark.parametrize("some", [False, True])
def test_smpl_parameters_are_taken_where_there_are_some(some, tmp_path):
    raw, name = tmp_path / "raw", "Posing.54138969"
    write(raw, "S5", name, person(1))
    write(raw, "S6", name, person(2))
    random, path = np.random.default_rng(0), raw / "S5" / "SMPL" / f"{name}.npz"
    frames = np.array([0, 3, 4, 8]) if some else np.arange(COUNT)
    given = {"poses": random.normal(size=(len(frames), 72)), "trans": random.normal(size=(len(frames), 3))}
    given["betas"] = random.normal(size=(len(frames), 10)) if some else random.normal(size=10)
    path.parent.mkdir()
    np.savez(path, gender="male", **given, **({"frames": frames} if some else {}))
    _, store = run(tmp_path)
    with_theta, without = store.sequences
    assert (with_theta.gender, without.gender) == ("male", "neutral")
    kept = store.frames[with_theta.rows]
    has = np.isin(kept, frames)
    np.testing.assert_array_equal(store.column("has_theta")[with_theta.rows], has)
    assert not store.column("has_theta")[without.rows].any()
    rows = np.searchsorted(frames, kept[has])
    for column in ("poses", "trans", "betas"):
        wanted = given[column][rows] if given[column].ndim > 1 else np.tile(given[column], (len(rows), 1))
        np.testing.assert_allclose(store.column(column)[with_theta.rows][has], wanted, rtol=1e-6)


def test_what_is_wrong_is_left_out_and_named_and_the_others_are_kept(tmp_path):
    raw = tmp_path / "raw"
    write(raw, "S1", "Good.54138969", person(0))
    write(raw, "S1", "Silent.54138969", person(1), video=0)
    write(raw, "S5", "Cut.54138969", person(2))
    cut(raw / "S5" / "MyPoseFeatures" / "D3_Positions_mono" / "Cut.54138969.cdf", 0.2)
    damaged = person(3)
    damaged[4, 2] = np.nan
    write(raw, "S6", "Damaged.54138969", damaged)
    write(raw, "S7", "Flat.54138969", person(4), mono=False)
    write_video(raw / "S8" / "Videos" / "Unmarked.54138969.mp4", 5, 50)
    write(raw, "S9", "Torn.54138969", person(5))
    cut(raw / "S9" / "Videos" / "Torn.54138969.mp4", 0.3)
    write(raw, "S11", "Odd.54138969", person(6))
    (raw / "S11" / "SMPL").mkdir()
    np.savez(raw / "S11" / "SMPL" / "Odd.54138969.npz", poses=np.zeros((COUNT, 72)))
    done, store = run(tmp_path)
    reasons = {
        "S1/Silent.54138969": "there is no .*Silent.54138969.mp4",
        "S5/Cut.54138969": "D3_Positions_mono/Cut.54138969.cdf is no CDF file with Pose, or cut off",
        "S6/Damaged.54138969": "D2_Positions/Damaged.54138969.cdf: Pose holds NaN",
        "S7/Flat.54138969": "there is no .*D3_Positions_mono/Flat.54138969.cdf, and not both .*metadata.xml",
        "S8/Unmarked.54138969": "there is no .*D2_Positions/Unmarked.54138969.cdf",
        "S9/Torn.54138969": "Torn.54138969.mp4",
        "S11/Odd.54138969": "Odd.54138969.npz has no betas, trans: it holds poses",
    }
    assert set(done.dropped) == set(reasons)
    for name, reason in reasons.items():
        with pytest.raises(ValueError, match=reason):
            raise ValueError(done.dropped[name])
    assert [each.name for each in store.sequences] == ["S1/Good.54138969"]
    with pytest.raises(FileNotFoundError, match="holds nothing of Human3.6M, which looks like this"):
        prepare("h36m", HUMAN36M, raw / "S1", tmp_path / "other")


@pytest.mark.parametrize("content", ["", "<a></a>", "<a><w0>[1 2 3]</w0></a>", "<a><w0>[x]</w0></a>", "\x00"])
def test_metadata_without_cameras_is_refused_by_its_name(content, tmp_path):
    (tmp_path / "metadata.xml").write_text(content)
    with pytest.raises(ValueError, match=r"metadata\.xml holds no cameras"):
        read_camera(tmp_path / "metadata.xml", 1, CAMERAS[0])
