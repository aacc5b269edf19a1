"""Every data set that `vibe prepare` knows, by the name that it has there."""

from __future__ import annotations

from vibe.data.recording import RawSet
from vibe.data.sets.aist import AIST, AIST_VIDEOS
from vibe.data.sets.amass import AMASS, AMASS_LIKE
from vibe.data.sets.bvh import BANDAI, STYLE100
from vibe.data.sets.cmu import CMU
from vibe.data.sets.emdb import EMDB_1, EMDB_2
from vibe.data.sets.human36m import HUMAN36M
from vibe.data.sets.insta_variety import INSTA_VARIETY
from vibe.data.sets.mpi_inf_3dhp import MPI_INF_3DHP, MPI_INF_3DHP_ALL
from vibe.data.sets.penn_action import PENN_ACTION
from vibe.data.sets.posetrack import POSETRACK
from vibe.data.sets.threedpw import THREEDPW
from vibe.data.sets.videos import KINETICS, VIDEOS

SETS: dict[str, RawSet] = {
    "3dpw": THREEDPW,
    "emdb-1": EMDB_1,
    "emdb-2": EMDB_2,
    "mpi-inf-3dhp": MPI_INF_3DHP,
    "mpi-inf-3dhp-all": MPI_INF_3DHP_ALL,
    "h36m": HUMAN36M,
    "insta-variety": INSTA_VARIETY,
    "penn-action": PENN_ACTION,
    "posetrack": POSETRACK,
    "kinetics": KINETICS,
    "videos": VIDEOS,
    "amass": AMASS,
    "amass-like": AMASS_LIKE,
    "cmu": CMU,
    "100style": STYLE100,
    "bandai": BANDAI,
    "aist": AIST,
    "aist-videos": AIST_VIDEOS,
}
