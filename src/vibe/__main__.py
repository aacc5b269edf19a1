"""`vibe` and `python -m vibe`: the front door, which is quiet if Ctrl-C comes while it still opens."""

import sys


def main() -> int:
    """Run the command line; 130 if interrupted."""
    try:
        from vibe.cli import app

        return app.main()
    except KeyboardInterrupt:
        sys.stderr.write("vibe: interrupted\n")
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
