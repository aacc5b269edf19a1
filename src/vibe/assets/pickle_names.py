"""The names that a pickle may hold: those that SMPL's files, numpy's arrays and torch's checkpoints need, no other."""

from __future__ import annotations

import re

STORAGES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "|i1",
    "ByteStorage": "|u1",
    "BoolStorage": "|b1",
}
"""What numbers a torch storage holds, by its name."""
KNOWN = {
    "numpy.ndarray": "numpy.ndarray",
    "numpy.dtype": "numpy.dtype",
    "collections.OrderedDict": "dict",
    "copyreg._reconstructor": "object of a class",
    "copyreg.__newobj__": "object of a class",
    "builtins.object": "object",
    "builtins.set": "set",
    "builtins.frozenset": "set",
    "builtins.bytes": "bytes",
    "builtins.bytearray": "bytes",
    "_codecs.encode": "bytes",
    "torch._utils._rebuild_tensor": "torch.Tensor",
    "torch._utils._rebuild_tensor_v2": "torch.Tensor",
    "torch._utils._rebuild_parameter": "torch.nn.Parameter",
    "torch.Size": "torch.Size",
    "torch.device": "torch.device",
    **{f"torch.{name}": f"torch.{name}" for name in STORAGES},
    **{f"numpy.{core}.multiarray._reconstruct": "array" for core in ("core", "_core")},
    **{f"numpy.{core}.multiarray.scalar": "scalar" for core in ("core", "_core")},
    **{f"numpy.{core}.numeric._frombuffer": "array of bytes" for core in ("core", "_core")},
    **{f"scipy.sparse.{old}{kind}.{kind}_matrix": kind for old in ("", "_") for kind in ("csc", "csr", "coo")},
    **{f"scipy.sparse._{kind}.{kind}_array": kind for kind in ("csc", "csr", "coo")},
}
"""What each name is to us; several names of one thing are one."""
RENAMED = {"__builtin__": "builtins", "copy_reg": "copyreg"}
"""Modules of Python 2."""
CHUMPY = re.compile(r"chumpy(\.[A-Za-z_]\w*)+", re.ASCII)


def known(module: str, name: str) -> str:
    """What a module's name is to us; raises ValueError, which names it, if it has no business in these files.

    Nothing is imported. Every class of chumpy is let through, since an object of it is only kept and never made.
    """
    dotted = f"{RENAMED.get(module, module)}.{name}"
    if kind := KNOWN.get(dotted):
        return kind
    if CHUMPY.fullmatch(dotted):
        return dotted
    shown = f"{module}.{name}"
    raise ValueError(f"it names {ascii(shown[:80])}, which none of the files that can be added holds: nothing was run")
