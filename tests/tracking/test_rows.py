"""Laws of the chunks that hold what no later frame asks for."""

from __future__ import annotations

import errno

import numpy as np
import pytest

from vibe import cache
from vibe.cache import StageCache
from vibe.tracking import rows as module
from vibe.tracking.rows import ROW, Rows, with_block


def some(start, count):
    values = np.zeros(count, ROW)
    values["frame"] = np.arange(start, start + count)
    values["time"] = values["frame"] / 30
    values["keypoints_px"] = np.random.default_rng(start).random((count, 17, 3))
    values["region"] = np.random.default_rng(start + 1).random((count, 4))
    values["landmarks"] = np.random.default_rng(start + 2).random((count, 33, 8))
    return values


@pytest.fixture(params=["in a folder", "in a temporary folder", "in memory"])
def rows(request, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 1000 if request.param == "in memory" else 3)
    made = Rows(StageCache(tmp_path) if request.param == "in a folder" else None)
    yield made
    made.close()


def test_rows_come_out_as_they_went_in(rows):
    parts = [some(0, 5), some(100, 7), some(5, 4)]
    first, other, second = (rows.append(part) for part in parts)
    piece = rows.piece([first, second])
    whole = np.concatenate([parts[0], parts[2]])
    columns = piece.frames, piece.times, piece.keypoints_px, piece.region, piece.landmarks
    for values, name in zip(columns, ROW.names, strict=True):
        assert np.array_equal(values, whole[name])
    assert np.array_equal(rows.piece([other]).frames, parts[1]["frame"])
    assert len(rows.piece([]).frames) == 0


def test_blocks_that_follow_each_other_are_one():
    assert with_block((), (0, 5)) == ((0, 5),)
    assert with_block(((0, 5),), (5, 2)) == ((0, 7),)
    assert with_block(((0, 5),), (6, 2)) == ((0, 5), (6, 2))


def test_rows_go_on_from_their_state_if_the_chunks_are_as_they_were(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 16)
    old, new = Rows(StageCache(tmp_path)), Rows(StageCache(tmp_path))
    block = old.append(some(0, 50))
    new.restore(old.state())
    old.append(some(50, 5))
    assert new.count == 50 and new.append(some(90, 7)) == (50, 7)
    assert np.array_equal(new.piece([block]).keypoints_px, old.piece([block]).keypoints_px)
    assert np.array_equal(new.piece([(48, 5)]).frames, [48, 49, 90, 91, 92])


@pytest.mark.parametrize("harm", ["gone", "cut off", "too few"])
def test_rows_that_are_not_as_they_were_are_refused(harm, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 16)
    old = Rows(StageCache(tmp_path))
    old.append(some(0, 50))
    state = old.state()
    chunk = sorted(tmp_path.rglob("*.safetensors"))[1]
    if harm == "gone":
        chunk.unlink()
    elif harm == "cut off":
        chunk.write_bytes(chunk.read_bytes()[:-1])
    else:
        state["count"] -= 1
    with pytest.raises(ValueError, match="chunk"):
        Rows(StageCache(tmp_path)).restore(state)


def test_a_full_disk_is_named(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device", "rows/000000")

    monkeypatch.setattr(cache, "write_whole", full)
    monkeypatch.setattr(module, "CHUNK", 2)
    with pytest.raises(OSError, match="rows/000000"):
        Rows(StageCache(tmp_path)).append(some(0, 3))
