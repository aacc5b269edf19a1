"""From what a pickle holds to numbers: numpy's arrays and scalars, scipy's sparse matrices, chumpy's objects; and
torch's checkpoints, read without torch: the legacy format of torch 1.x, and the zip format of newer ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vibe.assets import pickles
from vibe.assets.archives import MAX_ARRAY, Zip, array_from_bytes, is_shape
from vibe.assets.pickles import STORAGES, Made, Name
from vibe.assets.weights import MAX_WEIGHTS_BYTES

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


MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
MAX_PICKLE = 1 << 26
"""Bytes of the pickle in a zip file."""
SLACK = 1 << 20
"""Bytes that the tensors of a file may have beyond twice its size."""


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds; its tensors are notes, which `storage_view` understands."""

    value: Any
    storages: Mapping[str, Callable[[], bytes | memoryview]]
    """What reads each storage, by its key."""
    size: int
    """Bytes of them all, and what lies around them."""


@dataclass(frozen=True)
class StorageView:
    """A tensor whose numbers are still in the file."""

    dtype: str
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    """In numbers, not bytes."""
    offset: int
    storage: Callable[[], bytes | memoryview]

    def numbers(self) -> NDArray[Any]:
        """The numbers; bfloat16 as float32."""
        short = self.dtype == "bfloat16"
        flat = np.frombuffer(self.storage(), "<u2" if short else self.dtype)
        strides = [step * flat.itemsize for step in self.stride]
        array = np.lib.stride_tricks.as_strided(flat[self.offset :], self.shape, strides, writeable=False)
        array = (array.astype("<u4") << 16).view("<f4") if short else array
        return np.ascontiguousarray(array, array.dtype.newbyteorder("=")).reshape(self.shape)


def from_zip(archive: Zip) -> Checkpoint:
    """The checkpoint in a zip file, as torch has written them since 1.6; raises ValueError."""
    sizes = {info.filename: info.file_size for info in archive.infolist()}
    pickle = [name for name in sizes if name.count("/") <= 1 and name.split("/")[-1] == "data.pkl"]
    if len(pickle) != 1:
        raise ValueError("it is a zip file without the one data.pkl of a checkpoint")
    folder = pickle[0].removesuffix("data.pkl")
    order = f"{folder}byteorder"
    if order in sizes and archive.content(order, 16) != b"little":
        raise ValueError("its numbers are not in little-endian order: save it anew on a common machine")
    references: list[Any] = []
    value, _ = pickles.read_pickle(archive.content(pickle[0], MAX_PICKLE), references=references)
    storages = {}
    for key, (dtype, count) in _storages(references).items():
        name, wanted = f"{folder}data/{key}", count * _itemsize(dtype)
        if sizes.get(name) != wanted:
            there = f"its storage {ascii(key[:20])} has {sizes.get(name, 0)} bytes"
            raise ValueError(f"{there}, {wanted} were announced: copy the file again")
        storages[key] = cache(partial(archive.content, name, wanted))  # several tensors may share it
    return Checkpoint(value, storages, sum(sizes.values()))


def from_legacy(content: bytes) -> Checkpoint:
    """The checkpoint in the format of torch 0.4 to 1.5: five pickles, then the numbers; raises ValueError."""
    magic, at = pickles.read_pickle(content)
    protocol, at = pickles.read_pickle(content, at)
    system, at = pickles.read_pickle(content, at)
    if magic != MAGIC or protocol != PROTOCOL:
        raise ValueError("it is a checkpoint of a format that is not known: save it anew with a newer torch")
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise ValueError("its numbers are not in little-endian order: save it anew on a common machine")
    references: list[Any] = []
    value, at = pickles.read_pickle(content, at, references)
    keys, at = pickles.read_pickle(content, at)
    announced = _storages(references)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys) or set(keys) != announced.keys():
        raise ValueError("its list of storages is not that of its tensors: copy the file again")
    whole, storages = memoryview(content), {}
    for key in keys:
        dtype, count = announced[key]
        found = int.from_bytes(whole[at : at + 8], "little", signed=True)
        stop = at + 8 + count * _itemsize(dtype)
        if found != count or stop > len(whole):
            there = f"its storage {ascii(key[:20])} should have {count} numbers and has {found}"
            raise ValueError(f"{there}, or is cut off: copy the file again")
        storages[key] = partial(whole.__getitem__, slice(at + 8, stop))
        at = stop
    return Checkpoint(value, storages, len(whole))


def storage_views(checkpoint: Checkpoint, state: Mapping[str, Any]) -> dict[str, StorageView]:
    """The tensors of a state by their names; raises ValueError where they are more than any network's, or the file's.

    Tensors may share a storage and repeat its numbers, so that a small file could announce any number of large ones.
    """
    views = {name: storage_view(checkpoint, value, ascii(name[:100])[1:-1]) for name, value in state.items()}
    size = sum(math.prod(view.shape) * _itemsize(view.dtype) for view in views.values())
    if size > min(MAX_WEIGHTS_BYTES, SLACK + 2 * checkpoint.size):
        raise ValueError(f"the network would take {size >> 20} MB, more than the file holds or any network here has")
    return views


def storage_view(checkpoint: Checkpoint, value: Any, name: str) -> StorageView:
    """A tensor of a checkpoint, checked against its storage; raises ValueError, which names it, if it is none."""
    if isinstance(value, Made) and value.kind == "torch.nn.Parameter" and value.args:
        value = value.args[0]
    if not isinstance(value, Made) or value.kind != "torch.Tensor" or len(value.args) < 4:
        raise ValueError(f"{name} is no tensor")
    reference, offset, shape, stride = value.args[:4]
    if not isinstance(reference, Made) or reference.kind != "reference":
        raise ValueError(f"{name} is a tensor without a storage")
    key, dtype, count = _storage(reference.args[0])
    sizes, steps = _whole(shape, name), _whole(stride, name)
    if len(sizes) != len(steps) or not isinstance(offset, int) or offset < 0:
        raise ValueError(f"{name} has a shape and strides that do not fit each other")
    last = offset + sum((size - 1) * step for size, step in zip(sizes, steps))
    total = math.prod(sizes)
    if total and not last < count or offset > count:
        raise ValueError(f"{name} reaches number {last} of a storage of {count}")
    if total * _itemsize(dtype) > MAX_ARRAY:
        raise ValueError(f"{name} has {total} numbers, more than any tensor of these files")
    return StorageView(dtype, sizes, steps, offset, checkpoint.storages[key])


def _whole(value: Any, name: str) -> tuple[int, ...]:
    """A shape or strides."""
    given: Any = value.args[0] if isinstance(value, Made) and value.kind == "torch.Size" and value.args else value
    if not is_shape(given):
        raise ValueError(f"{name} has an impossible shape or stride")
    return tuple(given)


def _storages(references: list[Any]) -> dict[str, tuple[str, int]]:
    """Of each storage, what numbers it holds and how many; raises ValueError."""
    storages: dict[str, tuple[str, int]] = {}
    for reference in references:
        key, dtype, count = _storage(reference)
        if storages.setdefault(key, (dtype, count)) != (dtype, count):
            raise ValueError(f"its storage {ascii(key[:20])} is announced in two ways")
    return storages


def _storage(reference: Any) -> tuple[str, str, int]:
    """Key, kind of number and count out of what torch writes for a storage."""
    right = isinstance(reference, tuple) and len(reference) in (5, 6) and reference[0] == "storage"
    if not right or not isinstance(reference[1], Name) or not isinstance(reference[2], str):
        raise ValueError("it refers to something outside by a persistent id that is no storage: nothing was run")
    dtype = STORAGES.get(reference[1].kind.removeprefix("torch."))
    count = reference[4]
    if dtype is None or not isinstance(count, int) or not 0 <= count < 1 << 40 or reference[5:] not in ((), (None,)):
        raise ValueError(f"its storage {ascii(reference[2][:20])} is of a kind that these files do not have")
    return reference[2], dtype, count


def _itemsize(dtype: str) -> int:
    return 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize
