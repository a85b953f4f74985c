"""The command line `zoo`, one command a file. The library never imports this package."""
