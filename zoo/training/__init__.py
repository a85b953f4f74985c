"""The Trainer and its parts: state, checkpoints, callbacks, working directory, distribution."""
