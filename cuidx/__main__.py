"""`python -m cuidx` is `cuidx`."""

from cuidx.cli.app import main

main()
