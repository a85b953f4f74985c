"""A small preset: a plugin of pytest, for the tests of presets."""

import pytest
from cases import small_model
from preset_cases import CARD

import zoo


@pytest.fixture(scope="module")
def model():
    return small_model("vae")


@pytest.fixture(scope="module")
def whole(model, tmp_path_factory):
    """A preset in a folder of its own, not to be touched."""
    return zoo.save(model, tmp_path_factory.mktemp("made") / "vae.tiny", CARD)


@pytest.fixture
def copy(whole, tmp_path):
    """A preset to be spoilt."""
    place = tmp_path / "vae.tiny"
    place.mkdir()
    for path in whole.folder.iterdir():
        (place / path.name).write_bytes(path.read_bytes())
    return place
