"""USD: everybody as a skinned, moving body, and the camera; needs the extra `usd`."""

from __future__ import annotations

import tempfile
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import roma

from vibe import __version__, assets
from vibe.body import Body, rest_vertices
from vibe.body.lbs import influences
from vibe.body.mesh import vertex_normals
from vibe.errors import missing_extra
from vibe.export.gltf import R_CAM_GLTF, linear_colour
from vibe.motion.scene import Character, Scene, turned_at_rest
from vibe.rotations import continuous
from vibe.skeletons import SMPL, SMPL_PARENTS

SUFFIXES = {".usd": ".usdc", ".usdc": ".usdc", ".usda": ".usda", ".usdz": ".usdc"}
"""What a file may end in, and the form that its scene is written in: binary or text."""
INFLUENCES = 8
"""Joints that may carry a vertex: what Unreal reads."""
FILM = 0.36
"""Width of the film in tenths of a metre, USD's unit: 36 mm, so that the focal length is a photographer's."""
FAR = 1000.0


def write_usd(path: Path, stage: Scene, body: Body) -> None:
    """Everybody, written whole or not at all; raises OSError, and ValueError for another suffix or without the extra.

    Below `/World`, for each person a `SkelRoot` with a mesh, a skeleton of SMPL's joints in the T-pose, upright in the
    stage's axes, and its animation; a time code is a frame of the stage. A vertex follows its eight strongest joints.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{path} is no name of a USD file: let it end in {', '.join(SUFFIXES)}")
    Sdf, Tf, Usd, UsdUtils = _pxr("Sdf", "Tf", "Usd", "UsdUtils")
    with tempfile.TemporaryDirectory() as folder:
        scene = Path(folder) / f"{path.stem}{SUFFIXES[path.suffix.lower()]}"
        try:
            layer = Sdf.Layer.CreateNew(str(scene))
            _fill(Usd.Stage.Open(layer), stage, body)
            layer.Save()
            if path.suffix.lower() == ".usdz":
                packed = scene.with_suffix(".usdz")
                UsdUtils.CreateNewUsdzPackage(str(scene), str(packed))
                scene = packed
        except Tf.ErrorException as error:
            raise OSError(f"{path} could not be written: {error}") from error
        assets.write_whole(path, scene.read_bytes())


def _pxr(*names: str) -> list[ModuleType]:
    """Modules of Pixar's package, which has no types; raises ImportError where it is not installed."""
    try:
        return [import_module(f"pxr.{name}") for name in names]
    except ImportError as error:
        raise missing_extra("USD", "usd-core", "usd") from error


def _fill(scene: Any, stage: Scene, body: Body) -> None:
    (UsdGeom,) = _pxr("UsdGeom")

    scene.SetMetadata("comment", f"vibe {__version__}: metres, {stage.up} up, a time code is a frame")
    scene.GetRootLayer().customLayerData = {
        "units": "metres, radians; time codes are frames",
        "axes": f"right-handed, {stage.up} up",
        "joints": "SMPL's 24",
        "video": stage.video,
        "start_seconds": stage.start,
        "body": {"name": stage.body.name, "sha256": stage.body.sha256, "licence": body.origin.licence},
    }
    UsdGeom.SetStageUpAxis(scene, stage.up.upper())
    UsdGeom.SetStageMetersPerUnit(scene, UsdGeom.LinearUnits.meters)
    scene.SetTimeCodesPerSecond(stage.fps)
    scene.SetFramesPerSecond(stage.fps)
    scene.SetStartTimeCode(0)
    scene.SetEndTimeCode(max(actor.first + len(actor.joints) for actor in stage.actors) - 1)
    world = UsdGeom.Xform.Define(scene, "/World")
    scene.SetDefaultPrim(world.GetPrim())
    world.GetPrim().SetKind("assembly")
    for actor in stage.actors:
        _person(scene, stage, actor, body)
    if stage.t_stage_cam is not None:
        _camera(scene, stage, stage.t_stage_cam.numpy())


def _person(scene: Any, stage: Scene, actor: Character, body: Body) -> None:
    """A skeleton, the skin that follows it and the motion."""
    Gf, Sdf, UsdSkel, Vt = _pxr("Gf", "Sdf", "UsdSkel", "Vt")

    number = actor.number  # in every name: Blender's are without the path
    place = f"/World/person_{number}"
    root = UsdSkel.Root.Define(scene, place)
    root.GetPrim().SetKind("component")
    root.GetPrim().SetCustomData(
        {"person": actor.number, "first_frame": actor.first, "betas": Vt.DoubleArray(actor.betas.tolist())}
    )
    rest, steps = ((at @ stage.R_stage_rest.mT).numpy().astype(np.float64) for at in (actor.rest, actor.steps))
    skeleton = UsdSkel.Skeleton.Define(scene, f"{place}/skeleton_{number}")
    skeleton.CreateJointsAttr(_joints())
    skeleton.CreateJointNamesAttr(list(SMPL))
    bind, at_rest = ([Gf.Matrix4d(1).SetTranslate(Gf.Vec3d(*to.tolist())) for to in places] for places in (rest, steps))
    skeleton.CreateBindTransformsAttr(Vt.Matrix4dArray(bind))
    skeleton.CreateRestTransformsAttr(Vt.Matrix4dArray(at_rest))
    motion = _motion(scene, f"{place}/skeleton_{number}/motion_{number}", stage, actor, steps)
    UsdSkel.BindingAPI.Apply(skeleton.GetPrim()).CreateAnimationSourceRel().SetTargets([motion])
    surface = (rest_vertices(body, actor.betas) @ stage.R_stage_rest.mT).numpy()
    mesh = _mesh(scene, f"{place}/skin_{number}", surface, body.faces.numpy())
    binding = UsdSkel.BindingAPI.Apply(mesh.GetPrim())
    binding.CreateSkeletonRel().SetTargets([Sdf.Path(f"{place}/skeleton_{number}")])
    binding.CreateGeomBindTransformAttr(Gf.Matrix4d(1))
    joints, weights = influences(body.weights, INFLUENCES)
    most = weights.shape[1]
    indices = binding.CreateJointIndicesPrimvar(False, most)
    indices.Set(Vt.IntArray.FromNumpy(joints.numpy().astype(np.int32).ravel()))
    binding.CreateJointWeightsPrimvar(False, most).Set(Vt.FloatArray.FromNumpy(weights.numpy().ravel()))
    root.CreateExtentAttr(_extent(np.concatenate([(actor.joints - 0.3).numpy(), (actor.joints + 0.3).numpy()])))
    _paint(scene, f"{place}/colour_{number}", mesh, linear_colour(actor.number))


def _joints() -> list[str]:
    """Every joint as the path to it from the pelvis."""
    paths: list[str] = []
    for name, parent in zip(SMPL, SMPL_PARENTS, strict=True):
        paths.append(name if parent < 0 else f"{paths[parent]}/{name}")
    return paths


def _motion(scene: Any, place: str, stage: Scene, actor: Character, steps: np.ndarray) -> Any:
    """Rotations of all joints and the place of the pelvis in every frame; the path of the animation."""
    UsdSkel, Vt = _pxr("UsdSkel", "Vt")

    motion = UsdSkel.Animation.Define(scene, place)
    motion.CreateJointsAttr(_joints())
    motion.CreateScalesAttr(Vt.Vec3hArray.FromNumpy(np.ones((len(SMPL), 3), np.float16)))
    turns = continuous(roma.rotmat_to_unitquat(turned_at_rest(stage, actor))).numpy()
    places = np.tile(steps.astype(np.float32), (len(actor.joints), 1, 1))
    places[:, 0] = actor.joints[:, 0].numpy()
    translations, rotations = motion.CreateTranslationsAttr(), motion.CreateRotationsAttr()
    for frame, (to, turn) in enumerate(zip(places, turns, strict=True), start=actor.first):
        translations.Set(Vt.Vec3fArray.FromNumpy(to), frame)
        rotations.Set(Vt.QuatfArray.FromNumpy(turn), frame)
    return motion.GetPath()


def _mesh(scene: Any, place: str, surface: np.ndarray, faces: np.ndarray) -> Any:
    """The body at rest."""
    UsdGeom, Vt = _pxr("UsdGeom", "Vt")

    mesh = UsdGeom.Mesh.Define(scene, place)
    mesh.CreatePointsAttr(Vt.Vec3fArray.FromNumpy(surface))
    mesh.CreateNormalsAttr(Vt.Vec3fArray.FromNumpy(vertex_normals(surface, faces)))
    mesh.SetNormalsInterpolation(UsdGeom.Tokens.vertex)
    mesh.CreateFaceVertexCountsAttr(Vt.IntArray.FromNumpy(np.full(len(faces), 3, np.int32)))
    mesh.CreateFaceVertexIndicesAttr(Vt.IntArray.FromNumpy(faces.astype(np.int32).ravel()))
    mesh.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    mesh.CreateExtentAttr(_extent(surface))
    return mesh


def _extent(points: np.ndarray) -> Any:
    (Vt,) = _pxr("Vt")

    flat = points.reshape(-1, 3)
    return Vt.Vec3fArray.FromNumpy(np.stack([flat.min(0), flat.max(0)]).astype(np.float32))


def _paint(scene: Any, place: str, mesh: Any, colour: tuple[float, float, float]) -> None:
    Gf, Sdf, UsdShade = _pxr("Gf", "Sdf", "UsdShade")

    mesh.CreateDisplayColorAttr([Gf.Vec3f(*colour)])
    material, shader = UsdShade.Material.Define(scene, place), UsdShade.Shader.Define(scene, f"{place}/surface")
    shader.CreateIdAttr("UsdPreviewSurface")
    shader.CreateInput("diffuseColor", Sdf.ValueTypeNames.Color3f).Set(Gf.Vec3f(*colour))
    shader.CreateInput("roughness", Sdf.ValueTypeNames.Float).Set(0.6)
    shader.CreateInput("metallic", Sdf.ValueTypeNames.Float).Set(0.0)
    material.CreateSurfaceOutput().ConnectToSource(shader.ConnectableAPI(), "surface")
    UsdShade.MaterialBindingAPI.Apply(mesh.GetPrim()).Bind(material)


def _camera(scene: Any, stage: Scene, place: np.ndarray) -> None:
    """The camera that the video was seen with."""
    Gf, UsdGeom = _pxr("Gf", "UsdGeom")

    (fx, _, cx), (_, fy, cy), _ = stage.camera.K_px.tolist()
    width, height = stage.camera.width, stage.camera.height
    tall = FILM * height / width * fx / fy
    camera = UsdGeom.Camera.Define(scene, "/World/camera")
    camera.CreateFocalLengthAttr(FILM * fx / width)
    camera.CreateHorizontalApertureAttr(FILM)
    camera.CreateVerticalApertureAttr(tall)
    camera.CreateHorizontalApertureOffsetAttr(FILM * (0.5 - cx / width))
    camera.CreateVerticalApertureOffsetAttr(tall * (cy / height - 0.5))
    camera.CreateClippingRangeAttr(Gf.Vec2f(0.01, FAR))
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = stage.R_stage_cam.numpy(), place
    camera.AddTransformOp().Set(Gf.Matrix4d((matrix @ R_CAM_GLTF).T.tolist()))
