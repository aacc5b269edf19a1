import pickle

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from official_files import chumpy, old_pickle, select, sparse

from vibe.assets import pickles
from vibe.assets.pickle_arrays import numbers, scalar

DTYPES = ["<f8", ">f8", "<f4", "<f2", "<i8", ">i4", "<i2", "|i1", "|u1", "<u4", "|b1"]


def there_and_back(value, protocol=2):
    content = old_pickle(value) if protocol == "python 2" else pickle.dumps(value, protocol)
    return numbers(pickles.read_pickle(content)[0], "value")


@settings(max_examples=120)
@given(st.data(), st.sampled_from(DTYPES), st.sampled_from([0, 1, 2, 3, 4, 5, "python 2"]), st.booleans())
def test_an_array_comes_back_to_the_bit(data, dtype, protocol, fortran):
    array = data.draw(arrays(np.dtype(dtype), array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)))
    array = np.asfortranarray(array) if fortran else array
    read = there_and_back(array, protocol)
    assert read.shape == array.shape and read.dtype == array.dtype.newbyteorder("=")
    assert read.tobytes() == array.astype(read.dtype).tobytes()


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5, "python 2"])
@pytest.mark.parametrize("value", [np.float64(56.5), np.float32(1.5), np.int64(-3), 7, 2.5])
def test_a_number_comes_back_whatever_kind_it_is(value, protocol):
    content = old_pickle(value) if protocol == "python 2" else pickle.dumps(value, protocol)
    assert scalar(pickles.read_pickle(content)[0], "value") == value


@pytest.mark.parametrize("kind", ["csc_matrix", "csr_matrix", "coo_matrix", "csc_array", "csr_array"])
def test_sparse_matrices_come_back_dense(kind):
    dense = np.random.default_rng(0).normal(size=(5, 7)).round(0)
    np.testing.assert_array_equal(there_and_back(getattr(scipy.sparse, kind)(dense)), dense)


def test_an_old_sparse_matrix_comes_back_dense():
    dense = np.random.default_rng(0).normal(size=(5, 7)).round(0)
    np.testing.assert_array_equal(there_and_back(sparse(dense), "python 2"), dense)
    repeated = scipy.sparse.coo_matrix((np.ones(3), ([0, 0, 1], [1, 1, 0])), (2, 2))
    np.testing.assert_array_equal(there_and_back(repeated), [[0, 2], [1, 0]])


def test_chumpys_selections_are_followed():
    array = np.arange(24.0).reshape(4, 6)
    np.testing.assert_array_equal(there_and_back(chumpy(array), "python 2"), array)
    picked = select(array, np.array([3, 3, 20, 0]), (2, 2))
    np.testing.assert_array_equal(there_and_back(picked, "python 2"), [[3, 3], [20, 0]])


@pytest.mark.parametrize("value", [np.array([None]), np.array(["a"]), np.array([1j]), "text", None, {}, [1.0], 2**70])
def test_what_is_no_array_of_numbers_is_refused_by_its_name(value):
    with pytest.raises(ValueError, match=r"^value (is|has) "):
        there_and_back(value)


def test_a_damaged_sparse_matrix_is_refused():
    matrix = scipy.sparse.csc_matrix(np.eye(3))
    for name, wrong in (
        ("indices", [0, 1, 3]), ("indices", [0, 1, -1]), ("indices", [0, 1]), ("indptr", [0, 1, 2, 4]),
        ("indptr", [0, 2, 1, 3]), ("indptr", [0, 3]), ("indptr", [-1, 1, 2, 3]), ("data", [[1.0, 1.0, 1.0]]),
    ):  # fmt: skip
        broken = matrix.copy()
        setattr(broken, name, np.array(wrong))
        with pytest.raises(ValueError, match="sparse matrix"):
            there_and_back(broken)
