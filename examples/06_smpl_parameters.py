"""SMPL's parameters as PyTorch tensors, posed by the body model: python 06_smpl_parameters.py [MOTION].

The arguments are those of any SMPL implementation: global_orient, body_pose, betas and transl. Here the open body poses
them; `vibe.load_body("smpl")` is your own SMPL file.
"""

import sys

import torch

import vibe
from vibe.body import vertices

person = vibe.load(sys.argv[1] if len(sys.argv) > 1 else "motion.npz").people[0]
arguments = {name: torch.as_tensor(getattr(person, name)) for name in ("global_orient", "body_pose", "transl")}
arguments["betas"] = torch.as_tensor(person.smpl.betas)
print({name: tuple(value.shape) for name, value in arguments.items()})

body = vibe.load_body()
surface = vertices(body, torch.as_tensor(person.smpl.rotmat), arguments["betas"]) + arguments["transl"][:, None]
print("surface:", tuple(surface.shape), "metres, in the camera's frame")
