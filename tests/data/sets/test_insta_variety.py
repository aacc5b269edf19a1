"""InstaVariety, from a miniature in its own shards: TFRecords with JPEG images inside."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from tfrecords import example, record, write_records

from vibe.cameras import CROP_SCALE
from vibe.data.columns import cut_batches
from vibe.data.prepare import prepare
from vibe.data.sets.insta_variety import INSTA_VARIETY, pictures
from vibe.data.store import open_store
from vibe.skeletons import SPIN49

INSTA = [
    *"op_right_heel op_right_knee op_right_hip op_left_hip op_left_knee op_left_heel op_right_wrist".split(),
    *"op_right_elbow op_right_shoulder op_left_shoulder op_left_elbow op_left_wrist op_neck head_top".split(),
    *"op_nose op_left_eye op_right_eye op_left_ear op_right_ear".split(),
    *"op_left_big_toe op_right_big_toe op_left_small_toe op_right_small_toe op_left_ankle op_right_ankle".split(),
]


def joints(count: int, side: int, seed: int) -> np.ndarray:
    """x, y, confidence of 25 joints in pixels; some are not seen."""
    random = np.random.default_rng(seed)
    seen = random.random((count, 25, 1)) < 0.8
    return np.concatenate([random.uniform(0, side, (count, 25, 2)), seen], -1)


def grey(frame: int, seed: int) -> int:
    return 40 * seed + 5 * frame


def person(count: int, seed: int, side: int = 224, scaled: bool = True, toes: bool = True) -> bytes:
    """A record: with features of the pictures, places are in [-1, 1]."""
    points = joints(count, side, seed)
    places = points[..., :2] / side * 2 - 1 if scaled else points[..., :2]
    rows = np.concatenate([places, points[..., 2:]], -1).transpose(0, 2, 1)
    images = [np.full((side, side, 3), grey(frame, seed), np.uint8) for frame in range(count)]
    features = {
        "meta/N": [count],
        "meta/has_3d": [0],
        "image/filenames": [b"frame%d.jpg" % frame for frame in range(count)],
        "image/heightwidths": [side] * (2 * count),
        "image/encoded": [cv2.imencode(".jpg", image)[1].tobytes() for image in images],
        "image/xys": rows[:, :2, :14].ravel().tolist(),
        "image/visibilities": rows[:, 2, :14].astype(int).ravel().tolist(),
        "image/face_pts": rows[:, :, 14:19].ravel().tolist(),
    }
    if toes:
        features["image/toe_pts"] = rows[:, :, 19:].ravel().tolist()
    if scaled:
        features["image/phis"] = [0.0] * (8 * count)
    return example(features)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    write_records(tmp_path / "raw" / "train" / "insta_00.tfrecord", [person(3, 1), person(4, 2)])
    write_records(tmp_path / "raw" / "test" / "tag_video.tfrecord", [person(2, 3, 300, scaled=False, toes=False)])
    return tmp_path / "raw"


def test_the_joints_crops_splits_and_frames_are_found_again(raw: Path, tmp_path: Path) -> None:
    made = prepare("insta-variety", INSTA_VARIETY, raw, tmp_path / "out")
    assert (len(made.kept), made.rows, dict(made.dropped)) == (3, 9, {})
    store = open_store(tmp_path / "out")
    said = [(sequence.name, sequence.split, sequence.source) for sequence in store.sequences]
    assert said == [
        ("train/insta_00/0", "train", "train/insta_00.tfrecord"),
        ("train/insta_00/1", "train", "train/insta_00.tfrecord"),
        ("test/tag_video/0", "test", "test/tag_video.tfrecord"),
    ]
    for sequence, (count, seed, side) in zip(store.sequences, [(3, 1, 224), (4, 2, 224), (2, 3, 300)], strict=True):
        assert store.frames[sequence.rows].tolist() == list(range(count))
        box_px = store.column("box_px")[sequence.rows]
        assert np.allclose(box_px, [side / 2, side / 2, side / CROP_SCALE, side / CROP_SCALE])
        keypoints = store.column("keypoints_px.spin49")[sequence.rows]
        points = joints(count, side, seed)
        points = np.where(points[..., 2:] > 0, points, 0)
        known = INSTA if seed != 3 else INSTA[:19]
        for number, name in enumerate(known):
            assert np.allclose(keypoints[:, SPIN49.index(name)], points[:, number], atol=1e-3)
        assert keypoints[..., 2].sum() == points[:, : len(known), 2].sum()
    assert not store.column("has_points").any() and not store.column("has_theta").any()


def test_pictures_come_out_of_the_shard_when_they_are_asked_for(raw: Path, tmp_path: Path) -> None:
    prepare("insta-variety", INSTA_VARIETY, raw, tmp_path / "out")
    store = open_store(tmp_path / "out")
    train, test = cut_batches(store)
    assert [len(batch.images) for batch in (train, test)] == [7, 2]
    [(_, rgb), _] = pictures(raw / test.source, test.frames, test.images)
    assert rgb.shape == (300, 300, 3) and int(rgb[0, 0, 2]) == pytest.approx(grey(0, 3), abs=2)
    path = raw / train.source
    images = [image for sequence in store.sequences[:2] for image in store.images(sequence.rows)]
    found = list(pictures(path, range(len(images)), images))
    assert [place for place, _ in found] == list(range(7))
    expected = [grey(frame, 1) for frame in range(3)] + [grey(frame, 2) for frame in range(4)]
    assert [int(rgb[5, 5, 0]) for _, rgb in found] == pytest.approx(expected, abs=2)
    assert [int(rgb[9, 9, 1]) for _, rgb in pictures(path, [1], images[4:5])] == pytest.approx([grey(1, 2)], abs=2)
    assert [place for place, _ in pictures(path, [9, 9, 0], ["0#9", "7#0", images[0]])] == [2]
    with pytest.raises(ValueError, match="none of 1 pictures: it holds no JPEG"):
        list(pictures(path, [9], ["0#9"]))
    with pytest.raises(ValueError, match="none of 1 pictures.*checksum at byte 7"):
        list(pictures(path, [0], ["7#0"]))


def test_damaged_records_and_shards_are_named_and_the_rest_goes_on(raw: Path, tmp_path: Path) -> None:
    first, second = person(2, 4), person(3, 5)
    broken = bytearray(record(first) + record(second) + record(b"\x0a\x05junk!") + record(person(2, 6)))
    broken[len(record(first)) + 500] ^= 1
    (raw / "train" / "insta_01.tfrecord").write_bytes(broken[:-10])
    write_records(raw / "train" / "insta_02.tfrecord", [example({"meta/N": [1]})])
    (raw / "train" / "insta_03.tfrecord").write_bytes(b"<html>not found</html>")
    made = prepare("insta-variety", INSTA_VARIETY, raw, tmp_path / "out")
    assert len(made.kept) == 4 and made.dropped.keys() == {f"train/insta_0{number}" for number in (1, 2, 3)}
    for part in ("insta_01/1 is damaged", "insta_01/2 at byte", "cut off"):
        assert part in made.dropped["train/insta_01"]
    assert "has no image/encoded" in made.dropped["train/insta_02"]
    assert "no TFRecord" in made.dropped["train/insta_03"]


def test_of_many_damaged_records_the_first_are_told(raw: Path, tmp_path: Path) -> None:
    write_records(raw / "train" / "insta_01.tfrecord", [example({"meta/N": [1]})] * 30)
    made = prepare("insta-variety", INSTA_VARIETY, raw, tmp_path / "out")
    told = made.dropped["train/insta_01"]
    assert len(made.kept) == 3 and told.count("no record of InstaVariety") == 8 and told.endswith("and 22 more")


def test_a_folder_of_something_else_is_refused_with_the_layout(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"train/\*.tfrecord"):
        prepare("insta-variety", INSTA_VARIETY, tmp_path, tmp_path / "out")
