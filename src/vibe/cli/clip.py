"""`vibe make-clip`: the demo's video."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from vibe.cli.say import DONE


def make_clip(out: Annotated[Positional[Path], arg(metavar="OUT.mp4")], /) -> int:
    """Make the short video of the demo: the open body walks and turns in front of a painted background.

    Args:
        out: The video file to write; replaced if it is there.
    """
    from vibe.data import clips

    out.parent.mkdir(parents=True, exist_ok=True)
    clips.make_clip(out)
    print(out)
    return DONE
