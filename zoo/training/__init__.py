"""The Trainer, and what a run keeps: state, checkpoints, callbacks, its folder."""
