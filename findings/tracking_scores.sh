#!/usr/bin/env bash
# MOT's scores of one set of tracks: motmetrics 1.4.0 and TrackEval 1.3.0 agree on IDF1, not on the rest. motmetrics keeps
# pairing a person with the last track that it had, however long ago; TrackEval only with that of the frame before, so a
# person missed for a frame whom a second track then fits better costs two switches more: MOTA 0.6 instead of 0.8. And
# TrackEval counts a person who was not there for a frame (no truth, hence nothing to miss) as a fragmentation.
# Say whose MOTA, switches and fragmentations you give, and compare none across the two.
# Prints both for two cases; exits with 1 if they agree.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet motmetrics==1.4.0 trackeval==1.3.0 numpy==2.4.6 pandas==2.3.3
cat > "$place/score.py" <<'PROGRAM'
import contextlib
import io
import sys
from importlib.metadata import version

import motmetrics
import numpy as np
from trackeval.metrics import CLEAR, Identity

# Overlap (IoU) of each true person with each found track, frame by frame. Person 2 is there and found all the time.
SEEN = {1: {1: 0.9}, 2: {2: 0.9}}
AWAY = {2: {2: 0.9}}
MISSED = {1: {}, 2: {2: 0.9}}
TWICE = {1: {1: 0.6, 3: 0.8}, 2: {2: 0.9}}
CASES = {
    "is out of the picture for a frame": [SEEN, SEEN, AWAY, SEEN, SEEN],
    "is not found in a frame, then by two tracks": [SEEN, SEEN, MISSED, TWICE, SEEN],
}


def tables(frames):
    """For each frame: true people, found tracks, overlaps [people, tracks]."""
    for frame in frames:
        people, tracks = sorted(frame), sorted({track for seen in frame.values() for track in seen})
        overlaps = [[frame[who].get(track, 0.0) for track in tracks] for who in people]
        yield people, tracks, np.array(overlaps).reshape(len(people), len(tracks))


def by_motmetrics(frames):
    found = motmetrics.MOTAccumulator(auto_id=True)
    for people, tracks, overlaps in tables(frames):
        found.update(people, tracks, np.where(overlaps >= 0.5, 1 - overlaps, np.nan))
    names = ["idf1", "mota", "num_switches", "num_fragmentations"]
    return motmetrics.metrics.create().compute(found, metrics=names).iloc[0].tolist()


def by_trackeval(frames):
    rows = list(tables(frames))
    people, tracks = (sorted({name for row in rows for name in row[index]}) for index in (0, 1))
    data = {
        "gt_ids": [np.array([people.index(name) for name in row[0]], int) for row in rows],
        "tracker_ids": [np.array([tracks.index(name) for name in row[1]], int) for row in rows],
        "similarity_scores": [row[2] for row in rows],
        "num_timesteps": len(rows),
        "num_gt_ids": len(people),
        "num_tracker_ids": len(tracks),
        "num_gt_dets": sum(len(row[0]) for row in rows),
        "num_tracker_dets": sum(len(row[1]) for row in rows),
    }
    with contextlib.redirect_stdout(io.StringIO()):  # they tell their settings
        clear, identity = CLEAR().eval_sequence(data), Identity().eval_sequence(data)
    return [identity["IDF1"], clear["MOTA"], clear["IDSW"], clear["Frag"]]


print(*(f"{name} {version(name)}" for name in ("motmetrics", "trackeval", "numpy", "pandas")))
alike = 0
for case, frames in CASES.items():
    print(f"person 1 {case}:")
    read = [[round(float(number), 3) for number in score(frames)] for score in (by_motmetrics, by_trackeval)]
    for name, (idf1, mota, switches, breaks) in zip(("motmetrics", "TrackEval"), read, strict=True):
        print(f"  {name:10} IDF1 {idf1:.3f}, MOTA {mota:.3f}, switches {switches:.0f}, fragmentations {breaks:.0f}")
    alike += read[0] == read[1]
sys.exit(alike == len(CASES))
PROGRAM
"$python" "$place/score.py"
