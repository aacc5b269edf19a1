"""Evidence for whole stores: the same numbers whoever computes them and whoever is killed."""

import importlib.util
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from killed_worker import SEARCH_PATH, killed_once
from random_resnet import random_resnet, write_resnet

from vibe import cli
from vibe.data import columns
from vibe.data.columns import AddedColumns, ReadOptions, add_evidence
from vibe.data.pictures import decode_picture, read_pictures
from vibe.data.prepare import StoreWriter
from vibe.data.recording import Recording
from vibe.data.store import open_store
from vibe.features.extractor import Extractor, cut
from vibe.parallel import run_tasks
from vibe.video.write import VideoWriter

WIDTH, HEIGHT = 96, 64


def picture(number: int) -> np.ndarray:
    coarse = np.random.default_rng(number).integers(0, 256, (4, 6, 3), np.uint8)
    return cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)


def boxes(count: int, shift: float = 0) -> np.ndarray:
    return np.tile(np.array([48 + shift, 32, 30, 50], np.float32), (count, 1))


@pytest.fixture(scope="module", autouse=True)
def small() -> Iterator[None]:
    """Batches of few pictures."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "PICTURES", 3)
        yield


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of 8 frames and a folder of 4 images."""
    folder = tmp_path_factory.mktemp("raw")
    with VideoWriter(folder / "walk.mp4", WIDTH, HEIGHT, 25.0) as writer:
        for number in range(8):
            writer.write(picture(number), number / 25)
    (folder / "jump").mkdir()
    for number in range(4):
        cv2.imwrite(str(folder / "jump" / f"{number}.jpg"), picture(100 + number))
    return folder


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people in the video, the second once without a box; one in the images; motion capture without pictures."""
    folder = tmp_path_factory.mktemp("bare") / "store"
    second = boxes(4, 9.0)
    second[1] = 0
    images = tuple(f"{number}.jpg" for number in range(4))
    with StoreWriter(folder, "Nobody's.", {"set": "invented"}, {}) as writer:
        writer.add(Recording("walk/0", np.arange(0, 8, 2), 12.5, {"box_px": boxes(4)}, source="walk.mp4", step=2))
        writer.add(Recording("jump", np.arange(4), 25.0, {"box_px": boxes(4)}, source="jump", images=images))
        writer.add(Recording("capture", np.arange(2), 25.0, {"points.smpl24": np.ones((2, 24, 3), np.float32)}))
        writer.add(Recording("walk/1", np.arange(1, 5), 25.0, {"box_px": second}, source="walk.mp4"))
    return folder


@pytest.fixture(scope="module")
def order(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> ReadOptions:
    return ReadOptions("features", raw, weights=write_resnet(tmp_path_factory.mktemp("weights") / "random.safetensors"))


@pytest.fixture(scope="module")
def alone(bare: Path, order: ReadOptions, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store to which one process added features."""
    folder = shutil.copytree(bare, tmp_path_factory.mktemp("alone") / "store")
    assert add_evidence(folder, order) == AddedColumns(11, 3, {})
    return folder


@pytest.fixture
def store(bare: Path, tmp_path: Path) -> Path:
    return shutil.copytree(bare, tmp_path / "store")


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def with_pictures(order: ReadOptions, raw: Path | None = None, pictures=read_pictures) -> ReadOptions:
    return ReadOptions(order.kind, raw or order.raw, pictures, order.weights, order.device)


def test_each_row_gets_the_features_of_its_own_crop(alone: Path, order: ReadOptions) -> None:
    made = open_store(alone)
    features = made.column("features")
    assert features.dtype == np.float16
    assert np.flatnonzero(~made.column("has_features")).tolist() == [8, 9, 11]
    extractor = Extractor(random_resnet())
    shown = dict(read_pictures(order.raw / "walk.mp4", tuple(range(8)), ()))
    for row, frame in {1: 2, 3: 6, 10: 1, 13: 4}.items():
        crop = cut(shown[frame], torch.from_numpy(np.array(made.column("box_px")[row]))[None])
        np.testing.assert_allclose(features[row], extractor(crop)[0].numpy(), rtol=2e-3, atol=2e-3)
    jump = cv2.cvtColor(cv2.imread(str(order.raw / "jump" / "2.jpg")), cv2.COLOR_BGR2RGB)
    np.testing.assert_allclose(
        features[6], extractor(cut(jump, torch.from_numpy(boxes(1))))[0].numpy(), rtol=2e-3, atol=2e-3
    )
    assert not features[[8, 9, 11]].any() and np.ptp(features[[0, 1, 4, 10]], axis=0).max() > 0.1


def test_each_row_with_a_picture_is_in_one_batch_and_each_picture_is_read_once(bare: Path) -> None:
    found = list(columns.cut_batches(open_store(bare)))
    assert [batch.source for batch in found] == ["walk.mp4", "walk.mp4", "jump", "jump"]
    assert sorted(np.concatenate([batch.rows for batch in found]).tolist()) == [0, 1, 2, 3, 4, 5, 6, 7, 10, 12, 13]
    assert [batch.frames for batch in found[:2]] == [(0, 1, 2), (3, 4, 6)]
    assert [batch.images for batch in found[2:]] == [("0.jpg", "1.jpg", "2.jpg"), ("3.jpg",)]
    assert found[1].rows.tolist() == [12, 2, 13, 3] and found[1].picture.tolist() == [0, 1, 1, 2]


def test_workers_of_whom_one_is_killed_make_the_same_store_as_one_process(
    alone: Path, store: Path, order: ReadOptions, tmp_path: Path
) -> None:
    deadly = with_pictures(order, pictures=partial(killed_once, tmp_path / "flag", "walk.mp4"))
    add_evidence(store, deadly, workers=2)
    assert (tmp_path / "flag").exists()
    assert content(store) == content(alone)


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")
def test_ray_s_workers_of_whom_one_is_killed_make_the_same_store_as_one_process(
    alone: Path, store: Path, order: ReadOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", SEARCH_PATH)
    deadly = with_pictures(order, pictures=partial(killed_once, tmp_path / "flag", "walk.mp4"))
    add_evidence(store, deadly, workers=2, ray="local")
    assert (tmp_path / "flag").exists()
    assert content(store) == content(alone)


def test_a_run_that_was_stopped_goes_on_and_a_finished_one_changes_nothing(
    alone: Path, store: Path, order: ReadOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: list[int] = []

    def stopped(begin, tasks, **_):
        counts.append(len(tasks))
        for number, answer in run_tasks(begin, tasks, **_):
            yield number, answer
            raise KeyboardInterrupt

    def counted(begin, tasks, **_):
        counts.append(len(tasks))
        return run_tasks(begin, tasks)

    monkeypatch.setattr(columns, "run_tasks", stopped)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            add_evidence(store, order)
    assert "features" not in open_store(store).columns
    monkeypatch.setattr(columns, "run_tasks", counted)
    told: list[tuple[str, float, float | None]] = []
    assert add_evidence(store, order, progress=lambda *now: told.append(now)) == AddedColumns(11, 3, {})
    assert counts == [4, 3, 2] and [now[1:] for now in told] == [(0, 4), (3, 4), (4, 4)]
    assert add_evidence(store, order) == AddedColumns(11, 3, {}) and len(counts) == 3
    assert content(store) == content(alone)


def test_pictures_that_cannot_be_read_are_named_and_strict_waits_until_they_are_mended(
    alone: Path, store: Path, bare: Path, order: ReadOptions, tmp_path: Path
) -> None:
    damaged = shutil.copytree(order.raw, tmp_path / "raw")
    (damaged / "walk.mp4").unlink()
    (damaged / "jump" / "1.jpg").write_bytes((order.raw / "jump" / "1.jpg").read_bytes()[:-9])
    added = add_evidence(store, with_pictures(order, damaged))
    assert (added.rows, added.without) == (3, 3)
    assert added.dropped.keys() == {"walk/0", "walk/1", "jump"}
    assert added.dropped["jump"].startswith("1 of 4 frames have no features (1 of 3 pictures are missing or damaged")
    assert "walk.mp4: check the name" in added.dropped["walk/1"]
    assert np.flatnonzero(open_store(store).column("has_features")).tolist() == [4, 6, 7]
    with pytest.raises(ValueError, match="not all could be kept: .*jump: 1 of 4 frames"):
        add_evidence(store, with_pictures(order, damaged), strict=True)
    strict = shutil.copytree(bare, tmp_path / "strict")
    with pytest.raises(ValueError, match=r"not all could be kept: .*the first is 1\.jpg"):
        add_evidence(strict, with_pictures(order, damaged), strict=True)
    add_evidence(strict, order, strict=True)
    assert content(strict) == content(alone)


def test_a_picture_that_is_cut_off_empty_or_none_at_all_is_no_picture(order: ReadOptions) -> None:
    content = (order.raw / "jump" / "0.jpg").read_bytes()
    whole = decode_picture(content)
    assert whole is not None and whole.shape == (HEIGHT, WIDTH, 3)
    assert abs(whole.astype(int) - cv2.cvtColor(picture(100), cv2.COLOR_BGR2RGB)).mean() < 20
    assert [decode_picture(bad) for bad in (content[:-20], content[:200], b"", b"no picture")] == [None] * 4


def test_a_video_that_ends_early_keeps_what_it_has(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "short.mp4", WIDTH, HEIGHT, 25.0) as writer:
        for number in range(3):
            writer.write(picture(number), number / 25)
    assert [place for place, _ in read_pictures(tmp_path / "short.mp4", (0, 2, 5), ())] == [0, 1]


def test_what_cannot_have_features_says_why(store: Path, order: ReadOptions, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere is not there: give the raw folder"):
        add_evidence(store, with_pictures(order, tmp_path / "nowhere"))
    from vibe.assets import weights_path

    with pytest.raises(ValueError, match="holds no ResNet-50"):
        add_evidence(store, ReadOptions("features", order.raw, weights=weights_path()))
    with StoreWriter(tmp_path / "capture", "Nobody's.", {}, {}) as writer:
        writer.add(Recording("capture", np.arange(2), 25.0, {"points.smpl24": np.ones((2, 24, 3), np.float32)}))
    with pytest.raises(ValueError, match="has no column box_px"):
        add_evidence(tmp_path / "capture", order)
    with StoreWriter(tmp_path / "given", "Nobody's.", {}, {}) as writer:
        columns = {"box_px": boxes(2), "features": np.ones((2, 2048), np.float32)}
        writer.add(Recording("a", np.arange(2), 25.0, columns, source="walk.mp4"))
    with pytest.raises(ValueError, match="came with features of its own"):
        add_evidence(tmp_path / "given", order)


def test_the_command_adds_features_and_tells_how_many(store: Path, order: ReadOptions, alone: Path, capsys) -> None:
    command = ["evidence", "features", str(store), str(order.raw), "--weights", str(order.weights)]
    assert cli.main(command) == 0
    assert "features of 11 frames, 3 without a picture or a box, 0 recordings not whole" in capsys.readouterr().out
    assert content(store) == content(alone)
    assert cli.main([*command, "--workers", "0"]) == 2
    assert cli.main(["evidence", "keypoints", str(store), str(order.raw), "--device", "cuda"]) == 2
