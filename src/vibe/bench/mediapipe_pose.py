"""MediaPipe's own pose solution over a video: one person, no body, no 3D motion; for a ratio beside vibe's figures.

A program of its own, for MediaPipe's packages do not go together with ours: `PYTHON mediapipe_pose.py VIDEO` writes
frames, seconds and frames with a person as JSON. Nothing of vibe is imported.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any


def measure_mediapipe(path: str) -> dict[str, float]:
    """Every frame decoded, turned into RGB and read, at the solution's default settings."""
    import cv2
    import mediapipe  # pyright: ignore[reportMissingImports]

    solutions: Any = mediapipe.solutions
    video = cv2.VideoCapture(path)
    frames = found = 0
    with solutions.pose.Pose() as pose:
        began = time.perf_counter()
        while True:
            more, picture = video.read()
            if not more:
                break
            seen = pose.process(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
            frames += 1
            found += seen.pose_landmarks is not None
        return {"frames": frames, "seconds": time.perf_counter() - began, "found": found}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure_mediapipe(sys.argv[1])) + "\n")
