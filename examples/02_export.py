"""Write a motion for Blender, game engines and spreadsheets: python 02_export.py [MOTION]."""

import sys

import vibe

result = vibe.load(sys.argv[1] if len(sys.argv) > 1 else "motion.npz")
for path, options in {
    "dance.bvh": {"to": "bvh", "unit": "m"},
    "dance.glb": {"to": "glb"},
    "dance.csv": {"to": "csv", "up": "z"},
    "dance_amass.npz": {"to": "amass", "fps": 30.0},
}.items():
    exported = vibe.export(result, path, **options)
    print(*exported.files)
    for note in exported.notes:
        print("  note:", note)
