"""`cuidx` and `python -m cuidx`."""

import sys


def main() -> None:
    """Run the command line; `cuidx tag` starts without all that the other commands need."""
    if sys.argv[1:2] == ["tag"]:
        from cuidx.tagger.app import main as tag

        sys.exit(tag(sys.argv[2:]))
    from cuidx.cli.app import main as others

    others()


if __name__ == "__main__":
    main()
