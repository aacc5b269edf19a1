"""Markers of a TRC file as OpenSim's own reader finds them: run by a Python that has it, not by pytest.

python in_opensim.py FILE OUT.npz
"""

import sys

import numpy as np
import opensim


def main(path, out):
    table = opensim.TimeSeriesTableVec3(path)
    names, times = list(table.getColumnLabels()), list(table.getIndependentColumn())
    rows = [
        [[row[c][axis] for axis in range(3)] for c in range(len(names))]
        for row in map(table.getRowAtIndex, range(len(times)))
    ]
    units = table.getTableMetaDataString("Units")
    np.savez(out, names=names, times=times, joints=np.array(rows), units=units)


if __name__ == "__main__":
    main(*sys.argv[1:])
