"""`python -m vibe` is `vibe`."""

from vibe.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
