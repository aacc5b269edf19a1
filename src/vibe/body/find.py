"""Which body a motion was made with."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from vibe.body.load import BODIES, load_body
from vibe.body.record import Body
from vibe.records import Weights


def find_body(origin: Weights, body: Body | Path | str | None = None) -> Body:
    """The body of this name and SHA-256: the one that is given, else the open body or the user's SMPL.

    Raises FileNotFoundError, with what to do, if that body is not here, and ValueError if another one is given.
    """
    if body is None:
        return _held(origin.name, origin.sha256)
    found = body if isinstance(body, Body) else load_body(body)
    if found.origin.sha256 != origin.sha256:
        raise ValueError(
            f"the motion was made with the body {origin.name} (SHA-256 {origin.sha256[:12]}...), this one is "
            f"{found.origin.name} ({found.origin.sha256[:12]}...): give the same body"
        )
    return found


@lru_cache(maxsize=2)
def _held(name: str, sha256: str) -> Body:
    """The named body with this checksum, kept for the next to ask; one that is not here is looked for anew."""
    for each in BODIES:
        try:
            found = load_body(each)
        except FileNotFoundError:
            continue
        if found.origin.sha256 == sha256:
            return found
    raise FileNotFoundError(
        f"the motion was made with the body {name} (SHA-256 {sha256[:12]}...), which is not here: give its file (on "
        "the command line with --body), or run `vibe assets add` on the SMPL file that it was made with"
    )
