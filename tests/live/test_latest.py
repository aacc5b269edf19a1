"""The newest thing, or nothing."""

import threading

import pytest

from vibe.live.source import Latest


def test_only_the_newest_is_taken_and_the_others_are_counted():
    box: Latest[int] = Latest()
    for number in range(5):
        box.put(number)
    assert box.take() == 4 and box.dropped == 4


def test_who_takes_waits_for_who_puts():
    box: Latest[str] = Latest()
    threading.Timer(0.05, box.put, ["late"]).start()
    assert box.take(5) == "late"


def test_nothing_comes_after_the_end_and_the_last_thing_comes_before_it():
    box: Latest[int] = Latest()
    box.put(1)
    box.close()
    box.put(2)
    assert (box.take(), box.take()) == (1, None)


def test_the_error_that_ended_it_is_raised_after_the_last_thing():
    box: Latest[int] = Latest()
    box.put(1)
    box.close(OSError("unplugged"))
    assert box.take() == 1
    with pytest.raises(OSError, match="unplugged"):
        box.take()


def test_waiting_has_an_end():
    with pytest.raises(TimeoutError, match=r"0\.01 s"):
        Latest().take(0.01)
