import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import invented
import numpy as np
import pytest
import torch

from vibe.body.keypoint_regressor import joints_and_keypoints
from vibe.body.load import load_body
from vibe.cameras import project
from vibe.evaluate import open_benchmark as protocol
from vibe.evaluate import open_benchmark_clips
from vibe.evaluate.open_benchmark_clips import Listing
from vibe.evaluate.scores import WHOLE, systems
from vibe.inference import estimate
from vibe.inference.predict import TrackPrediction
from vibe.models.network import Network, load_network


@pytest.fixture
def folder(listing: Listing, tmp_path: Path) -> Path:
    open_benchmark_clips.build_open_benchmark(tmp_path / "benchmark", listing)
    return tmp_path / "benchmark"


@pytest.fixture(scope="module")
def network() -> Network:
    return load_network()


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_the_same_numbers_come_out_to_the_last_digit_with_any_number_of_threads(
    folder: Path, network: Network, threads: None
) -> None:
    torch.set_num_threads(1)
    once = protocol.open_benchmark(folder, network, systems())
    torch.set_num_threads(2)
    assert protocol.open_benchmark(folder, network, systems()) == once
    assert torch.get_num_threads() == 2


def test_every_frame_is_counted_for_each_evidence_system_and_joint_set(folder: Path, network: Network) -> None:
    scores = protocol.open_benchmark(folder, network, systems(refine=False)).scores
    whole = [score for score in scores if score.part == WHOLE]
    assert len(whole) == len({(score.evidence, score.system, score.joints) for score in whole}) == 8
    assert {score.frames for score in whole} == {66}
    for score in whole:
        parts = [part for part in scores if part.part != WHOLE and part.evidence == score.evidence]
        parts = [part for part in parts if (part.system, part.joints) == (score.system, score.joints)]
        mean = sum(part.errors["mpjpe_mm"] * part.frames for part in parts) / 66
        assert score.errors["mpjpe_mm"] == pytest.approx(mean)
        assert score.errors["acceleration_error_m_s2"] == pytest.approx(0.9 * score.errors["acceleration_error_mm"])


def test_the_truth_is_what_the_clean_keypoints_show(folder: Path) -> None:
    manifest, arrays = protocol.read_folder(folder)
    for shot in protocol.shots(arrays, manifest["clips"], manifest["views"]):
        focal_px = float(arrays[f"{shot.clip}/0/picture"][0])
        K_px = torch.tensor([[focal_px, 0, shot.width / 2], [0, focal_px, shot.height / 2], [0, 0, 1]])
        smpl = shot.smpl
        joints, keypoints = joints_and_keypoints(load_body(), smpl.rotmat, smpl.betas, open_benchmark_clips.POINTS)
        seen = project(keypoints - joints[:, :1] + smpl.pelvis[:, None], K_px)
        assert np.abs(seen.numpy() - shot.keypoints_px["clean"][..., :2]).max() < 0.01


def test_a_network_that_says_the_truth_has_no_error(
    folder: Path, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest, arrays = protocol.read_folder(folder)
    waiting = [shot for shot in protocol.shots(arrays, manifest["clips"], manifest["views"]) for _ in range(2)]

    def told(track, times, *_) -> TrackPrediction:
        shot, frames = waiting.pop(0), len(times)
        smpl = replace(shot.smpl, betas=shot.smpl.betas.expand(frames, 10))
        return invented.predicted(times, smpl, track.keypoints_px, False)

    monkeypatch.setattr(estimate, "predict_track", told)
    scores = protocol.open_benchmark(folder, network, systems(False, "none")).scores
    for score in [score for score in scores if score.evidence == "clean"]:
        assert max(score.errors.values()) < 0.01


@pytest.mark.parametrize("file", [open_benchmark_clips.MANIFEST, open_benchmark_clips.ARRAYS])
def test_an_unfinished_folder_says_what_to_run(folder: Path, network: Network, file: str) -> None:
    (folder / file).unlink()
    with pytest.raises(FileNotFoundError, match="vibe prepare open-benchmark"):
        protocol.open_benchmark(folder, network, systems())


def test_changed_evidence_another_body_and_weights_for_pictures_are_refused(folder: Path, network: Network) -> None:
    with pytest.raises(ValueError, match="pictures"):
        protocol.open_benchmark(folder, replace(network, evidence="images"), systems())
    manifest = json.loads((folder / open_benchmark_clips.MANIFEST).read_text())
    (folder / open_benchmark_clips.MANIFEST).write_text(
        json.dumps(manifest | {"body": {"name": "other", "sha256": "0"}})
    )
    with pytest.raises(ValueError, match="another open body"):
        protocol.open_benchmark(folder, network, systems())
    (folder / open_benchmark_clips.MANIFEST).write_text(json.dumps(manifest))
    _, arrays = protocol.read_folder(folder)
    arrays["cmu_03_01/0/noisy"][3, 4, 0] += 0.001
    np.savez(folder / open_benchmark_clips.ARRAYS, **arrays)
    with pytest.raises(ValueError, match="was changed"):
        protocol.open_benchmark(folder, network, systems())
