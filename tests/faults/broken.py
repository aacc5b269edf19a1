"""A program: `vibe` with something broken in it. Arguments: --decoder=N --memory=BYTES, then -- and those of vibe."""

import sys
from importlib import import_module
from pathlib import Path


class Undecodable:
    """A packet that the decoder refuses."""

    def __init__(self, packet):
        self._packet = packet

    def __getattr__(self, name):
        return getattr(self._packet, name)

    def decode(self):
        import av.error

        raise av.error.ExternalError(-1, "the decoder fails")


def fail_decoder(at: int) -> None:
    """The `at`th packet of a video's pictures, and all that follow, cannot be decoded, in each pass over it."""
    from vibe.video import read

    whole = read.Video._packets
    read.Video._packets = lambda video: (
        packet if number < at else Undecodable(packet) for number, packet in enumerate(whole(video), 1)
    )


def starve(memory: int) -> None:
    """Address space for so many bytes more than the imports take."""
    import resource

    for name in ("vibe.inference.estimate", "vibe.refine.smplify", "vibe.render.film", "vibe.batch.work"):
        import_module(name)
    # OpenBLAS ends the process where its buffers find no room: those of NumPy and SciPy are taken before.
    for linalg in ("numpy.linalg", "scipy.linalg"):
        import_module(linalg).inv([[2.0, 1.0], [1.0, 2.0]])
    status = Path("/proc/self/status").read_text()
    size = int(status.split("VmSize:")[1].split()[0]) * 1024 + memory
    resource.setrlimit(resource.RLIMIT_AS, (size, size))


BREAKS = {"decoder": fail_decoder, "memory": starve}


def main() -> int:
    here = sys.argv.index("--")
    for given in sys.argv[1:here]:
        name, value = given.removeprefix("--").split("=")
        BREAKS[name](int(value))
    from vibe import cli

    return cli.main(sys.argv[here + 1 :])


if __name__ == "__main__":
    raise SystemExit(main())
