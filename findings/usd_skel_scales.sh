#!/usr/bin/env bash
# usd-core 26.11: a SkelAnimation that lacks one of its three attributes, say `scales` because nothing is scaled, does not
# move: the skeleton stays in its rest pose at every time, although the animation is bound and its query is valid. There is
# no error and no warning, none of the 30 validators that come with it says anything, and neither a scale of 1 nor the rest
# pose's translations are taken for what is missing. Always write all three for all joints, also where they never change.
# Prints where the end of an arm is for each set of attributes; exits with 1 if an incomplete one moves it.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet usd-core==26.11
cat > "$place/move.py" <<'PROGRAM'
import sys

from pxr import Gf, Usd, UsdGeom, UsdSkel, UsdValidation, Vt

JOINTS = ["shoulder", "shoulder/elbow", "shoulder/elbow/wrist"]
TURNED = Gf.Quatf(0.5**0.5, 0, 0, 0.5**0.5)  # 90 degrees about z
CASES = [("translations", "rotations", "scales"), ("translations", "rotations"), ("rotations", "scales"), ("rotations",)]


def arm(attributes):
    """An arm along x whose shoulder turns by 90 degrees from time 0 to time 10."""
    stage = Usd.Stage.CreateInMemory()
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
    UsdGeom.SetStageMetersPerUnit(stage, 1)
    root = UsdSkel.Root.Define(stage, "/arm")
    stage.SetDefaultPrim(root.GetPrim())
    skeleton, animation = UsdSkel.Skeleton.Define(stage, "/arm/bones"), UsdSkel.Animation.Define(stage, "/arm/turn")
    local = [Gf.Matrix4d(1).SetTranslate(Gf.Vec3d(0.3 * (index > 0), 0, 0)) for index in range(3)]
    skeleton.CreateJointsAttr(JOINTS)
    skeleton.CreateRestTransformsAttr(local)
    skeleton.CreateBindTransformsAttr([local[0], local[1], local[1] * local[1]])
    animation.CreateJointsAttr(JOINTS)
    if "translations" in attributes:
        animation.CreateTranslationsAttr([Gf.Vec3f(matrix.ExtractTranslation()) for matrix in local])
    if "scales" in attributes:
        animation.CreateScalesAttr([Gf.Vec3h(1)] * 3)
    still = Gf.Quatf.GetIdentity()
    for time, first in ((0, still), (10, TURNED)):
        animation.CreateRotationsAttr().Set(Vt.QuatfArray([first, still, still]), time)
    UsdSkel.BindingAPI.Apply(skeleton.GetPrim()).CreateAnimationSourceRel().SetTargets([animation.GetPath()])
    return stage, root, skeleton


validators = UsdValidation.ValidationRegistry().GetOrLoadAllValidators()
print("USD", Usd.GetVersion(), f"{len(validators)} validators")
ends = {}
for attributes in CASES:
    stage, root, skeleton = arm(attributes)
    cache = UsdSkel.Cache()
    cache.Populate(root, Usd.PrimDefaultPredicate)
    query = cache.GetSkelQuery(skeleton)
    at = {time: query.ComputeJointSkelTransforms(time)[2].ExtractTranslation() for time in (0, 5, 10)}
    ends[attributes] = at[10][1]
    said = [error.GetMessage() for error in UsdValidation.ValidationContext(validators).Validate(stage)]
    print(f"{', '.join(attributes)}: animation query {'valid' if query.GetAnimQuery() else 'none'}, validators say {said}")
    for time, (x, y, z) in at.items():
        print(f"  time {time:2}: wrist at {x:.2f} {y:.2f} {z:.2f}")
sys.exit(any(abs(y) > 1e-6 for attributes, y in ends.items() if attributes != CASES[0]) or ends[CASES[0]] < 0.5)
PROGRAM
"$python" "$place/move.py"
