import inspect
import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from quick_method import BLIND, nobody

from vibe import assets
from vibe.body.load import load_body
from vibe.inference import config
from vibe.inference.config import EstimatorConfig
from vibe.inference.estimate import estimate, load_estimator


@pytest.fixture(scope="module")
def plain() -> EstimatorConfig:
    return EstimatorConfig().resolved()


def changed(one: EstimatorConfig, other: EstimatorConfig) -> list[str]:
    """The stages whose keys differ."""
    before, after = one.keys("film"), other.keys("film")
    assert list(before) == list(after) == ["tracks", "evidence", "motion", "refinement", "result"]
    return [stage for stage in before if before[stage] != after[stage]]


def but(**options: Any) -> EstimatorConfig:
    return EstimatorConfig(**options).resolved()


def test_a_setting_changes_the_keys_of_its_stage_and_of_those_after_it(plain: EstimatorConfig) -> None:
    assert changed(plain, but()) == changed(plain, plain.resolved()) == []
    assert changed(plain, but(device="cpu")) == []
    assert changed(plain, but(smoothing="light")) == []
    assert changed(plain, but(smoothing="strong")) == ["result"]
    assert changed(plain, but(smoothing="one-euro")) == ["result"]
    assert changed(plain, but(refine=False)) == ["refinement", "result"]
    assert changed(plain, but(fitting="paper")) == ["refinement", "result"]
    assert changed(but(fitting="paper"), but(fitting="paper", prior="vposer")) == ["refinement", "result"]
    assert changed(plain, but(fov_deg=70.0)) == ["motion", "refinement", "result"]
    assert changed(plain, but(height_m=1.8)) == ["refinement", "result"]
    assert changed(plain, but(fps=25.0))[0] == "tracks"
    assert changed(plain, but(hands=False)) == (
        ["tracks", *list(plain.keys("film"))[1:]] if "hands" in plain.checksums else []
    )


def test_a_missing_model_of_hands_is_told_and_none_that_was_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    lying = assets.lying
    monkeypatch.setattr(assets, "lying", lambda name: None if name in assets.HAND_MODELS else lying(name))
    resolved = but()
    assert "hands" not in resolved.checksums and "hands" not in resolved.settings()["tracks"]
    found = load_estimator(resolved)
    assert found.hand_model is None and any("fingers were not looked for" in remark for remark in found.remarks)
    for other in (but(hands=False), but(pose_model=BLIND)):
        assert not other.wants_hands


def test_another_video_or_version_changes_all_keys(plain: EstimatorConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    before, other = plain.keys("film"), plain.keys("other film")
    monkeypatch.setattr(config, "__version__", "99")
    later = plain.keys("film")
    assert len({*before.values(), *other.values(), *later.values()}) == 15


@pytest.mark.parametrize("file", ["weights", "body"])
def test_other_weights_or_another_body_are_another_motion_of_the_same_tracks(file: str, plain: EstimatorConfig) -> None:
    other = replace(plain, checksums={**plain.checksums, file: "0"})
    assert changed(plain, other) == ["motion", "refinement", "result"]


def test_somebody_s_own_code_is_like_nothing_else() -> None:
    assert changed(but(detector=nobody), but(detector=nobody))[0] == "tracks"
    mine = but(pose_model=BLIND)
    assert changed(mine, mine.resolved()) == [] and mine.fitted_points == "coco17"


def test_the_quality_chooses_the_landmark_model(plain: EstimatorConfig) -> None:
    assert changed(plain, but(quality="standard")) == []
    assert changed(plain, but(quality="best")) == list(plain.keys("film"))
    best = but(quality="best")
    assert best.checksums["pose_model"] == assets.MODEL_SHA256["pose_landmark_heavy.tflite"]
    assert replace(best, quality=None, checksums={}).resolved().keys("film") == best.keys("film")
    with pytest.raises(ValueError, match="your own pose model"):
        but(quality="best", pose_model=BLIND)


def test_settings_are_plain_values(plain: EstimatorConfig) -> None:
    settings = plain.settings()
    assert json.loads(json.dumps(settings)) == json.loads(json.dumps(settings, allow_nan=False))
    assert settings["motion"]["weights"] == load_estimator(plain).network.about.sha256
    assert settings["motion"]["body"] == load_body().origin.sha256


def test_the_options_are_those_of_the_signature_and_none_else() -> None:
    options = {field.name for field in fields(EstimatorConfig)} - {"checksums"}
    assert set(inspect.signature(estimate).parameters) == options | {"video", "progress"}
    with pytest.raises(TypeError, match="colour"):
        estimate("film.mp4", colour="red")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"fov_deg": 3.0}, "angle of view"),
        ({"height_m": 18.0}, "18 m tall"),
        ({"fps": 0.0}, "pictures a second"),
        ({"device": "abacus"}, "abacus is not here"),
        ({"weights": "none"}, "no weights"),
        ({"body": "none.npz"}, "none.npz"),
        ({"prior": "mposer"}, "asks no prior"),
        ({"fitting": "paper", "prior": "none"}, "none"),
        ({"runtime": "onnxruntime"}, "read keypoints"),
        ({"int8": True}, "floats only"),
        ({"refine": False, "fitting": "paper"}, "leave one of them out"),
        ({"detector": Path("none.onnx")}, "none.onnx"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused_before_a_frame_is_read(options: dict, said: str) -> None:
    with pytest.raises((ValueError, OSError, ImportError), match=said):
        load_estimator(**{"detector": nobody, "pose_model": BLIND} | options)
