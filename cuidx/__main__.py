"""`cuidx` and `python -m cuidx`."""

import gc
import sys


def main() -> None:
    """Run the command line; `cuidx tag` starts without all that the other commands need."""
    if sys.argv[1:2] == ["tag"]:
        from cuidx.tagger.app import main as tag

        sys.exit(tag(sys.argv[2:]))
    # What is loaded stays; to look through it for garbage again and again takes time at each start.
    gc.set_threshold(100_000, 50, 100)
    try:
        from cuidx.cli.app import main as others

        others()
    except KeyboardInterrupt:  # while modules were loaded: from then on the application sees to it
        sys.exit(130)


if __name__ == "__main__":
    main()
