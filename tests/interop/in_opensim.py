"""Markers of a TRC file, coordinates of a MOT, as OpenSim's own reader finds them: run by a Python that has it.

python in_opensim.py FILE OUT.npz
"""

import sys

import numpy as np
import opensim


def main(path, out):
    points = path.endswith(".trc")
    table = opensim.TimeSeriesTableVec3(path) if points else opensim.TimeSeriesTable(path)
    names, times = list(table.getColumnLabels()), list(table.getIndependentColumn())
    rows = [
        [[row[c][axis] for axis in range(3)] if points else row[c] for c in range(len(names))]
        for row in map(table.getRowAtIndex, range(len(times)))
    ]
    units = table.getTableMetaDataString("Units" if points else "inDegrees")
    np.savez(out, names=names, times=times, joints=np.array(rows), units=units)


if __name__ == "__main__":
    main(*sys.argv[1:])
