"""Laws of a track: where it is parted, and that its pieces hold each frame once."""

from __future__ import annotations

import numpy as np
import pytest

from vibe.tracking.active_track import LEAST, ActiveTrack, person_from, person_state
from vibe.tracking.pose_model import Landmarks
from vibe.tracking.rows import Rows

BODY_PX = np.random.default_rng(0).uniform(0, 200, (17, 2))


def reading(x):
    region = np.array([100 + x, 100, 300, 0.0])
    return Landmarks(np.concatenate([BODY_PX + (x, 0), np.ones((17, 1))], 1), 1.0, region, region)


def look(colour):
    found = np.zeros(128)
    found[[colour, 64 + colour]] = 1
    return found


def followed(frames, contested, jumps_at=(), red_from=None, rows=None):
    """Somebody who walks on by two pixels a frame; their readings may jump aside, and their clothes turn red."""
    person, x = ActiveTrack(3, reading(0)), 0.0
    for frame in range(frames):
        x += 60 if frame in jumps_at else 2
        person.contested = frame in contested
        red = red_from is not None and frame >= red_from
        person.add(frame, frame / 30, reading(x), look(int(red)), look(0) if person.contested else None)
        if rows:
            person.settle(rows)
    return person


def lengths(person, rows):
    whole = person.stretch(rows)
    assert whole.count == sum(piece.count for piece in person.pieces)
    assert {piece.track for piece in person.pieces} == {3}
    return [piece.count for piece in person.pieces]


def test_a_track_is_parted_where_a_reading_jumps_or_changes_clothes_while_others_pass_and_nowhere_else():
    assert lengths(followed(60, range(20, 40), jumps_at=(10, 30, 50)), Rows()) == [30, 30]
    assert lengths(followed(60, range(20, 40), red_from=25), Rows()) == [25, 35]
    assert lengths(followed(60, (), jumps_at=(30,), red_from=10), Rows()) == [60]
    assert lengths(followed(60, range(60)), Rows()) == [60]


def test_what_a_piece_looked_like_is_what_was_seen_not_what_the_person_is_known_by():
    person = followed(60, range(20, 60), red_from=25)
    person.stretch(Rows())
    before, after = person.pieces
    np.testing.assert_allclose(before.last.look, look(0))
    np.testing.assert_allclose(after.first.look, look(1))
    np.testing.assert_allclose(person.look(), look(0))


@pytest.mark.parametrize("jump", [5, LEAST - 2, LEAST + 20, 700])
def test_frames_that_moved_to_the_rows_before_are_in_the_same_pieces(jump):
    rows = Rows()
    person = followed(800, range(800), jumps_at=(jump,), rows=rows)
    assert person.pieces and len(person.frames) < 800
    assert lengths(person, rows) == [jump, 800 - jump]
    frames = [rows.piece(piece.blocks).frames for piece in person.pieces]
    np.testing.assert_array_equal(np.concatenate(frames), np.arange(800))
    assert [piece.first.times[0] for piece in person.pieces] == [0, jump / 30]


def test_a_track_goes_on_from_its_state_as_if_it_had_not_stopped():
    rows = Rows()
    person = followed(400, range(400), jumps_at=(100, 390), rows=rows)
    again = person_from(person_state(person))
    assert lengths(again, rows) == [100, 290, 10]
