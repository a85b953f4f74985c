"""A `transformer` of the zoo as a model of CTranslate2, in float32 and with the same weights.

CTranslate2's tokens are the ids of the zoo's vocabulary, written as decimal numbers.
"""

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from ctranslate2.specs import TransformerSpec, common_spec

from zoo import text

MAX_POSITIONS = 512
EPSILON = 1e-6  # of the zoo's normalizations


def convert(model: Any, folder: Path) -> None:
    """Writes a model with the zoo's weights to `folder`, which must not exist."""
    spec = TransformerSpec.from_config(
        (model.num_encoder_layers, model.num_decoder_layers),
        model.num_heads,
        pre_norm=True,
        activation=common_spec.Activation.RELU,
    )
    positions = tf.range(MAX_POSITIONS)
    encodings = model.positions.vectors(positions, model.hidden_dim).numpy()
    embeddings = spec.encoder.embeddings[0], spec.decoder.embeddings
    sides = (spec.encoder, model.encoder), (spec.decoder, model.decoder)
    tables = model.source_embedding, model.target_embedding
    norms = model.encoder_norm, model.decoder_norm
    for (side, layers), embedding, table, norm in zip(
        sides, embeddings, tables, norms, strict=True
    ):
        embedding.weight = table.embeddings.numpy()
        side.scale_embeddings = True
        side.position_encodings.encodings = encodings
        _set_norm(side.layer_norm, norm)
        for layer_spec, layer in zip(side.layer, layers, strict=True):
            _set_layer(layer_spec, layer)
    output = model.output_layer
    if output is None:
        spec.decoder.projection.weight = model.target_embedding.embeddings.numpy()
    else:
        _set_linear(spec.decoder.projection, output)
    spec.register_source_vocabulary(list(map(str, range(model.vocabulary_sizes["source"]))))
    spec.register_target_vocabulary(list(map(str, range(model.vocabulary_sizes["target"]))))
    spec.config.unk_token = str(text.UNKNOWN)
    spec.config.bos_token = str(text.START)
    spec.config.eos_token = str(text.END)
    spec.config.decoder_start_token = str(text.START)
    spec.config.add_source_bos = False
    spec.config.add_source_eos = False
    spec.config.layer_norm_epsilon = EPSILON
    spec.validate()
    spec.optimize()
    folder.mkdir()
    spec.save(str(folder))


def _set_layer(spec, layer):
    own = layer.self_attention
    _set_norm(spec.self_attention.layer_norm, layer.self_attention_norm)
    _set_linear(spec.self_attention.linear[0], own.query, own.key, own.value)
    _set_linear(spec.self_attention.linear[1], own.output_layer)
    if hasattr(layer, "cross_attention"):
        cross = layer.cross_attention
        _set_norm(spec.attention.layer_norm, layer.cross_attention_norm)
        _set_linear(spec.attention.linear[0], cross.query)
        _set_linear(spec.attention.linear[1], cross.key, cross.value)
        _set_linear(spec.attention.linear[2], cross.output_layer)
    _set_norm(spec.ffn.layer_norm, layer.feed_forward_norm)
    hidden, output = layer.feed_forward.layers
    _set_linear(spec.ffn.linear_0, hidden)
    _set_linear(spec.ffn.linear_1, output)


def _set_linear(spec, *layers):
    """One linear layer for all of `layers`, whose outputs are joined."""
    spec.weight = np.concatenate([layer.kernel.numpy().T for layer in layers])
    spec.bias = np.concatenate([layer.bias.numpy() for layer in layers])


def _set_norm(spec, norm):
    spec.gamma = norm.gamma.numpy()
    spec.beta = norm.beta.numpy()
