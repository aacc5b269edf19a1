"""A person detector of your own: python 07_own_detector.py [VIDEO].

Anything that takes an RGB picture and gives `Detections` will do; this one asks the shipped detector and drops whoever
it is not sure of.
"""

import sys

import vibe
from vibe.tracking.detector import BlazePoseDetector, Detections

shipped = BlazePoseDetector()


def sure(rgb) -> Detections:
    """Those people whom the shipped detector gives a score of 0.7 or more."""
    found = shipped(rgb)
    kept = found.score >= 0.7
    return Detections(*(part if part is None else part[kept] for part in vars(found).values()))


result = vibe.estimate(sys.argv[1] if len(sys.argv) > 1 else "dance.mp4", detector=sure)
print(len(result), "people")
