"""The conformance suite, which plug-ins run too, for the models of this package."""

import pytest
import tensorflow as tf
from every_model import NAMES

from zoo.testing.conformance import *  # noqa: F403

MODELS = NAMES


@pytest.fixture(autouse=True)
def optimized_graphs():
    """Graphs as users run them, unlike in the other tests; see `conftest`."""
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False})
    yield
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
