"""`python -m zoo` is the command `zoo`."""

from zoo.cli.main import main

main(prog_name="zoo")
