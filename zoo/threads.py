"""TensorFlow's thread pools, which must be configured before TensorFlow runs any operation.

On a CPU, small networks train faster with one thread per operation, if a batch is divided into
micro-batches that are computed in parallel: the threads of a single operation would wait for each
other. `zoo train` arranges both. In a script, one line arranges both, before anything else:

    zoo.threads.configure("vae")
"""

import os
from typing import TYPE_CHECKING

import tensorflow as tf

from zoo import registry
from zoo.environment import count_cores
from zoo.log import log_message

if TYPE_CHECKING:
    from zoo.model import Model


def configure(model: "str | type[Model]") -> bool:
    """Sets TensorFlow's threads as `zoo train` does; the first line of a script that trains.

    Operations get one thread each if the model is faster in micro-batches, there is no GPU, and
    neither TensorFlow's configuration nor its environment variables set the threads already. Then
    `zoo.Trainer` uses the model's number of micro-batches.

    Args:
        model: the name of a model, or its class.

    Returns:
        Whether operations have one thread each. If TensorFlow has already started, so that
        nothing can be changed, a message is printed.
    """
    cls = registry.get_class(model) if isinstance(model, str) else model
    gains = cls.micro_batches > 1 and is_cpu() and not are_set()
    if gains and not single_threaded_ops():
        log_message(
            "note: TensorFlow has already started, so its threads cannot be configured: call"
            " zoo.threads.configure before anything else"
        )
    return thread_counts()["intra_op"] == 1


def single_threaded_ops() -> bool:
    """Configures one thread per operation, and as many parallel operations as there are cores.

    Returns:
        Whether it took effect: False once TensorFlow has run an operation.
    """
    try:
        tf.config.threading.set_inter_op_parallelism_threads(count_cores())
        tf.config.threading.set_intra_op_parallelism_threads(1)
    except RuntimeError:
        return False
    return True


def is_cpu() -> bool:
    """Whether TensorFlow computes on the CPU, since there is no GPU."""
    return not tf.config.list_physical_devices("GPU")


def parallel_ops() -> int:
    """Number of operations that run in parallel if each has one thread; otherwise 1."""
    counts = thread_counts()
    return max(counts["inter_op"], 1) if counts["intra_op"] == 1 else 1


def are_set() -> bool:
    """Whether threads were configured, by `tf.config` or by environment variables."""
    return any(thread_counts().values())


def thread_counts() -> dict[str, int]:
    """Threads within an operation (`intra_op`) and parallel operations (`inter_op`).

    0 means that TensorFlow chooses.
    """
    threads = tf.config.threading
    environ = os.environ.get
    intra_op = threads.get_intra_op_parallelism_threads() or environ("TF_NUM_INTRAOP_THREADS", 0)
    inter_op = threads.get_inter_op_parallelism_threads() or environ("TF_NUM_INTEROP_THREADS", 0)
    return {"intra_op": int(intra_op), "inter_op": int(inter_op)}
