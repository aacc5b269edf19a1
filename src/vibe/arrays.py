"""Records of arrays of either kind: PyTorch's tensors up to a finished motion, NumPy's arrays in it and after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

Array = Any
"""A tensor or an array, in a record or a function that takes both; PyTorch is not loaded for the sake of a type."""


class Deferred(Mapping[str, Any]):
    """A mapping that is made when it is first read: most uses of a body need none of its point sets."""

    def __init__(self, make: Callable[[], Mapping[str, Any]]) -> None:
        self._make = make

    @cached_property
    def _made(self) -> Mapping[str, Any]:
        return self._make()

    def __getitem__(self, name: str) -> Any:
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)

    def __reduce__(self) -> tuple[type, tuple[dict[str, Any]]]:
        return dict, (dict(self),)


def as_numpy(record: Any, dtype: Any = None) -> Any:
    """A frozen record, a mapping or an array with NumPy's arrays for tensors; they share memory that is the CPU's.

    `dtype` is that of the real numbers, by default the one that they have.
    """

    def array(value: Array) -> Array:
        found = value if isinstance(value, np.ndarray) else value.detach().cpu().numpy()
        return found.astype(dtype, copy=False) if dtype and found.dtype.kind == "f" else found

    return converted(record, array)


def as_tensors(record: Any, device: Any = None, dtype: Any = None) -> Any:
    """Likewise with PyTorch's tensors for arrays, on a device and, where they are real numbers, of a `dtype` of its."""
    import torch

    def tensor(array: Array) -> Array:
        with torch.inference_mode(False):  # what is deferred may be made in that mode and be read with gradients later
            found = torch.as_tensor(array)
            return found.to(device, dtype if found.is_floating_point() else None)

    return converted(record, tensor)


def converted(value: Any, convert: Callable[[Array], Array]) -> Any:
    """The same record, mapping or array with a function's answer for each array of it, and of the records in it."""
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{each.name: converted(getattr(value, each.name), convert) for each in fields(value)})
    if isinstance(value, Deferred):
        return Deferred(lambda: converted(dict(value), convert))
    if isinstance(value, Mapping):
        return {name: converted(part, convert) for name, part in value.items()}
    return convert(value) if hasattr(value, "shape") and hasattr(value, "dtype") else value


def concatenate(parts: Sequence[Array], axis: int = 0) -> Array:
    """Arrays of one kind, one after the other along an axis."""
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts, axis)
    import torch

    return torch.cat(list(parts), axis)


def contiguous(array: Array) -> Array:
    """The same numbers in the order of the axes in memory."""
    return np.ascontiguousarray(array) if isinstance(array, np.ndarray) else array.contiguous()


def expanded(array: Array, shape: tuple[int, ...]) -> Array:
    """The array broadcast to a shape, without a copy."""
    return np.broadcast_to(array, shape) if isinstance(array, np.ndarray) else array.expand(shape)


def moved_axis(array: Array, source: int, target: int) -> Array:
    """The array with one axis at another place."""
    return np.moveaxis(array, source, target) if isinstance(array, np.ndarray) else array.movedim(source, target)


def selected(array: Array, rows: Array) -> Array:
    """Rows of the first axis by their numbers."""
    return array[rows] if isinstance(array, np.ndarray) else array.index_select(0, rows)


def constant(numbers: Any, like: Array) -> Array:
    """Numbers as an array of the kind, the type and the device of another."""
    if isinstance(like, np.ndarray):
        return np.asarray(numbers, like.dtype)
    import torch

    return torch.as_tensor(numbers, dtype=like.dtype, device=like.device)


def add_product(total: Array, one: Array, two: Array) -> Array:
    """`total + one * two`, in the memory of the total."""
    if isinstance(total, np.ndarray):
        total += one * two
        return total
    return total.addcmul_(one, two)
