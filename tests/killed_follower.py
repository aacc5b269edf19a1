"""Follows a film of boards slowly enough to be killed on the way: `python killed_follower.py FILM FOLDER OUT`."""

import sys
import time
from pathlib import Path

import boards
import numpy as np

from vibe import following

if __name__ == "__main__":
    film, folder, out = (Path(argument) for argument in sys.argv[1:])
    following.EVERY = 0.02
    clip, tracks, notes = following.follow(film, boards.detect, boards.Pose(), folder, lambda *done: time.sleep(0.001))
    arrays = {f"{n}/{name}": getattr(track, name).numpy() for n, track in enumerate(tracks) for name in vars(track)}
    np.savez(out, times=clip.timestamps.numpy(), notes=np.array(notes), **arrays)
