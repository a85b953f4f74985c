"""pix2pix: networks, noise, objective, training, the command line."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from cases import small_trainer
from click.testing import CliRunner

import blocks
import zoo
from blocks.unet import default_levels
from zoo import figures
from zoo.cli.main import main
from zoo.data.builders import snowflake_maps

SEED = tf.constant([1, 2])
TINY = {"image_shape": (16, 16, 3), "filters": 8, "discriminator_filters": (8, 16)}


def noise(*shape):
    return tf.constant(np.random.default_rng(0).random(shape), tf.float32)


# ---------------------------------------------------------------- networks


def test_the_default_generator_has_the_layers_of_the_paper():
    net = blocks.UNet(3)
    assert [layer.filters for layer in net.down] == [64, 128, 256, 512, 512, 512, 512, 512]
    assert [layer.filters for layer in net.up] == [512, 512, 512, 512, 256, 128, 64, 3]
    assert [layer.norm for layer in net.down] == [None] + 6 * ["batch"] + [None]
    assert net.up[-1].activation is keras.activations.tanh
    small = blocks.UNet(3, filters=8)
    small.build((None, 256, 256, 3))
    assert small.up[1].layers[0].kernel.shape == (4, 4, 64, 128)  # what came up, what skipped
    assert 0.019 < np.std(small.up[1].layers[0].kernel) < 0.021


def test_a_unet_keeps_the_size_and_has_skip_connections():
    net = blocks.UNet(2, filters=4, levels=3, dropout=0.0)
    x = noise(2, 16, 24, 3)
    assert net(x).shape == (2, 16, 24, 2)
    with tf.GradientTape() as tape:
        tape.watch(x)
        corner = net(x)[0, 0, 0, 0]
    assert float(tf.reduce_max(tf.abs(tape.gradient(corner, x)[0, :4, :4]))) > 0
    net.down[-1].layers[0].kernel.assign(tf.zeros_like(net.down[-1].layers[0].kernel))
    assert np.abs(net(x)[0] - net(x)[1]).max() > 1e-4  # the bottleneck is shut, the skips are not
    for layer in net.up[1:]:
        weights = layer.layers[0].kernel
        below = weights.shape[-1] - net.down[net.levels - 1 - net.up.index(layer)].filters
        weights.assign(tf.concat([weights[..., :below], 0 * weights[..., below:]], -1))
    np.testing.assert_allclose(net(x)[0], net(x)[1], atol=1e-7)  # now they are shut, too


@pytest.mark.parametrize(
    "size, levels", [((256, 256), 8), ((512, 1024), 8), ((96, 64), 5), ((28, 8), 2), ((7, 8), 1)]
)
def test_default_levels_halve_the_size_at_most_eight_times(size, levels):
    assert default_levels(size) == levels


@pytest.mark.parametrize("filters, side", [((1, 1), 16), ((1, 1, 1), 34), ((1, 1, 1, 1), 70)])
def test_a_logit_depends_on_a_patch_of_the_stated_size(filters, side):
    net = blocks.PatchDiscriminator(filters, norm=None)
    x = noise(1, 160, 160, 1)
    net.build(x.shape)
    for layer in net.layers:
        layer.layers[0].kernel.assign(tf.ones_like(layer.layers[0].kernel))
    with tf.GradientTape() as tape:
        tape.watch(x)
        logits = net(x)
        middle = logits[0, logits.shape[1] // 2, logits.shape[2] // 2, 0]
    pixels = np.argwhere(tape.gradient(middle, x).numpy()[0, ..., 0])
    assert (np.ptp(pixels, axis=0) + 1).tolist() == [side, side] and len(pixels) == side**2


# ---------------------------------------------------------------- noise


def test_dropout_depends_on_the_seed_and_is_off_without_one():
    model = zoo.get("pix2pix", **TINY)
    images = np.repeat(noise(1, 16, 16, 3), 64, axis=0)
    plain, noisy, again, other = (model.translate(images, s).numpy() for s in (None, 3, 3, 4))
    np.testing.assert_allclose(plain, np.repeat(plain[:1], 64, axis=0), atol=1e-6)
    np.testing.assert_allclose(plain, model(images), atol=1e-6)
    np.testing.assert_array_equal(noisy, again)
    spread = np.abs(noisy - plain).mean()
    assert np.abs(noisy - other).mean() > spread / 2 > 0
    assert np.abs(noisy[1:] - noisy[:-1]).mean() > spread / 2  # other noise for each image
    assert np.abs(noisy.mean(0) - plain[0]).mean() < spread / 3
    still = zoo.get("pix2pix", **TINY, dropout=0.0)
    np.testing.assert_array_equal(still.translate(images[:2], 1), still.translate(images[:2]))


def test_dropout_has_its_rate_in_the_first_three_levels_of_the_decoder_only():
    net = blocks.UNet(1, filters=16, levels=5, norm=None, dropout=0.25)
    x = noise(4, 32, 32, 1)
    net(x)
    calls = []

    def recorded(call):
        def record(inputs, **more):
            calls.append((inputs.numpy(), call(inputs, **more).numpy()))
            return tf.constant(calls[-1][1])

        return record

    for layer in net.up:
        layer.call = recorded(layer.call)
    net(x, seed=SEED)
    for level, ((_, before), (after, _)) in enumerate(zip(calls[:-1], calls[1:], strict=True)):
        share = 0.25 if level < 3 else 0
        after = after[..., : before.shape[-1]]  # the rest skipped
        remaining = after != 0
        assert 1 - remaining[before != 0].mean() == pytest.approx(share, abs=0.08)
        np.testing.assert_allclose(after[remaining], before[remaining] / (1 - share), rtol=1e-5)


def test_training_uses_the_seeds_of_the_model():
    model = zoo.get("pix2pix", **TINY)
    model.prepare()
    state = model.seed_generator.state.numpy()
    images = noise(2, 16, 16, 3)
    model.train_step({"source": images, "target": images})
    assert (model.seed_generator.state.numpy() != state).any()
    others = [
        v for v in model.variables if "seed" in v.path and v is not model.seed_generator.state
    ]
    assert others == []  # no other state to resume


def test_the_losses_are_those_of_the_paper():
    model = zoo.get("pix2pix", **TINY, dropout=0.0, norm=None, l1_weight=10.0)
    model.prepare()
    x, y = noise(2, 16, 16, 3), 1 - noise(2, 16, 16, 3)
    fake = model(x)
    real_logits, fake_logits = (
        model.discriminate(2 * x - 1, 2 * images - 1).numpy() for images in (y, fake)
    )
    d = lambda logits: 1 / (1 + np.exp(-logits))  # noqa: E731
    l1 = 2 * np.abs(y - fake).mean()
    logs = model.train_step({"source": x, "target": y})
    assert float(logs["l1"]) == pytest.approx(l1, rel=1e-4)
    assert float(logs["generator_loss"]) == pytest.approx(
        -np.log(d(fake_logits)).mean() + 10 * l1, rel=1e-4
    )
    assert float(logs["discriminator_loss"]) == pytest.approx(
        -(np.log(d(real_logits)).mean() + np.log(1 - d(fake_logits)).mean()) / 2, rel=1e-4
    )


# ---------------------------------------------------------------- learning


@pytest.fixture(scope="module")
def maps():
    source, target = snowflake_maps.generate(24, size=16)
    return {"source": source, "target": target}


def test_it_learns_to_translate_maps(maps):
    data = zoo.data.load(maps, batch_size=8, shuffle=True, drop_remainder=True)
    model = zoo.get("pix2pix", **TINY, norm="instance", levels=2)
    fast = {part: keras.optimizers.Adam(2e-3, beta_1=0.5) for part in model.configure_optimizers()}
    run = small_trainer("pix2pix", model=model, optimizers=fast)
    before = run.evaluate(data)["l1"]
    history = run.fit(data, epochs=25).history
    assert run.evaluate(data)["l1"] < before / 3
    assert history["l1"][-1] < history["l1"][0] / 3
    assert 0.1 < history["fake_score"][-1] < history["real_score"][-1] < 0.95  # two players


def test_translation_figures_show_source_output_and_target(maps, tmp_path):
    model = zoo.get("pix2pix", **TINY)
    data = zoo.data.load(maps)
    batch = data.take(2)
    image = figures.translations(model, batch["source"], batch["target"], path=tmp_path / "a.png")
    assert (tmp_path / "a.png").exists()
    scale = (image.shape[1] - 2 * 8) // 52  # three images and two gaps; one pair a row
    row = image[26 + 8 + scale // 2, 8 + scale // 2 :: scale][:52]
    np.testing.assert_array_equal(row[:16], maps["source"][0, 0])
    np.testing.assert_array_equal(row[36:], maps["target"][0, 0])
    output = model.translate(batch["source"]).numpy()[0, 0]
    np.testing.assert_allclose(row[18:34], 255 * output, atol=1)
    assert set(model.figures(batch)) == {"translations"}


# ---------------------------------------------------------------- the command line


def test_a_folder_of_pairs_works_with_every_command(maps, tmp_path, monkeypatch):
    def run_json(*words):
        result = CliRunner().invoke(main, [*map(str, words), "--json"])
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    monkeypatch.chdir(tmp_path)
    for number, both in enumerate(np.concatenate([maps["source"], maps["target"]], axis=2)):
        split = "train" if number < 20 else "test"
        figures.save(tmp_path / "maps" / split / f"{number}.png", both)
    train = ["train", "pix2pix", "--data", "AtoB:maps", "--batch-size", 4, "--image-size", 8]
    train += ["--augment", "jitter", "--set", "filters=4", "--set", "discriminator_filters=4,8"]
    record = run_json(*train, "--epochs", 1)
    assert record["run"] == "runs/pix2pix-maps" and record["steps"] == 5
    assert record["split"] == "test" and set(record["metrics"]) >= {"l1", "generator_loss"}
    assert (tmp_path / "runs/pix2pix-maps/figures/translations.png").exists()
    assert run_json(*train, "--epochs", 1)["metrics"] == record["metrics"]  # resumed, complete
    assert run_json("evaluate", "pix2pix")["metrics"] == record["metrics"]
    noisy = run_json("sample", "pix2pix", "-n", 3, "--seed", 1)
    assert noisy["file"] == "runs/pix2pix-maps/figures/samples-seed1.png" and noisy["n"] == 3
    run_json("sample", "pix2pix", "-o", "plain.npz")
    arrays = np.load("plain.npz")
    assert arrays["image"].shape == arrays["source"].shape == arrays["target"].shape == (4, 8, 8, 3)
    assert "l1" in run_json("inspect", "pix2pix", "--batch-size", 2)["losses"]
