"""Presets: the saved model from a folder, parts of it, or a network that differs."""

import threading
import time

import keras
import numpy as np
import pytest
from cases import examples, small_model
from click.testing import CliRunner
from preset_cases import CARD, arrays, same

import zoo
from zoo import files, presets, text
from zoo.cli.main import main
from zoo.errors import UnknownNameError, UsageError
from zoo.presets import preset, saving

pytest_plugins = ("preset_fixtures",)

# Shipped presets.


@pytest.mark.parametrize("name", presets.names())
def test_a_shipped_preset_reproduces_its_reference_outputs(name):
    preset = presets.load(name)
    found = saving.golden_outputs(zoo.get(name, pretrained=True))
    assert found.keys() == preset.record["golden_outputs"].keys()
    for metric, values in preset.record["golden_outputs"].items():
        assert found[metric] == pytest.approx(values, rel=1e-3, abs=1e-4), metric


@pytest.mark.parametrize("name", presets.names())
def test_a_shipped_preset_is_small_and_its_card_describes_its_training(name):
    preset = presets.load(name)
    assert preset.name == name and preset.model == name.partition(".")[0]
    assert sum(facts["size"] for facts in preset.record["files"].values()) < 8 * 2**20
    card = zoo.info(name)["card"]
    for fact in (
        "zoo reproduce",
        "95 % interval",
        "license of the data",
        "sha256",
        "## Limitations",
    ):
        assert fact in card, fact
    assert name in zoo.names(pretrained=True)


# Saving and loading.


def test_a_preset_gives_the_same_bits_again_and_fresh_ones_without_pretrained(model, whole):
    again = zoo.get(str(whole.folder), pretrained=True)
    assert same(model, again) and again.get_config() == model.get_config()
    fresh = zoo.get(str(whole.folder))
    assert not same(model, fresh) and fresh.filters == model.filters
    assert zoo.info(str(whole.folder))["parameters"] == sum(x.size for x in arrays(model))
    shown = CliRunner().invoke(main, ["info", str(whole.folder)])
    assert "A small network that knows nothing" in shown.stdout, shown.output


def test_the_same_weights_give_the_same_bytes_in_any_process(model, tmp_path):
    other = small_model("vae", seed=5)  # its layers have got other names
    other.set_weights(arrays(model))
    one, two = (
        zoo.save(x, tmp_path / f"{i}", CARD, name="x") for i, x in enumerate((model, other))
    )
    assert one.record == two.record
    assert one.record["files"] == two.record["files"]


def test_float16_halves_the_size_and_changes_the_weights_little(model, whole, tmp_path):
    half = zoo.save(model, tmp_path / "half", CARD, dtype="float16")
    size = [p.record["files"][preset.WEIGHTS]["size"] for p in (half, whole)]
    assert size[0] < 0.8 * size[1]  # of a network this small, names are a good part
    for a, b in zip(arrays(model), arrays(zoo.get(str(half.folder), pretrained=True)), strict=True):
        np.testing.assert_allclose(a, b, rtol=2**-11, atol=1e-7)


def test_int8_weights_are_small_and_accurate_to_half_a_step_of_their_row_or_column(tmp_path):
    model = small_model("seq2seq", embedding_dim=128, units=128)
    rows = np.ones((len(model.weights[0].numpy()), 1), np.float32)
    rows[:2] = [[0.0], [99.0]]
    model.weights[0].assign(model.weights[0] * rows)
    part, whole = (
        zoo.save(model, tmp_path / dtype, CARD, dtype=dtype) for dtype in ("int8", "float32")
    )
    size = [p.record["files"][preset.WEIGHTS]["size"] for p in (part, whole)]
    assert size[0] < 0.35 * size[1]
    loaded = arrays(zoo.get(str(part.folder), pretrained=True))
    for a, b in zip(arrays(model), loaded, strict=True):
        steps = [np.abs(a).max(axis, keepdims=True) / 127 for axis in range(a.ndim)]
        near = [(np.abs(a - b) <= 0.5001 * step).all() for step in steps]
        assert any(near) if a.ndim > 1 else np.array_equal(a, b)


def test_saving_replaces_the_whole_preset_and_nothing_else(model, copy, tmp_path):
    zoo.save(model, copy, CARD | {"title": "Another"})
    assert "Another" in presets.load(copy).card and len(list(tmp_path.iterdir())) == 1
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text("{}")
    with pytest.raises(UsageError, match="holds something that is not a preset"):
        zoo.save(model, tmp_path / "run", CARD)


def test_saving_an_invalid_preset_is_an_error(tmp_path):
    with pytest.raises(UsageError, match="only a registered model"):
        zoo.save(keras.Sequential([keras.layers.Dense(1)]), tmp_path / "new", CARD)
    model = small_model("vae")
    with pytest.raises(UsageError, match="'float16', 'int8'.*, got 'int4'"):
        zoo.save(model, tmp_path / "new", CARD, dtype="int4")
    model.weights[0].assign(model.weights[0] + 1e6)
    with pytest.raises(UsageError, match="not finite as float16"):
        zoo.save(model, tmp_path / "new", CARD, dtype="float16")
    assert not list(tmp_path.iterdir())


def test_a_new_preset_has_reference_outputs_and_seeds_are_not_changed(model, whole):
    golden = whole.record["golden_outputs"]
    assert golden == saving.golden_outputs(model) and {len(x) for x in golden.values()} == {3}
    states = []
    for _ in range(2):
        saving.verified.clear()
        states.append(zoo.get(str(whole.folder), pretrained=True).seed_generator.state)
    assert not np.array_equal(*states)  # seeds are used by samples and by noise


def test_a_keras_network_is_saved_with_the_model(tmp_path):
    inputs = keras.Input((8, 8, 3))
    outputs = keras.layers.Conv2D(4, 3, strides=2, activation="relu")(inputs)
    captioner = small_model(
        "captioning", encoder=keras.Model(inputs, outputs), image_shape=(8, 8, 3)
    )
    zoo.save(captioner, tmp_path / "it", CARD, dtype="int8")
    assert len(arrays(zoo.get(str(tmp_path / "it"), pretrained=True))) == len(arrays(captioner))


def test_readers_beside_a_writer_get_one_preset_or_the_other(model, whole, copy):
    other = small_model("vae", seed=9)
    second = zoo.save(other, copy.parent / "second", CARD, name="vae.tiny")
    ends = time.monotonic() + 1.5

    def write():
        while time.monotonic() < ends:
            for made in (second, whole):
                with files.folder_atomically(copy) as new:
                    for path in made.folder.iterdir():
                        (new / path.name).write_bytes(path.read_bytes())

    writer = threading.Thread(target=write)
    writer.start()
    digests = set()
    try:
        while time.monotonic() < ends:
            opened = presets.load(copy)
            assert files.sha256(opened.weights) == opened.record["files"][preset.WEIGHTS]["sha256"]
            digests.add(opened.record["digest"])
    finally:
        writer.join()
    assert digests == {whole.record["digest"], second.record["digest"]}


def test_a_preset_whose_replacement_was_killed_is_found_again(copy, monkeypatch):
    aside = copy.parent / f".{copy.name}.x1.old"
    aside.mkdir()
    copy.rename(aside / copy.name)
    assert presets.load(copy).name == "vae.tiny" and not aside.exists()
    aside.mkdir()
    copy.rename(aside / copy.name)
    monkeypatch.chdir(copy.parent)
    assert presets.load(copy.name).name == "vae.tiny"


# Parts of a preset, and networks that differ.


def test_a_block_can_be_loaded_into_any_keras_model(model, whole):
    block = zoo.load_block(str(whole.folder), "encoder")
    images = examples(model, 3)["image"]
    net = keras.Sequential([keras.Input((8, 8, 1)), block, keras.layers.Dense(2)])
    assert net(images).shape == (3, 2)
    np.testing.assert_array_equal(block(images), model.encoder(images))
    with pytest.raises(UnknownNameError, match="unknown block of .*'encodre'.*'encoder'"):
        zoo.load_block(str(whole.folder), "encodre")


def test_features_are_outputs_of_layers_and_can_be_trained_on(model):
    images = examples(model, 3)["image"]
    found = zoo.feature_extractor(model, ["encoder/0", "encoder/1"])(images)
    assert {path: tuple(x.shape) for path, x in found.items()} == {
        "encoder/0": (3, 4, 4, 8),
        "encoder/1": (3, 2, 2, 16),
    }
    inputs = keras.Input((8, 8, 1))
    hidden = keras.layers.Flatten()(zoo.feature_extractor(model.encoder, "1")(inputs))
    net = keras.Model(inputs, keras.layers.Dense(3)(hidden))
    assert net.predict(images, verbose=0).shape == (3, 3)
    with pytest.raises(UnknownNameError, match="layer of vae 'encoder/9'"):
        zoo.feature_extractor(model, "encoder/9")


def test_other_channels_give_the_same_result_for_a_grey_image(model, whole, capsys):
    coloured = zoo.get(str(whole.folder), pretrained=True, image_shape=(8, 8, 3))
    assert "adapted: encoder/0/0/kernel (3 input channels instead of 1)" in capsys.readouterr().err
    grey = np.random.default_rng(0).random((3, 8, 8, 1)).astype("float32")
    codes = model.encode(grey)
    np.testing.assert_allclose(coloured.encode(grey.repeat(3, -1)), codes, atol=1e-5)
    samples = np.repeat(model.decode(codes), 3, -1)
    np.testing.assert_allclose(coloured.decode(codes), samples, atol=1e-5)
    back = small_model("vae", seed=3)
    assert len(zoo.transfer_weights(back, coloured).adapted) == 3
    np.testing.assert_allclose(back.encode(grey), codes, atol=1e-5)


def test_weights_that_do_not_fit_are_initialized_and_reported(model, whole):
    wider = small_model("vae", seed=1, latent_dim=5)
    before = arrays(wider.encoder.layers[-1])
    report = zoo.transfer_weights(wider, str(whole.folder))
    assert set(report.missing) == {
        "encoder/3/dense/kernel",
        "encoder/3/dense/bias",
        "decoder/0/kernel",
    }
    assert "(64, 4) in the source, (64, 10) here" in report.missing["encoder/3/dense/kernel"]
    assert not report.adapted and not report.unexpected and len(report.loaded) == 11
    for a, b in zip(before, arrays(wider.encoder.layers[-1]), strict=True):
        np.testing.assert_array_equal(a, b)
    mixture = small_model("mixture_vae")
    report = zoo.transfer_weights(mixture, model)
    assert report.missing and all(p.startswith("latent_prior/") for p in report.missing)
    assert zoo.transfer_weights(model, mixture).unexpected == [*report.missing]
    with pytest.raises(UsageError, match="no weight of vae fits dense"):
        zoo.transfer_weights(built(keras.layers.Dense(7, name="dense")), model)


def built(layer):
    layer.build((None, 7))
    return layer


def test_shared_tokens_keep_their_embeddings_and_other_tokens_get_new_ones():
    old, new = text.WordTokenizer(["a", "b", "c", "d"]), text.WordTokenizer(["c", "x", "a", "y"])
    was = small_model("seq2seq", source_vocabulary=old, target_vocabulary=old)
    now = small_model("seq2seq", seed=1, source_vocabulary=new, target_vocabulary=old)
    table, fresh = (np.array(m.source_embedding.weights[0]) for m in (was, now))
    report = zoo.transfer_weights(now, was)
    (path,) = report.adapted  # of the same shape, and yet not the same words
    assert (
        path.startswith("source_embedding/")
        and "6 of 8 tokens are in the source" in report.adapted[path]
    )
    rows = np.array(now.source_embedding.weights[0])
    np.testing.assert_array_equal(rows[[0, 1, 2, 3, 4, 6]], table[[0, 1, 2, 3, 6, 4]])
    np.testing.assert_array_equal(rows[[5, 7]], fresh[[5, 7]])
    assert not report.missing and not report.unexpected


def test_a_preset_is_sampled_from_the_command_line(tmp_path):
    def run(*words):
        return CliRunner().invoke(main, ["sample", "vae.snowflakes", *words])

    done = run("-n", "2", "--seed", "3", "-o", str(tmp_path / "crystals.npz"))
    assert done.exit_code == 0, done.stderr
    model = zoo.get("vae.snowflakes", pretrained=True)
    samples = np.load(tmp_path / "crystals.npz")["image"]
    np.testing.assert_allclose(samples, model.sample(2, seed=3), atol=1e-6)
    for words, message in (
        (("--best",), "vae.snowflakes is a preset"),
        (("--label", "7"), "vae has no classes"),
        (("-o", "crystals.gif"), "takes a file that ends in .png, .jpg"),
    ):
        done = run(*words)
        assert done.exit_code == 2 and message in done.stderr
