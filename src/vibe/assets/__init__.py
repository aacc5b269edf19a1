"""Where weights and licensed files live: find, fetch, verify, convert."""

from vibe.assets.fetched import MODELS, fetch, find
from vibe.assets.offers import Entry, catalogue
from vibe.assets.places import folders, home, library, sha256, whole_file, write_whole
from vibe.assets.recognise import Added, Refused, add
from vibe.assets.weights import load_recipe, load_weights, weights_path

__all__ = [
    "MODELS",
    "Added",
    "Entry",
    "Refused",
    "add",
    "catalogue",
    "fetch",
    "find",
    "folders",
    "home",
    "library",
    "load_recipe",
    "load_weights",
    "sha256",
    "weights_path",
    "whole_file",
    "write_whole",
]
