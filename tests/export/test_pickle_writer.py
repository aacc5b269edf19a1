"""Pickles written by hand: every reader gets the arrays back, and nothing else is in the file."""

import io
import pickle
import pickletools

import numpy as np
import pytest

from vibe.export.smpl_parameters import PickleStream, write_pickle


def written(content) -> bytes:
    file = io.BytesIO()
    write_pickle(file.write, content)
    return file.getvalue()


def same(one, other) -> bool:
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    return one.dtype == other.dtype and np.array_equal(one, other)


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


CONTENTS = {
    "nothing": {},
    "one": {1: {"pose": numbers(3, 72), "frame_ids": np.arange(3)}},
    "many": {7: {}, 300: {"x": numbers(2, 1)}, 1 << 30: {"ü": np.array([-(1 << 40), 1 << 40])}},
    "no frames": {1: {"verts": numbers(0, 6890, 3)}},
    "a number": {"x": np.array(3, np.float32)},
    "turned": {"x": numbers(5, 4).T, "y": numbers(6, 6)[::2]},
}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_what_is_written_is_what_python_s_own_readers_find(content):
    text = written(content)
    assert same(pickle.loads(text), content)
    assert same(pickle._Unpickler(io.BytesIO(text)).load(), content)


def test_arrays_that_are_read_can_be_changed_and_own_their_numbers():
    array = pickle.loads(written({"x": numbers(3)}))["x"]
    array += 1
    assert array.flags.c_contiguous
    assert array.flags.aligned


def test_parts_make_the_same_file_as_the_whole():
    whole = numbers(10, 4, 3)
    parts = PickleStream(whole.shape, (whole[start : start + 3] for start in range(0, 10, 3)))
    assert written({1: {"verts": parts}}) == written({1: {"verts": whole}})


def test_the_file_names_three_things_that_every_numpy_has_and_no_opcode_is_newer_than_python_3_4():
    text = written({1: {"a": numbers(3), "b": np.arange(2)}})
    found = list(pickletools.genops(text))
    globals_ = {argument for opcode, argument, _ in found if opcode.name == "GLOBAL"}
    assert globals_ == {"numpy.core.multiarray _reconstruct", "numpy ndarray", "numpy dtype"}
    assert max(opcode.proto for opcode, _, _ in found) == 4
    assert not {opcode.name for opcode, _, _ in found} & {"FRAME", "STACK_GLOBAL", "INST", "OBJ", "NEWOBJ", "EXT1"}
    pickletools.dis(text, io.StringIO())


def test_joblib_reads_it(tmp_path):
    joblib = pytest.importorskip("joblib")
    content = CONTENTS["one"]
    with (tmp_path / "x.pkl").open("wb") as file:
        write_pickle(file.write, content)
    assert same(joblib.load(tmp_path / "x.pkl"), content)


def test_other_kinds_of_number_and_missing_parts_are_our_own_mistakes():
    with pytest.raises(KeyError):
        written({"x": np.zeros(3)})
    with pytest.raises(AssertionError, match="promised"):
        written({"x": PickleStream((4, 3), [numbers(3, 3)])})
    with pytest.raises(AssertionError, match="shape"):
        written({"x": PickleStream((4, 3), [numbers(3, 4)])})
