"""Fixtures with a small preset: a pytest plugin for the tests of presets."""

import pytest
from cases import small_model
from preset_cases import CARD

import zoo


@pytest.fixture(scope="module")
def model():
    return small_model("vae")


@pytest.fixture(scope="module")
def whole(model, tmp_path_factory):
    """A preset that tests must not change."""
    return zoo.save(model, tmp_path_factory.mktemp("made") / "vae.tiny", CARD)


@pytest.fixture
def copy(whole, tmp_path):
    """A copy of the preset that tests may damage."""
    place = tmp_path / "vae.tiny"
    place.mkdir()
    for path in whole.folder.iterdir():
        (place / path.name).write_bytes(path.read_bytes())
    return place
