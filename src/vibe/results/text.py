"""Tables of numbers as text."""

from __future__ import annotations

from jaxtyping import Float
from numpy import ndarray


def rows(numbers: Float[ndarray, "row column"], form: str, between: str) -> str:
    """One line for each row, every number in the form of `printf`, each line ended."""
    line = between.join([form] * numbers.shape[1]) + "\n"
    return "".join([line % tuple(row) for row in numbers.tolist()])
