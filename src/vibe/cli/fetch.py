"""`vibe fetch`: the model files that find people."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from tyro.conf import arg

from vibe.cli.say import DONE


def fetch(into: Annotated[Path | None, arg(metavar="FOLDER", help_behavior_hint="")] = None) -> int:
    """Download the two model files that find people and their 2D keypoints, and check them.

    They come out of a Python package (mediapipe, Apache-2.0) of which nothing is installed; 36 MB are downloaded, 9 MB
    kept. Needed once; does nothing where they are already. The only command that needs a network.

    Args:
        into: Where to keep them. If not given, the folder in the environment variable VIBE_HOME, or the user's data
            folder.
    """
    from vibe import assets

    for path in assets.fetch(into):
        print(path)
    return DONE
