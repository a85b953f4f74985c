"""The command line `zoo`, one command per file. The library never imports this package."""
