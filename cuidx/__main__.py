"""`cuidx` and `python -m cuidx`."""

import atexit
import gc
import os
import sys


def main() -> None:
    """Run the command line; `cuidx tag` starts without all that the other commands need."""
    if sys.argv[1:2] == ["tag"]:
        from cuidx.tagger.app import main as tag

        sys.exit(tag(sys.argv[2:]))
    # What is loaded stays; to look through it for garbage again and again takes time at each start.
    gc.set_threshold(100_000, 50, 100)
    try:
        from cuidx.cli.app import run

        code = run()
    except KeyboardInterrupt:  # while modules were loaded: from then on the application sees to it
        code = 130
    _end(code)


def _end(code: int) -> None:
    """End the process with CODE; what was loaded is left to the system, which is quicker."""
    try:
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:  # closed by whoever started us
                stream.flush()
    except (OSError, ValueError):
        sys.exit(code)  # Python says what is wrong with it
    except KeyboardInterrupt:
        code = 130
    os._exit(code)


if __name__ == "__main__":
    main()
