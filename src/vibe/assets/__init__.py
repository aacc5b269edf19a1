"""Where weights and licensed files live: find, fetch, verify; `vibe.convert` adds the user's own."""

from vibe.assets.paths import file_in, folders, home, keep_inputs, library, lying, sha256, whole_file, write_whole
from vibe.assets.registry import HAND_MODELS, MODEL_SHA256, MODELS, catalogue, fetch, find_model
from vibe.assets.weights import body_path, load_recipe, load_weights, weights_bytes, weights_path

__all__ = [
    "HAND_MODELS",
    "MODELS",
    "MODEL_SHA256",
    "body_path",
    "catalogue",
    "fetch",
    "file_in",
    "find_model",
    "folders",
    "home",
    "keep_inputs",
    "library",
    "lying",
    "load_recipe",
    "load_weights",
    "sha256",
    "weights_bytes",
    "weights_path",
    "whole_file",
    "write_whole",
]
