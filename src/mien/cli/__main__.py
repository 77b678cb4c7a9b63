"""Where the command `mien` starts; also `python -m mien.cli`, where it is not on the path."""

import sys


def main() -> int:
    """Run the command line; Ctrl-C stops it in one line even while it is being loaded."""
    try:
        from mien.cli.app import main as run

        return run()
    except KeyboardInterrupt:
        print("mien: interrupted", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
