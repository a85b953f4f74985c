"""TensorFlow's thread pools, which must be configured before TensorFlow runs any operation."""

import os

import tensorflow as tf


def single_threaded_ops() -> bool:
    """Configures one thread per operation, and as many parallel operations as there are cores.

    With a batch in that many micro-batches (`Trainer(micro_batches=...)`; translators and
    captioners choose the number themselves), a small network keeps all cores busy, while the
    threads of a single operation would wait for each other.

    Returns:
        Whether it took effect: False once TensorFlow has run an operation.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        tf.config.threading.set_inter_op_parallelism_threads(cores)
        tf.config.threading.set_intra_op_parallelism_threads(1)
    except RuntimeError:
        return False
    return True


def parallel_ops() -> int:
    """Number of operations that run in parallel after `single_threaded_ops()`; otherwise 1."""
    threads = tf.config.threading
    single_threaded = threads.get_intra_op_parallelism_threads() == 1
    return max(threads.get_inter_op_parallelism_threads(), 1) if single_threaded else 1


def thread_counts() -> dict[str, int]:
    """Threads within an operation (`intra_op`) and parallel operations (`inter_op`).

    0 means that TensorFlow chooses.
    """
    threads = tf.config.threading
    environ = os.environ.get
    intra_op = threads.get_intra_op_parallelism_threads() or environ("TF_NUM_INTRAOP_THREADS", 0)
    inter_op = threads.get_inter_op_parallelism_threads() or environ("TF_NUM_INTEROP_THREADS", 0)
    return {"intra_op": int(intra_op), "inter_op": int(inter_op)}
