"""Film and picture of a motion: python 05_render.py [MOTION] [VIDEO]."""

import sys

import vibe

motion, video = (sys.argv[1:] + ["motion.npz", "dance.mp4"][len(sys.argv) - 1 :])[:2]
result = vibe.load(motion)
vibe.render(result, "overlay.mp4", video)
vibe.render(result, "side.png", video, layout="beside", view="side")
print("overlay.mp4, side.png")
