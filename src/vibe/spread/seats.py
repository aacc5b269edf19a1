"""What workers are given and give back, wherever they work."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")
A = TypeVar("A")
TRIES = 3
"""Workers that may die over one task."""


@dataclass(frozen=True)
class Seat:
    """A worker's place."""

    number: int
    """Counted from 0; no two workers of a machine that live at the same time have the same."""
    tell: Callable[[Any], None]
    """Passes word of the task in hand on to whoever waits for the answer, where somebody listens."""


Begin = Callable[[Seat], Callable[[T], A]]
"""What a worker does first (it loads the model, say); gives what is then done with each task. Can be pickled."""
Heard = Callable[[int, int, Any], None]
"""Gets what a worker told: the number of its seat, that of its task, and the word."""
Lost = Callable[[T, str], A]
"""The answer that stands for a task over which several workers died, given how."""
Spread = Callable[[Begin[T, A], Sequence[T]], Iterator[tuple[int, A]]]
"""Does all tasks; gives each one's number and answer, in any order."""


@dataclass
class Deaths(Generic[T, A]):
    """Keeps account of the workers that died: over which task, or before they had begun."""

    lost: Lost[T, A] | None
    advice: str
    """What to do about it."""

    def __post_init__(self) -> None:
        self._over: dict[int, int] = {}
        self._early = 0

    def begun(self) -> None:
        """A worker has begun."""
        self._early = 0

    def early(self, how: str) -> None:
        """A worker died before it had begun; raises OSError if that happens again and again."""
        self._early += 1
        if self._early == TRIES:
            raise OSError(f"{TRIES} workers died while they began (the last {how}): {self.advice}")

    def over(self, number: int, task: T, how: str) -> tuple[A] | None:
        """A worker died over a task: the answer that stands for it, if there shall be no further try.

        Raises OSError then where nothing can stand for it.
        """
        self._over[number] = self._over.get(number, 0) + 1
        if self._over[number] < TRIES:
            return None
        if self.lost is None:
            raise OSError(
                f"{TRIES} workers died over {getattr(task, 'source', task)} (the last {how}): {self.advice}; else that "
                "file may be damaged, and has to be taken out of the raw folder"
            )
        return (self.lost(task, how),)

    def again(self, waiting: deque[int], number: int) -> None:
        """Put a task over which a worker died back: last, where something may stand for it, else first.

        Last, for what killed the worker has then had time to pass. First, for who cannot do without the answer may be
        holding all later ones back.
        """
        if self.lost is None:
            waiting.appendleft(number)
        else:
            waiting.append(number)
