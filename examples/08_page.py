"""A page that plays a motion beside its video, one file that needs no network: python 08_page.py [MOTION] [VIDEO]."""

import sys

import vibe

motion, video = (sys.argv[1:] + ["motion.npz", "dance.mp4"][len(sys.argv) - 1 :])[:2]
print(vibe.view(vibe.load(motion), "page.html", video))
