"""How the speeds of a record were measured, as text."""

from benchmarks.speed.synthetic_data import DECODED_LENGTH, SAMPLING_STEPS
from benchmarks.speed.variants import DECODING, SAMPLING

PROTOCOL = (
    "Seconds for {steps} {task} at batch size {batch_size}, in {rounds} interleaved rounds"
    " after {warmup} warm-up steps; one process per variant, of which one computes at a time; the"
    " first step of a round is not timed. Ratio: seconds of the tf.function loop / seconds of the"
    " variant in the same round; above 1 is faster. Checked before timing: {check}."
)
TRAINING_PROTOCOL = {
    "task": "training steps",
    "check": "equal losses over three training steps from equal weights and noise",
}
SAMPLING_PROTOCOL = {
    "task": f"batches of images, sampled in {SAMPLING_STEPS} steps",
    "check": "equal images from equal weights and noise",
}
DECODING_PROTOCOL = {
    "task": f"greedy decodings of {DECODED_LENGTH} tokens",
    "check": "equal tokens from equal weights",
}


def task_of(model: str) -> dict[str, str]:
    """What is timed, and what is checked before: "task" and "check"."""
    if model in SAMPLING:
        return SAMPLING_PROTOCOL
    return DECODING_PROTOCOL if model in DECODING else TRAINING_PROTOCOL
