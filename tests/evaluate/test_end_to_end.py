from pathlib import Path

import cv2
import invented
import numpy as np
import pytest
import torch

from vibe.data.recording import Recording
from vibe.data.store import open_store
from vibe.evaluate import end_to_end
from vibe.evaluate.end_to_end import matched, recorded_video
from vibe.evaluate.measure import evaluate_protocol
from vibe.evaluate.protocols import PROTOCOLS
from vibe.evaluate.scores import WHOLE, systems
from vibe.evaluate.with_true_boxes import with_true_boxes
from vibe.inference import estimate
from vibe.models.network import load_network
from vibe.records import Track
from vibe.synthetic.clips import make_clip

ALONE = systems(False, "none")
PROTOCOL = PROTOCOLS["3dpw-smpl24"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("VIBE_HOME", str(tmp_path / "home"))
    invented.write_bodies(tmp_path / "home")


def person(frames: list[int], x: float, side: float = 100.0) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.tensor(frames), torch.tensor([[x, 50.0, side / 2, side]]).repeat(len(frames), 1)


def test_everybody_is_paired_with_who_overlaps_them_most_frame_by_frame() -> None:
    true = [person([0, 1, 2, 3], 100), person([1, 2], 160)]
    found = [person([0, 1], 110), person([1, 2, 3], 165), person([2, 3], 90)]
    one, other = matched(true, found)
    assert one.tolist() == [0, 0, 2, 2] and other.tolist() == [1, 1]


def test_a_person_is_paired_once_in_a_frame_and_far_away_not_at_all() -> None:
    one, other = matched([person([0], 100), person([0], 104)], [person([0], 103)])
    assert one.tolist() == [-1] and other.tolist() == [0]
    assert [each.tolist() for each in matched([person([0, 5], 100)], [person([5], 190)])] == [[-1, -1]]
    assert matched([person([0], 1)], [])[0].tolist() == [-1]


def test_a_narrow_and_a_wide_box_of_one_square_are_the_same() -> None:
    wide = torch.tensor([0]), torch.tensor([[100.0, 50.0, 100.0, 30.0]])
    assert matched([person([0], 100)], [wide])[0].tolist() == [0]


def pictures(folder: Path, names: list[str]) -> None:
    folder.mkdir(parents=True)
    for shade, name in enumerate(names):
        cv2.imwrite(str(folder / name), np.full((48, 64, 3), 10 * shade, np.uint8))


def test_the_pictures_of_a_folder_come_in_order_with_their_numbers_and_times(tmp_path: Path) -> None:
    numbers = np.array([3, 4, 8])
    names = tuple(f"image_{number:05d}.png" for number in numbers)
    pictures(tmp_path / "raw" / "seq", list(names))
    with invented.StoreWriter(tmp_path / "set", "Invented.", {"set": "3dpw"}, {}) as store:
        store.add(invented.moving("a", numbers, "neutral", 0, source="seq", images=names))
        store.add(invented.moving("b", numbers[:2], "neutral", 1, source="seq", images=names[:2]))
    store = open_store(tmp_path / "set")
    shown = list(recorded_video(store, store.sequences, tmp_path / "raw")())
    assert [number for number, _ in shown] == [3, 4, 8]
    assert [frame.index for _, frame in shown] == [0, 1, 2]
    assert [frame.time for _, frame in shown] == [3 / 25, 4 / 25, 8 / 25]
    assert [int(frame.rgb.mean()) for _, frame in shown] == [0, 10, 20]
    with pytest.raises(FileNotFoundError, match="--raw"):
        recorded_video(store, store.sequences, tmp_path / "elsewhere")


def test_nobody_is_found_in_empty_pictures_and_the_coverage_says_so(tmp_path: Path) -> None:
    numbers = np.arange(4)
    names = tuple(f"{number}.png" for number in numbers)
    pictures(tmp_path / "raw" / "seq", list(names))
    with invented.StoreWriter(tmp_path / "set", "Invented.", {"set": "3dpw"}, {}) as store:
        store.add(invented.moving("a", numbers, "neutral", 0, source="seq", images=names))
    report = evaluate_protocol("3dpw-smpl24", tmp_path / "set", invented.picture_network(), ALONE, raw=tmp_path / "raw")
    assert report.boxes == "detected"
    [score, _] = report.scores
    assert (score.frames, score.errors) == (0, {"coverage": 0.0})


def test_who_is_found_half_of_the_time_is_scored_then_and_covers_half(tmp_path: Path, monkeypatch) -> None:
    """With a finder that knows the truth: two tracks, one person of whom is lost halfway and found as somebody new."""
    folder = invented.write_store(tmp_path / "set", PROTOCOL)
    monkeypatch.setattr(estimate, "predict_track", invented.knowing(folder))
    network = invented.picture_network()
    store = open_store(folder)
    exact = with_true_boxes(folder, PROTOCOL, network, ALONE).scores[0]
    shown = {each.source: each for each in store.sequences}

    def finder(footage, path: Path, network, progress):
        sequence = shown[path.name]
        frames = torch.from_numpy(np.array(store.frames[sequence.rows]))
        box = torch.from_numpy(np.array(store.column("box_px")[sequence.rows]))
        features = torch.from_numpy(np.array(store.column("features")[sequence.rows])).float()
        clip = end_to_end.Clip(path, 25.0, 1000, 800, torch.arange(60).double() / 25, 0)
        parts = [slice(0, 6), slice(10, 16)]
        tracks = tuple(Track(frames[part], box[part] + 5, torch.zeros(6, 17, 3)) for part in parts)
        return end_to_end.Found(clip, torch.arange(60), tracks, tuple(features[part] for part in parts))

    monkeypatch.setattr(end_to_end, "tracks_of", finder)
    monkeypatch.setattr(end_to_end, "recorded_video", lambda *_: None)
    report = evaluate_protocol(PROTOCOL.name, folder, network, ALONE, raw=tmp_path)
    [score] = [score for score in report.scores if score.part == WHOLE]
    there = 12 + 11  # of the second person's twelve frames one does not count
    assert score.frames == there and score.errors["coverage"] == pytest.approx(100 * there / 58)
    assert exact.frames == 58 and exact.errors["coverage"] == 100
    assert max(score.errors["mpjpe_mm"], score.errors["acceleration_error_mm"]) < 0.01


def test_the_walker_of_a_rendered_video_is_found_and_scored_from_its_pictures(tmp_path: Path) -> None:
    take = make_clip(tmp_path / "walk.mp4", seconds=0.4, width=360, height=640)
    motion = take.motion
    with invented.StoreWriter(tmp_path / "set", "Invented.", {"set": "3dpw"}, {}) as store:
        store.add(
            Recording(
                "walker", motion.frames, 30.0, {"box_px": motion.box_px, "points.smpl24": motion.joints_cam},
                split="test", source="walk.mp4", K_px=take.camera.K_px.numpy(),
            )
        )  # fmt: skip
    report = evaluate_protocol(PROTOCOL.name, tmp_path / "set", load_network(), ALONE, raw=tmp_path)
    whole = report.scores[0]
    assert whole.errors["coverage"] > 90 and whole.frames == round(12 * whole.errors["coverage"] / 100)
    assert 10 < whole.errors["pa_mpjpe_mm"] < whole.errors["mpjpe_mm"] < 120


def test_what_has_no_pictures_or_is_defined_by_true_boxes_is_refused(tmp_path: Path) -> None:
    folder = invented.write_store(tmp_path / "set", PROTOCOLS["vibe-official"])
    with pytest.raises(ValueError, match="true boxes"):
        evaluate_protocol("vibe-official", folder, invented.picture_network(), ALONE, raw=tmp_path)
    with invented.StoreWriter(tmp_path / "bare", "Invented.", {"set": "3dpw"}, {}) as store:
        store.add(invented.moving("a", np.arange(4), "neutral", 0, source=""))
    with pytest.raises(ValueError, match="no pictures"):
        evaluate_protocol("3dpw-smpl24", tmp_path / "bare", invented.picture_network(), ALONE, raw=tmp_path)
    with invented.StoreWriter(tmp_path / "gone", "Invented.", {"set": "3dpw"}, {}) as store:
        store.add(invented.moving("a", np.arange(4), "neutral", 0, source="seq", images=("1.png",) * 4))
    (tmp_path / "seq").mkdir()
    with pytest.raises(ValueError, match="no picture that can be read"):
        evaluate_protocol("3dpw-smpl24", tmp_path / "gone", invented.picture_network(), ALONE, raw=tmp_path)
    with pytest.raises(ValueError, match="leave --boxes"):
        evaluate_protocol("real", tmp_path, invented.picture_network(), ALONE, raw=tmp_path)
