"""The conformance suite, which plug-ins run too, for the models of this package."""

import pytest
from every_model import NAMES

from zoo.testing.conformance import *  # noqa: F403

MODELS = NAMES

pytestmark = pytest.mark.usefixtures("optimized_graphs")
