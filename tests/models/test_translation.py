"""Models that translate: padding, steps, texts in and out, attention, files, errors, learning."""

import functools
import itertools
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from cases import examples, small_config, small_model, small_trainer

import blocks
import zoo
from zoo import text
from zoo.data import corpora
from zoo.data.text_dataset import TextDataset
from zoo.errors import UsageError
from zoo.registry import get_class

NAMES = [name for name in zoo.names() if issubclass(get_class(name), zoo.Translator)]
every_translator = pytest.mark.parametrize("name", NAMES)

SEQ2SEQ = [
    {"cell": cell, "attention": attention, "attention_order": order}
    for cell, attention, order in itertools.product(
        ("gru", "lstm"), ("additive", "dot", "general"), ("bahdanau", "luong")
    )
]
VARIANTS = [("seq2seq", config) for config in SEQ2SEQ]
VARIANTS += [("seq2seq", {"tie_embeddings": tied}) for tied in ("output", "all")]
VARIANTS += [(name, {}) for name in NAMES if name != "seq2seq"]
every_variant = pytest.mark.parametrize(
    ("name", "config"), VARIANTS, ids=lambda x: x if isinstance(x, str) else "-".join(x.values())
)

GERMAN = ["ein mann", "eine frau", "ein hund", "eine katze", "mann und hund", "frau und katze"]
ENGLISH = ["a man", "a woman", "a dog", "a cat", "man and dog", "woman and cat"]
SOURCE_TOKENIZER, TARGET_TOKENIZER = (
    text.WordTokenizer.train(GERMAN),
    text.WordTokenizer.train(ENGLISH),
)


def with_vocabularies(name):
    """A small untrained model with vocabularies."""
    return small_model(name, source_vocabulary=SOURCE_TOKENIZER, target_vocabulary=TARGET_TOKENIZER)


# One for all tests that change nothing in it: each search is traced once.
shared = functools.cache(with_vocabularies)


@every_variant
def test_decode_gives_the_logits_and_weights_of_decode_step(name, config):
    model = small_model(name, **config)
    batch = examples(model, 3)
    tokens = batch["target"][:, :-1]
    encoded = model.encode(batch["source"])
    logits, all_weights = model.decode(encoded, tokens)
    state = model.initial_state(encoded, tokens.shape[1])
    for t in range(tokens.shape[1]):
        step_logits, state, weights = model.decode_step(tokens[:, t], state)
        np.testing.assert_allclose(step_logits, logits[:, t], atol=1e-4)
        np.testing.assert_allclose(weights, all_weights[:, t], atol=1e-5)
        np.testing.assert_allclose(np.sum(weights, axis=1), 1, atol=1e-5)
        assert not np.any(np.where(batch["source"] == text.PAD, weights, 0))


@pytest.mark.usefixtures("eager_steps")
@every_translator
def test_padding_changes_no_logits_no_losses_and_no_tokens(name):
    model = small_model(name)
    batch = examples(model, 4)
    x, y = batch["source"], batch["target"]
    wide, long = tf.pad(x, [[0, 0], [0, 7]]), tf.pad(y, [[0, 0], [0, 3]])
    logits, _ = model.decode(model.encode(x), y)
    np.testing.assert_allclose(model.decode(model.encode(wide), y)[0], logits, atol=1e-5)
    narrow, padded = model.eval_step(batch), model.eval_step({"source": wide, "target": long})
    for key, value in narrow.items():
        np.testing.assert_allclose(padded[key], value, atol=1e-5, err_msg=key)
    one, other = model.generate(x, max_length=5), model.generate(wide, max_length=5)
    np.testing.assert_array_equal(one.tokens, other.tokens)
    np.testing.assert_allclose(other.aux[..., : x.shape[1]], one.aux, atol=1e-5)


@every_translator
def test_the_logged_numbers_are_those_of_the_definitions(name):
    model = small_model(name, dropout=0.0, label_smoothing=0.1)
    model.prepare(keras.optimizers.SGD(0.0))
    batch = examples(model, 4)
    inputs, targets = batch["target"][:, :-1], batch["target"][:, 1:].numpy()
    logits, _ = model.decode(model.encode(batch["source"]), inputs)
    log_p = tf.nn.log_softmax(logits).numpy()
    smoothed = 0.9 * np.eye(20)[targets] + 0.1 / 20
    nll = -np.take_along_axis(log_p, targets[..., None], -1)[..., 0]
    values = {
        "loss": -np.sum(smoothed * log_p, -1),
        "nll": nll,
        "accuracy": log_p.argmax(-1) == targets,
    }
    logs, losses = model.train_step(batch), model.eval_step(batch)
    for key, value in values.items():
        np.testing.assert_allclose(logs[key], value[targets != 0].mean(), rtol=1e-4)
        for i, mask in enumerate(targets != 0):
            np.testing.assert_allclose(losses[key][i], value[i][mask].mean(), rtol=1e-4)


@every_translator
def test_eager_equals_the_graph_beams_are_sorted_and_no_special_token_is_generated(name):
    model = small_model(name)
    x = examples(model, 4)["source"]
    greedy, eager = model.generate(x, max_length=5), model.generate(x, max_length=5, eager=True)
    np.testing.assert_array_equal(greedy.tokens, eager.tokens)
    np.testing.assert_allclose(greedy.aux, eager.aux, atol=1e-5)
    wide = model.generate(x, num_beams=4, max_length=5, length_penalty=0.0)
    assert wide.tokens.shape == (4, 4, 5) and wide.aux.shape == (4, 4, 5, x.shape[1])
    assert np.all(np.diff(wide.scores, axis=1) <= 0)
    samples = model.generate(tf.repeat(x, 50, axis=0), max_length=5, seed=1)
    inside = np.arange(5) < np.array(samples.lengths)[:, None]
    assert not np.any(np.isin(samples.tokens, [text.PAD, text.START]) & inside)


def first_step_only(step):
    return tf.where(step < 1, 1.0, 0.0)


def test_scheduled_sampling_replaces_decoder_inputs_by_predictions():
    model = small_model("seq2seq", dropout=0.0, scheduled_sampling=first_step_only)
    model.prepare()
    batch = examples(model, 4)
    tokens, encoded = batch["target"][:, :-1], model.encode(batch["source"])
    inputs = model.sample_decoder_inputs(encoded, tokens, model.scheduled_sampling).numpy()
    predictions = tf.argmax(model.decode(encoded, tokens)[0], -1).numpy()
    expected = np.where(tokens[:, 1:] != text.PAD, predictions[:, :-1], 0)
    np.testing.assert_array_equal(inputs[:, 1:], expected)  # the prediction after token i - 1
    np.testing.assert_array_equal(inputs[:, 0], text.START)
    model.train_step(batch)
    inputs = model.sample_decoder_inputs(encoded, tokens, model.scheduled_sampling)
    np.testing.assert_array_equal(inputs, tokens)


@every_translator
def test_the_optimizer_gets_one_gradient_of_a_token_however_often_it_came(name):
    model = small_model(name, dropout=0.0)
    model.prepare()
    gradients, apply = [], model.optimizers[""].apply
    model.optimizers[""].apply = lambda g, v: (gradients.extend(g), apply(g, v))
    model.train_step(examples(model, 8))
    assert len(gradients) == len(model.trainable_variables)
    assert not any(isinstance(gradient, tf.IndexedSlices) for gradient in gradients)


@pytest.mark.usefixtures("eager_steps")
@every_translator
def test_texts_become_texts_in_their_own_order(name):
    model = shared(name)
    texts = [GERMAN[4], "", GERMAN[0], GERMAN[5]]
    translations = model.translate(texts, max_length=5, batch_size=2)
    assert translations[1] == "" and all(isinstance(line, str) for line in translations)
    alone = [model.translate([line], max_length=5)[0] for line in texts[:2]]
    assert translations[:2] == alone
    assert (
        model.translate([line.encode() for line in texts], num_beams=1, max_length=5)
        == translations
    )
    assert model.translate([]) == [] and model.attention_maps([]) == []
    assert model.generate(np.zeros((0, 3), int), 2, max_length=5).tokens.shape == (0, 2, 5)
    assert len(model.translate(texts, num_beams=2, max_length=5)) == 4
    assert model.translate(texts, max_length=5, seed=1) == model.translate(
        texts, max_length=5, seed=1
    )


@pytest.mark.usefixtures("eager_steps")
@every_translator
def test_attention_maps_have_the_tokens_of_both_sides_and_sum_to_one(name):
    model = shared(name)
    (source, target, weights), other = model.attention_maps([GERMAN[0], GERMAN[4]], ENGLISH[:2])
    assert source == ["ein", "mann"] and target == ["a", "man", "</s>"]
    assert weights.shape == (3, 2) and other[2].shape == (3, 3)
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-5)
    ((_, tokens, own),) = model.attention_maps([GERMAN[4]], max_length=5)
    found = model.generate(SOURCE_TOKENIZER.encode_batch([GERMAN[4]]), max_length=5)
    assert tokens == TARGET_TOKENIZER.tokens(found.tokens[0, : int(found.lengths[0])].numpy())
    np.testing.assert_allclose(own, found.aux[0, : len(tokens)], atol=1e-5)


@pytest.mark.usefixtures("eager_steps")
@every_translator
@pytest.mark.parametrize("how", [{}, {"num_beams": 3}, {"seed": 1}], ids=str)
def test_translations_come_with_the_attention_of_their_own_search(name, how):
    model, texts = shared(name), [GERMAN[4], "", " \t\u00a0", GERMAN[0]]
    how = {**how, "max_length": 5}
    translations, maps = model.translate_with_attention(texts, num_maps=1, **how)
    assert translations == model.translate(texts, **how) and translations[1:3] == ["", ""]
    found = model.generate(
        SOURCE_TOKENIZER.encode_batch([GERMAN[0], GERMAN[4]]), **how
    )  # by length
    tokens, weights = (one[1] for one in model.best_sequences(found))
    ((source, target, looks),) = maps
    assert source == GERMAN[4].split() and target == TARGET_TOKENIZER.tokens(
        [i for i in tokens if i]
    )
    np.testing.assert_allclose(looks, weights[: len(target)], atol=1e-5)
    assert len(model.translate_with_attention(texts, **how)[1]) == 2


@pytest.mark.usefixtures("eager_steps")
@every_translator
def test_a_saved_model_brings_its_vocabularies(name, tmp_path):
    model = with_vocabularies(name)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    how = {"num_beams": 2, "max_length": 5, "batch_size": 3}
    assert again.translate(GERMAN, **how) == model.translate(GERMAN, **how)
    assert again.vocabularies == model.vocabularies


@every_translator
def test_sentences_are_learned_in_a_few_hundred_steps(name):
    """A toy language: the words in capitals, in the reverse order."""
    rng = np.random.default_rng(0)
    words = [f"w{i}" for i in range(6)]
    source = [" ".join(rng.choice(words, rng.integers(2, 5))) for _ in range(160)]
    target = [" ".join(w.upper() for w in line.split()[::-1]) for line in source]
    source_tokenizer, target_tokenizer = (
        text.WordTokenizer.train(source),
        text.WordTokenizer.train(target),
    )
    wider = dict.fromkeys(("units", "hidden_dim", "embedding_dim", "intermediate_dim"), 32)
    wider = {key: size for key, size in wider.items() if key in small_config(name)}
    model = small_model(
        name,
        source_vocabulary=source_tokenizer,
        target_vocabulary=target_tokenizer,
        dropout=0.0,
        **wider,
    )
    data = TextDataset(
        corpora.Corpus({"source": source, "target": target}, "toy", "train"),
        {"source": source_tokenizer, "target": target_tokenizer},
        batch_size=32,
        shuffle=True,
    )
    right = np.mean(np.equal(model.translate(source[:64], max_length=8), target[:64]))
    assert right < 0.05

    def learned():
        return np.mean(np.equal(model.translate(source[:64], max_length=8), target[:64])) >= 0.5

    def stop(epoch, logs):
        model.stop_training = epoch % 5 == 4 and learned()

    run = small_trainer(
        name,
        model=model,
        optimizers=keras.optimizers.Adam(0.01, global_clipnorm=1.0),
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=stop)],
    )
    run.fit(data, steps=300)
    assert learned()


@pytest.mark.usefixtures("eager_steps")
@every_translator
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.translate("ein mann"), "a list of sentences"),
        (lambda m: m.translate(["ein", b"\xff"]), "line 2 is not UTF-8"),
        (
            lambda m: m.translate(["ein", "ein " * 7], max_length=5),
            "line 2 has 7 ids.*truncate=True",
        ),
        (lambda m: m.translate(["ein"], num_beams=0), "num_beams must be"),
        (lambda m: m.translate(["ein"], max_length=0), "max_length"),
        (lambda m: m.translate(["ein"], batch_size=0), "batch_size must be"),
        (lambda m: m.translate(["ein"], seed=1, temperature=0), "temperature must be above 0"),
        (lambda m: m.attention_maps(["ein"], ["a", "man"]), "1 texts need 1 translations, got 2"),
        (lambda m: m.attention_maps(["ein"], ["a"], num_beams=3), "num_beams would have no effect"),
        (lambda m: m.generate([[99]]), r"'source' ids in 0 \.\.\. \d+, got 99 to 99"),
        (lambda m: m.check_batch({"source": [[4]], "target": [[2, -1]]}), "'target' ids in 0"),
        (lambda m: m.check_batch({"source": [4], "target": [[2, 3]]}), "shape"),
        (lambda m: m.check_batch({"source": np.zeros((0, 3), np.int32)}), "an empty batch"),
        (lambda m: m.generate(np.zeros((2, 0), int)), r"needs ids \[n, length\] with length >= 1"),
        (lambda m: m.generate([4, 5]), r"of shape \(None, None\), got \(2,\)"),
        (lambda m: m.generate([["ein"]]), "as int32, got string"),
    ],
)
def test_invalid_sources_are_one_clear_error(name, call, message):
    with pytest.raises(UsageError, match=message):
        call(shared(name))


@pytest.mark.usefixtures("eager_steps")
@every_translator
def test_long_sources_are_truncated_on_request(name):
    model = shared(name)
    long, cut = "ein mann ein mann", "ein mann ein"
    assert model.translate([long], max_length=3, truncate=True) == model.translate(
        [cut], max_length=3
    )


@every_translator
def test_a_model_without_vocabularies_refuses_text(name):
    model = small_model(name)
    for method in (model.translate, model.attention_maps):
        with pytest.raises(UsageError, match="only the size of its .* vocabulary.*tokenizer"):
            method(["ein mann"])


@every_translator
@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"source_vocabulary": 4}, "a size of at least 5, got 4"),
        ({"target_vocabulary": 20.0}, "target_vocabulary must be a vocabulary"),
        ({"source_vocabulary": "nonsense"}, "this is not a vocabulary"),
        ({"label_smoothing": 1.0}, "label_smoothing must be a fraction"),
        ({"scheduled_sampling": "few"}, "scheduled_sampling must be a number"),
        (
            {"tie_embeddings": "all", "source_vocabulary": 21},
            "tie_embeddings='all' needs one vocabulary",
        ),
        ({"tie_embeddings": "some"}, "tie_embeddings must be one of"),
    ],
)
def test_impossible_settings_are_one_clear_error(name, config, message):
    with pytest.raises(UsageError, match=message):
        zoo.get(name, **{**small_config(name), **config})


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"units": 15}, "units must be even"),
        ({"attention": "concat"}, "attention must be one of"),
        ({"attention_order": "mine"}, "attention_order must be one of"),
    ],
)
def test_impossible_settings_of_seq2seq_are_one_clear_error(config, message):
    with pytest.raises(UsageError, match=message):
        small_model("seq2seq", **config)


@pytest.mark.usefixtures("eager_steps")
def test_an_attention_layer_as_argument_is_used_and_saved():
    own = blocks.MultiplicativeAttention("general", scaled=True)
    model = small_model("seq2seq", attention=own, attention_order="luong", tie_embeddings="output")
    assert model.decoder.cell.attention is own
    again = type(model).from_config(json.loads(json.dumps(model.get_config())))
    again.build()
    again.set_weights(model.get_weights())
    assert again.attention.scaled
    x = examples(model, 3)["source"]
    np.testing.assert_array_equal(
        again.generate(x, max_length=5).tokens, model.generate(x, max_length=5).tokens
    )
