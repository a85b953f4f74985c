"""Export of a model's methods as a SavedModel, for programs with TensorFlow but without the zoo.

zoo.export(zoo.get("seq2seq.dates", pretrained=True), "exported/dates")

served = tf.saved_model.load("exported/dates")      # anywhere
served.translate(tf.constant(["4 juillet 2019"]))   # strings to strings
"""

import inspect
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from zoo.checks import check_numbers
from zoo.errors import UsageError, one_line
from zoo.files import expand_home, folder_atomically
from zoo.model import Model


def export(
    model: Model, folder: str | Path, *, num_beams: int = 1, max_length: int = 100
) -> dict[str, tuple[str, str]]:
    """Writes a SavedModel whose functions and signatures are the model's methods.

    `sample`, `encode`, `decode`, `reconstruct`, `interpolate`, `translate` and `predict_ratings`
    are as in the model; `sample` always takes a seed, and `label` [n] if it depends on the class. A
    model that generates text has `translate`, strings [n] -> strings [n], or `caption`, images ->
    strings, if its vocabularies are of type `zoo.text.WordTokenizer`. Other vocabularies work on
    Python strings only: then a note is logged, the function is `generate`, ids or images -> a dict
    of the fields of `decoding.DecodingResult`, and the vocabularies are files in the folder
    `assets.extra`.

    Args:
        model: a model with its weights, of any precision.
        folder: must not exist yet; it is written atomically.
        num_beams: 1 for greedy search; more for beam search.
        max_length: maximum number of generated tokens, END included, and of ids of a text to
            translate. A longer text raises a `tf.errors.InvalidArgumentError`.

    Texts are not normalized: `model.translate` first converts them to Unicode's normal form C,
    which a graph cannot do. The first method is also the signature `serving_default`.

    Keep the object that `tf.saved_model.load` returns as long as its functions are used.

    Returns method -> (description of its inputs, description of its outputs).

    Raises:
        UsageError: the folder exists, the model has none of these methods, or `num_beams` or
            `max_length` is not an integer >= 1.
        WriteError: the folder cannot be written.
    """
    check_numbers(num_beams=num_beams, max_length=max_length)
    folder = expand_home(folder)
    if folder.exists():
        raise UsageError(f"{folder} exists already; choose another folder, or remove it")
    options = {"num_beams": num_beams, "max_length": max_length}
    accepted = inspect.signature(model.signatures).parameters
    functions = model.signatures(**{k: value for k, value in options.items() if k in accepted})
    if not functions:
        names = ", ".join(model.methods) or "sample, encode, ..."
        raise UsageError(
            f"{model.name} has nothing to export: it has none of the methods {names}, which are"
            " functions of tensors"
        )
    archive = keras.export.ExportArchive()
    tables = tf.Module()
    descriptions = {}
    for name, (function, specs) in functions.items():
        try:
            traced = archive.add_endpoint(name, function, specs).get_concrete_function()
        except Exception as error:  # a method may fail in any way on symbolic tensors
            raise UsageError(
                f"{name} of {model.name} is not a function of {_describe(specs)}, so it cannot be"
                f" exported: {one_line(error)}"
            ) from error
        descriptions[name] = _describe(specs), _describe(traced.structured_outputs)
    tables.all = model.tracked_resources()
    archive.track(tables)
    with folder_atomically(folder) as new:
        _write_archive(archive, new)
        model.write_assets(new)
    return descriptions


def _write_archive(archive: keras.export.ExportArchive, folder: Path) -> None:
    """Writes a SavedModel; raises OSError instead of TensorFlow's own error."""
    try:
        archive.write_out(folder, verbose=False)
    except tf.errors.OpError as error:
        raise OSError(error.message) from error


def _describe(tensors: Any) -> str:
    """Types and shapes as text: "float32 [?, 28, 28, 1]"; in a dict, after their names."""
    if isinstance(tensors, dict):
        return ", ".join(f"{name} {_describe(value)}" for name, value in tensors.items())
    if isinstance(tensors, list):
        return ", ".join(map(_describe, tensors))
    sizes = ", ".join("?" if n is None else str(n) for n in tensors.shape)
    return f"{tensors.dtype.name} [{sizes}]"
