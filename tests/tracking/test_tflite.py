import os
import struct
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vibe import assets
from vibe.tracking import detector, pose_model
from vibe.tracking.tflite import Model, close_idle_models, trim


def test_what_is_no_model_is_refused_and_standard_error_still_speaks(tmp_path, capfd):
    path = tmp_path / "junk.tflite"
    path.write_bytes(b"junk")
    with pytest.raises(ValueError, match="model"):
        Model(path, [(1, 1)])
    os.write(2, b"still here")
    assert "still here" in capfd.readouterr().err


def test_calls_at_once_give_what_calls_one_by_one_give():
    try:
        model = Model(assets.find_model("pose_landmark_full.tflite"), pose_model.OUTPUTS)
    except FileNotFoundError as error:
        pytest.skip(str(error))
    pictures = np.random.default_rng(0).random((6, 1, 256, 256, 3), np.float32)
    alone = [model(picture) for picture in pictures]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(model, pictures))
    for one, other in zip(alone, together, strict=True):
        assert all(np.array_equal(one[shape], other[shape]) for shape in pose_model.OUTPUTS)


def test_a_model_that_was_closed_answers_as_before():
    try:
        model = Model(assets.find_model("pose_landmark_full.tflite"), pose_model.OUTPUTS)
    except FileNotFoundError as error:
        pytest.skip(str(error))
    picture = np.random.default_rng(1).random((1, 256, 256, 3), np.float32)
    before = model(picture)
    close_idle_models()
    after = model(picture)
    assert all(np.array_equal(before[shape], after[shape]) for shape in pose_model.OUTPUTS)


OUTLINE = (1, 256, 256, 1)


@pytest.fixture(scope="module")
def model():
    try:
        return assets.find_model("pose_landmark_full.tflite").read_bytes()
    except FileNotFoundError as error:
        pytest.skip(str(error))


def answers(model, picture):
    """What a model says of a picture, by shape."""
    from ai_edge_litert.interpreter import Interpreter

    net = Interpreter(model_content=model, num_threads=1)
    net.allocate_tensors()
    net.set_tensor(net.get_input_details()[0]["index"], picture)
    net.invoke()
    return {tuple(one["shape"].tolist()): net.get_tensor(one["index"]) for one in net.get_output_details()}


def test_what_is_still_computed_is_the_same_to_the_bit(model):
    picture = np.random.default_rng(0).random((1, 256, 256, 3), np.float32)
    whole, part = answers(model, picture), answers(trim(model, pose_model.OUTPUTS), picture)
    assert set(whole) - set(part) == {OUTLINE}
    for shape, values in part.items():
        np.testing.assert_array_equal(values, whole[shape])


def test_a_model_whose_outputs_are_all_wanted_stays_as_it_is(model):
    assert trim(model, (*pose_model.OUTPUTS, OUTLINE)) == model


def test_another_model_is_refused(model):
    with pytest.raises(ValueError, match="no output of shape"):
        trim(model, detector.OUTPUTS)


@given(st.binary(max_size=200))
def test_what_is_no_model_is_refused(junk):
    with pytest.raises(ValueError, match="model"):
        trim(junk, pose_model.OUTPUTS)


@settings(max_examples=30)
@given(st.data())
def test_a_damaged_model_is_trimmed_or_refused_and_nothing_else(model, data):
    damaged = bytearray(model[:200_000])
    for _ in range(4):
        at = data.draw(st.integers(0, len(damaged) - 4))
        struct.pack_into("<I", damaged, at, data.draw(st.integers(0, 2**32 - 1)))
    try:
        assert len(trim(bytes(damaged), pose_model.OUTPUTS)) == len(damaged)
    except ValueError as error:
        assert "model" in str(error)
