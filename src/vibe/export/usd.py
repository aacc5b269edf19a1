"""USD: everybody as a skinned, moving body, and the camera; needs the extra `usd`."""

from __future__ import annotations

import tempfile
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from vibe import __version__, assets
from vibe.body.pose import rest_vertices
from vibe.body.record import Body
from vibe.errors import needs_extra
from vibe.export.gltf import camera_matrices, linear_colours
from vibe.motion.scene import Character, Scene, turned_at_rest
from vibe.rotations import continuous, quaternions_from_rotmat

MODULES = ("Gf", "Sdf", "Tf", "Usd", "UsdGeom", "UsdShade", "UsdSkel", "UsdUtils", "Vt")
SUFFIXES = {".usd": ".usdc", ".usdc": ".usdc", ".usda": ".usda", ".usdz": ".usdc"}
"""What a file may end in, and the form that the stage is written in: binary or text."""
INFLUENCES = 8
"""Joints that may carry a vertex: what Unreal reads."""
FILM = 0.36
"""Width of the film in tenths of a metre, USD's unit: 36 mm, so that the focal length is a photographer's."""
FAR = 1000.0


def write_usd(path: Path, scene: Scene, body: Body) -> None:
    """Everybody, written whole or not at all; raises OSError, and ValueError for another suffix or without the extra.

    Below `/World`, for each person a `SkelRoot` with a mesh, a skeleton of SMPL's joints (SMPL-H's of who has fingers)
    in the T-pose, upright in the scene's axes, and its animation; a time code is a frame of the scene. A vertex follows
    its eight strongest joints.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{path} is no name of a USD file: let it end in {', '.join(SUFFIXES)}")
    with needs_extra("USD", "usd-core", "usd"):
        pxr: Any = SimpleNamespace(**{name: import_module(f"pxr.{name}") for name in MODULES})
    with tempfile.TemporaryDirectory() as folder:
        stage = Path(folder) / f"{path.stem}{SUFFIXES[path.suffix.lower()]}"
        try:
            layer = pxr.Sdf.Layer.CreateNew(str(stage))
            _fill(pxr, pxr.Usd.Stage.Open(layer), scene, body)
            layer.Save()
            if path.suffix.lower() == ".usdz":
                packed = stage.with_suffix(".usdz")
                pxr.UsdUtils.CreateNewUsdzPackage(str(stage), str(packed))
                stage = packed
        except pxr.Tf.ErrorException as error:
            raise OSError(f"{path} could not be written: {error}") from error
        assets.write_whole(path, stage.read_bytes())


def _fill(pxr: Any, stage: Any, scene: Scene, body: Body) -> None:
    stage.SetMetadata("comment", f"vibe {__version__}: metres, {scene.up} up, a time code is a frame")
    stage.GetRootLayer().customLayerData = scene.about(body) | {"units": "metres, radians; time codes are frames"}
    pxr.UsdGeom.SetStageUpAxis(stage, scene.up.upper())
    pxr.UsdGeom.SetStageMetersPerUnit(stage, pxr.UsdGeom.LinearUnits.meters)
    stage.SetTimeCodesPerSecond(scene.fps)
    stage.SetFramesPerSecond(scene.fps)
    stage.SetStartTimeCode(0)
    stage.SetEndTimeCode(max(character.first + len(character.joints) for character in scene.characters) - 1)
    world = pxr.UsdGeom.Xform.Define(stage, "/World").GetPrim()
    stage.SetDefaultPrim(world)
    world.SetKind("assembly")
    for character in scene.characters:
        _person(pxr, stage, scene, character, body)
    if scene.t_scene_cam is not None:
        _camera(pxr, stage, scene, scene.t_scene_cam)


def _person(pxr: Any, stage: Any, scene: Scene, character: Character, body: Body) -> None:
    """A skeleton, the skin that follows it and the motion."""
    from vibe.body.outfit import dressed

    surface = rest_vertices(character.with_fingers(dressed(body))[1], character.smpl.betas) @ scene.R_scene_rest.T
    character, body = character.with_fingers(body)
    Gf, UsdSkel, Vt = pxr.Gf, pxr.UsdSkel, pxr.Vt
    number = character.number  # in every name: Blender's are without the path
    place = f"/World/person_{number}"
    root = UsdSkel.Root.Define(stage, place)
    root.GetPrim().SetKind("component")
    betas = Vt.DoubleArray(character.smpl.betas.tolist())
    root.GetPrim().SetCustomData({"person": number, "first_frame": character.first, "betas": betas})
    rest, steps = ((at @ scene.R_scene_rest.T).astype(np.float64) for at in (character.rest, character.steps))
    skeleton = UsdSkel.Skeleton.Define(stage, f"{place}/skeleton_{number}")
    skeleton.CreateJointsAttr(_joints(character))
    skeleton.CreateJointNamesAttr(list(character.names))
    bind, at_rest = ([Gf.Matrix4d(1).SetTranslate(Gf.Vec3d(*to.tolist())) for to in places] for places in (rest, steps))
    skeleton.CreateBindTransformsAttr(Vt.Matrix4dArray(bind))
    skeleton.CreateRestTransformsAttr(Vt.Matrix4dArray(at_rest))
    motion = _motion(pxr, stage, f"{place}/skeleton_{number}/motion_{number}", scene, character, steps)
    UsdSkel.BindingAPI.Apply(skeleton.GetPrim()).CreateAnimationSourceRel().SetTargets([motion])
    mesh = _mesh(pxr, stage, f"{place}/skin_{number}", surface, body.faces)
    binding = UsdSkel.BindingAPI.Apply(mesh.GetPrim())
    binding.CreateSkeletonRel().SetTargets([pxr.Sdf.Path(f"{place}/skeleton_{number}")])
    binding.CreateGeomBindTransformAttr(Gf.Matrix4d(1))
    joints, weights = body.influences(INFLUENCES)
    most = weights.shape[1]
    indices = binding.CreateJointIndicesPrimvar(False, most)
    indices.Set(Vt.IntArray.FromNumpy(joints.astype(np.int32).ravel()))
    binding.CreateJointWeightsPrimvar(False, most).Set(Vt.FloatArray.FromNumpy(weights.ravel()))
    root.CreateExtentAttr(_extent(pxr, np.concatenate([character.joints - 0.3, character.joints + 0.3])))
    _paint(pxr, stage, f"{place}/colour_{number}", mesh, linear_colours(body, number))


def _joints(character: Character) -> list[str]:
    """Every joint as the path to it from the pelvis."""
    paths: list[str] = []
    for name, parent in zip(character.names, character.parents, strict=True):
        paths.append(name if parent < 0 else f"{paths[parent]}/{name}")
    return paths


def _motion(pxr: Any, stage: Any, place: str, scene: Scene, character: Character, steps: np.ndarray) -> Any:
    """Rotations of all joints and the place of the pelvis in every frame; the path of the animation."""
    Vt = pxr.Vt
    motion = pxr.UsdSkel.Animation.Define(stage, place)
    motion.CreateJointsAttr(_joints(character))
    motion.CreateScalesAttr(Vt.Vec3hArray.FromNumpy(np.ones((len(steps), 3), np.float16)))
    turns = continuous(quaternions_from_rotmat(turned_at_rest(scene, character)))
    places = np.tile(steps.astype(np.float32), (len(character.joints), 1, 1))
    places[:, 0] = character.smpl.pelvis
    translations, rotations = motion.CreateTranslationsAttr(), motion.CreateRotationsAttr()
    for frame, (to, turn) in enumerate(zip(places, turns, strict=True), start=character.first):
        translations.Set(Vt.Vec3fArray.FromNumpy(to), frame)
        rotations.Set(Vt.QuatfArray.FromNumpy(turn), frame)
    if character.contacts is not None:
        contacts = motion.GetPrim().CreateAttribute("vibe:contacts", pxr.Sdf.ValueTypeNames.Float4, True)
        for frame, numbers in enumerate(character.contacts.tolist(), start=character.first):
            contacts.Set(pxr.Gf.Vec4f(*numbers), frame)
    return motion.GetPath()


def _mesh(pxr: Any, stage: Any, place: str, surface: np.ndarray, faces: np.ndarray) -> Any:
    from vibe.body.mesh import vertex_normals

    UsdGeom, Vt = pxr.UsdGeom, pxr.Vt
    mesh = UsdGeom.Mesh.Define(stage, place)
    mesh.CreatePointsAttr(Vt.Vec3fArray.FromNumpy(surface))
    mesh.CreateNormalsAttr(Vt.Vec3fArray.FromNumpy(vertex_normals(surface, faces)))
    mesh.SetNormalsInterpolation(UsdGeom.Tokens.vertex)
    mesh.CreateFaceVertexCountsAttr(Vt.IntArray.FromNumpy(np.full(len(faces), 3, np.int32)))
    mesh.CreateFaceVertexIndicesAttr(Vt.IntArray.FromNumpy(faces.astype(np.int32).ravel()))
    mesh.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    mesh.CreateExtentAttr(_extent(pxr, surface))
    return mesh


def _extent(pxr: Any, points: np.ndarray) -> Any:
    flat = points.reshape(-1, 3)
    return pxr.Vt.Vec3fArray.FromNumpy(np.stack([flat.min(0), flat.max(0)]).astype(np.float32))


def _paint(pxr: Any, stage: Any, place: str, mesh: Any, colours: np.ndarray) -> None:
    """A material that shows the colours of the vertices."""
    Sdf, UsdShade = pxr.Sdf, pxr.UsdShade
    mesh.CreateDisplayColorPrimvar(pxr.UsdGeom.Tokens.vertex).Set(pxr.Vt.Vec3fArray.FromNumpy(colours))
    material, shader = UsdShade.Material.Define(stage, place), UsdShade.Shader.Define(stage, f"{place}/surface")
    reader = UsdShade.Shader.Define(stage, f"{place}/vertices")
    reader.CreateIdAttr("UsdPrimvarReader_float3")
    reader.CreateInput("varname", Sdf.ValueTypeNames.String).Set("displayColor")
    reader.CreateOutput("result", Sdf.ValueTypeNames.Float3)
    shader.CreateIdAttr("UsdPreviewSurface")
    shader.CreateInput("diffuseColor", Sdf.ValueTypeNames.Color3f).ConnectToSource(reader.ConnectableAPI(), "result")
    shader.CreateInput("roughness", Sdf.ValueTypeNames.Float).Set(0.6)
    shader.CreateInput("metallic", Sdf.ValueTypeNames.Float).Set(0.0)
    material.CreateSurfaceOutput().ConnectToSource(shader.ConnectableAPI(), "surface")
    UsdShade.MaterialBindingAPI.Apply(mesh.GetPrim()).Bind(material)


def _camera(pxr: Any, stage: Any, scene: Scene, places: np.ndarray) -> None:
    (fx, _, cx), (_, fy, cy), _ = scene.camera.K_px.tolist()
    width, height = scene.camera.width, scene.camera.height
    tall = FILM * height / width * fx / fy
    camera = pxr.UsdGeom.Camera.Define(stage, "/World/camera")
    camera.CreateFocalLengthAttr(FILM * fx / width)
    camera.CreateHorizontalApertureAttr(FILM)
    camera.CreateVerticalApertureAttr(tall)
    camera.CreateHorizontalApertureOffsetAttr(FILM * (0.5 - cx / width))
    camera.CreateVerticalApertureOffsetAttr(tall * (cy / height - 0.5))
    camera.CreateClippingRangeAttr(pxr.Gf.Vec2f(0.01, FAR))
    stands = camera.AddTransformOp()
    matrices = [pxr.Gf.Matrix4d(matrix.T.tolist()) for matrix in camera_matrices(scene, places)]
    if not scene.camera_moves:
        stands.Set(matrices[0])
        return
    for frame, matrix in enumerate(matrices):
        stands.Set(matrix, frame)
