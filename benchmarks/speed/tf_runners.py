"""Training loops in TensorFlow: a Python loop, `keras.Model.fit`, the zoo's Trainer; and decoding.

Each runs until the timer, a `benchmarks.speed.worker.step_timer`, ends the process.
"""

import itertools
from collections.abc import Callable, Generator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import zoo
from benchmarks.speed.plain_parts import PLAIN
from benchmarks.speed.synthetic_data import (
    SAMPLING_STEPS,
    STEPS_PER_EPOCH,
    decoded_length,
    prepare,
)
from benchmarks.speed.variants import (
    ADAMW,
    CLIP_NORM,
    LANGUAGE_MODELS,
    TEXT_MODELS,
    model_arguments,
    zoo_name,
)
from zoo import threads as tf_threads
from zoo.generation.continuation import Continuation, SamplingOptions

MANY_EPOCHS = 2**31 - 1  # the timer ends the process before


class SendLogs(keras.callbacks.Callback):
    """Sends the logs of each step to the timer, which may block."""

    def __init__(self, timer: Generator[None, Any, None]):
        super().__init__()
        self.timer = timer

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.timer.send(logs)


def trainer(
    name: str,
    make_model: Callable[..., Any],
    examples: np.ndarray | dict[str, np.ndarray],
    batch_size: int,
    timer: Generator[None, Any, None],
    configure: bool = False,
    as_command: bool = False,
    plain: str | None = None,
    **kwargs: Any,
) -> None:
    """`Trainer.fit` in a script.

    With `configure`, the script begins with `zoo.threads.configure`; with `as_command`, threads
    and micro-batches are set as `zoo train` does; with `plain`, that part of the zoo is replaced,
    see `benchmarks.speed.plain_parts`.
    """
    if plain:
        PLAIN[plain]()
    if configure:
        tf_threads.configure(zoo_name(name))
    if as_command:
        kwargs["micro_batches"] = zoo.registry.get_class(zoo_name(name)).micro_batches
        if kwargs["micro_batches"] > 1:
            tf_threads.single_threaded_ops()
    keras.utils.set_random_seed(0)
    kwargs |= {"optimizers": optimizers(name), "verbose": False}
    model = make_model(**model_arguments(name))
    zoo_trainer = zoo.Trainer(model, callbacks=[SendLogs(timer)], **kwargs)
    zoo_trainer.fit(_zoo_data(examples, batch_size), epochs=MANY_EPOCHS)


def _zoo_data(examples, batch_size):
    """The zoo's pipeline: epoch -> batches."""
    if isinstance(examples, dict):
        data = zoo.data.ArrayDataset(examples, batch_size=batch_size, shuffle=True)
    else:
        data = zoo.data.load(examples, batch_size=batch_size, shuffle=True)
    return lambda epoch: data(epoch).repeat(STEPS_PER_EPOCH // len(data))


def optimizers(name: str) -> Any:
    """The tutorial's optimizers where the zoo's defaults differ."""
    if name in LANGUAGE_MODELS:
        return zoo.optimizers.AdamW(**ADAMW, global_clipnorm=CLIP_NORM)
    if name in TEXT_MODELS:
        return zoo.optimizers.Adam(1e-3)
    parts = ("generator", "discriminator") if name == "dcgan" else ()
    return {part: zoo.optimizers.Adam(1e-4) for part in parts} or None


def fit(
    name: str,
    make_model: Callable[..., Any],
    examples: np.ndarray | dict[str, np.ndarray],
    batch_size: int,
    timer: Generator[None, Any, None],
) -> None:
    """`keras.Model.fit`."""
    keras.utils.set_random_seed(0)
    batches = _tutorial_data(name, examples, batch_size)
    model = make_model(**model_arguments(name))
    callbacks = [SendLogs(timer)]
    model.fit(batches, epochs=MANY_EPOCHS, callbacks=callbacks, shuffle=False, verbose=0)


def loop(
    name: str,
    make_model: Callable[..., Any],
    examples: np.ndarray | dict[str, np.ndarray],
    batch_size: int,
    timer: Generator[None, Any, None],
) -> None:
    """A Python loop that calls the model's `train_step`."""
    keras.utils.set_random_seed(0)
    batches = _tutorial_data(name, examples, batch_size)
    model = make_model(**model_arguments(name))
    while True:
        for batch in batches:
            timer.send(model.train_step(batch))


def _tutorial_data(name, examples, batch_size):
    """The tutorials' pipeline with `prefetch`, which they lack and which makes them faster."""
    data = tf.data.Dataset.from_tensor_slices(prepare(name, examples))
    shuffled = data.shuffle(data.cardinality())
    return shuffled.batch(batch_size).prefetch(tf.data.AUTOTUNE)


def decode(
    name: str,
    make_model: Callable[..., Any],
    examples: dict[str, np.ndarray],
    batch_size: int,
    timer: Generator[None, Any, None],
    configure: bool = False,
    as_command: bool = False,
    **kwargs: Any,
) -> None:
    """`generate` for one batch of sources or prompts after the other; arguments as in `trainer`."""
    if configure:
        tf_threads.configure(zoo_name(name))
    if as_command:
        tf_threads.single_threaded_ops()
    keras.utils.set_random_seed(0)
    model = make_model(**model_arguments(name))
    prepared = prepare(name, examples)
    sources = prepared[0] if isinstance(prepared, tuple) else prepared
    for start in itertools.cycle(range(0, len(sources), batch_size)):
        source = sources[start : start + batch_size]
        tokens = generate(model, source, decoded_length(name), **kwargs)
        timer.send({"tokens": tf.size(tokens)})


def generate(model: Any, source: Any, max_length: int, eager: bool = False, **kwargs: Any) -> Any:
    """The tokens that a model of any style decodes greedily: ids [b, max_length].

    A language model of the zoo is given prompts without the END that they begin after.
    """
    if isinstance(model, zoo.LanguageModel):
        continuation = Continuation(model, eager=True) if eager else model.continuation
        prompts = np.asarray(source)[:, 1:].tolist()
        options = SamplingOptions(max_length, temperature=0.0)
        return tf.constant(continuation.run(prompts, options, model.as_seed(0)))
    if isinstance(model, zoo.Model):
        return model.generate(source, max_length=max_length, eager=eager, **kwargs).tokens
    return model.generate(source, max_length=max_length)


def sample(
    name: str,
    make_model: Callable[..., Any],
    examples: np.ndarray,
    batch_size: int,
    timer: Generator[None, Any, None],
    configure: bool = False,
    **_: Any,
) -> None:
    """`sample` of a batch of images, again and again; `configure` as in `trainer`."""
    if configure:
        tf_threads.configure(zoo_name(name))
    keras.utils.set_random_seed(0)
    model = make_model(**model_arguments(name))
    for seed in itertools.count():
        images = model.sample(batch_size, seed=seed, steps=SAMPLING_STEPS)
        timer.send({"images": tf.reduce_mean(images)})


def threads() -> dict[str, int]:
    """Threads within and across operations; 0 means that TensorFlow chooses."""
    return tf_threads.thread_counts()
