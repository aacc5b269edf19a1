"""Load the models once for many videos, with other settings than the default: python 04_many_videos.py VIDEO ..."""

import sys
from pathlib import Path

import vibe

estimator = vibe.load_estimator(smoothing="strong", fov_deg=70.0)
for video in map(Path, sys.argv[1:] or ["dance.mp4"]):
    result = estimator.estimate(video)
    result.save(f"{video.stem}.npz")
    print(video.name, len(result), "people")
