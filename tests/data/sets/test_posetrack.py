"""PoseTrack, from miniatures in the files of 2018 (COCO's manner) and of 2017 (MATLAB's structures as JSON)."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from vibe.data.prepare import prepare
from vibe.data.sets.posetrack import POSETRACK
from vibe.data.store import open_store
from vibe.data.windows import find_runs
from vibe.skeletons import SPIN49

NAMES_2018 = [
    *"nose head_bottom head_top left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow".split(),
    *"left_wrist right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle".split(),
]
NAMES_2017 = [
    *"right_ankle right_knee right_hip left_hip left_knee left_ankle right_wrist right_elbow right_shoulder".split(),
    *"left_shoulder left_elbow left_wrist head_bottom nose head_top".split(),
]


def person(frame: int, track: int, joints: int) -> np.ndarray:
    """Where a person's joints are; both ears (2018), or the knees (2017), are not marked."""
    points = np.random.default_rng([frame, track]).uniform((10, 10), (150, 80), (joints, 2)).round(1)
    seen = np.ones((joints, 1))
    seen[[3, 4] if joints == 17 else [1, 4]] = 0
    return np.concatenate([points * seen, seen], -1)


def write_images(folder: Path, names: list[str]) -> None:
    folder.mkdir(parents=True)
    for name in names:
        cv2.imwrite(str(folder / name), np.zeros((90, 160, 3), np.uint8))


def write_2018(raw: Path, split: str, video: str, people: dict[int, list[int]], count: int, labelled: range) -> None:
    """A video of `count` frames; `people` are numbers of tracks with the frames that they are marked in."""
    inside = f"images/{split}/{video}"
    write_images(raw / inside, [f"{frame:06d}.jpg" for frame in range(count)])
    images = [
        {"has_no_densepose": True, "is_labeled": frame in labelled, "file_name": f"{inside}/{frame:06d}.jpg",
         "nframes": count, "frame_id": 10000010000 + frame, "vid_id": video[:6], "id": 10000010000 + frame}
        for frame in range(count)
    ]  # fmt: skip
    annotations = [
        {"bbox_head": [1, 2, 3, 4], "keypoints": person(frame, track, 17).ravel().tolist(), "track_id": track,
         "image_id": 10000010000 + frame, "bbox": [1, 2, 3, 4], "scores": [], "category_id": 1, "id": 9 * frame + track}
        for track, frames in people.items() for frame in frames
    ]  # fmt: skip
    categories = [
        {"supercategory": "person", "name": "person", "keypoints": NAMES_2018, "skeleton": [[16, 14]], "id": 1}
    ]
    content = {"images": images, "annotations": annotations, "categories": categories}
    path = raw / "annotations" / split / f"{video}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content if split != "test" else {"images": images, "categories": categories}))


def rect(frame: int, track: int) -> dict:
    points = [
        {"id": [number], "x": [x], "y": [y], "is_visible": [int(seen)]}
        for number, (x, y, seen) in enumerate(person(frame, track, 15))
        if x
    ]
    return {"x1": [1], "y1": [2], "x2": [3], "y2": [4], "track_id": [track], "annopoints": [{"point": points}]}


def write_2017(raw: Path, split: str, video: str, people: dict[int, list[int]], count: int) -> None:
    inside = f"images/bonn_mpii_{split}_5sec/{video}"
    write_images(raw / "posetrack_data" / inside, [f"{frame:08d}.jpg" for frame in range(1, count + 1)])
    frames = [
        {"image": [{"name": f"{inside}/{frame:08d}.jpg"}], "imgnum": [frame], "is_labeled": [1], "ignore_regions": [],
         "annorect": [rect(frame, track) for track, frames in people.items() if frame in frames]}
        for frame in range(1, count + 1)
    ]  # fmt: skip
    path = raw / "posetrack_data" / "annotations" / split / f"{video}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"annolist": frames}))


def check(store, sequence, frames: list[int], track: int, names: list[str]) -> None:
    """The sequence holds those frames, with the joints and boxes that were written."""
    assert store.frames[sequence.rows].tolist() == frames
    points = np.stack([person(frame, track, len(names)) for frame in frames])
    keypoints = store.column("keypoints_px.spin49")[sequence.rows]
    for number, name in enumerate(names):
        ours = {"head_bottom": "lsp_neck"}.get(name, name)
        assert np.allclose(keypoints[:, SPIN49.index(ours)], points[:, number])
    assert keypoints[..., 2].sum() == points[..., 2].sum()
    marked = points[:, points[0, :, 2] > 0, :2]
    low, high = marked.min(1), marked.max(1)
    expected = np.concatenate([(low + high) / 2, (high - low) * 1.2], -1)
    assert np.allclose(store.column("box_px")[sequence.rows], expected, atol=1e-4)


def test_everyone_of_2018_is_found_again_and_frames_without_labels_are_gaps(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    write_2018(raw, "train", "000001_bonn_train", {0: [3, 4, 5, 6], 7: [3, 4, 6]}, 8, range(3, 7))
    write_2018(raw, "val", "000342_mpii_test", {0: [0, 4, 8, 9, 10]}, 12, range(12))
    write_2018(raw, "test", "000003_bonn_test", {}, 2, range(0))
    made = prepare("posetrack", POSETRACK, raw, tmp_path / "out")
    assert (len(made.kept), made.rows, dict(made.dropped)) == (3, 12, {})
    store = open_store(tmp_path / "out")
    names = [(sequence.name, sequence.split, sequence.subject) for sequence in store.sequences]
    assert names == [
        ("train/000001_bonn_train/0", "train", "0"),
        ("train/000001_bonn_train/7", "train", "7"),
        ("val/000342_mpii_test/0", "validation", "0"),
    ]
    for sequence, frames, track in zip(store.sequences, ([3, 4, 5, 6], [3, 4, 6], [0, 4, 8, 9, 10]), (0, 7, 0)):
        check(store, sequence, frames, track, NAMES_2018)
        assert (raw / sequence.source / store.images(sequence.rows)[-1]).is_file()
    runs = find_runs(store)
    assert runs.lengths.tolist() == [4, 2, 1, 1, 1, 3]
    assert not store.column("has_points").any() and not store.column("has_theta").any()


def test_everyone_of_2017_is_found_again(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    write_2017(raw, "train", "00098_mpii", {0: [1, 2, 3], 2: [2, 3]}, 4)
    write_2017(raw, "val", "00342_mpii", {5: [1, 2]}, 2)
    made = prepare("posetrack", POSETRACK, raw, tmp_path / "out")
    assert (len(made.kept), made.rows, dict(made.dropped)) == (3, 7, {})
    store = open_store(tmp_path / "out")
    assert [sequence.split for sequence in store.sequences] == ["train", "train", "validation"]
    assert store.sequences[0].source == "posetrack_data/images/bonn_mpii_train_5sec/00098_mpii"
    for sequence, frames, track in zip(store.sequences, ([1, 2, 3], [2, 3], [1, 2]), (0, 2, 5)):
        check(store, sequence, frames, track, NAMES_2017)


def test_what_cannot_be_used_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    write_2018(raw, "train", "000001_bonn_train", {0: [0, 1], 1: [0, 1]}, 2, range(2))
    path = raw / "annotations" / "train" / "000001_bonn_train.json"
    content = json.loads(path.read_text())
    content["annotations"][2]["keypoints"] = content["annotations"][3]["keypoints"] = [0] * 45 + [5, 5, 1, 6, 6, 1]
    path.write_text(json.dumps(content))
    write_2018(raw, "train", "000002_bonn_train", {0: [0]}, 1, range(1))
    (raw / "images" / "train" / "000002_bonn_train").rename(raw / "images" / "train" / "elsewhere")
    write_2018(raw, "train", "000003_bonn_train", {}, 1, range(1))
    for name, text in {"cut": '{"images": [', "list": "[]", "out": None, "odd": None}.items():
        if text is None:
            other = json.loads(path.read_text())
            other["images"][0]["file_name"] = "../../outside/000000.jpg"
            if name == "odd":
                other["images"][0].pop("id")
            text = json.dumps(other)
        (path.parent / f"{name}.json").write_text(text)
    made = prepare("posetrack", POSETRACK, raw, tmp_path / "out")
    assert len(made.kept) == 1
    reasons = {
        "000001_bonn_train": "000001_bonn_train/1 has no frame in which 6 joints",
        "000002_bonn_train": "no folder of images",
        "000003_bonn_train": "marks nobody",
        "cut": "JSONDecodeError",
        "list": "not as PoseTrack",
        "out": "outside of the raw folder",
        "odd": "'id' is missing",
    }
    assert made.dropped.keys() == {f"train/{name}" for name in reasons}
    for name, reason in reasons.items():
        assert reason in made.dropped[f"train/{name}"]


def test_a_folder_of_something_else_is_refused_with_the_layout(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="annotations/{train,val,test}"):
        prepare("posetrack", POSETRACK, tmp_path, tmp_path / "out")
