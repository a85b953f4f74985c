"""A model's verbs as a SavedModel, for programs that have TensorFlow and nothing of the zoo.

zoo.export(zoo.get("seq2seq.dates", pretrained=True), "exported/dates")

served = tf.saved_model.load("exported/dates")      # anywhere
served.translate(tf.constant(["4 juillet 2019"]))   # strings to strings
"""

import inspect
from pathlib import Path

import keras
import tensorflow as tf

from zoo import text
from zoo.checks import check_numbers
from zoo.errors import UsageError, one_line
from zoo.files import folder_atomically
from zoo.generation.sequence_generator import Speaker
from zoo.log import log_message

# Verbs that are functions of tensors, and what they take, in their order.
VERBS = {
    "sample": ("n", "seed"),
    "encode": ("image",),
    "decode": ("codes",),
    "reconstruct": ("image",),
    "interpolate": ("image", "image", "n"),
    "translate": ("source",),
    "predict_ratings": ("user", "item"),
}
EXTRA = "assets.extra"  # where TensorFlow wants what it does not read itself


def export(model, folder, *, beam=1, limit=100):
    """Writes a SavedModel whose functions and signatures are the model's verbs.

    `sample`, `encode`, `decode`, `reconstruct`, `interpolate`, `translate` and `predict_ratings`
    are as the model has them; `sample` always takes a seed, and of each class a `label` [n]. What
    answers in words is `translate`, strings [n] -> strings [n], or `caption`, images -> strings, if
    its vocabularies are `zoo.text.Words`. Other ones work on Python strings only: a note says so,
    and there is `generate`, ids or images -> a dict of what `decoding.Decoded` holds, and the
    vocabularies as files in the folder `assets.extra`.

    Args:
        model: with its weights; of any precision.
        folder: must not be there yet; appears whole or not at all.
        beam: 1 takes the most probable word at each step; more is a beam search.
        limit: words at most, END included, and ids of a text that is to be translated. A longer
            one is a `tf.errors.InvalidArgumentError`.

    Text is taken as it comes: `model.translate` brings it into Unicode's normal form C first,
    which no graph can. The first verb is the signature `serving_default`, too.

    What `tf.saved_model.load` gives must be kept while one of its functions is in use.

    Returns verb -> (what it takes, what it gives), in words.

    Raises:
        UsageError: there is something of that name, the model has none of these verbs, or `beam`
            or `limit` is not an integer >= 1.
        WriteError: the disk would not take it.
    """
    check_numbers(beam=beam, limit=limit)
    folder = Path(folder)
    if folder.exists():
        raise UsageError(f"{folder} is there already; choose another folder, or remove it")
    archive, tables, told = keras.export.ExportArchive(), tf.Module(), {}
    for verb, (function, takes) in functions(model, beam, limit).items():
        try:
            traced = archive.add_endpoint(verb, function, takes).get_concrete_function()
        except Exception as error:  # whatever a verb does to tensors that it was not made for
            raise UsageError(
                f"{verb} of {model.name} is no function of {shown(takes)}, so it cannot be"
                f" exported: {one_line(error)}"
            ) from error
        told[verb] = shown(takes), shown(traced.structured_outputs)
    known = {side: one for side, one in getattr(model, "vocabularies", {}).items() if one}
    tables.all = [getattr(vocabulary, "tables", []) for vocabulary in known.values()]
    archive.track(tables)
    with folder_atomically(folder) as new:
        written(archive, new)
        if "generate" in told:
            for side, vocabulary in known.items():
                keep(vocabulary, new / EXTRA / side)
    if "generate" in told:
        log_message(ids_only(model, known))
    return told


def written(archive, folder):
    """Writes a SavedModel; raises OSError, which TensorFlow has another word for."""
    try:
        archive.write_out(folder, verbose=False)
    except tf.errors.OpError as error:
        raise OSError(error.message) from error


def functions(model, beam=1, limit=100):
    """Verb -> (function of tensors, the specs of what it takes); raises UsageError without any."""
    if isinstance(model, Speaker):
        return dict([spoken(model, beam, limit)])
    number = tf.TensorSpec((), tf.int32)
    labels = tf.TensorSpec((None,), tf.int64)
    specs = {"label": labels, **model.batch_spec, "n": number, "seed": number}
    specs["codes"] = codes_of(model)
    found = {}
    for verb in filter(lambda verb: hasattr(model, verb), VERBS):
        function, takes = getattr(model, verb), VERBS[verb]
        if "label" in inspect.signature(function).parameters:
            takes = (*takes, "label")
        found[verb] = function, [specs[name] for name in takes]
    if not found:
        raise UsageError(
            f"{model.name} has nothing to export: none of the verbs {', '.join(VERBS)}, which are"
            " functions of tensors"
        )
    return found


def codes_of(model):
    """The spec of what `decode` takes: what `encode` gives, such as integers."""
    found = None
    if hasattr(model, "encode"):
        found = model.encode(tf.zeros((1, *model.batch_spec["image"].shape[1:])))
    if tf.is_tensor(found):
        return tf.TensorSpec((None, *found.shape[1:]), found.dtype)
    return tf.TensorSpec((None, getattr(model, "latent_dim", None)), tf.float32)


def spoken(model, beam, limit):
    """(verb, (function, specs)) of a model that answers in words, or in ids."""
    sees = model.batch_spec[model.input_feature]

    def generate(source):
        found = model.generate(source, beam, limit)._asdict()
        return {"weights" if name == "extras" else name: x for name, x in found.items()}

    def caption(source):
        tokens = model.generate(source, beam, limit).tokens
        return model.vocabulary(model.said).strings(tokens[:, 0] if beam > 1 else tokens)

    def translate(texts):
        ids = model.vocabulary("source")(texts)
        lengths, most = ids.row_lengths(), tf.constant(limit, tf.int64)
        message = f"a text has more ids than the limit of {limit}: cut it, or export with more"
        tf.debugging.assert_less_equal(lengths, most, message)
        padded = tf.pad(ids.to_tensor(), ((0, 0), (0, 1)))  # one column at least
        return tf.where(lengths > 0, caption(padded), "")

    if not all(isinstance(one, text.Words) for one in model.vocabularies.values()):
        return "generate", (generate, [sees])
    if model.input_feature == "source":
        return "translate", (translate, [tf.TensorSpec((None,), tf.string)])
    return "caption", (caption, [sees])


def keep(vocabulary, folder):
    """A vocabulary as `text.load` takes it, and as its own library does."""
    vocabulary.save(folder)
    if hasattr(vocabulary, "model"):
        (folder / "sentencepiece.model").write_bytes(vocabulary.model)


def ids_only(model, known):
    """Why a model was exported with ids in the place of words."""
    if len(known) < len(model.vocabularies):
        return f"note: {model.name} knows no words, only how many: its function gives and takes ids"
    kinds = " and ".join(f"{one.kind} ({side})" for side, one in known.items())
    return (
        f"note: {kinds} are not all words or characters, which alone can be in a graph: the"
        f" function gives and takes ids; the vocabularies are in {EXTRA}"
    )


def shown(tensors):
    """Types and shapes in words: "float32 [?, 28, 28, 1]"; in a dict, after their names."""
    if isinstance(tensors, dict):
        return ", ".join(f"{name} {shown(one)}" for name, one in tensors.items())
    if isinstance(tensors, list):
        return ", ".join(map(shown, tensors))
    sizes = ", ".join("?" if n is None else str(n) for n in tensors.shape)
    return f"{tensors.dtype.name} [{sizes}]"
