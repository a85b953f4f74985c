"""Content and style images: from files, procedural, as a data set."""

import numpy as np
import tensorflow as tf
from PIL import Image

import zoo
from blocks.style import to_rgb_batch
from zoo.data.builders import style_images


def test_style_images_become_floats():
    bytes_ = np.random.default_rng(0).integers(0, 255, (4, 5, 1), np.uint8)
    found = to_rgb_batch(bytes_, "content")
    assert found.shape == (1, 4, 5, 3) and found.dtype == tf.float32
    np.testing.assert_allclose(found[0], (bytes_ / 255).repeat(3, -1), atol=1e-6)


def test_procedural_style_images_depend_on_the_seed_only():
    for draw in (style_images.landscape, style_images.brushwork):
        first = draw(32)
        assert first.shape == (32, 32, 3) and first.dtype == np.uint8 and first.std() > 20
        np.testing.assert_array_equal(first, draw(32, seed=0))
        assert (first != draw(32, seed=1)).any()


def test_a_scaled_image_keeps_its_aspect_ratio(tmp_path):
    Image.fromarray(style_images.landscape(40)[:20]).save(tmp_path / "wide.png")
    Image.fromarray(style_images.landscape(40)[..., 0]).save(tmp_path / "grey.png")
    assert style_images.read_scaled(tmp_path / "wide.png", 32).shape == (16, 32, 3)
    assert style_images.read_scaled(tmp_path / "grey.png", 10).shape == (10, 10, 1)
    np.testing.assert_array_equal(
        style_images.read_scaled(tmp_path / "wide.png"), style_images.landscape(40)[:20]
    )


def test_the_demo_pair_is_a_data_set(tmp_path):
    data = zoo.data.load("pictures", batch_size=1, data_dir=tmp_path)
    (batch,) = data(0)
    np.testing.assert_allclose(batch["content"][0], style_images.landscape() / 255, atol=1e-6)
    np.testing.assert_allclose(batch["style"][0], style_images.brushwork() / 255, atol=1e-6)
