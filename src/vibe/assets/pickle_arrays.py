"""From what a pickle holds to numbers: numpy's arrays and scalars, scipy's sparse matrices, chumpy's objects."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vibe.assets.archives import MAX_ARRAY, array_from_bytes, is_shape
from vibe.assets.pickles import Made

MAX_CHAIN = 16
"""Selections of selections."""
MAX_DENSE = 1 << 22
"""Bytes of a sparse matrix, written out; that of SMPL's joints has 1.3 MB."""


def numbers(value: Any, what: str) -> NDArray[Any]:
    """An array of plain numbers in this machine's byte order; raises ValueError, which names `what`, if it is none.

    Sparse matrices come out dense. The array may share memory with the file's content.
    """
    try:
        return _numbers(value)
    except ValueError as error:
        raise ValueError(f"{what} {error}") from error


def scalar(value: Any, what: str) -> float | None:
    """A single number, be it an array of one, None if there is none; raises ValueError."""
    if value is None or isinstance(value, (int, float)):
        return value
    array = value if isinstance(value, np.ndarray) else numbers(value, what)
    return float(array.reshape(())) if array.size == 1 else None


def text(value: Any) -> str:
    """A short string, whatever Python wrote it; empty if it is none."""
    if isinstance(value, str):
        return value
    return bytes(value).decode("latin1") if isinstance(value, (bytes, memoryview)) and len(value) < 1024 else ""


def _numbers(value: Any) -> NDArray[Any]:
    """Follows chumpy's selections to what they select from, then applies them from the inside out."""
    chain: list[dict[str, Any]] = []
    while isinstance(value, Made) and value.kind.startswith("chumpy."):
        state = value.state if isinstance(value.state, dict) else {}
        if len(chain) == MAX_CHAIN:
            raise ValueError(f"is a selection of more than {MAX_CHAIN} selections")
        if value.kind == "chumpy.ch.Ch" and "x" in state:
            value = state["x"]
            chain.append({})
        elif value.kind == "chumpy.reordering.Select" and {"a", "idxs"} <= state.keys():
            value = state["a"]
            chain.append(state)
        else:
            raise ValueError(f"is the result of {value.kind}, of which the numbers are not in the file")
    array = _array(value)
    for state in reversed(chain):
        array = _selected(array, state) if state else array
    return array


def _selected(array: NDArray[Any], state: dict[str, Any]) -> NDArray[Any]:
    """What chumpy's `Select` picks: flat indices, and the shape that they are to have."""
    picked = _array(state["idxs"]).ravel()
    if picked.dtype.kind not in "iu" or (picked.size and not 0 <= picked.min() <= picked.max() < array.size):
        raise ValueError("is a selection of numbers that do not exist")
    shape = state.get("preferred_shape")
    sizes = picked.shape if shape is None else _shape(shape)
    if math.prod(sizes) != picked.size or picked.size * array.itemsize > MAX_ARRAY:
        raise ValueError(f"is a selection of {picked.size} numbers in the shape {ascii(sizes)[:60]}")
    return array.ravel()[picked].reshape(sizes)


def _shape(value: Any) -> tuple[int, ...]:
    """A shape, given as a tuple or an array."""
    sizes = value if isinstance(value, (tuple, list)) else _array(value).ravel()[:9].tolist()
    if not is_shape(sizes):
        raise ValueError("has an impossible shape")
    return tuple(sizes)


def _array(value: Any) -> NDArray[Any]:
    """One array, scalar or sparse matrix."""
    if isinstance(value, (bool, int, float)):
        if isinstance(value, int) and abs(value) >= 1 << 63:
            raise ValueError("is too large a number")
        return np.asarray(value)
    kind = value.kind if isinstance(value, Made) else type(value).__name__
    if kind == "array":
        state = value.state
        if not isinstance(state, tuple) or len(state) != 5 or not isinstance(state[1], tuple):
            raise ValueError("is an array without content")
        return array_from_bytes(_raw(state[4]), _dtype(state[2]), state[1], bool(state[3]))
    if kind == "scalar" and len(value.args) == 2:
        return array_from_bytes(_raw(value.args[1]), _dtype(value.args[0]), ())
    if kind == "array of bytes" and len(value.args) == 4 and isinstance(value.args[2], tuple):
        return array_from_bytes(_raw(value.args[0]), _dtype(value.args[1]), value.args[2], value.args[3] == "F")
    if kind in ("csc", "csr", "coo") and isinstance(value.state, dict):
        return _dense(kind, value.state)
    raise ValueError(f"is no array ({kind})")


def _dtype(value: Any) -> str:
    """The code of a dtype with its byte order."""
    if not isinstance(value, Made) or value.kind != "numpy.dtype" or not value.args:
        raise ValueError("is an array of something unknown")
    code, state = text(value.args[0]), value.state
    order = text(state[1]) if isinstance(state, tuple) and len(state) > 1 else "<"
    return code if code[:1] in "<>|=" else f"{order}{code}"


def _raw(content: Any) -> bytes | memoryview:
    """The bytes that a pickle holds in one of several ways."""
    if isinstance(content, Made) and content.kind == "bytes":
        args = content.args
        if not args:
            return b""
        content = args[0]
        if len(args) == 2 and args[1] not in ("latin1", "latin-1"):
            raise ValueError(f"is written in the encoding {ascii(args[1])[:20]}")
    if isinstance(content, str):
        return content.encode("latin1")
    if isinstance(content, (bytes, memoryview)):
        return content
    raise ValueError(f"has no bytes but {type(content).__name__}")


def _dense(kind: str, state: dict[str, Any]) -> NDArray[Any]:
    from scipy import sparse

    sizes, data = _shape(state.get("_shape", state.get("shape"))), _array(state.get("data"))
    if len(sizes) != 2 or math.prod(sizes) * data.itemsize > MAX_DENSE:
        raise ValueError(f"is a sparse matrix of a shape that these files do not have ({ascii(sizes)[:60]})")
    both = state.get("coords")
    given = both if isinstance(both, tuple) and len(both) == 2 else (state.get("row"), state.get("col"))
    names = given if kind == "coo" else (state.get("indices"), state.get("indptr"))
    parts = [_array(part) for part in names]
    try:
        if any(part.dtype.kind not in "iu" for part in parts):
            raise ValueError("not whole numbers")
        if kind == "coo":
            return sparse.coo_array((data, tuple(parts)), sizes).toarray()
        matrix = {"csc": sparse.csc_array, "csr": sparse.csr_array}[kind]((data, *parts), sizes)
        matrix.check_format(full_check=True)
        if matrix.indptr[-1] != data.size:
            raise ValueError("not all are used")
        return matrix.toarray()
    except (ValueError, TypeError, IndexError, OverflowError) as error:
        raise ValueError("is a sparse matrix whose parts do not fit each other") from error
