"""Penn Action, from a miniature in its own files: MATLAB 5 labels and numbered JPEG frames."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy import io

from vibe.data.prepare import prepare
from vibe.data.sets.penn_action import PENN_ACTION
from vibe.data.store import open_store
from vibe.skeletons import SPIN49

SHAPE = (90, 160)
LIMBS = "shoulder elbow wrist hip knee ankle".split()


def people(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Places of the 13 joints, and which of them are visible: all but the head, and but few in frame 2."""
    points = np.random.default_rng(seed).uniform((20, 10), (140, 80), (count, 13, 2)).round(2)
    visible = np.ones((count, 13))
    visible[:, 0] = 0
    visible[2, 3:] = 0
    return points, visible


def write(raw: Path, name: str, train: int, count: int, seed: int, frames: int | None = None) -> None:
    points, visible = people(count, seed)
    (raw / "labels").mkdir(parents=True, exist_ok=True)
    (raw / "frames" / name).mkdir(parents=True)
    label = {"action": "bowl", "pose": "left", "x": points[..., 0], "y": points[..., 1], "visibility": visible}
    label |= {"train": train, "bbox": np.ones((count, 4)), "dimensions": [*SHAPE, count], "nframes": count}
    io.savemat(raw / "labels" / f"{name}.mat", label, do_compression=True)
    for frame in range(1, (count if frames is None else frames) + 1):
        cv2.imwrite(str(raw / "frames" / name / f"{frame:06d}.jpg"), np.full((*SHAPE, 3), frame, np.uint8))


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "Penn_Action"
    write(folder, "0001", 1, 6, seed=1)
    write(folder, "0002", -1, 5, seed=2)
    return folder


def test_the_marked_joints_boxes_splits_and_frames_are_found_again(raw: Path, tmp_path: Path) -> None:
    made = prepare("penn-action", PENN_ACTION, raw, tmp_path / "out")
    assert (len(made.kept), made.rows, dict(made.dropped)) == (2, 9, {})
    store = open_store(tmp_path / "out")
    assert [(sequence.name, sequence.split) for sequence in store.sequences] == [("0001", "train"), ("0002", "test")]
    assert store.manifest["sources"].keys() == {"labels/0001.mat", "labels/0002.mat"}
    for sequence, (count, seed) in zip(store.sequences, [(6, 1), (5, 2)], strict=True):
        kept = [frame for frame in range(count) if frame != 2]
        assert store.frames[sequence.rows].tolist() == kept
        assert store.images(sequence.rows) == [f"{frame + 1:06d}.jpg" for frame in kept]
        assert (raw / sequence.source / store.images(sequence.rows)[0]).is_file()
        points = people(count, seed)[0][kept]
        low, high = points[:, 1:].min(1), points[:, 1:].max(1)
        expected = np.concatenate([(low + high) / 2, (high - low) * 1.2], -1)
        assert np.allclose(store.column("box_px")[sequence.rows], expected, atol=1e-4)
        keypoints = store.column("keypoints_px.spin49")[sequence.rows]
        for number, limb in enumerate(LIMBS):
            for side, name in enumerate(("right", "left")):
                found = keypoints[:, SPIN49.index(f"{name}_{limb}")]
                assert np.allclose(found[:, :2], points[:, 1 + 2 * number + side]) and (found[:, 2] == 1).all()
        assert not keypoints[:, SPIN49.index("head_top")].any() and keypoints[..., 2].sum() == 12 * len(kept)
    assert not store.column("has_points").any() and not store.column("has_theta").any()


def test_what_is_missing_or_damaged_is_named_and_the_rest_goes_on(raw: Path, tmp_path: Path) -> None:
    write(raw, "0003", 1, 4, seed=3, frames=2)
    write(raw, "0004", 1, 4, seed=4)
    (raw / "labels" / "0004.mat").write_bytes((raw / "labels" / "0004.mat").read_bytes()[:300])
    (raw / "frames" / "0005").mkdir()
    write(raw, "0006", 1, 3, seed=6)
    label = io.loadmat(raw / "labels" / "0006.mat")
    io.savemat(raw / "labels" / "0006.mat", {name: label[name] for name in label if name[0] != "_"} | {"nframes": 9})
    write(raw, "0007", 1, 3, seed=7)
    label = io.loadmat(raw / "labels" / "0007.mat")
    io.savemat(
        raw / "labels" / "0007.mat", {n: label[n] for n in label if n[0] != "_"} | {"visibility": np.zeros((3, 13))}
    )
    made = prepare("penn-action", PENN_ACTION, raw, tmp_path / "out")
    assert len(made.kept) == 2 and made.dropped.keys() == {"0003", "0004", "0005", "0006", "0007"}
    reasons = {"0003": "lacks 2 of 4 images", "0004": "cut off or damaged", "0005": "0005.mat: add it"}
    reasons |= {"0006": "marks 3 frames of a video of 9", "0007": "nobody to learn from"}
    for name, reason in reasons.items():
        assert reason in made.dropped[name]
    again = prepare("penn-action", PENN_ACTION, raw, tmp_path / "out")
    assert (again.kept, again.rows, again.dropped) == (made.kept, made.rows, made.dropped)
    with pytest.raises(ValueError, match="0003.*0007"):
        prepare("penn-action", PENN_ACTION, raw, tmp_path / "strict", strict=True)


def test_a_folder_of_something_else_is_refused_with_the_layout(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="labels.*frames/0001"):
        prepare("penn-action", PENN_ACTION, tmp_path, tmp_path / "out")
