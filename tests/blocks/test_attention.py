"""Attention layers and cells: numbers, masks, gradients, single steps and all steps."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import blocks

ATTENTIONS = {
    "additive": lambda **more: blocks.AdditiveAttention(5, **more),
    "dot": lambda **more: blocks.MultiplicativeAttention("dot", **more),
    "general": lambda **more: blocks.MultiplicativeAttention("general", **more),
    "scaled": lambda **more: blocks.MultiplicativeAttention("dot", scaled=True, **more),
    "heads": lambda **more: blocks.MultiHeadAttention(6, num_heads=2, **more),
}
every_attention = pytest.mark.parametrize("kind", ATTENTIONS)
MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [0, 1, 0, 1, 0]], bool)


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def made(kind, query=(3, 4, 6), values=(3, 5, 6), **more):
    layer = ATTENTIONS[kind](**more)
    layer.build(query, values)
    return layer


def score(layer, kind, query, key):
    """The score of one query vector and one vector of the source, in numpy."""
    if kind == "additive":
        bias = np.array(layer.key.bias)
        hidden = query @ np.array(layer.query.kernel) + key @ np.array(layer.key.kernel) + bias
        return float((np.tanh(hidden) @ np.array(layer.score))[0])
    if kind == "general":
        return float(query @ np.array(layer.kernel).T @ key)
    return float(query @ key) * (6**-0.5 if kind == "scaled" else 1)


@pytest.mark.parametrize("kind", ["additive", "dot", "general", "scaled"])
def test_attention_is_what_a_loop_over_batch_steps_and_source_computes(kind):
    layer, queries, values = made(kind), random(3, 4, 6), random(3, 5, 6, seed=1)
    contexts, weights = layer.attend(queries, layer.prepare_memory(values, MASK))
    for b in range(3):
        for t in range(4):
            kept = [s for s in range(5) if MASK[b, s]]
            e = np.array([score(layer, kind, queries[b, t], values[b, s]) for s in kept])
            expected = np.exp(e - e.max()) / np.exp(e - e.max()).sum()
            np.testing.assert_allclose(np.array(weights)[b, t, kept], expected, atol=1e-5)
            context = sum(w * values[b, s] for w, s in zip(expected, kept, strict=True))
            np.testing.assert_allclose(contexts[b, t], context, atol=1e-5)
    assert not np.any(np.where(MASK[:, None], 0, weights))


def test_several_heads_are_those_of_keras():
    ours, keras_own = made("heads"), keras.layers.MultiHeadAttention(2, 3)
    queries, values = random(3, 4, 6), random(3, 5, 6, seed=1)
    keras_own.build(queries.shape, values.shape)
    pairs = [
        (ours.query, keras_own.query_dense),
        (ours.key, keras_own.key_dense),
        (ours.value, keras_own.value_dense),
        (ours.output_layer, keras_own.output_dense),
    ]
    for mine, theirs in pairs:
        theirs.kernel.assign(tf.reshape(mine.kernel, theirs.kernel.shape))
        theirs.bias.assign(tf.reshape(random(6, seed=3), theirs.bias.shape))
        mine.bias.assign(random(6, seed=3))
    expected, scores = keras_own(
        queries, values, attention_mask=MASK[:, None], return_attention_scores=True
    )
    got, weights = ours.attend(queries, ours.prepare_memory(values, MASK))
    np.testing.assert_allclose(got, expected, atol=1e-5)
    np.testing.assert_allclose(weights, scores, atol=1e-5)


@every_attention
def test_one_step_at_a_time_gives_the_numbers_of_all_steps(kind):
    layer, queries = made(kind), random(3, 4, 6)
    memory = layer.prepare_memory(random(3, 5, 6, seed=1), MASK)
    contexts, weights = layer.attend(queries, memory)
    for t in range(4):
        context, now = layer.attend(queries[:, t], memory)
        np.testing.assert_allclose(context, contexts[:, t], atol=1e-6)
        np.testing.assert_allclose(now, weights[..., t, :], atol=1e-6)


@pytest.mark.parametrize("kind", ["dot", "heads", "additive"])
def test_attending_to_the_past_is_attending_with_a_triangular_mask(kind):
    layer, inputs = made(kind), random(3, 5, 6)
    memory = layer.prepare_memory(inputs)
    expected, _ = layer.attend(inputs, memory, np.tril(np.ones((5, 5), bool)))
    np.testing.assert_array_equal(layer.attend_to_past(inputs, memory), expected)


@every_attention
def test_calling_it_gives_the_context_and_weights_sum_to_one(kind):
    layer, queries, values = made(kind), random(3, 4, 6), random(3, 5, 6, seed=1)
    context, weights = layer.attend(queries, layer.prepare_memory(values, MASK))
    np.testing.assert_allclose(layer(queries, values, values_mask=MASK), context, atol=1e-6)
    np.testing.assert_allclose(tf.reduce_sum(weights, -1), np.ones(weights.shape[:-1]), atol=1e-6)


@every_attention
@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_a_wholly_masked_memory_gives_zeros_and_finite_gradients(kind, policy):
    layer = made(kind, dtype=policy)
    queries, values = tf.constant(random(3, 6)), tf.constant(random(3, 5, 6, seed=1))
    mask = MASK & [[True], [False], [True]]
    with tf.GradientTape() as tape:
        tape.watch([queries, values])
        context, weights = layer.attend(queries, layer.prepare_memory(values, mask))
        loss = tf.reduce_sum(tf.cast(context, tf.float32) ** 2)
    bias = layer.output_layer.bias if kind == "heads" else 0.0
    np.testing.assert_allclose(tf.cast(context[1], tf.float32), np.zeros(6) + bias, atol=1e-6)
    assert not np.any(weights[1]) and np.any(weights[0])
    sources = [queries, values, *(v.value for v in layer.trainable_variables)]
    gradients = tape.gradient(loss, sources)
    assert all(np.isfinite(g).all() for g in gradients)
    assert not np.any(gradients[1][1]) and np.any(gradients[1][0])


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("kind", ["dot", "heads", "additive"])
def test_the_softmax_is_float32_however_large_the_scores(kind, policy):
    """With scores of some hundreds, a float16 softmax over a long memory loses its sum."""
    layer = made(kind, values=(1, 3000, 6), dtype=policy)
    memory = layer.prepare_memory(np.tile(random(1, 1, 6), (1, 3000, 1)))
    _, weights = layer.attend(20 * random(1, 6, seed=2), memory)
    np.testing.assert_allclose(
        tf.cast(weights, tf.float32), np.full(weights.shape, 1 / 3000), rtol=1e-2
    )


@every_attention
def test_a_mask_attached_by_keras_is_applied(kind):
    tokens = np.where(MASK, np.arange(1, 6), 0)
    values = keras.layers.Embedding(7, 6, mask_zero=True)(tokens)
    layer = made(kind)
    expected = layer(random(3, 6), tf.identity(values), values_mask=MASK)
    np.testing.assert_allclose(layer(random(3, 6), values), expected, atol=1e-6)


def cells(kind, **more):
    """One of each: inner cell, attention, and order of attending and updating."""
    inner = {"gru": keras.layers.GRUCell, "lstm": keras.layers.LSTMCell}[kind.split("-")[1]]
    inner = inner(6, **more)
    if kind.startswith("bahdanau"):
        return blocks.AttentionCell(inner, ATTENTIONS["additive"](**more), **more)
    return blocks.InputFeedingCell(inner, ATTENTIONS["general"](**more), 7, **more)


KINDS = ["bahdanau-gru", "bahdanau-lstm", "luong-gru", "luong-lstm"]
every_cell = pytest.mark.parametrize("kind", KINDS)


def started(kind, **more):
    """A built cell, inputs of 4 steps, and states to start from."""
    cell = cells(kind, **more)
    cell.build((3, 4), (3, 5, 8))
    for variable in cell.trainable_variables:  # biases that are not zero
        variable.assign(random(*variable.shape, seed=len(variable.path)) / 2)
    memory = cell.attention.prepare_memory(random(3, 5, 8, seed=1), MASK)
    state = [random(3, 6, seed=9) for _ in cell.cell_state_sizes]
    return cell, tf.constant(random(3, 4, 4)), cell.initial_state(memory, state)


def by_hand(cell, inputs, states):
    outputs, weights = [], []
    for x in tf.unstack(inputs, axis=1):
        output, states = cell(x, states)
        outputs.append(output)
        weights.append(cell.attention_weights(states))
    return tf.stack(outputs, 1), tf.stack(weights, 1), states


@every_cell
def test_by_hand_keras_rnn_and_the_decoder_give_the_same_numbers(kind):
    cell, inputs, states = started(kind)
    outputs, weights, after = by_hand(cell, inputs, states)
    rnn = keras.layers.RNN(cell, return_sequences=True)
    np.testing.assert_allclose(rnn(inputs, initial_state=states), outputs, atol=1e-5)
    decoder = blocks.AttentionDecoder(cell)
    all_outputs, all_weights, all_after = decoder.decode(inputs, states)
    np.testing.assert_allclose(all_outputs, outputs, atol=1e-5)
    np.testing.assert_allclose(all_weights, weights, atol=1e-5)
    tf.nest.map_structure(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), all_after, after
    )
    np.testing.assert_allclose(tf.reduce_sum(weights, -1), np.ones((3, 4)), atol=1e-5)


def gradients(cell, run):
    inputs, values = tf.constant(random(3, 4, 4)), tf.constant(random(3, 5, 8, seed=1))
    with tf.GradientTape() as tape:
        tape.watch([inputs, values])
        states = cell.initial_state(cell.attention.prepare_memory(values, MASK))
        loss = tf.reduce_sum(run(inputs, states) ** 2)
    return tape.gradient(loss, [inputs, values, *(v.value for v in cell.trainable_variables)])


@pytest.mark.parametrize(
    "kind, jit", [("bahdanau-gru", False), ("luong-lstm", False), (KINDS[0], True)]
)
def test_in_a_graph_the_gradients_are_those_of_the_eager_loop_by_hand(kind, jit):
    cell, _, _ = started(kind)
    decoder = blocks.AttentionDecoder(cell)
    rnn = keras.layers.RNN(cell, return_sequences=True)
    expected = gradients(cell, lambda x, states: by_hand(cell, x, states)[0])
    assert all(np.any(g) and np.isfinite(g).all() for g in expected)
    keras_loop = [] if jit else [lambda x, states: rnn(x, initial_state=states)]
    for run in (lambda x, states: decoder.decode(x, states)[0], *keras_loop):
        got = tf.function(lambda run=run: gradients(cell, run), jit_compile=jit)()
        for a, b in zip(got, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("kind", ["bahdanau-gru", "luong-lstm"])
def test_gradients_of_gradients_are_those_of_the_loop_by_hand(kind, compiled):
    cell, inputs, states = started(kind)
    decoder = blocks.AttentionDecoder(cell)

    def slopes(run):
        weights = [v.value for v in cell.trainable_variables]
        with tf.GradientTape() as outer:
            with tf.GradientTape() as inner:
                inner.watch(inputs)
                loss = tf.reduce_sum(run(inputs, states) ** 2)
            steep = tf.reduce_sum(inner.gradient(loss, inputs) ** 2)
        return outer.gradient(steep, weights, unconnected_gradients="zero")

    expected = slopes(lambda x, states: by_hand(cell, x, states)[0])
    assert all(np.isfinite(g).all() for g in expected) and any(np.any(g) for g in expected)
    run = tf.function(slopes) if compiled else slopes
    got = run(lambda x, states: decoder.decode(x, states)[0])
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("kind", ["bahdanau-lstm", "luong-gru"])
def test_sources_and_targets_of_any_length_and_batch_go_through_one_graph(kind):
    cell, _, _ = started(kind)
    decoder = blocks.AttentionDecoder(cell)
    rnn = keras.layers.RNN(cell, return_sequences=True)

    @tf.function(input_signature=[tf.TensorSpec((None, None, n)) for n in (4, 8)])
    def both(inputs, values):
        states = cell.initial_state(cell.attention.prepare_memory(values))
        return rnn(inputs, initial_state=states), decoder(inputs, values)

    for batch, target, source in [(2, 3, 5), (1, 1, 1)]:
        inputs, values = random(batch, target, 4), random(batch, source, 8)
        states = cell.initial_state(cell.attention.prepare_memory(values))
        expected, _, _ = by_hand(cell, tf.constant(inputs), states)
        for got in both(inputs, values):
            np.testing.assert_allclose(got, expected, atol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("kind", ["bahdanau-gru", "luong-lstm"])
def test_cells_run_in_half_precision_in_all_three_ways(kind, policy):
    cell, inputs, states = started(kind, dtype=policy)
    outputs, _, _ = by_hand(cell, inputs, states)
    rnn = keras.layers.RNN(cell, return_sequences=True, dtype=policy)
    decoder = blocks.AttentionDecoder(cell, dtype=policy)
    for other in (rnn(inputs, initial_state=states), decoder.decode(inputs, states)[0]):
        assert other.dtype == outputs.dtype == policy.removeprefix("mixed_")
        np.testing.assert_allclose(*(tf.cast(x, tf.float32) for x in (other, outputs)), atol=0.1)


@pytest.mark.parametrize("kind", ["bahdanau-lstm", "luong-gru"])
def test_a_functional_model_with_a_cell_is_saved_and_loaded(kind, tmp_path):
    inputs, values = keras.Input((None, 4)), keras.Input((None, 8))
    mask = keras.Input((None,), dtype="bool")
    outputs = blocks.AttentionDecoder(cells(kind))(inputs, values, values_mask=mask)
    model = keras.Model([inputs, values, mask], outputs)
    batch = [random(3, 4, 4), random(3, 5, 8), MASK]
    model.save(tmp_path / "model.keras")
    same = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(same(batch), model(batch), atol=1e-6)


@every_cell
def test_keras_rnn_over_a_cell_is_restored_from_its_config(kind):
    cell, inputs, states = started(kind)
    rnn = keras.layers.RNN(cell, return_sequences=True)
    expected = rnn(inputs, initial_state=states)
    same = keras.layers.deserialize(keras.layers.serialize(rnn))
    assert type(same.cell) is type(cell)
    same.set_weights(rnn.get_weights())
    np.testing.assert_allclose(same(inputs, initial_state=states), expected, atol=1e-6)


def test_input_feeding_passes_the_attentional_vector_to_the_next_step():
    cell, inputs, states = started("luong-gru")
    _, moved = cell(inputs[:, 0], states)
    first, _ = cell(inputs[:, 1], moved)
    blind = [moved[0], tf.zeros_like(moved[1]), *moved[2:]]
    second, _ = cell(inputs[:, 1], blind)
    assert np.abs(first - second).max() > 1e-3


@pytest.mark.parametrize("kind", ["simple", "no bias", "reset before"])
def test_a_cell_that_cannot_be_split_gives_the_numbers_of_keras_rnn_too(kind):
    inner = {
        "simple": lambda: keras.layers.SimpleRNNCell(6),
        "no bias": lambda: keras.layers.LSTMCell(6, use_bias=False),
        "reset before": lambda: keras.layers.GRUCell(6, reset_after=False),
    }[kind]()
    cell = blocks.AttentionCell(inner, blocks.AdditiveAttention(5))
    cell.build((3, 4), (3, 5, 8))
    inputs, states = (
        random(3, 4, 4),
        cell.initial_state(cell.attention.prepare_memory(random(3, 5, 8))),
    )
    expected = keras.layers.RNN(cell, return_sequences=True)(inputs, initial_state=states)
    got, _, _ = blocks.AttentionDecoder(cell).decode(inputs, states)
    np.testing.assert_allclose(got, expected, atol=1e-5)


@pytest.mark.parametrize(
    "make_it, message",
    [
        (lambda: blocks.AdditiveAttention(0), "units must be an integer >= 1, got 0"),
        (lambda: blocks.MultiplicativeAttention("cosine"), "kind must be one of.*got 'cosine'"),
        (lambda: made("dot", values=(3, 5, 8)), "as wide as the values, got 6 and 8"),
        (lambda: blocks.MultiHeadAttention(10, 4), "num_heads must divide units=10, got 4"),
        (lambda: blocks.AdditiveAttention(4).prepare_memory(random(1, 2, 3)), "is not built"),
        (
            lambda: made("additive").prepare_memory(random(3, 5, 6), MASK[:, :4]),
            r"\(3, 5\), got \(3, 4\)",
        ),
        (lambda: cells("luong-gru").get_initial_state(3), r"initial_state=cell.initial_state"),
        (
            lambda: started("luong-lstm")[0].initial_state({"mask": MASK}, [random(3, 6)]),
            r"sizes \[6, 6\], got \[6\]",
        ),
        (
            lambda: blocks.AttentionCell(
                keras.layers.StackedRNNCells([keras.layers.LSTMCell(6), keras.layers.LSTMCell(6)]),
                blocks.AdditiveAttention(5),
            ),
            "must be a single recurrent cell, got a StackedRNNCells",
        ),
        (
            lambda: blocks.AttentionCell(
                keras.layers.GRUCell(6, dropout=0.1), blocks.AdditiveAttention(5)
            ),
            "keras.layers.Dropout around it",
        ),
    ],
)
def test_errors_of_arguments_name_the_expected_value(make_it, message):
    with pytest.raises(ValueError, match=message):
        make_it()
