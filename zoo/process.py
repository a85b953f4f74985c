"""What this process uses: for records, where numbers of seconds mean nothing without it."""

import os
import sys


def peak_mb():
    """The largest memory this process has held; None where it cannot be told."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def threads():
    """Threads inside an operation and of operations at once; 0: as many as TensorFlow likes."""
    import tensorflow as tf

    setting, environ = tf.config.threading, os.environ.get
    inside = setting.get_intra_op_parallelism_threads() or environ("TF_NUM_INTRAOP_THREADS", 0)
    across = setting.get_inter_op_parallelism_threads() or environ("TF_NUM_INTEROP_THREADS", 0)
    return {"inside": int(inside), "side by side": int(across)}
