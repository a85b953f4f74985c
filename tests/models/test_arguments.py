"""Every argument of every model: a wrong value is one line that names the argument."""

import math

import pytest
import tensorflow as tf
from cases import small_config

import zoo
from zoo.errors import UsageError
from zoo.registry import arguments, get_class

TABLE = [(name, argument) for name in zoo.names() for argument in arguments(get_class(name))]
NEVER = (math.nan, math.inf, "x", {}, [1, "a"], tf.constant(3))
WRONG = (None, -1, 0, (), True, 10**9, 5, (6,), 2.5, -math.inf, *NEVER)
SIZES = [
    "latent_dim",
    "units",
    "embedding_dim",
    "num_users",
    "num_items",
    "num_classes",
    "num_samples",
    "num_instances",
]
SIZES += [
    "num_components",
    "num_pseudo_inputs",
    "num_couplings",
    "num_features",
    "num_heads",
    "num_encoder_layers",
    "intermediate_dim",
    "hidden_dim",
    "full_size_filters",
]
SIZES += ["source_vocabulary", "target_vocabulary", "caption_vocabulary"]


@pytest.mark.parametrize(("name", "argument"), TABLE)
def test_a_wrong_value_is_an_error_and_allocates_no_memory(name, argument):
    config = small_config(name)
    for value in WRONG:
        try:
            zoo.get(name, **{**config, argument: value})
        except UsageError as error:
            assert "\n" not in str(error) and len(str(error)) < 400
            assert argument in str(error.__cause__) and isinstance(error.__cause__, ValueError)
        else:
            assert not any(value is never for never in NEVER), value
            assert not (value == 10**9 and argument in SIZES), value


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("mmd_vae", {"alpha": None}),
        ("mmd_vae", {"alpha": 2}),
        ("mmd_vae", {"mmd_weight": lambda step: 1.0}),
        ("captioning", {"encoder": 5}),
        ("captioning", {"tie_embeddings": "output"}),
        ("seq2seq", {"attention": (6,)}),
        ("seq2seq", {"scheduled_sampling": 1.5}),
        ("transformer", {"scheduled_sampling": 5}),
        ("transformer", {"intermediate_dim": 2.5}),
        ("pix2pix", {"levels": 0}),
        ("simple_dot", {"rating_range": (5, 1)}),
        ("simple_dot", {"rating_range": (1, math.nan)}),
        ("vae", {"image_shape": (8, 8)}),
        ("vae", {"filters": (8, 10**9)}),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_almost_valid_values_are_errors(name, config):
    with pytest.raises(UsageError, match=next(iter(config))):
        zoo.get(name, **{**small_config(name), **config})


@pytest.mark.parametrize(
    ("name", "config"),
    [("pix2pix", {"norm": None, "levels": None}), ("vae", {"filters": (), "dense_units": (8,)})],
    ids=str,
)
def test_optional_values_are_accepted(name, config):
    zoo.get(name, **{**small_config(name), **config})
