"""The loop between what comes and what goes out, with quick and slow stand-ins for the work."""

import time
from collections.abc import Iterator

import numpy as np
import pytest

from vibe.live.pose import LiveEstimator, LivePoses, LiveTracker, TrackedFrame, run_live
from vibe.live.source import LiveFrame, LiveSource


class Glance(LiveTracker):
    """Sees nobody, at once."""

    def __init__(self) -> None:
        self.count = 0
        self.closed = False

    def step(self, time, rgb) -> TrackedFrame:
        self.count += 1
        return TrackedFrame(self.count - 1, time, (), {})

    def close(self) -> None:
        self.closed = True


class Thought(LiveEstimator):
    """Answers for the frame before the newest, after a while."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.told: list[TrackedFrame] = []

    def add(self, sighting) -> None:
        self.told.append(sighting)

    def estimate(self) -> LivePoses | None:
        time.sleep(self.seconds)
        return LivePoses(self.told[-2].index, self.told[-2].time, ()) if len(self.told) > 1 else None


class Notebook:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.answers: list[tuple[LivePoses, LiveFrame, float]] = []

    def put(self, poses: LivePoses, frame: LiveFrame, delay_ms: float) -> None:
        self.answers.append((poses, frame, delay_ms))


def numbered(count: int, fps: float = 100.0, error: Exception | None = None) -> LiveSource:
    """Pictures whose brightness is their number."""

    def pictures() -> Iterator[tuple[float, np.ndarray]]:
        for index in range(count):
            yield index / fps, np.full((4, 4, 3), index, np.uint8)
        if error:
            raise error

    return LiveSource("numbers", 4, 4, pictures(), lambda: None, True)


def test_an_answer_comes_with_its_own_picture_and_the_time_since_that_arrived():
    notes, watch = Notebook(), Glance()
    delays, left_out = run_live(numbered(20), watch, Thought(), [notes], 1)
    assert notes.answers and len(notes.answers) == delays.answers and watch.closed
    for moment, shot, delay_ms in notes.answers:
        assert shot.time == moment.time and delay_ms >= 10 - 1e-6, "a frame later, and these come every 10 ms"
    assert delays.answers + left_out >= 19 - 1


def test_who_is_slow_answers_for_the_newest_frame_and_leaves_the_others_out():
    notes = Notebook()
    delays, left_out = run_live(numbered(200), Glance(), Thought(0.05), [notes], 1)
    assert 3 <= delays.answers < 130 and delays.answers + left_out >= 198
    assert notes.answers[-1][2] < 4000, "answers don't queue up: the last of a queue would be 8 s late"


def test_it_ends_after_the_seconds_that_were_asked_for():
    watch, began = Glance(), time.monotonic()
    run_live(numbered(2000), watch, Thought(), [], 1, seconds=0.3)
    assert 0.3 <= time.monotonic() - began < 2000 / 100 and watch.closed


def test_a_source_that_fails_on_the_way_is_an_error_after_the_last_answer():
    notes = Notebook()
    with pytest.raises(OSError, match=r"numbers failed \(the lens fell off\)"):
        run_live(numbered(5, error=ValueError("the lens fell off")), Glance(), Thought(), [notes], 1)
    assert notes.answers


def test_a_fault_of_the_watch_is_not_swallowed():
    class Broken(Glance):
        def step(self, time, rgb) -> TrackedFrame:
            raise ZeroDivisionError("ours")

    watch = Broken()
    with pytest.raises(ZeroDivisionError, match="ours"):
        run_live(numbered(5), watch, Thought(), [], 1)
    assert watch.closed


def test_a_reader_who_left_ends_it():
    class Gone(Notebook):
        def put(self, poses: LivePoses, frame: LiveFrame, delay_ms: float) -> None:
            raise BrokenPipeError("the reader left")

    with pytest.raises(BrokenPipeError):
        run_live(numbered(500), Glance(), Thought(), [Gone()], 1)
