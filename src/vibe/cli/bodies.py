"""Which body a motion was made with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vibe.body import Body
    from vibe.records import Weights


def body_of(origin: Weights, body: str | None = None) -> Body:
    """The body of this name and SHA-256: the one that `--body` names, else the open body or the user's SMPL.

    Raises FileNotFoundError or ValueError, with what to do, if that body is not here.
    """
    from vibe.body import load_body
    from vibe.pipeline import BODIES

    if body is not None and body not in BODIES:
        return load_body(Path(body))
    for load in BODIES.values():
        try:
            found = load()
        except FileNotFoundError:
            continue
        if found.origin.sha256 == origin.sha256:
            return found
    raise FileNotFoundError(
        f"the motion was made with the body {origin.name} (SHA-256 {origin.sha256[:12]}...), which is not here: name "
        "its file with --body, or run `vibe assets add` on the SMPL file that it was made with"
    )
