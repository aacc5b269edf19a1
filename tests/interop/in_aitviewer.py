"""Joints of an AMASS file as aitviewer's own loader finds them: run by a Python that has it, not by pytest.

    python in_aitviewer.py FOLDER FILE OUT.npz

FOLDER is that of SMPL-H's models. Positions are the viewer's: metres, y up.
"""

import sys

import numpy as np
from aitviewer.configuration import CONFIG
from aitviewer.models.smpl import SMPLLayer
from aitviewer.renderables.smpl import SMPLSequence


def main(folder, path, out):
    CONFIG.update_conf({"smplx_models": folder})
    layer = SMPLLayer(model_type="smplh", gender="female", ext="npz", device=CONFIG.device)
    sequence = SMPLSequence.from_amass(path, smpl_layer=layer, log=False)
    turned = np.array(sequence.rotation)
    np.savez(out, joints=np.asarray(sequence.joints) @ turned.T, betas=np.asarray(sequence.betas))


if __name__ == "__main__":
    main(*sys.argv[1:])
