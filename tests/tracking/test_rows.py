"""Laws of the file that holds what no later frame asks for."""

from __future__ import annotations

import errno

import numpy as np
import pytest

from vibe.tracking import rows as module
from vibe.tracking.rows import ROW, Rows, with_block


def some(start, count):
    values = np.zeros(count, ROW)
    values["frame"] = np.arange(start, start + count)
    values["time"] = values["frame"] / 30
    values["keypoints_px"] = np.random.default_rng(start).random((count, 17, 3))
    values["region"] = np.random.default_rng(start + 1).random((count, 4))
    return values


@pytest.fixture(params=["in a file", "in memory", "beyond memory"])
def rows(request, tmp_path, monkeypatch):
    if request.param == "beyond memory":
        monkeypatch.setattr(module, "IN_MEMORY", 1000)
    made = Rows(tmp_path / "rows.bin" if request.param == "in a file" else None)
    yield made
    made.close()


@pytest.mark.parametrize("at_once", [3, 1000])
def test_rows_come_out_as_they_went_in(rows, at_once, monkeypatch):
    monkeypatch.setattr(module, "AT_ONCE", at_once)
    parts = [some(0, 5), some(100, 7), some(5, 4)]
    first, other, second = (rows.append(part) for part in parts)
    piece = rows.piece([first, second])
    whole = np.concatenate([parts[0], parts[2]])
    for values, name in zip((piece.frames, piece.times, piece.keypoints_px, piece.region), ROW.names, strict=True):
        assert np.array_equal(values, whole[name])
    assert np.array_equal(rows.piece([other]).frames, parts[1]["frame"])
    assert len(rows.piece([]).frames) == 0


def test_blocks_that_follow_each_other_are_one():
    assert with_block((), (0, 5)) == ((0, 5),)
    assert with_block(((0, 5),), (5, 2)) == ((0, 7),)
    assert with_block(((0, 5),), (6, 2)) == ((0, 5), (6, 2))


def test_rows_of_another_file_are_taken_over_if_they_are_as_they_were(rows, tmp_path):
    old = Rows(tmp_path / "old.bin")
    block = old.append(some(0, 50))
    count, crc = old.count, old.crc
    old.append(some(50, 5))
    rows.take_over(tmp_path / "old.bin", count, crc)
    assert (rows.count, rows.crc) == (count, crc)
    assert np.array_equal(rows.piece([block]).keypoints_px, old.piece([block]).keypoints_px)


@pytest.mark.parametrize(("count", "wrong"), [(50, 1), (60, 0)])
def test_rows_that_are_not_as_they_were_are_refused(rows, tmp_path, count, wrong):
    old = Rows(tmp_path / "old.bin")
    old.append(some(0, 50))
    with pytest.raises(ValueError, match="old.bin"):
        rows.take_over(tmp_path / "old.bin", count, old.crc + wrong)


def test_a_full_disk_is_named(tmp_path, monkeypatch):
    rows = Rows(tmp_path / "rows.bin")

    class Full:
        def seek(self, place):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(rows, "_file", Full())
    with pytest.raises(OSError, match="rows.bin"):
        rows.append(some(0, 3))
