#!/usr/bin/env bash
# XDF, the recordings of Lab Streaming Layer: pyxdf 1.17.0 replaces a stream's times by evenly spaced ones unless told not to,
# and takes a pause for a break only if it lasts more than 1 s AND more than 500 samples. At 30 frames a second a body that
# was away for 10 s is spread over the whole recording: times are up to 5 s off against the other streams, the pause is gone,
# and no warning is given but one line about the rate. Read with dejitter_timestamps=False, or jitter_break_threshold_samples=1.
# Prints what comes back of one file by each; exits with 1 if the pause is kept without being asked for.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet pyxdf==1.17.0 numpy==2.4.6
cat > "$place/pause.py" <<'PROGRAM'
import struct
import sys
from importlib.metadata import version

import numpy as np
import pyxdf

RATE, SECONDS, PAUSE = 30, 20, 10.0
times = np.arange(RATE * SECONDS) / RATE
times[len(times) // 2 :] += PAUSE  # nothing is sent for 10 s in the middle


def chunk(tag, content):
    return b"\x04" + struct.pack("<IH", len(content) + 2, tag) + content


def write_xdf(path):
    """One stream with one channel, whose value is the true time of each sample."""
    stream = struct.pack("<I", 1)
    head = {"name": "hips", "type": "MoCap", "channel_count": 1, "nominal_srate": RATE, "channel_format": "double64"}
    tail = {"first_timestamp": times[0], "last_timestamp": times[-1], "sample_count": len(times)}
    head, tail = ("<info>" + "".join(f"<{key}>{value}</{key}>" for key, value in part.items()) + "</info>" for part in (head, tail))
    samples = b"".join(b"\x08" + struct.pack("<dd", time, time) for time in times)
    with open(path, "wb") as file:
        file.write(b"XDF:" + chunk(1, b"<info><version>1.0</version></info>") + chunk(2, stream + head.encode()))
        file.write(chunk(3, stream + b"\x04" + struct.pack("<I", len(times)) + samples) + chunk(6, stream + tail.encode()))


print("pyxdf", version("pyxdf"), f"{len(times)} samples, {RATE} a second, a pause of {PAUSE:.0f} s in the middle")
write_xdf("hips.xdf")
off = {}
for options in ({}, {"jitter_break_threshold_samples": 1}, {"dejitter_timestamps": False}):
    (stream,), _ = pyxdf.load_xdf("hips.xdf", **options)
    stamps, truth = stream["time_stamps"], stream["time_series"][:, 0]
    off[str(options)] = np.abs(stamps - truth).max()
    print(f"{options}: longest step {np.diff(stamps).max():.3f} s, rate {stream['info']['effective_srate']:.2f}, "
          f"times off by up to {off[str(options)]:.3f} s")
assert list(off.values())[1] < 0.01 and list(off.values())[2] < 0.01
sys.exit(bool(off["{}"] < 0.1))
PROGRAM
cd "$place"
"$python" pause.py
