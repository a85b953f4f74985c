"""How the speeds of a record were measured, as text."""

from benchmarks.speed.synthetic_data import SAMPLING_STEPS, decoded_length
from benchmarks.speed.variants import DECODING, GPT_MODELS, PROMPT_LENGTH, SAME_WORK, SAMPLING

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
    "task": "greedy decodings of {length} tokens",
    "check": "equal tokens from equal weights",
}
PROMPTS = f" after prompts of {PROMPT_LENGTH}, each variant with a key-value cache,"
OTHER_NETWORKS = (
    " {names} have other networks at equal widths, whose losses and images cannot be equal."
    " Parameters and operations of a forward pass per image: {work}; all other variants as"
    f" {SAME_WORK}."
)


def task_of(model: str) -> dict[str, str]:
    """What is timed, and what is checked before: "task" and "check"."""
    if model in SAMPLING:
        return SAMPLING_PROTOCOL
    if model not in DECODING:
        return TRAINING_PROTOCOL
    task = DECODING_PROTOCOL["task"].format(length=decoded_length(model))
    return DECODING_PROTOCOL | {"task": task + (PROMPTS if model in GPT_MODELS else "")}


def work_text(work: dict[str, dict[str, float]]) -> str:
    """The work of networks that are not the zoo's, from `benchmarks.speed.network_work`."""
    if not work:
        return ""
    counts = [
        f"{name} {each['parameters'] / 1e6:.2f} M and {each['gflop_per_image']:.3f} GFLOP"
        for name, each in work.items()
    ]
    names = ", ".join(name for name in work if name != SAME_WORK)
    return OTHER_NETWORKS.format(names=names, work=", ".join(counts))
