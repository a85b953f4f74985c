"""TensorFlow without the greetings of its C++ side."""

import contextlib
import os
import sys

from zoo.environment import check_backend

LEVEL = "TF_CPP_MIN_LOG_LEVEL"  # heeded only if set before TensorFlow is imported


def import_tensorflow():
    """Imports TensorFlow, for the first time, without its greetings on stderr.

    The log level does not silence those that come before logging is set up (TensorFlow issue
    100442), so the file they go to is closed meanwhile. Who has set a level below 3 wants to hear
    them. Raises UsageError if Keras has another backend.
    """
    check_backend()
    if "tensorflow" in sys.modules:
        return
    with _closed_stderr() if os.environ.setdefault(LEVEL, "3") == "3" else contextlib.nullcontext():
        import tensorflow  # noqa: F401


@contextlib.contextmanager
def _closed_stderr():
    if sys.stderr is not None:
        sys.stderr.flush()
    try:
        stderr = os.dup(2)
    except OSError:  # it is closed
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)
