"""Export of a model's methods as a SavedModel, for programs with TensorFlow but without the zoo.

zoo.export(zoo.get("seq2seq.dates", pretrained=True), "exported/dates")

served = tf.saved_model.load("exported/dates")      # anywhere
served.translate(tf.constant(["4 juillet 2019"]))   # strings to strings
"""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from zoo import text
from zoo.checks import check_numbers
from zoo.errors import UsageError, one_line
from zoo.files import folder_atomically
from zoo.generation.sequence_generator import SequenceGenerator
from zoo.log import log_message
from zoo.model import Model

# Methods that are functions of tensors, and their arguments, in order.
METHODS = {
    "sample": ("n", "seed"),
    "encode": ("image",),
    "decode": ("codes",),
    "reconstruct": ("image",),
    "interpolate": ("image", "image", "n"),
    "translate": ("source",),
    "predict_ratings": ("user", "item"),
}
ASSETS = "assets.extra"  # TensorFlow's folder for files that it does not read itself


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
    which a graph cannot. The first method is also the signature `serving_default`.

    Keep the object that `tf.saved_model.load` returns as long as its functions are used.

    Returns method -> (description of its inputs, description of its outputs).

    Raises:
        UsageError: the folder exists, the model has none of these methods, or `num_beams` or
            `max_length` is not an integer >= 1.
        WriteError: the folder cannot be written.
    """
    check_numbers(num_beams=num_beams, max_length=max_length)
    folder = Path(folder)
    if folder.exists():
        raise UsageError(f"{folder} exists already; choose another folder, or remove it")
    archive = keras.export.ExportArchive()
    tables = tf.Module()
    descriptions = {}
    for name, (function, specs) in signatures(model, num_beams, max_length).items():
        try:
            traced = archive.add_endpoint(name, function, specs).get_concrete_function()
        except Exception as error:  # a method may fail in any way on symbolic tensors
            raise UsageError(
                f"{name} of {model.name} is not a function of {_describe(specs)}, so it cannot be"
                f" exported: {one_line(error)}"
            ) from error
        descriptions[name] = _describe(specs), _describe(traced.structured_outputs)
    vocabularies = {k: v for k, v in getattr(model, "vocabularies", {}).items() if v}
    tables.all = [getattr(value, "lookup_layers", []) for value in vocabularies.values()]
    archive.track(tables)
    with folder_atomically(folder) as new:
        _write_archive(archive, new)
        if "generate" in descriptions:
            for feature, vocabulary in vocabularies.items():
                _save_vocabulary(vocabulary, new / ASSETS / feature)
    if "generate" in descriptions:
        log_message(_ids_only_note(model, vocabularies))
    return descriptions


def _write_archive(archive: keras.export.ExportArchive, folder: Path) -> None:
    """Writes a SavedModel; raises OSError instead of TensorFlow's own error."""
    try:
        archive.write_out(folder, verbose=False)
    except tf.errors.OpError as error:
        raise OSError(error.message) from error


def signatures(
    model: Model, num_beams: int = 1, max_length: int = 100
) -> dict[str, tuple[Callable, list[tf.TensorSpec]]]:
    """Method -> (function of tensors, specs of its arguments); raises UsageError without any."""
    if isinstance(model, SequenceGenerator):
        return dict([_text_signature(model, num_beams, max_length)])
    number = tf.TensorSpec((), tf.int32)
    labels = tf.TensorSpec((None,), tf.int64)
    specs = {"label": labels, **model.batch_spec, "n": number, "seed": number}
    specs["codes"] = _codes_spec(model)
    functions = {}
    for method in filter(lambda method: hasattr(model, method), METHODS):
        function = getattr(model, method)
        arguments = METHODS[method]
        has_classes = getattr(model, "num_classes", 0)
        if has_classes and "label" in inspect.signature(function).parameters:
            arguments = (*arguments, "label")
        functions[method] = function, [specs[name] for name in arguments]
    if not functions:
        raise UsageError(
            f"{model.name} has nothing to export: it has none of the methods"
            f" {', '.join(METHODS)}, which are functions of tensors"
        )
    return functions


def _codes_spec(model: Any) -> tf.TensorSpec:
    """The spec of the argument of `decode`, the output of `encode`, which may be integers."""
    codes: Any = None
    if hasattr(model, "encode"):
        codes = model.encode(tf.zeros((1, *model.batch_spec["image"].shape[1:])))
    if tf.is_tensor(codes):
        return tf.TensorSpec((None, *codes.shape[1:]), codes.dtype)
    return tf.TensorSpec((None, getattr(model, "latent_dim", None)), tf.float32)


def _text_signature(model: Any, num_beams: int, max_length: int) -> tuple[str, tuple]:
    """(method, (function, specs)) of a model that generates strings, or ids."""
    source_spec = model.batch_spec[model.input_feature]

    def generate(source: tf.Tensor) -> dict[str, tf.Tensor]:
        result = model.generate(source, num_beams, max_length)._asdict()
        return {"weights" if name == "aux" else name: x for name, x in result.items()}

    def caption(source: tf.Tensor) -> tf.Tensor:
        tokens = model.generate(source, num_beams, max_length).tokens
        vocabulary = model.vocabulary(model.target_feature)
        return vocabulary.detokenize(tokens[:, 0] if num_beams > 1 else tokens)

    def translate(texts: tf.Tensor) -> tf.Tensor:
        ids = model.vocabulary("source")(texts)
        lengths = ids.row_lengths()
        most = tf.constant(max_length, tf.int64)
        message = f"a text has more ids than max_length={max_length}: cut it, or export with more"
        tf.debugging.assert_less_equal(lengths, most, message)
        padded = tf.pad(ids.to_tensor(), ((0, 0), (0, 1)))  # one column at least
        return tf.where(lengths > 0, caption(padded), "")

    vocabularies = model.vocabularies.values()
    if not all(isinstance(value, text.WordTokenizer) for value in vocabularies):
        return "generate", (generate, [source_spec])
    if model.input_feature == "source":
        return "translate", (translate, [tf.TensorSpec((None,), tf.string)])
    return "caption", (caption, [source_spec])


def _save_vocabulary(vocabulary: Any, folder: Path) -> None:
    """A vocabulary as a file for `text.load`, and as one for SentencePiece itself."""
    vocabulary.save(folder)
    if hasattr(vocabulary, "model"):
        (folder / "sentencepiece.model").write_bytes(vocabulary.model)


def _ids_only_note(model: Any, vocabularies: dict[str, Any]) -> str:
    """Why a model was exported with ids instead of strings."""
    if len(vocabularies) < len(model.vocabularies):
        return (
            f"note: {model.name} has only the size of its vocabulary: the exported function takes"
            " and returns ids"
        )
    kinds = " and ".join(f"{value.kind} ({name})" for name, value in vocabularies.items())
    return (
        f"note: {kinds} are not all words or characters, and sub-words do not work in a graph: the"
        f" exported function takes and returns ids; the vocabularies are in {ASSETS}"
    )


def _describe(tensors: Any) -> str:
    """Types and shapes as text: "float32 [?, 28, 28, 1]"; in a dict, after their names."""
    if isinstance(tensors, dict):
        return ", ".join(f"{name} {_describe(value)}" for name, value in tensors.items())
    if isinstance(tensors, list):
        return ", ".join(map(_describe, tensors))
    sizes = ", ".join("?" if n is None else str(n) for n in tensors.shape)
    return f"{tensors.dtype.name} [{sizes}]"
