"""edits.json (docs/conventions.md): written with one correction a line, read whole or refused with one sentence."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from vibe.assets.paths import write_whole
from vibe.edits.apply import EDITS
from vibe.edits.record import Edit, EditedVideo, Edits
from vibe.errors import shorten

FORMAT = "vibe-edits 1"
LARGEST = 4 << 20
"""Bytes of a file that is read."""
ADVICE = "mend it by docs/edit.md"
LIMITS = {"int": (1 << 31) - 1, "float": 1_000_000}
"""How large the numbers of an edit may be, to either side of zero."""
KINDS = {
    "int": f"a whole number of at most {LIMITS['int']}",
    "float": f"a number of at most {LIMITS['float']}",
    "str": "a text",
}
"""What the values of an edit may be, by the types of the functions' parameters."""


def write_edits(path: Path, edits: Edits) -> None:
    """Write them whole or not at all; raises OSError."""
    write_whole(path, edits_text(edits).encode("utf-8", "backslashreplace"))


def edits_text(edits: Edits) -> str:
    """The content of their file."""
    head = json.dumps({"format": FORMAT, "video": asdict(edits.video)}, indent=2)[:-2]
    rows = [json.dumps({"edit": each.kind, **each.values}, ensure_ascii=False) for each in edits.edits]
    lines = "\n    " + ",\n    ".join(rows) + "\n  " if rows else ""
    return f'{head},\n  "edits": [{lines}]\n}}\n'


def read_edits(path: Path, video: EditedVideo) -> Edits:
    """The corrections of a video from their file; raises OSError, or ValueError with what is wrong and what to do.

    A file of another video or of a later version is refused, and so is one with anything that no edit has.
    """
    with path.open("rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ValueError(f"{path} is no edits file: it has more than {LARGEST >> 20} MB")
    return parse_edits(content, video, str(path))


def parse_edits(content: bytes, video: EditedVideo, place: str) -> Edits:
    """The same of a file's content, which messages call `place`."""
    try:
        whole = json.loads(content.decode("utf-8-sig"), object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{place} is no JSON ({shorten(' '.join(str(error).split()))}): {ADVICE}") from error
    try:
        version = _only(whole, ("format", "video", "edits"))["format"]
        if version != FORMAT:
            later = isinstance(version, str) and re.fullmatch(r"vibe-edits \d{1,9}", version)
            what = "update vibe" if later else f"write {FORMAT!r} if you made it by hand"
            raise ValueError(f"its format is {shorten(ascii(version))}, this version of vibe reads {FORMAT!r}: {what}")
        if (its := _video(whole["video"])) != video:
            differing = [name for name, value in asdict(video).items() if getattr(its, name) != value]
            raise ValueError(f"it is of another video ({', '.join(differing)}): give the edits of this one")
        if not isinstance(whole["edits"], list):
            raise ValueError(f"its edits are no list: {ADVICE}")
        return Edits(video, tuple(_edit(number, each) for number, each in enumerate(whole["edits"], start=1)))
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error


def _edit(number: int, given: Any) -> Edit:
    """One correction; raises ValueError for what is none."""
    if not isinstance(given, dict) or given.get("edit") not in list(EDITS):
        kind = given.get("edit") if isinstance(given, dict) else given
        raise ValueError(f"edit {number} is {shorten(ascii(kind))}: there are {', '.join(EDITS)}")
    kind = given["edit"]
    known = list(inspect.signature(EDITS[kind]).parameters.values())[1:]
    wanted = [each for each in known if each.default is each.empty or each.name in given]
    try:
        values = _only(given, ("edit", *(each.name for each in wanted)))
    except ValueError as error:
        raise ValueError(f"edit {number}, {kind}: {error}") from error
    for each in wanted:
        if not _is(values[each.name], str(each.annotation)):
            told = f"{each.name} is {shorten(ascii(values[each.name]))}, not {KINDS[str(each.annotation)]}"
            raise ValueError(f"edit {number}, {kind}: {told}: {ADVICE}")
    return Edit(kind, {each.name: values[each.name] for each in wanted})


def _is(value: Any, kind: str) -> bool:
    """Whether a value is of the kind that a function's parameter says."""
    if isinstance(value, bool) or kind == "str":
        return kind == "str" and isinstance(value, str)
    number = isinstance(value, int) or (kind == "float" and isinstance(value, float))
    return number and abs(value) <= LIMITS[kind]


def _video(given: Any) -> EditedVideo:
    names = [field.name for field in fields(EditedVideo)]
    values = _only(given, names)
    if not isinstance(values["sha256"], str) or not all(_is(values[name], "int") for name in names[1:]):
        raise ValueError(f"its video is not told by {', '.join(names)}: {ADVICE}")
    return EditedVideo(**values)


def _only(given: Any, names: Sequence[str]) -> Mapping[str, Any]:
    """What has to be an object of these names and no other."""
    if not isinstance(given, dict):
        raise ValueError(f"{shorten(ascii(given))} stands where an object has to be: {ADVICE}")
    if lacking := [name for name in names if name not in given]:
        raise ValueError(f"it lacks {lacking[0]}: {ADVICE}")
    if unknown := [name for name in given if name not in names]:
        raise ValueError(f"it has {shorten(ascii(unknown[0]))}, which it may not: {ADVICE}")
    return given


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice in an object")
    return found


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON's")
