"""Measurements of the zoo: each is one command, and its results are JSON records."""
