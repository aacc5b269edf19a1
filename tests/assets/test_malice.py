"""Files made to run a program, to hang, or to fill the memory: each is refused with one clear sentence."""

import io
import json
import os
import pickle
import re
import struct
import subprocess
import sys
import tarfile
import zipfile

import numpy as np
import pytest
import torch
from official_files import small_generator

from vibe import assets, convert

SECONDS, MEGABYTES = 5.0, 400
RUN = "echo ran >> ran"
"""Every program below leaves a file behind; a test looks for it."""
TEXT = b"V" + RUN.encode() + b"\n"
NAMES = [
    *"os.system posix.system nt.system os.popen subprocess.Popen subprocess.check_output pty.spawn".split(),
    *"builtins.eval builtins.exec builtins.compile builtins.getattr builtins.__import__ builtins.open".split(),
    *"__builtin__.eval __builtin__.execfile __builtin__.apply __builtin__.input builtins.map".split(),
    *"operator.attrgetter operator.methodcaller operator.itemgetter functools.partial functools.reduce".split(),
    *"torch.hub.load torch.load torch.serialization.load torch.jit.load torch.storage._load_from_bytes".split(),
    *"numpy.load numpy.f2py.compile numpy.testing._private.utils.runstring numpy.ctypeslib.load_library".split(),
    *"codecs.open codecs.decode _codecs.decode _codecs.register io.open pathlib.Path shutil.rmtree".split(),
    *"runpy.run_path importlib.import_module marshal.loads types.FunctionType types.CodeType pickle.loads".split(),
    *"copyreg.add_extension copy_reg.__setattr__ sys.exit site.addsitedir webbrowser.open timeit.timeit".split(),
    *"joblib.load dill.loads cloudpickle.loads pandas.read_pickle scipy.io.loadmat logging.config.listen".split(),
    *"collections.namedtuple collections.OrderedDict.fromkeys _pickle.Unpickler ctypes.CDLL socket.socket".split(),
]


def short(text):
    return b"\x8c" + bytes([len(text)]) + text.encode()


def calls(dotted):
    """A pickle for each road to a call of a name with the program's text."""
    module, name = dotted.rsplit(".", 1)
    lines, stacked = f"{module}\n{name}\n".encode(), short(module) + short(name) + b"\x93"
    return {
        "REDUCE": b"c" + lines + b"(" + TEXT + b"tR.",
        "STACK_GLOBAL": b"\x80\x04" + stacked + short(RUN) + b"\x85R.",
        "INST": b"(" + TEXT + b"i" + lines + b".",
        "OBJ": b"(c" + lines + TEXT + b"o.",
        "NEWOBJ": b"\x80\x02c" + lines + TEXT + b"\x85\x81.",
        "NEWOBJ_EX": b"\x80\x04" + stacked + short(RUN) + b"\x85}\x92.",
        "BUILD": b"cchumpy.ch\nCh\n)\x81}" + short("__setstate__") + b"c" + lines + b"sb(" + TEXT + b"tb.",
        "reconstructor": b"ccopy_reg\n_reconstructor\n(c" + lines + b"c__builtin__\nobject\nNtR.",
        "newobj": b"ccopyreg\n__newobj__\n(c" + lines + TEXT + b"tR.",
        "persistent": b"\x80\x02(" + short("storage") + b"c" + lines + TEXT + TEXT + b"K\x01tQ.",
    }


def known(dotted, *args):
    """A call of a name that is allowed, with arguments that are not meant for it."""
    module, name = dotted.rsplit(".", 1)
    return b"c" + f"{module}\n{name}\n".encode() + pickle.dumps(args, 2)[2:-1] + b"R."


def as_body(content):
    """A body whose template is made by a pickle's opcodes."""
    keys = b"".join(b"V" + key + b"\nK\x01" for key in (b"shapedirs", b"posedirs", b"J_regressor", b"weights", b"f"))
    start = b"}(Vv_template\n" + content.removeprefix(b"\x80\x02")[:-1]
    return start + b"Vkintree_table\n" + content.removeprefix(b"\x80\x02")[:-1] + keys + b"u."


def state(shape, dtype=b"f8", content=b"x" * 8, order=b"<"):
    """An array as numpy pickles it."""
    kind = (
        b"cnumpy\ndtype\n(U"
        + bytes([len(dtype)])
        + dtype
        + b"K\x00K\x01tR(K\x03U\x01"
        + order
        + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    )
    head = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR"
    return head + b"(K\x01" + pickle.dumps(shape, 2)[2:-1] + kind + b"\x89U" + bytes([len(content)]) + content + b"tb."


def same_hash(n):
    """A whole number whose hash is 0."""
    return b"\x8a\x10" + ((2**61 - 1) * n).to_bytes(16, "little")


def laughs(levels=60):
    """A list of ten references to a list of ten references to ..."""
    level = b"".join(b"](" + b"g%d\n" % n * 10 + b"ep%d\n0" % (n + 1) for n in range(levels))
    return b"]p0\n0" + level + b"g%d\n." % levels


PICKLES = {
    "extension 1": b"\x82\x01.",
    "extension 2": b"\x83\x01\x00.",
    "extension 4": b"\x84\x01\x00\x00\x00.",
    "persistent text": b"Pos.system\n.",
    "persistent value": TEXT + b"Q.",
    "buffer elsewhere": b"\x97.",
    "call of a text": TEXT + b")R.",
    "call of what a call gave": known("builtins.set", [1])[:-1] + b")R.",
    "memo that is not there": b"g7\n.",
    "memo of nothing": b"p0\n.",
    "a name taken from the memo": b"cos\nsystem\np0\n0g0\n" + TEXT + b"\x85R.",
    "rot13": as_body(known("_codecs.encode", "bf.flfgrz", "rot13")),
    "a bytearray of 1 TB": as_body(known("builtins.bytearray", 10**12)),
    "an array of 2^80 numbers": as_body(state((1 << 30, 1 << 30, 1 << 20))),
    "an array of -1 numbers": as_body(state((-1, -1))),
    "an array of huge numbers": as_body(state((1,), b"V2147483647")),
    "an array of objects": as_body(state((1,), b"O8")),
    "an array of a made-up type": as_body(state((1,), b"f8,(1000000,1000000)f8")),
    "an array without content": as_body(known("numpy.core.multiarray._reconstruct", (10**9,))),
    "a sparse matrix of 2^60 numbers": as_body(
        b"cscipy.sparse.csc\ncsc_matrix\n)\x81}(V_shape\n" + pickle.dumps((1 << 30, 1 << 30), 2)[2:-1]
        + b"Vdata\n" + state((1,))[:-1] + b"ub."
    ),
    "an array inside itself": as_body(b"cchumpy.ch\nCh\n)\x81p0\n}Vx\ng0\nsb."),
    "a selection of itself": as_body(
        b"cchumpy.reordering\nSelect\n)\x81p0\n}(Va\ng0\nVidxs\n" + state((1,), b"i8", bytes(8))[:-1] + b"ub."
    ),
    "a selection of numbers that are not there": as_body(
        b"cchumpy.reordering\nSelect\n)\x81}(Va\n" + state((1,))[:-1] + b"Vidxs\n"
        + state((1,), b"i8", b"\x40" + bytes(7))[:-1] + b"ub."
    ),
    "lists 1e6 deep": b"]" * 10**6 + b"a" * (10**6 - 1) + b".",
    "tuples 9e5 deep": b")" + b"\x85" * 900_000 + b".",
    "dicts 3e5 deep": b"}" + b"K\x00}" * 300_000 + b"s" * 300_000 + b".",
    "marks 1e6 deep": b"(" * 10**6 + b".",
    "objects 3e5 deep": b"N" + b"\x85p0\n0cchumpy.ch\nCh\ng0\nR" * 150_000 + b".",
    "a billion laughs": laughs(),
    "a billion laughs in a body": as_body(laughs()),
    "a whole number of 2 GB": b"\x8b\xff\xff\xff\x7f" + b"1" * 100 + b".",
    "a whole number of less than nothing": b"\x8b\xff\xff\xff\xff.",
    "a whole number of 1e7 digits": b"L" + b"9" * 10**7 + b"L\n.",
    "bytes of 2^62": b"\x8e" + struct.pack("<Q", 1 << 62) + b".",
    "bytes of 4 GB": b"B\xff\xff\xff\xff.",
    "a string of less than nothing": b"T\xff\xff\xff\xff.",
    "a text of 2^63": b"\x8d" + struct.pack("<Q", 1 << 63) + b".",
    "a frame of 2^63": b"\x95" + struct.pack("<Q", 1 << 63) + b".",
    "4e6 steps": b"N0" * (2 * 10**6) + b".",
    "3e6 lists": b"]" * (3 * 10**6) + b".",
    "keys of one hash": b"}(" + b"".join(same_hash(n) + b"N" for n in range(10**5)) + b"u.",
    "a key that is a tuple": b"}" + b")" + b"\x85" * 10**5 + b"Ns.",
    "a line without an end": b"c" + b"x" * 10**7,
    "a string of bad escapes": b"S'\\xzz'\n.",
    "no pickle": b"(((((((.",
    "two values": b"NN.",
    "protocol 9": b"\x80\x09N.",
    "cut off": pickle.dumps({"v_template": np.zeros(100)}, 2)[:-300],
    "nothing after the first byte": b"\x80",
}  # fmt: skip
PICKLES = {kind: content if content[:1] == b"\x80" else b"\x80\x02" + content for kind, content in PICKLES.items()}


def npy(header, content=b""):
    text = header.encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + content


def zipped(*members, method=zipfile.ZIP_DEFLATED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def saved(state, legacy=True):
    buffer = io.BytesIO()
    torch.save(state, buffer, _use_new_zipfile_serialization=not legacy)
    return buffer.getvalue()


def checkpoint():
    """A legacy checkpoint of one tensor."""
    return saved({"a": torch.arange(6.0)})


def reference(shape=b"(K\x06t", stride=b"(K\x01t", offset=b"K\x00", count=6, kind=b"FloatStorage"):
    """The pickle of a generator's state with one tensor of a given geometry."""
    storage = b"(X\x07\x00\x00\x00storagectorch\n" + kind + b"\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuJ"
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + struct.pack("<i", count) + b"tQ" + offset
    tensor += shape + stride + b"\x89ccollections\nOrderedDict\n)RtR"
    keys = (b"encoder.gru.weight_ih_l0", b"regressor.fc1.weight")
    return b"\x80\x02}(" + b"".join(b"V" + key + b"\n" + tensor for key in keys) + b"u."


def torch_zip(pickled, storage=bytes(24)):
    return zipped(("a/data.pkl", pickled), ("a/byteorder", b"little"), ("a/data/0", storage))


def generator():
    """A small generator's checkpoint, whose numbers have bytes that are easily found."""
    return saved({name: torch.full_like(value, 1.5) for name, value in small_generator().items()}, legacy=False)


def bomb():
    """A zip file of 260 kB that unpacks to 256 MB."""
    return zipped(("v_template.npy", bytes(1 << 28)))


def liar():
    """A checkpoint with a member that announces what it should and unpacks to much more."""
    whole = zipfile.ZipFile(io.BytesIO(generator()))
    name = next(info.filename for info in whole.infolist() if info.filename.endswith("data/0"))
    members = [(info.filename, whole.read(info)) for info in whole.infolist() if info.filename != name]
    right = len(whole.read(name))
    wrong = zipped(*members, (name, bytes(1 << 22)))
    return wrong.replace(struct.pack("<I", 1 << 22), struct.pack("<I", right))


def tar():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in ("sys_info", "pickle", "tensors"):
            archive.addfile(tarfile.TarInfo(name))
    return buffer.getvalue()


def twice(name, content):
    buffer = io.BytesIO()
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, content)
        archive.writestr(name, content)
    return buffer.getvalue()


def objects():
    buffer = io.BytesIO()
    np.savez(buffer, **dict.fromkeys(("v_template", "shapedirs", "kintree_table"), np.array([None, 1], object)),
             **dict.fromkeys(("posedirs", "J_regressor", "weights", "f"), np.zeros(1)), allow_pickle=True)  # fmt: skip
    return buffer.getvalue()


FILES = {
    "empty": lambda: b"",
    "noise": lambda: np.random.default_rng(0).bytes(10**5),
    "a web page": lambda: b"<!DOCTYPE html><html>log in first</html>",
    "npz of objects": objects,
    "zip bomb": bomb,
    "zip that lies of its size": liar,
    "zip cut off": lambda: generator()[:-40],
    "zip with a changed byte": lambda: generator().replace(b"\0\0\xc0\x3f" * 9, b"\0\0\xc1\x3f" * 9, 1),
    "zip of a member twice": lambda: twice("a/data.pkl", b"N."),
    "zip of 5 MB of names": lambda: zipped(*((str(n) * 250, b"") for n in range(1000, 6000))),
    "zip with a program in it": lambda: torch_zip(calls("os.system")["REDUCE"]),
    "npy whose header is a program": lambda: npy("{'descr': __import__('os').system('" + RUN + "'), 'shape': (1,)}"),
    "npy of a negative shape": lambda: npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-9, 6890), }\n"),
    "npy of a huge shape": lambda: npy("{'descr': '<f8', 'fortran_order': False, 'shape': (999999999999, 6890), }\n"),
    "npy of a nested header": lambda: npy("(" * 60000),
    "npy of objects": lambda: npy("{'descr': '|O', 'fortran_order': False, 'shape': (9, 6890), }\n", b"cos\nsystem\n."),
    "npy cut off": lambda: npy("{'descr': '<f8', 'fortran_order': False, 'shape': (9, 6890), }\n", bytes(100)),
    "tar": tar,
    "tar cut off": lambda: tar()[:700],
    "legacy cut off in its numbers": lambda: checkpoint()[:-5],
    "legacy cut off in its pickles": lambda: checkpoint()[:200],
    "legacy of another count": lambda: checkpoint().replace(b"\x06" + bytes(7), b"\x07" + bytes(7)),
    "legacy of a negative count": lambda: checkpoint().replace(b"\x06" + bytes(7), b"\xff" * 8),
    "legacy of a big-endian machine": lambda: re.sub(rb"(little_endianq.)\x88", b"\\1\x89", checkpoint()),
    "view past the end": lambda: torch_zip(reference(shape=b"(K\x07t")),
    "view past the end by its stride": lambda: torch_zip(reference(stride=b"(K\x02t")),
    "view past the end by its offset": lambda: torch_zip(reference(offset=b"K\x01")),
    "view of a negative size": lambda: torch_zip(reference(shape=b"(J\xff\xff\xff\xfft")),
    "view of a negative stride": lambda: torch_zip(reference(stride=b"(J\xff\xff\xff\xfft")),
    "view of a negative offset": lambda: torch_zip(reference(offset=b"J\xff\xff\xff\xff")),
    "view of 2^60 numbers": lambda: torch_zip(reference(b"(J\0\0\0\x40J\0\0\0\x40t", b"(K\x00K\x00t")),
    "storage of a negative count": lambda: torch_zip(reference(count=-1)),
    "storage of another count": lambda: torch_zip(reference(count=7)),
    "storage of an unknown kind": lambda: torch_zip(reference(kind=b"QUInt8Storage")),
    "safetensors with a huge header": lambda: struct.pack("<Q", 1 << 60) + b"{" + bytes(100),
    "safetensors without metadata": lambda: struct.pack("<Q", 2) + b"{}" + bytes(100),
}  # fmt: skip


ADD_ALL = """
import json, sys, time
from pathlib import Path
from vibe import assets
from vibe import convert

try:
    from resource import RUSAGE_SELF, getrusage
except ImportError:
    peak = lambda: 0
else:
    peak = lambda: getrusage(RUSAGE_SELF).ru_maxrss // (1024 if sys.platform == "linux" else 1 << 20)

answers, before = {}, peak()
for path in sorted(Path(".").glob("[0-9]*")):
    start = time.process_time()
    (answer,) = convert.add([path])
    answers[path.name] = (time.process_time() - start, peak() - before, getattr(answer, "reason", None))
json.dump(answers, sys.stdout)
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """For each malicious file: seconds, megabytes at the peak so far, and the reason of the refusal.

    They are given to a process of their own, where nothing checks types and slows things down.
    """
    folder = tmp_path_factory.mktemp("malice")
    contents = PICKLES | {kind: make() for kind, make in FILES.items()}
    for number, content in enumerate(contents.values()):
        (folder / f"{number:03}").write_bytes(content)
    environment = os.environ | {"VIBE_HOME": str(folder / "home")}
    done = subprocess.run([sys.executable, "-c", ADD_ALL], capture_output=True, cwd=folder, env=environment, check=True)
    assert {entry.name for entry in folder.iterdir()} == {f"{number:03}" for number in range(len(contents))}
    assert done.stderr == b""
    return dict(zip(contents, json.loads(done.stdout).values(), strict=True))


@pytest.mark.parametrize("kind", [*PICKLES, *FILES])
def test_a_malicious_file_is_refused_soon_and_with_one_sentence(kind, answers):
    seconds, _, reason = answers[kind]
    assert reason is not None and seconds < SECONDS
    assert re.match(r"\d{3}: \w", reason) and "\n" not in reason and len(reason) < 400


def test_no_malicious_file_fills_the_memory(answers):
    assert max(megabytes for _, megabytes, _ in answers.values()) < MEGABYTES


@pytest.fixture
def alone(monkeypatch, tmp_path):
    """A folder of its own, in which a program that ran would leave a file."""
    monkeypatch.setenv("VIBE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refusal(content, folder):
    """The reason for which a file is refused, once it is sure that nothing ran and nothing was kept."""
    (folder / "given").write_bytes(content)
    (answer,) = convert.add([folder / "given"])
    assert isinstance(answer, convert.Refused)
    assert {entry.name for entry in folder.iterdir()} == {"given"}
    return answer.reason


def test_the_pickles_below_do_run_a_program_where_they_are_unpickled(tmp_path):
    program = "import pickle, sys; pickle.loads(bytes.fromhex(sys.argv[1]))"
    for road in ("REDUCE", "STACK_GLOBAL", "INST", "OBJ"):
        subprocess.run([sys.executable, "-c", program, calls("os.system")[road].hex()], check=True, cwd=tmp_path)
    assert len((tmp_path / "ran").read_text().split()) == 4


@pytest.mark.parametrize("road", calls("os.system"))
def test_no_road_leads_to_a_program(road, alone):
    assert "os.system" in refusal(calls("os.system")[road], alone)
    legacy = checkpoint().split(b"}q\x00X\x01\x00\x00\x00a", 1)
    inside = b"".join(legacy[:1]) + calls("os.system")[road] + b"\x80\x02]."
    assert "os.system" in refusal(inside, alone)
    assert "os.system" in refusal(torch_zip(calls("os.system")[road]), alone)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_no_such_file_needs_is_refused_by_name(name, alone):
    for content in calls(name).values():
        assert name in refusal(content, alone)


def test_the_modules_that_chumpy_imports_are_not_reached_through_it(alone):
    for road in calls("chumpy.ch.os.system").values():
        refusal(road, alone)


def test_one_bad_file_does_not_stop_the_others(alone, tmp_path):
    np.save(tmp_path / "good.npy", np.zeros((9, 6890)))
    (tmp_path / "bad.pkl").write_bytes(calls("os.system")["REDUCE"])
    bad, good, absent, folder = convert.add([tmp_path / "bad.pkl", tmp_path / "good.npy", tmp_path / "no", tmp_path])
    assert isinstance(bad, convert.Refused) and isinstance(good, convert.Added)
    assert good.path == assets.library("j_regressor_extra.npz")
    assert absent.reason == f"{tmp_path / 'no'} is not there"
    assert "folder" in folder.reason
