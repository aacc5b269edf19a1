#!/usr/bin/env bash
# trc-data-reader 0.4.1 writes an unseen marker as empty cells, which is the usual way and which OpenSim 4.6 reads as NaN, but
# splits a row at any white space when it reads: the empty cells vanish, the markers after the gap move to the left by one
# each, and the last ones become NaN. Its own files come back with other markers' places under a marker's name, without a
# word. It also rounds times to milliseconds, so at 120 frames a second the steps are 8 and 9 ms.
# Fill gaps with the text "nan" before this reader sees a file; it does read that.
# Prints what both read of one file; exits with 1 if they agree.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet trc-data-reader==0.4.1 opensim==4.6
cat > "$place/gap.py" <<'PROGRAM'
import sys
from importlib.metadata import version

import numpy as np
import opensim
import trc

FRAMES, RATE, NAMES = 5, 120.0, ["knee", "ankle", "toe"]
places = np.zeros((FRAMES, 3, 3))
places[..., 1] = [0.5, 0.1, 0.02]  # heights in metres
places[..., 0] = np.arange(FRAMES)[:, None] / 10
places[2, 1] = np.nan  # the ankle is not seen in frame 3


def write(path):
    data = trc.TRCData(PathFileType=4, DataFormat="(X/Y/Z)", FileName=path, Units="m", Markers=NAMES, NumMarkers=len(NAMES))
    data.update(dict.fromkeys(("DataRate", "CameraRate", "OrigDataRate"), RATE), NumFrames=FRAMES, OrigNumFrames=FRAMES)
    data.update(OrigDataStartFrame=1, **{"Frame#": list(range(1, FRAMES + 1))})
    data.update({index + 1: (index / RATE, row.tolist()) for index, row in enumerate(places)})
    data.save(path, add_trailing_tab=True)


def by_trc_data_reader(path):
    data = trc.TRCData()
    data.load(path)
    return data["Time"], np.array([data[name] for name in NAMES]).swapaxes(0, 1)


def by_opensim(path):
    table = opensim.TimeSeriesTableVec3(path)
    rows = [table.getRowAtIndex(index) for index in range(table.getNumRows())]
    return list(table.getIndependentColumn()), np.array([[row[k].to_numpy() for k in range(len(NAMES))] for row in rows])


write("leg.trc")
print("trc-data-reader", version("trc-data-reader"), "OpenSim", opensim.GetVersion())
print("written at frame 3:", dict(zip(NAMES, places[2].tolist(), strict=True)))
read = {}
for reader in (by_trc_data_reader, by_opensim):
    times, read[reader] = reader("leg.trc")
    print(f"{reader.__name__}: {dict(zip(NAMES, read[reader][2].round(5).tolist(), strict=True))}, times {times}")
assert np.allclose(read[by_opensim], places, equal_nan=True)
sys.exit(np.allclose(*read.values(), equal_nan=True))
PROGRAM
cd "$place"
"$python" gap.py
