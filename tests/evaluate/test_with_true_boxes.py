from dataclasses import replace
from pathlib import Path

import invented
import numpy as np
import pytest
import roma
import torch

from vibe.body.lbs import vertices
from vibe.body.load import load_smpl
from vibe.body.pose import rest_joints
from vibe.data.columns import ColumnWriter
from vibe.data.store import open_store
from vibe.evaluate import metrics
from vibe.evaluate.measure import evaluate_protocol
from vibe.evaluate.metrics import PosedBodies
from vibe.evaluate.protocols import PROTOCOLS, Protocol
from vibe.evaluate.scores import WHOLE, Report, Score, systems
from vibe.evaluate.with_true_boxes import EvaluatedPerson, made_of, person_of, points_of, sequences_of, with_true_boxes
from vibe.inference import estimate
from vibe.models.network import load_network

ALONE = systems(False, "none")
TURN = roma.rotvec_to_rotmat(torch.tensor([0.02, 0.3, -0.05]))
IN_BOXES = {name: each for name, each in PROTOCOLS.items() if not each.world}
each_protocol = pytest.mark.parametrize("protocol", IN_BOXES.values(), ids=IN_BOXES)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder with invented bodies in it."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("VIBE_HOME", str(folder))
    invented.write_bodies(folder)
    return folder


def scored(folder: Path, protocol: Protocol, monkeypatch: pytest.MonkeyPatch, turn: torch.Tensor | None) -> Report:
    monkeypatch.setattr(estimate, "predict_track", invented.knowing(folder, turn))
    return evaluate_protocol(protocol.name, folder, invented.picture_network(), ALONE)


def whole(report: Report) -> Score:
    [score] = [score for score in report.scores if score.part == WHOLE]
    return score


@each_protocol
def test_who_says_the_truth_has_no_error(protocol: Protocol, tmp_path: Path, monkeypatch) -> None:
    score = whole(scored(invented.write_store(tmp_path / "set", protocol), protocol, monkeypatch, None))
    exact = {name: error for name, error in score.errors.items() if name in protocol.metrics}
    rounding = 1.5 if protocol.half else 0.01  # joints some metres away, in 16 bits
    for name in ("pa_mpjpe_mm", "mpjpe_mm", "pve_mm", "pve_unaligned_mm", "acceleration_error_mm", "foot_slide_mm"):
        assert exact.get(name, 0.0) < (2 * rounding if name.startswith("acc") else rounding)
    assert {exact.get("pck", 100.0), exact.get("auc", 100.0)} == {100.0} or exact["auc"] > 96
    assert set(exact) == set(protocol.metrics)
    assert score.frames == (48 if protocol.window else 58) and score.joints == protocol.says


@each_protocol
def test_who_turns_everybody_has_the_error_of_that_turn(protocol: Protocol, tmp_path: Path, monkeypatch) -> None:
    folder = invented.write_store(tmp_path / "set", protocol)
    score = whole(scored(folder, protocol, monkeypatch, TURN))
    change, off, surface, accelerations = (TURN.double() - torch.eye(3)).mT, [], [], []
    for person in people(folder, protocol):
        kept = len(person.rows) // (protocol.window or 1) * (protocol.window or 1)
        off.append((metrics.root_centred(person.points, protocol.centre).double() @ change)[:kept])
        for row in range(kept - 2):
            if person.numbers[row + 2] - person.numbers[row] == 2:
                before, now, after = off[-1][row : row + 3]
                accelerations.append((before - 2 * now + after).norm(dim=-1).mean())
        if person.posed is not None:
            body, smpl = person.posed.body, person.posed.smpl
            skin = vertices(body, smpl.rotmat, smpl.betas) - rest_joints(body, smpl.betas)[:, :1]
            surface.append((skin.double() @ change).norm(dim=-1)[:kept])
    distance_mm = torch.cat(off).norm(dim=-1) * 1000
    close = 0.5 if protocol.half else 0.01
    assert score.errors["mpjpe_mm"] == pytest.approx(float(distance_mm.mean()), abs=close)
    assert score.errors["pa_mpjpe_mm"] < (1.5 if protocol.half else 0.01)
    if "pck" in protocol.metrics:
        assert score.errors["pck"] == pytest.approx(float((distance_mm <= 150).double().mean() * 100), abs=0.2)
    for name in {"pve_mm", "pve_unaligned_mm"} & set(protocol.metrics):
        assert score.errors[name] == pytest.approx(float(torch.cat(surface).mean() * 1000), abs=close)
    if not protocol.window:
        wanted = float(torch.stack(accelerations).mean() * 1000)
        assert score.errors["acceleration_error_mm"] == pytest.approx(wanted, abs=0.01)
        assert score.errors["acceleration_error_m_s2"] == pytest.approx(wanted * 25**2 / 1000, abs=0.01)


def people(folder: Path, protocol: Protocol) -> list[EvaluatedPerson]:
    store = open_store(folder)
    return [person_of(store, sequence, protocol, load_smpl) for sequence in sequences_of(store, protocol)]


def test_frames_that_do_not_count_and_gaps_are_not_bridged(tmp_path: Path) -> None:
    protocol = PROTOCOLS["mpi-inf-3dhp"]
    one, two = people(invented.write_store(tmp_path / "set", protocol), protocol)
    assert len(one.rows) == 23 and one.frames[0] == 3 and (one.numbers.diff() == 1).all()
    assert 17 not in two.frames and len(two.rows) == 35
    assert two.frames[:-1][two.numbers.diff() != 1].tolist() == [4, 15, 28]


def test_the_truth_is_of_the_person_s_gender_but_for_the_published_evaluator(tmp_path: Path) -> None:
    folder = invented.write_store(tmp_path / "set", PROTOCOLS["3dpw"], "female")
    [first, _] = people(folder, PROTOCOLS["3dpw"])
    [old, _] = people(folder, PROTOCOLS["vibe-official"])
    assert first.posed is not None and old.posed is not None
    assert first.posed.body.origin.name == "smpl_female" and old.posed.body.origin.name == "smpl_neutral"
    torch.testing.assert_close(first.points, torch.tensor(open_store(folder).column("points.common14")[:23]))
    neutral = points_of(PosedBodies(load_smpl(), first.posed.smpl), "common14")
    there = neutral + torch.tensor(open_store(folder).column("trans")[:23])[:, None]
    assert torch.equal(old.points, there.half().float())


def test_keypoints_are_read_by_a_network_that_reads_them(tmp_path: Path, home: Path) -> None:
    protocol = PROTOCOLS["3dpw-smpl24"]
    folder = invented.write_store(tmp_path / "set", protocol)
    with pytest.raises(ValueError, match="keypoints_px.detected17.*--boxes detected"):
        with_true_boxes(folder, protocol, load_network(), ALONE)
    column = ColumnWriter(folder, "keypoints_px.coco17", {})
    keypoints = np.random.default_rng(0).random((70, 17, 3), np.float32) * (100, 200, 1) + (450, 300, 0)
    keypoints[5:9, :, 2] = 0
    column.write(np.arange(70), keypoints.astype(np.float32))
    column.finish()
    report = with_true_boxes(folder, protocol, load_network(), systems(refine=False))
    score = report.scores[0]
    assert (score.evidence, report.boxes) == ("keypoints_px.coco17", "true")
    assert score.frames == 54 and score.errors["coverage"] == pytest.approx(100 * 54 / 58)
    assert "pve_mm" not in score.errors and score.errors["mpjpe_mm"] > 100


def test_who_is_never_read_counts_as_not_found(tmp_path: Path, monkeypatch) -> None:
    protocol = PROTOCOLS["3dpw-smpl24"]
    folder = invented.write_store(tmp_path / "set", protocol)
    has = ColumnWriter(folder, "has_features", {})
    has.write(np.arange(70), np.arange(70) >= 23)
    has.finish()
    score = whole(scored(folder, protocol, monkeypatch, None))
    assert score.frames == 35 and score.errors["coverage"] == pytest.approx(100 * 35 / 58)


def test_a_folder_of_stores_serves_as_well_as_the_store(tmp_path: Path, monkeypatch) -> None:
    protocol = PROTOCOLS["3dpw-smpl24"]
    folder = invented.write_store(tmp_path / "sets" / "3dpw", protocol)
    monkeypatch.setattr(estimate, "predict_track", invented.knowing(folder))
    reports = [
        evaluate_protocol(protocol.name, data, invented.picture_network(), ALONE) for data in (folder, folder.parent)
    ]
    assert reports[0] == reports[1]
    (folder / "manifest.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"sets.3dpw has no manifest.json"):
        evaluate_protocol(protocol.name, folder.parent, invented.picture_network(), ALONE)


def test_what_the_evidence_was_made_with_is_told(tmp_path: Path) -> None:
    folder = invented.write_store(tmp_path / "set", PROTOCOLS["3dpw-smpl24"])
    recipe = {"evidence": "keypoints", "model": "pose.tflite", "sha256": "0123456789abcdef"}
    column = ColumnWriter(folder, "keypoints_px.coco17", recipe)
    column.write(np.arange(70), np.ones((70, 17, 3), np.float32))
    column.finish()
    store = open_store(folder)
    assert made_of(store, "keypoints_px.coco17") == "The keypoints_px.coco17 were made with pose.tflite 0123456789ab."
    assert made_of(store, "features") is None and made_of(store, "video") is None


def test_points_near_the_published_places_are_told(tmp_path: Path, home: Path, monkeypatch) -> None:
    protocol = PROTOCOLS["3dpw"]
    folder = invented.write_store(tmp_path / "set", protocol)
    assert not any("regressor" in note for note in scored(folder, protocol, monkeypatch, None).notes[1:])
    report = with_true_boxes(folder, protocol, replace(invented.picture_network(), body="open"), ALONE)
    assert "no H36M regressor" in report.notes[1] and report.notes[0] == f"Counted: {protocol.frames}."


def test_a_store_that_lacks_what_is_needed_is_told_so(tmp_path: Path, home: Path, monkeypatch) -> None:
    with pytest.raises(FileNotFoundError, match="vibe prepare"):
        evaluate_protocol("3dpw", tmp_path / "nothing", invented.picture_network(), ALONE)
    folder = invented.write_store(tmp_path / "set", PROTOCOLS["3dpw"])
    with pytest.raises(ValueError, match="is a store of 3dpw: h36m-p1 reads one of h36m"):
        evaluate_protocol("h36m-p1", folder, invented.picture_network(), ALONE)
    frontal = invented.write_store(tmp_path / "h36m", PROTOCOLS["h36m-p1"])
    with pytest.raises(ValueError, match="split test and the camera 60457274"):
        evaluate_protocol("h36m-p2", frontal, invented.picture_network(), ALONE)
    (home / "j_regressor_h36m.npz").rename(home / "elsewhere.npz")
    with pytest.raises(FileNotFoundError, match="H36M regressor.*vibe assets"):
        evaluate_protocol("3dpw", folder, replace(invented.picture_network(), body="open"), ALONE)
    (home / "elsewhere.npz").rename(home / "j_regressor_h36m.npz")
    (home / "smpl_neutral.npz").rename(home / "elsewhere.npz")
    with pytest.raises(FileNotFoundError, match="vibe assets add"):
        evaluate_protocol("3dpw", folder, replace(invented.picture_network(), body="open"), ALONE)
