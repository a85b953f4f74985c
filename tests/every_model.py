"""The names of all models, to parametrize tests."""

import pytest

import zoo

NAMES = zoo.names()


every_model = pytest.mark.parametrize("name", NAMES)
