"""The options of `zoo train` that describe a run, and the shell line of a description.

The name of each parameter is that of a field of `RunConfig`, or of its `text_config`.
"""

import shlex
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import click

from zoo.cli.options import BINARIZE_CHOICE, DATA_OPTION, SEED, SET_OPTION, Number, text_options
from zoo.cli.run_options import FIELDS, NONE, TEXT_FIELDS
from zoo.training import run_config
from zoo.training.run_config import RunConfig


class Rates(click.ParamType):
    """A learning rate, or one for each part of a model: generator=1e-3,discriminator=2e-4."""

    name = "float"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | dict[str, float]:
        number = Number("learning_rate")
        if not isinstance(value, str) or "=" not in value:
            return number.convert(value, param, ctx)
        pairs = [text.partition("=") for text in value.split(",")]
        return {part.strip(): number.convert(rate, param, ctx) for part, _, rate in pairs}


class Betas(click.ParamType):
    """Two decay rates: 0.5,0.99."""

    name = "b1,b2"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        if isinstance(value, tuple):
            return value
        betas = tuple(Number("betas").convert(text, param, ctx) for text in value.split(","))
        if len(betas) != 2:
            self.fail(f"takes two numbers, as in 0.9,0.999; got {value:.60}", param, ctx)
        return betas


class Monitor(click.ParamType):
    """The name of a metric."""

    name = "metric"


def _number(*names: str, help: str, positive: bool = False, default: Any = None) -> Callable:
    """An option with a number of the table, whose name is a field."""
    return click.option(
        *names,
        type=Number(names[-1].removeprefix("--").replace("-", "_"), positive),
        default=default,
        show_default=default is not None,
        help=help,
    )


_RUN_OPTIONS = (
    DATA_OPTION,
    click.option(
        "--split",
        "train",
        default="train",
        show_default=True,
        help="Split to train on, as in 'train[:90%]'.",
    ),
    click.option(
        "--validation-split",
        "valid",
        help="Split to evaluate on after each epoch; 'none' for none.  [default: the test split]",
    ),
    click.option(
        "--test-split",
        "test",
        help="Split to evaluate on at the end.  [default: test, if there is one]",
    ),
    _number("--epochs", help="Total number of passes over the data.  [default: 10]"),
    _number("--steps", help="Total number of training steps, instead of --epochs."),
    _number("--batch-size", default=128, help="Examples per training step."),
    click.option(
        "--drop-remainder/--keep-remainder",
        default=None,
        help="Drop a last training batch that is not full.  [default: for named data sets]",
    ),
    click.option(
        "--seed",
        type=SEED,
        default=0,
        show_default=True,
        help="Seed for weights, noise and data order.",
    ),
    click.option(
        "--precision",
        type=click.Choice(run_config.PRECISIONS),
        default="float32",
        show_default=True,
        help="Dtype policy of Keras: the types of computations and weights.",
    ),
    click.option(
        "--optimizer",
        type=click.Choice(run_config.OPTIMIZERS),
        help="Optimizer of every part of the model; adamw applies weight decay to kernels only."
        "  [default: the model's]",
    ),
    click.option(
        "--learning-rate",
        type=Rates(),
        help="Learning rate of every optimizer, or PART=RATE,PART=RATE.  [default: the model's]",
    ),
    click.option("--betas", type=Betas(), help="Decay rates of Adam.  [default: 0.9,0.999]"),
    click.option(
        "--schedule",
        type=click.Choice(run_config.SCHEDULES),
        default="constant",
        show_default=True,
        help="Learning-rate schedule over all steps; linear and cosine end at 0.01 of the rate.",
    ),
    _number("--warmup", default=0, help="Steps in which the learning rate rises from 0."),
    _number("--weight-decay", help="Decoupled weight decay."),
    _number("--clip-norm", help="Clip gradients to this global norm."),
    click.option(
        "--ema",
        "ema_momentum",
        type=Number("ema_momentum"),
        help="Evaluate a moving average of the weights with this momentum, such as 0.999.",
    ),
    _number("--accumulate", default=1, help="Batches per update, which uses their mean gradient."),
    _number("--patience", help="Epochs without a better metric before training stops."),
    click.option(
        "--monitor",
        type=Monitor(),
        default="val_loss",
        show_default=True,
        help="Metric that selects the best epoch; prefix max: to maximize it, as in"
        " max:val_accuracy.",
    ),
    click.option(
        "--best",
        "select_best_epoch",
        is_flag=True,
        help="Evaluate the best epoch instead of the last.",
    ),
    click.option(
        "--init",
        metavar="MODEL",
        help="Initial weights, as far as they fit: those of a run, a preset or a .keras file.",
    ),
    click.option(
        "--freeze",
        metavar="PATTERN",
        multiple=True,
        help="Layers that are not trained, as in --freeze 'encoder*'. May be repeated.",
    ),
    click.option(
        "--binarize",
        type=BINARIZE_CHOICE,
        default="none",
        show_default=True,
        help="For images: how gray pixels become 0 or 1, which a Bernoulli likelihood needs.",
    ),
    click.option(
        "--augment",
        type=click.Choice(run_config.AUGMENTATIONS),
        default="none",
        show_default=True,
        help="For images: random crops and flips of training images (jitter).",
    ),
    _number("--image-size", help="For images: crop the center square, resize it to N x N pixels."),
    _number(
        "--kl-warmup-epochs",
        default=0,
        help="For VAEs: epochs in which the KL weight rises from 0 to 1; below 1: a fraction of all"
        " epochs.",
    ),
    text_options,
    _number(
        "--min-count",
        default=1,
        help="For captions: words that occur less often become the unknown token.",
    ),
    click.option(
        "--network",
        metavar="NAME",
        help="For captions: network of keras.applications whose features replace the images.",
    ),
    click.option(
        "--mirrored",
        is_flag=True,
        help="For captions: also train on the mirror image of each image.",
    ),
    _number(
        "--micro-batches",
        help="Micro-batches per batch, computed in parallel.  [default: the model's, on a CPU]",
    ),
    click.option("--jit-compile", is_flag=True, help="Compile training steps with XLA."),
    click.option(
        "--strategy",
        type=click.Choice(run_config.STRATEGIES),
        help="Distribute each batch over the devices of this machine (mirrored), or over the"
        " processes in TF_CONFIG (multi_worker).",
    ),
    _number("--save-every", default=200, help="Steps between checkpoints within an epoch."),
    _number("--figures-every", default=1, help="Epochs between figures; 0 makes none."),
    SET_OPTION,
)


def run_options(command: Callable) -> Callable:
    """Adds the options that make a `RunConfig`."""
    for option in reversed(_RUN_OPTIONS):
        command = option(command)
    return command


def command_line(config: RunConfig, command: click.Command) -> str:
    """The shell line of `zoo train` that makes a description.

    Args:
        config: the description.
        command: `zoo train`.
    """
    values = asdict(config) | (asdict(config.text_config) if config.text_config else {})
    values["valid"] = config.valid or NONE
    words = ["zoo", "train", config.model]
    defaults = FIELDS | TEXT_FIELDS
    always = {"data", "valid", "test", "micro_batches", "epochs", "steps", "drop_remainder"}
    always |= {"tokenizer", "max_length"}  # of texts
    for param in command.params:
        value = values.get(param.name or "")
        if not isinstance(param, click.Option) or value is None:
            continue
        if param.name not in always and value == defaults[param.name]:
            continue
        words += _words(param, value)
    for key, value in config.config.items():
        words += ["--set", f"{key}={value}"]
    return shlex.join(words)


def _words(option: click.Option, value: Any) -> list[str]:
    """The words of an option with a value."""
    name = max(option.opts, key=len)
    if isinstance(value, bool):
        return [name if value else max(option.secondary_opts, key=len, default=name)]
    if option.multiple:
        return [word for each in value for word in (name, str(each))]
    if isinstance(value, dict):
        value = [f"{part}={rate}" for part, rate in value.items()]
    text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return [name, text]
