"""Work whose worker kills its own process; for tests only. Light, since every worker imports it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vibe.spread import Seat


def killed_once(
    flag: Path, at: str, source: Path, frames: Sequence[int], images: Sequence[str]
) -> Iterator[tuple[int, Any]]:
    """Pictures as always, but the first process that has read one of the source `at` dies."""
    from vibe.data.pictures import read_pictures

    for place, rgb in read_pictures(source, frames, images):
        if source.name == at and not flag.exists():
            flag.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        yield place, rgb


def begin_doubling(folder: Path, deaths: int, seat: Seat) -> Callable[[int], int]:
    """A worker that doubles numbers; over 3 as many die as it is told, and 5 it refuses."""

    def double(number: int) -> int:
        if number == 3 and len(list(folder.iterdir())) < deaths:
            (folder / str(os.getpid())).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if number == 5:
            raise ValueError("5 is refused")
        return 2 * number

    return double


def begin_telling(seat: Seat) -> Callable[[str], int]:
    """A worker that tells what it is given, and answers with the number of its seat."""

    def work(word: str) -> int:
        seat.tell(word)
        return seat.number

    return work


def begin_dying(seat: Seat) -> Callable[[int], int]:
    """A worker that dies as it begins."""
    os._exit(7)


def begin_sleeping(folder: Path, seat: Seat) -> Callable[[int], None]:
    """A worker that leaves its process's number and then sleeps."""

    def sleep(_: int) -> None:
        (folder / f"{os.getpid()}.pid").touch()
        time.sleep(60)

    return sleep


def begin_slowly(folder: Path, seat: Seat) -> Callable[[int], int]:
    """A worker that takes its time to double numbers, and leaves a file for each."""
    folder.mkdir(exist_ok=True)

    def double(number: int) -> int:
        time.sleep(0.3)
        (folder / f"{number}-{os.getpid()}-{time.monotonic_ns()}").touch()
        return 2 * number

    return double
