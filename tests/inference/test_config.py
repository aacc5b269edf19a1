import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vibe.inference import config, estimate
from vibe.inference.config import Method, settle
from vibe.tracking.detector import Detections
from vibe.tracking.pose_model import Landmarks


def nobody(rgb: np.ndarray) -> Detections:
    return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))


class Blind:
    """A pose model that sees nothing."""

    def start(self, box_px: np.ndarray, keypoints_px: np.ndarray | None) -> np.ndarray:
        return np.zeros(4)

    def __call__(self, rgb: np.ndarray, region: np.ndarray) -> Landmarks:
        return Landmarks(np.zeros((17, 3)), 0.0, region, region)


BLIND = Blind()


@pytest.fixture(scope="module")
def plain() -> Method:
    return settle(detector=nobody, pose_model=BLIND)


def changed(one: Method, other: Method) -> list[str]:
    """The stages whose keys differ."""
    before, after = estimate.keys("film", one), estimate.keys("film", other)
    assert list(before) == list(after) == ["tracks", "evidence", "motion", "refinement", "result"]
    return [stage for stage in before if before[stage] != after[stage]]


def test_a_setting_changes_the_keys_of_its_stage_and_of_those_after_it(plain: Method) -> None:
    def but(**options: object) -> Method:
        other = settle(detector=nobody, pose_model=BLIND, **options)
        return replace(other, checksums=plain.checksums | {"pose_prior": other.checksums["pose_prior"]})

    assert changed(plain, but()) == []
    assert changed(plain, but(device="cpu")) == []
    assert changed(plain, but(smoothing="light")) == []
    assert changed(plain, but(smoothing="strong")) == ["result"]
    assert changed(plain, but(smoothing="one-euro")) == ["result"]
    assert changed(plain, but(refine=False)) == ["refinement", "result"]
    assert changed(plain, but(fitting="paper")) == ["refinement", "result"]
    assert changed(but(fitting="paper"), but(fitting="paper", prior="vposer")) == ["refinement", "result"]
    assert changed(plain, but(fov_deg=70.0)) == ["motion", "refinement", "result"]


def test_another_video_or_version_changes_all_keys(plain: Method, monkeypatch: pytest.MonkeyPatch) -> None:
    before, other = estimate.keys("film", plain), estimate.keys("other film", plain)
    monkeypatch.setattr(config, "__version__", "99")
    later = estimate.keys("film", plain)
    assert len({*before.values(), *other.values(), *later.values()}) == 15


def test_other_weights_are_another_motion_of_the_same_tracks(plain: Method) -> None:
    network = replace(plain.network, about=replace(plain.network.about, sha256="0"))
    assert changed(plain, replace(plain, network=network)) == ["motion", "refinement", "result"]
    body = replace(plain.body, origin=replace(plain.body.origin, sha256="0"))
    assert changed(plain, replace(plain, body=body)) == ["motion", "refinement", "result"]


def test_somebody_s_own_code_is_like_nothing_else(plain: Method) -> None:
    assert changed(plain, settle(detector=nobody, pose_model=BLIND))[0] == "tracks"


def test_settings_are_plain_values(plain: Method) -> None:
    settings = plain.settings()
    assert json.loads(json.dumps(settings)) == json.loads(json.dumps(settings, allow_nan=False))
    assert settings["motion"]["weights"] == plain.network.about.sha256


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"fov_deg": 3.0}, "angle of view"),
        ({"device": "abacus"}, "abacus is not here"),
        ({"weights": "none"}, "no weights"),
        ({"body": "none.npz"}, "none.npz"),
        ({"prior": "mposer"}, "asks no prior"),
        ({"fitting": "paper", "prior": "none"}, "none"),
        ({"runtime": "onnxruntime"}, "read keypoints"),
        ({"int8": True}, "floats only"),
        ({"detector": Path("none.onnx")}, "none.onnx"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused_before_a_frame_is_read(options: dict, said: str) -> None:
    with pytest.raises((ValueError, OSError, ImportError), match=said):
        settle(**{"detector": nobody, "pose_model": BLIND} | options)
