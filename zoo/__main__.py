"""`python -m zoo` runs the command `zoo`."""

from zoo.cli.main import main

main(prog_name="zoo")
