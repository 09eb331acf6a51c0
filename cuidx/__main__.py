"""`cuidx` and `python -m cuidx`."""

import sys


def main() -> None:
    """Run the command line; `cuidx tag` starts without all that the other commands need."""
    if sys.argv[1:2] == ["tag"]:
        from cuidx.tagger.app import main as tag

        sys.exit(tag(sys.argv[2:]))
    try:
        from cuidx.cli.app import main as others

        others()
    except KeyboardInterrupt:  # while modules were loaded: from then on the application sees to it
        sys.exit(130)


if __name__ == "__main__":
    main()
