"""Encoders, embeddings, positions, Transformer layers: numbers, padding, steps, learning."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import blocks
from blocks import key_value_cache

LENGTHS = np.array([5, 3, 1])
MASK = np.arange(5) < LENGTHS[:, None]


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def built(layer, *shapes):
    layer.build(*shapes)
    for variable in layer.trainable_variables:  # biases that are not zero
        variable.assign(random(*variable.shape, seed=len(variable.path)) / 2)
    return layer


def encoder(**config):
    layer = built(blocks.SequenceEncoder(4, **config), (None, None, 6))
    return lambda x, mask: layer(x, mask=mask)


def attention(layer):
    layer = built(layer, (None, 6), (None, None, 6))
    return lambda x, mask: layer(tf.ones((len(x), 6)), x, values_mask=mask)


def decoder(cell):
    layer = built(blocks.AttentionDecoder(cell), (None, None, 6), (None, None, 6))
    return lambda x, mask: layer(x, x, values_mask=mask)


def transformer(kind):
    layer = kind(6, num_heads=2, intermediate_dim=8)
    if kind is blocks.TransformerEncoderLayer:
        layer = built(layer, (None, None, 6))
        return lambda x, mask: layer(x, mask=mask)
    layer = built(layer, (None, None, 6), (None, None, 6))
    return lambda x, mask: layer(x, x, values_mask=mask)


def positions(layer):
    layer = built(layer, (None, None, 6))
    return lambda x, mask: layer(x)


GRU, LSTM = keras.layers.GRUCell, keras.layers.LSTMCell
BLOCKS = {
    "SequenceEncoder": encoder,
    "SequenceEncoder, lstm": lambda: encoder(cell="lstm"),
    "SequenceEncoder, one way": lambda: encoder(bidirectional=False),
    "AdditiveAttention": lambda: attention(blocks.AdditiveAttention(5)),
    "MultiplicativeAttention": lambda: attention(blocks.MultiplicativeAttention()),
    "MultiHeadAttention": lambda: attention(blocks.MultiHeadAttention(6, 2)),
    "AttentionCell": lambda: decoder(blocks.AttentionCell(LSTM(4), blocks.AdditiveAttention(5))),
    "GatedAttentionCell": lambda: decoder(
        blocks.GatedAttentionCell(LSTM(4), blocks.AdditiveAttention(5))
    ),
    "InputFeedingCell": lambda: decoder(
        blocks.InputFeedingCell(GRU(6), blocks.MultiplicativeAttention("dot"), 3)
    ),
    "TransformerEncoderLayer": lambda: transformer(blocks.TransformerEncoderLayer),
    "TransformerDecoderLayer": lambda: transformer(blocks.TransformerDecoderLayer),
    "SinusoidalPositions": lambda: positions(blocks.SinusoidalPositions()),
    "LearnedPositions": lambda: positions(blocks.LearnedPositions(9)),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_padding_does_not_change_the_outputs_at_valid_positions(name):
    """Each example alone and without padding gives what it gives in a padded batch."""
    run, x = BLOCKS[name](), random(3, 5, 6)
    together = tf.nest.flatten(run(x, MASK))
    for i, length in enumerate(LENGTHS):
        alone = tf.nest.flatten(run(x[i : i + 1, :length], None))
        for whole, expected in zip(together, alone, strict=True):
            got = whole[i, :length] if len(whole.shape) == 3 else whole[i]
            np.testing.assert_allclose(got, expected[0], atol=1e-5)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_the_encoder_gives_the_numbers_and_gradients_of_keras_bidirectional(cell):
    ours = built(blocks.SequenceEncoder(4, cell=cell), (3, 5, 6))
    kind = {"gru": keras.layers.GRU, "lstm": keras.layers.LSTM}[cell]
    theirs = keras.layers.Bidirectional(kind(4, return_sequences=True, return_state=True))
    theirs.build((3, 5, 6))
    theirs.set_weights(ours.get_weights())
    x, kept = tf.constant(random(3, 5, 6)), MASK[..., None]

    def both(layer):
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs, *state = layer(x, mask=tf.constant(MASK))
            loss = sum(tf.reduce_sum(y**2) for y in (tf.where(kept, outputs, 0), *state))
        return outputs, state, tape.gradient(loss, [x, *(v.value for v in layer.weights)])

    (outputs, state, learned), (expected, parts, keras_learned) = both(ours), both(theirs)
    half = len(parts) // 2
    np.testing.assert_allclose(outputs, np.where(kept, expected, 0), atol=1e-5)
    for i, whole in enumerate(state):
        pair = np.concatenate([parts[i], parts[i + half]], axis=-1)
        np.testing.assert_allclose(whole, pair, atol=1e-5)
    for a, b in zip(learned, keras_learned, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_the_encoder_ends_at_the_last_unmasked_step_and_its_padding_is_zero():
    layer = built(blocks.SequenceEncoder(4), (3, 5, 6))
    outputs, state = layer(random(3, 5, 6), mask=MASK)
    for i, length in enumerate(LENGTHS):
        np.testing.assert_allclose(state[i, :4], outputs[i, length - 1, :4], atol=1e-6)
        np.testing.assert_allclose(state[i, 4:], outputs[i, 0, 4:], atol=1e-6)
    assert not np.any(np.where(MASK[..., None], 0, outputs))


def test_a_wholly_masked_source_leaves_the_initial_state_of_the_encoder():
    layer = built(blocks.SequenceEncoder(4, cell="lstm"), (3, 5, 6))
    with tf.GradientTape() as tape:
        results = layer(random(3, 5, 6), mask=MASK & [[True], [False], [True]])
        loss = tf.add_n([tf.reduce_sum(y) for y in results])
    assert all(not np.any(y[1]) and np.any(y[0]) for y in results)
    gradients = tape.gradient(loss, [v.value for v in layer.trainable_variables])
    assert all(np.isfinite(g).all() for g in gradients)


def test_tied_embeddings_embed_tokens_and_compute_logits():
    layer = built(blocks.TokenEmbedding(7, 4), (None, None))
    tokens, table = np.array([[3, 1, 0]]), np.array(layer.embeddings)
    np.testing.assert_allclose(layer(tokens), table[tokens])
    hidden = random(2, 3, 4)
    np.testing.assert_allclose(layer.logits(hidden), hidden @ table.T, atol=1e-5)
    np.testing.assert_allclose(layer.logits(hidden[:, 0]), hidden[:, 0] @ table.T, atol=1e-5)
    np.testing.assert_array_equal(layer.mask(tokens), [[True, True, False]])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer.logits(layer(tokens)) ** 2)
    gradient = tf.convert_to_tensor(tape.gradient(loss, layer.embeddings.value))
    assert np.all(np.abs(gradient).sum(axis=1) > 0)  # tokens that were not read are scored
    scaled = built(blocks.TokenEmbedding(7, 4, scaled=True), (None, None))
    scaled.set_weights(layer.get_weights())
    np.testing.assert_allclose(scaled(tokens), 2 * table[tokens])
    half = built(blocks.TokenEmbedding(7, 4, dtype="mixed_float16"), (None, None))
    assert half(tokens).dtype == "float16" and half.logits(half(tokens)).dtype == "float32"


def test_sinusoidal_positions_are_those_of_the_paper():
    got = blocks.SinusoidalPositions()(np.zeros((1, 7, 6)))[0]
    for position in range(7):
        for i in range(3):
            angle = position / 10000 ** (2 * i / 6)
            np.testing.assert_allclose(got[position, 2 * i], np.sin(angle), atol=1e-5)
            np.testing.assert_allclose(got[position, 2 * i + 1], np.cos(angle), atol=1e-5)


@pytest.mark.parametrize("kind", ["sinusoidal", "learned"])
def test_positions_may_start_anywhere(kind):
    layer = blocks.LearnedPositions(9) if kind == "learned" else blocks.SinusoidalPositions()
    x = random(2, 9, 6)
    whole = layer(x)
    parts = [layer(x[:, t : t + 1], start=tf.constant(t)) for t in range(9)]
    np.testing.assert_allclose(tf.concat(parts, 1), whole, atol=1e-6)
    assert np.abs(whole - x).max() > 1e-3


def layer_of_decoder(**config):
    layer = blocks.TransformerDecoderLayer(6, num_heads=2, intermediate_dim=8, **config)
    return built(layer, (3, 4, 6), (3, 5, 7))


@pytest.mark.parametrize("graph", [False, True])
def test_step_by_step_with_a_cache_gives_the_numbers_of_all_steps_at_once(graph):
    layer, inputs = layer_of_decoder(), tf.constant(random(3, 4, 6))
    source = (random(3, 5, 7, seed=1), MASK)
    expected, want_weights = layer(inputs, *source, return_weights=True)
    step = tf.function(layer.step) if graph else layer.step
    state = layer.initial_state(*source)
    for t in range(4):
        output, weights, state = step(inputs[:, t], state, tf.constant(t))
        np.testing.assert_allclose(output, expected[:, t], atol=1e-5)
        np.testing.assert_allclose(weights, want_weights[:, :, t], atol=1e-5)


def test_a_stack_of_causal_layers_gives_the_same_numbers_one_step_at_a_time(monkeypatch):
    monkeypatch.setattr(key_value_cache, "CHUNK", 3)  # the cache grows in the last step
    layers = [built(blocks.CausalTransformerLayer(6, 2, 8), (3, 4, 6)) for _ in range(2)]
    inputs = tf.constant(random(3, 4, 6))
    expected = layers[1](layers[0](inputs))
    state = key_value_cache.initial_state([layer.initial_state(3) for layer in layers])
    for t in range(4):
        assert key_value_cache.current_position(state) == t
        output, weights, state = key_value_cache.step_layers(layers, inputs[:, t], state)
        np.testing.assert_allclose(output, expected[:, t], atol=1e-5)
        assert all(np.all(w[..., t + 1 :] == 0) and np.all(w[..., 0] > 0) for w in weights)


def test_no_step_of_a_decoder_layer_depends_on_a_later_one():
    layer, inputs = layer_of_decoder(), random(3, 4, 6)
    changed = inputs.copy()
    changed[:, 2:] = random(3, 2, 6, seed=5)
    values = random(3, 5, 7, seed=1)
    before, after = layer(inputs, values), layer(changed, values)
    np.testing.assert_allclose(before[:, :2], after[:, :2], atol=1e-6)
    assert np.abs(before - after)[:, 2:].min(axis=(0, 2)).max() > 0


def test_dropout_works_in_training_only():
    layer, x, values = layer_of_decoder(dropout=0.5), random(3, 4, 6), random(3, 5, 7)
    np.testing.assert_array_equal(layer(x, values), layer(x, values))
    first, second = (layer(x, values, training=True) for _ in range(2))
    assert np.abs(first - second).max() > 0.1


def test_a_decoder_layer_with_a_fully_masked_source_stays_finite():
    layer = layer_of_decoder()
    with tf.GradientTape() as tape:
        outputs = layer(random(3, 4, 6), random(3, 5, 7), values_mask=np.zeros((3, 5), bool))
        loss = tf.reduce_sum(outputs**2)
    gradients = tape.gradient(loss, [v.value for v in layer.trainable_variables])
    assert np.isfinite(outputs).all() and all(np.isfinite(g).all() for g in gradients)


def test_the_blocks_of_a_functional_model_are_saved_and_loaded(tmp_path):
    source, target = keras.Input((None,), dtype="int32"), keras.Input((None,), dtype="int32")
    embedding = blocks.TokenEmbedding(9, 6, scaled=True)
    encoded = blocks.LearnedPositions(12)(embedding(source))
    encoded = blocks.TransformerEncoderLayer(6, 2, 8)(encoded)
    encoded, *_ = blocks.SequenceEncoder(3, cell="lstm")(encoded)
    decoded = blocks.SinusoidalPositions()(embedding(target))
    outputs = blocks.TransformerDecoderLayer(6, 2, 8)(decoded, encoded)
    model = keras.Model([source, target], outputs)
    batch = [np.array([[3, 4, 5, 0], [2, 1, 7, 8]]), np.array([[1, 2], [3, 4]])]
    model.save(tmp_path / "model.keras")
    same = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(same(batch), model(batch), atol=1e-6)


@pytest.mark.parametrize("kind", ["bahdanau", "luong"])
def test_reversing_a_sequence_is_learned_and_attention_follows_it(kind):
    """Reverses four letters; only the attention gives the decoder access to them."""
    letters, start, steps, units = 8, 0, 4, 32
    embedding = built(blocks.TokenEmbedding(letters + 1, 16), (None, None))
    encoder = blocks.SequenceEncoder(units)
    encoder.build((None, None, 16))
    if kind == "bahdanau":
        cell = blocks.AttentionCell(GRU(2 * units), blocks.AdditiveAttention(units))
    else:
        cell = blocks.InputFeedingCell(GRU(2 * units), blocks.MultiplicativeAttention(), units)
    cell.build((None, 16), (None, None, 2 * units))
    decoder, readout = blocks.AttentionDecoder(cell), keras.layers.Dense(16)
    readout.build((None, cell.output_size))
    layers = [embedding, encoder, cell, readout]
    variables = [v for layer in layers for v in layer.trainable_variables]
    adam = keras.optimizers.Adam(5e-3)
    adam.build(variables)

    def run(words):
        reversed_tokens = tf.reverse(words, [1])
        before = tf.pad(reversed_tokens[:, :-1], [[0, 0], [1, 0]], constant_values=start)
        encoded, _ = encoder(embedding(words))
        states = cell.initial_state(cell.attention.prepare_memory(encoded))
        hidden, weights, _ = decoder.decode(embedding(before), states)
        logits = embedding.logits(readout(hidden))
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits(reversed_tokens, logits)
        return tf.reduce_mean(loss), weights

    @tf.function
    def train(words):
        with tf.GradientTape() as tape:
            loss, _ = run(words)
        adam.apply(tape.gradient(loss, [v.value for v in variables]), variables)
        return loss

    rng = np.random.default_rng(0)
    for _ in range(250):
        loss = train(tf.constant(rng.integers(1, letters + 1, (32, steps)), tf.int32))
        if loss < 0.03:
            break
    held_out, weights = run(tf.constant(rng.integers(1, letters + 1, (64, steps)), tf.int32))
    assert float(loss) < 0.1 and float(held_out) < 0.1 < np.log(letters)
    looked_at = np.mean(weights, axis=0) @ np.arange(steps)  # mean position, at each step
    assert np.all(np.diff(looked_at) < 0)


@pytest.mark.parametrize(
    "make_it, message",
    [
        (lambda: blocks.SequenceEncoder(0), "units must be an integer >= 1, got 0"),
        (lambda: blocks.SequenceEncoder(4, cell="rnn"), "cell must be one of.*got 'rnn'"),
        (lambda: blocks.LearnedPositions(3)(random(1, 4, 2)), "3 positions, got 4 steps"),
        (lambda: blocks.SinusoidalPositions()(random(1, 4, 3)), "an even width, got 3"),
        (
            lambda: blocks.TransformerEncoderLayer(6, 4, 8),
            "num_heads must divide hidden_dim=6, got 4",
        ),
        (lambda: blocks.TransformerEncoderLayer(6, 2, 8).build((1, 2, 5)), "6 wide, got 5"),
        (lambda: blocks.TransformerEncoderLayer(6, 2, 8, dropout=1), r"dropout must be a fraction"),
    ],
)
def test_errors_of_arguments_name_the_expected_value(make_it, message):
    with pytest.raises(ValueError, match=message):
        make_it()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("compiled", [True, False])
def test_the_cross_entropy_is_that_of_smoothed_labels_and_so_is_its_gradient(smoothing, compiled):
    logits, words = 30 * tf.constant(random(2, 3, 11)), tf.constant([[0, 4, 10], [7, 7, 1]])
    weights = tf.constant(random(2, 3, seed=1))

    def ours(logits):
        return blocks.cross_entropy(logits, words, smoothing)

    def plain(logits):
        target = (1 - smoothing) * tf.one_hot(words, 11) + smoothing / 11
        loss = tf.nn.softmax_cross_entropy_with_logits(target, logits)
        nll = tf.nn.sparse_softmax_cross_entropy_with_logits(words, logits)
        return loss, nll, tf.argmax(logits, -1, tf.int32) == words

    def gradient_of(function):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            loss, nll, right = function(logits)
            total = tf.reduce_sum(weights * loss + nll)
        return loss, nll, tf.cast(right, tf.float32), tape.gradient(total, logits)

    run = tf.function(gradient_of) if compiled else gradient_of
    for found, wanted in zip(run(ours), run(plain), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


def test_the_cross_entropy_of_an_impossible_token_is_large_and_of_nan_is_nan():
    logits = tf.constant([[0.0, -1e9], [np.nan, 0.0]])
    _, nll, right = blocks.cross_entropy(logits, tf.constant([1, 1]))
    assert nll[0] == 1e9
    assert np.isnan(nll[1])
    assert not right[0]
