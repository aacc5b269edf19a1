"""Records of arrays of either kind: PyTorch's tensors up to a finished motion, NumPy's arrays in it and after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np

Array = Any
"""A tensor or an array, in a record or a function that takes both; PyTorch is not loaded for the sake of a type."""


def as_numpy(record: Any) -> Any:
    """A frozen record, a mapping or an array with NumPy's arrays for tensors; they share memory that is the CPU's."""
    return _converted(record, lambda array: array if isinstance(array, np.ndarray) else array.detach().cpu().numpy())


def as_tensors(record: Any, device: Any = None, dtype: Any = None) -> Any:
    """Likewise with PyTorch's tensors for arrays, on a device and, where they are real numbers, of a `dtype` of its."""
    import torch

    def tensor(array: Array) -> Array:
        found = torch.as_tensor(array)
        return found.to(device, dtype if found.is_floating_point() else None)

    return _converted(record, tensor)


def _converted(value: Any, convert: Any) -> Any:
    """Each array of a record, of the records in it and of its mappings, converted."""
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{each.name: _converted(getattr(value, each.name), convert) for each in fields(value)})
    if isinstance(value, Mapping):
        return {name: _converted(part, convert) for name, part in value.items()}
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
