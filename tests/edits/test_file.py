"""edits.json: what was written is read, and what is wrong is refused with one sentence."""

import json

import pytest

from vibe.edits.file import FORMAT, LARGEST, read_edits, write_edits
from vibe.edits.record import Edit, EditedVideo, Edits

VIDEO = EditedVideo("ab" * 32, 100, 640, 480)
EDITS = Edits(
    VIDEO,
    (
        Edit("swap_sides", {"person": 1, "first": 3, "last": 9}),
        Edit("name", {"person": 2, "name": "Ånna </script>"}),
        Edit("move_point", {"person": 1, "frame": 3, "point": "nose", "x_px": 1.5, "y_px": 2}),
        Edit("camera_still", {}),
        Edit("swap_sides", {"person": 1, "first": 3, "last": 9, "view": 2}),
    ),
)
GOOD = {"format": FORMAT, "video": vars(VIDEO), "edits": [{"edit": "delete", "person": 1}]}


def test_what_was_written_is_read_and_one_line_is_one_edit(tmp_path):
    for edits in (EDITS, Edits(VIDEO)):
        write_edits(tmp_path / "edits.json", edits)
        assert read_edits(tmp_path / "edits.json", VIDEO) == edits
    write_edits(tmp_path / "edits.json", EDITS)
    lines = (tmp_path / "edits.json").read_text(encoding="utf-8").splitlines()
    assert '    {"edit": "swap_sides", "person": 1, "first": 3, "last": 9},' in lines


def edit(**values):
    return {**GOOD, "edits": [{"edit": "delete", "person": 1}, values]}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is no JSON"),
        (b"\xff\xfe{", "is no JSON"),
        (b"[" * 100_000, "is no JSON"),
        (b'{"format": 1, "format": 2}', "a name stands twice"),
        (b'{"format": NaN}', "NaN is no number"),
        (b" " * (LARGEST + 1), "more than 4 MB"),
        ([], "stands where an object has to be"),
        ({}, "it lacks format"),
        ({**GOOD, "more": 1}, "it has 'more', which it may not"),
        ({**GOOD, "format": "vibe-edits 2"}, "its format is 'vibe-edits 2', .*: update vibe"),
        ({**GOOD, "format": ["x"]}, "write 'vibe-edits 1'"),
        ({**GOOD, "video": {**vars(VIDEO), "sha256": "cd" * 32}}, r"it is of another video \(sha256\)"),
        ({**GOOD, "video": {**vars(VIDEO), "frames": 99}}, r"it is of another video \(frames\)"),
        ({**GOOD, "video": {**vars(VIDEO), "frames": True}}, "its video is not told by"),
        ({**GOOD, "edits": {}}, "its edits are no list"),
        (edit(edit="fly", person=1), "edit 2 is 'fly': there are swap_sides"),
        (edit(edit=["delete"], person=1), "edit 2 is"),
        (edit(edit="delete"), "edit 2, delete: it lacks person"),
        (edit(edit="delete", person=1, frame=2), "edit 2, delete: it has 'frame', which it may not"),
        (edit(edit="delete", person=1, view=2), "edit 2, delete: it has 'view', which it may not"),
        (edit(edit="swap_sides", person=1, first=1, last=2, view="2"), "view is '2', not a whole number"),
        (edit(edit="delete", person=1.0), "edit 2, delete: person is 1.0, not a whole number"),
        (edit(edit="delete", person=True), "not a whole number"),
        (edit(edit="delete", person=10**40), "person is 10{40}, not a whole number of at most 2147483647"),
        (edit(edit="name", person=1, name=3), "name is 3, not a text"),
        (edit(edit="move_point", person=1, frame=0, point="nose", x_px="1", y_px=2), "x_px is '1', not a number"),
        (edit(edit="move_point", person=1, frame=0, point="nose", x_px=1e9, y_px=2), "not a number of at most 1000000"),
        (
            edit(edit="move_point", person=1, frame=0, point="nose", x_px=1, y_px=-1e300),
            "y_px is -1e\\+300, not a number of",
        ),
        (
            edit(edit="move_point", person=1, frame=0, point="nose", x_px=10**40, y_px=2),
            "not a number of at most 1000000",
        ),
        (edit(edit="delete"), "mend it by docs/edit.md"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(content, why, tmp_path):
    file = tmp_path / "edits.json"
    file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    with pytest.raises(ValueError, match=why) as said:
        read_edits(file, VIDEO)
    assert str(said.value).startswith(str(file)) and "\n" not in str(said.value) and len(str(said.value)) < 600
