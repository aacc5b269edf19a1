from types import SimpleNamespace

import numpy as np
import pytest

from vibe.tracking import onnx_models
from vibe.tracking.detector import Detections


class Session:
    """Gives what it is told to, and keeps what it was fed."""

    def __init__(self, shape, answer):
        self.shape, self.answer, self.fed = shape, answer, None

    def get_inputs(self):
        return [SimpleNamespace(name="input", shape=self.shape)]

    def run(self, output_names, input_feed):
        self.fed = input_feed["input"]
        return self.answer


RGB = np.full((320, 640, 3), (200, 100, 50), np.uint8)


def test_yolox_cells_decode_to_the_boxes_that_were_put_in():
    values = np.zeros((52 * 52 + 26 * 26 + 13 * 13, 85), np.float32)
    row = 52 * 52 + 3 * 26 + 7
    values[row, :6] = 0.5, 0.25, np.log(4), np.log(8), 0.9, 0.8
    boxes, scores = onnx_models.boxes_of([values[None]], 416, 416)
    np.testing.assert_allclose(boxes[row], [7.5 * 16, 3.25 * 16, 64, 128], rtol=1e-6)
    assert scores.argmax() == row and scores[row] == pytest.approx(0.72)


@pytest.mark.parametrize("kind", ["boxes with scores", "boxes, scores", "with labels"])
def test_boxes_come_back_in_pixels_of_the_picture(kind):
    corners = np.array([[10, 20, 110, 220], [200, 20, 250, 120]], np.float32)
    scores = np.array([0.9, 0.8], np.float32)
    answer = {
        "boxes with scores": [np.concatenate([corners, scores[:, None]], 1)[None]],
        "boxes, scores": [corners[None], scores[None]],
        "with labels": [np.concatenate([corners, scores[:, None]], 1)[None], np.array([[0, 17]])],
    }[kind]
    found = onnx_models.OnnxDetector(Session([1, 3, 416, 416], answer))(RGB)
    wanted = np.array([[60, 120, 100, 200], [225, 70, 50, 100]]) / 0.65
    np.testing.assert_allclose(found.box_px, wanted[: 1 if kind == "with labels" else 2], rtol=1e-5)


def test_a_detector_sees_the_picture_at_the_top_left_in_bgr():
    session = Session([1, 3, "height", "width"], [np.zeros((1, 0, 5), np.float32)])
    found = onnx_models.OnnxDetector(session)(RGB)
    assert isinstance(found, Detections) and len(found.score) == 0
    assert session.fed.shape == (1, 3, 640, 640)
    np.testing.assert_array_equal(session.fed[0, :, 0, 0], [50, 100, 200])
    np.testing.assert_array_equal(session.fed[0, :, 639, 0], onnx_models.PAD)


def test_outputs_of_an_unknown_kind_are_refused():
    with pytest.raises(ValueError, match="expected YOLOX"):
        onnx_models.boxes_of([np.zeros((1, 7, 3))], 416, 416)


def simcc(points, height=256, width=192):
    x, y = np.zeros((1, 17, 2 * width), np.float32), np.zeros((1, 17, 2 * height), np.float32)
    for joint, (column, row) in enumerate(points):
        x[0, joint, round(2 * column)], y[0, joint, round(2 * row)] = 0.9, 0.7
    return x, y


def test_simcc_rows_give_the_points_that_were_put_in_and_the_lesser_confidence():
    points = np.random.default_rng(0).integers(0, 190, (17, 2)) + 0.5
    decoded, confidence = onnx_models.from_simcc(*simcc(points), 192, 256)
    np.testing.assert_allclose(decoded, points)
    np.testing.assert_allclose(confidence, 0.7)


def test_a_pose_comes_back_where_the_person_is():
    points = np.random.default_rng(0).integers(40, 150, (17, 2)).astype(float)
    session = Session([1, 3, 256, 192], list(simcc(points)))
    model = onnx_models.OnnxPose(session)
    region = model.start(np.array([300.0, 160, 100, 200]), None)
    seen = model(RGB, region)
    scale = 200 * 1.25 / 256
    np.testing.assert_allclose(seen.keypoints_px[:, :2], (points - (96, 128)) * scale + (300, 160), rtol=1e-6)
    assert seen.presence == pytest.approx(0.7)
    middle = (seen.keypoints_px[:, :2].min(0) + seen.keypoints_px[:, :2].max(0)) / 2
    np.testing.assert_allclose(seen.follow[:2], middle)
    colour = session.fed[0, :, 128, 96] * onnx_models.STD_RGB + onnx_models.MEAN_RGB
    np.testing.assert_allclose(colour, [200, 100, 50], atol=0.1)


def test_fewer_joints_than_cocos_are_refused():
    with pytest.raises(ValueError, match="SimCC"):
        onnx_models.from_simcc(np.zeros((1, 14, 384), np.float32), np.zeros((1, 14, 512), np.float32), 192, 256)


def test_a_model_file_is_opened_and_run(tmp_path):
    pytest.importorskip("onnxruntime")
    made = pytest.importorskip("onnx")
    picture = made.helper.make_tensor_value_info("picture", made.TensorProto.FLOAT, [1, 3, 64, 64])
    boxes = made.helper.make_tensor_value_info("boxes", made.TensorProto.FLOAT, [1, 1, 5])
    value = made.helper.make_tensor("value", made.TensorProto.FLOAT, [1, 1, 5], [8, 16, 24, 48, 0.75])
    node = made.helper.make_node("Constant", [], ["boxes"], value=value)
    graph = made.helper.make_graph([node], "constant", [picture], [boxes])
    model = made.helper.make_model(graph, opset_imports=[made.helper.make_opsetid("", 17)], ir_version=8)
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    found = onnx_models.OnnxDetector(path)(RGB)
    np.testing.assert_allclose(found.box_px, [[160, 320, 160, 320]])
    path.write_bytes(b"junk")
    with pytest.raises(ValueError, match="not an ONNX model"):
        onnx_models.OnnxDetector(path)
    with pytest.raises(FileNotFoundError, match="no ONNX model"):
        onnx_models.OnnxDetector(tmp_path / "absent.onnx")


def test_a_file_that_is_no_model_is_refused_by_its_name(tmp_path):
    pytest.importorskip("onnxruntime")
    helper = pytest.importorskip("onnx").helper
    value = helper.make_tensor_value_info("value", 1, [1, 3, 8, 8])
    other = helper.make_tensor_value_info("other", 1, [1, 3, 8, 8])
    model = helper.make_model(
        helper.make_graph([helper.make_node("Relu", ["value"], ["other"])], "g", [value], [other])
    )
    content = model.SerializeToString()
    for damaged in (b"", b"no model", content[:40], content.replace(b"Relu", b"\xec\xff\xfe\xfd")):
        (tmp_path / "model.onnx").write_bytes(damaged)
        with pytest.raises(ValueError, match=r"model\.onnx"):
            onnx_models.open_session(tmp_path / "model.onnx")
