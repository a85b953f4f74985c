"""Threads: what a command sets before TensorFlow starts, since nobody can afterwards."""

import os

import tensorflow as tf


def single_threaded_ops():
    """One thread inside an operation, as many operations at once as there are cores.

    With a batch in as many independent pieces (`Trainer(micro_batches=...)`; translators and
    captioners by themselves) a small network keeps all cores busy, where the threads of a single
    operation would wait for each other. Returns whether that was still possible: once TensorFlow
    has run anything, its threads are fixed.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        tf.config.threading.set_inter_op_parallelism_threads(cores)
        tf.config.threading.set_intra_op_parallelism_threads(1)
    except RuntimeError:
        return False
    return True


def parallel_ops():
    """How many operations run at once where each has one thread, as above; else 1."""
    threads = tf.config.threading
    one_each = threads.get_intra_op_parallelism_threads() == 1
    return max(threads.get_inter_op_parallelism_threads(), 1) if one_each else 1


def thread_counts():
    """Threads inside an operation and of operations at once; 0: as many as TensorFlow likes."""
    import tensorflow as tf

    setting, environ = tf.config.threading, os.environ.get
    inside = setting.get_intra_op_parallelism_threads() or environ("TF_NUM_INTRAOP_THREADS", 0)
    across = setting.get_inter_op_parallelism_threads() or environ("TF_NUM_INTEROP_THREADS", 0)
    return {"intra_op": int(inside), "inter_op": int(across)}
