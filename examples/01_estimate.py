"""Estimate everyone's motion in a video: python 01_estimate.py [VIDEO]."""

import sys
from pathlib import Path

import vibe

video = Path(sys.argv[1] if len(sys.argv) > 1 else "dance.mp4")
result = vibe.estimate(video)
for number, person in result.numbered():
    print(f"person {number}: {len(person)} frames from {person.times[0]:.2f} to {person.times[-1]:.2f} s")
for note in result.notes:
    print("note:", note)
result.save("motion.npz")
