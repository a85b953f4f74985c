"""All registered names, for properties that every model has."""

import pytest

import zoo

NAMES = zoo.names()


every_model = pytest.mark.parametrize("name", NAMES)
