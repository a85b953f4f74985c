"""Captioning: steps, the objective, texts and maps, features from a network, errors, figures."""

import json
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from cases import examples, small_model
from click.testing import CliRunner

import blocks
import zoo
import zoo.recipes
from zoo import figures, text
from zoo.cli.main import main
from zoo.data import corpora, image_features, image_files
from zoo.data.builders import shapes
from zoo.data.caption_config import CaptionConfig
from zoo.data.text_dataset import TextDataset
from zoo.errors import BatchError, UnknownNameError, UsageError
from zoo.recipes import Budget, run

pytestmark = pytest.mark.usefixtures("eager_steps")

CAPTIONS = ["a red circle", "a blue square above a red circle", "a blue circle"]
WORDS = text.WordTokenizer.train(CAPTIONS)
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (3, 8, 8, 1), np.uint8)


def with_vocabulary(**config):
    """A small untrained model with a vocabulary."""
    return small_model("captioning", caption_vocabulary=WORDS, **config)


@pytest.mark.parametrize("config", [{}, {"cell": "gru", "tie_embeddings": True}], ids=str)
def test_decode_gives_the_logits_and_weights_of_decode_step(config):
    model = small_model("captioning", **config)
    batch = examples(model, 3)
    tokens = batch["caption"][:, :-1]
    encoded = model.encode(batch["image"])
    logits, alpha = model.decode(encoded, tokens)
    state = model.initial_state(encoded, tokens.shape[1])
    for t in range(tokens.shape[1]):
        step_logits, state, weights = model.decode_step(tokens[:, t], state)
        np.testing.assert_allclose(step_logits, logits[:, t], atol=1e-4)
        np.testing.assert_allclose(weights, alpha[:, t], atol=1e-5)
        np.testing.assert_allclose(np.sum(weights, axis=1), 1, atol=1e-5)


def test_the_gate_scales_the_context():
    cell = blocks.GatedAttentionCell(keras.layers.LSTMCell(4), blocks.AdditiveAttention(5))
    cell.build((None, 6), (None, None, 7))
    state = cell.initial_state(cell.attention.prepare_memory(RNG.random((2, 3, 7), np.float32)))
    passed = {}
    for bias in (-50.0, 0.0, 50.0):
        cell.gate.bias.assign([bias])
        passed[bias] = cell(tf.ones((2, 6)), state)[0][:, 4:]
    np.testing.assert_allclose(passed[-50.0], 0, atol=1e-6)
    np.testing.assert_allclose(passed[0.0], passed[50.0] / 2, atol=1e-6)  # the state is zeros


def test_the_loss_is_that_of_equation_14_and_padding_changes_nothing():
    model = small_model("captioning", dropout=0.0, doubly_stochastic_weight=0.7)
    model.prepare(keras.optimizers.SGD(0.0))
    batch = examples(model, 4)
    inputs, targets = batch["caption"][:, :-1], batch["caption"][:, 1:].numpy()
    _, alpha = model.decode(model.encode(batch["image"]), inputs)
    mask = (targets != text.PAD)[..., None]
    penalty = ((1 - np.sum(mask * alpha, 1)) ** 2).mean(1)
    losses = model.eval_step(batch)
    np.testing.assert_allclose(losses["doubly_stochastic_penalty"], penalty, rtol=1e-5)
    np.testing.assert_allclose(losses["loss"], losses["nll"] + 0.7 * penalty, rtol=1e-5)
    padded = model.eval_step(batch | {"caption": tf.pad(batch["caption"], [[0, 0], [0, 3]])})
    for key, value in losses.items():
        np.testing.assert_allclose(padded[key], value, rtol=1e-5, err_msg=key)
    logs = model.train_step(batch)
    np.testing.assert_allclose(
        logs["loss"], logs["nll"] + 0.7 * logs["doubly_stochastic_penalty"], rtol=1e-5
    )


def test_images_become_texts_and_each_token_has_an_attention_map():
    model = with_vocabulary()
    captions = model.caption(IMAGES, max_length=5, batch_size=2)
    assert len(captions) == 3 and all(isinstance(line, str) for line in captions)
    assert model.caption(IMAGES.astype(np.float32) / 255, max_length=5) == captions
    assert len(model.caption(IMAGES, num_beams=3, max_length=5)) == 3
    found = model.attention_maps(IMAGES, CAPTIONS)
    for caption, (pieces, maps) in zip(CAPTIONS, found, strict=True):
        assert pieces == [*caption.split(), "</s>"]
        assert maps.shape == (len(pieces), 2, 2)
        np.testing.assert_allclose(maps.sum((1, 2)), 1, atol=1e-5)
    assert len(model.attention_maps(IMAGES, max_length=5)) == 3
    both, maps = model.caption_with_attention(
        IMAGES, num_maps=2, num_beams=3, max_length=5, batch_size=2
    )
    assert both == model.caption(IMAGES, num_beams=3, max_length=5)
    tokens, weights = model.best_sequences(model.generate(IMAGES, num_beams=3, max_length=5))
    for (pieces, looks), words, alpha in zip(maps, tokens[:2], weights, strict=False):
        assert pieces == WORDS.tokens([i for i in words if i])
        np.testing.assert_allclose(looks, alpha[: len(pieces)].reshape(-1, 2, 2), atol=1e-5)
    assert len(maps) == 2
    assert model.caption(IMAGES[:0]) == [] and model.attention_maps(IMAGES[:0]) == []


def test_a_saved_model_contains_its_vocabulary(tmp_path):
    model = with_vocabulary(tie_embeddings=True)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.caption(IMAGES, max_length=5) == model.caption(IMAGES, max_length=5)


def test_features_or_a_network_may_replace_the_convolutions(tmp_path):
    feature_model = small_model("captioning", encoder=None, image_shape=(2, 3, 5))
    assert feature_model.input_feature == "features" and feature_model.feature_map_shape == (2, 3)
    run = zoo.Trainer(feature_model, verbose=False, figures_every=0)
    batch = examples(feature_model, 4) | {
        "features": tf.fill((4, 2, 3, 5), tf.constant(6, tf.float16))
    }
    run.fit(tf.data.Dataset.from_tensors(batch), epochs=1)
    x = keras.Input((8, 8, 1))
    network = keras.Model(x, keras.layers.Conv2D(5, 3, strides=4)(x))
    model = with_vocabulary(encoder=network)
    assert model.feature_map_shape == (2, 2)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.caption(IMAGES, max_length=5) == model.caption(IMAGES, max_length=5)
    block = small_model("vae").encoder  # as zoo.load_block gives it: codes, behind two maps
    with pytest.raises(ValueError, match="a feature map .*: use an inner layer"):
        with_vocabulary(encoder=block)
    model = with_vocabulary(encoder=zoo.feature_extractor(block, "1"))
    assert model.feature_map_shape == (2, 2) and len(model.caption(IMAGES, max_length=5)) == 3


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda m: m.caption(IMAGES[:, :4]), BatchError, "of shape .*8, 8, 1.*got .*4, 8, 1"),
        (lambda m: m.caption(IMAGES * 2.0), BatchError, r"in \[0, 1\]"),
        (lambda m: m.caption(IMAGES.astype(int)), BatchError, "as float32, got int64"),
        (lambda m: m.caption(IMAGES, num_beams=0), UsageError, "num_beams"),
        (
            lambda m: m.attention_maps(IMAGES, CAPTIONS, seed=1, top_k=2),
            UsageError,
            "seed, top_k would have no effect, since the captions are given",
        ),
        (
            lambda m: m.attention_maps(IMAGES, ["a"]),
            UsageError,
            "3 images need 3 captions, got 1",
        ),
        (
            lambda m: m.attention_maps(IMAGES, CAPTIONS, max_length=4),
            UsageError,
            "more than max_length=4",
        ),
    ],
)
def test_impossible_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call(with_vocabulary())


def test_missing_vocabularies_and_unsuitable_weights_are_named():
    with pytest.raises(UsageError, match="caption_vocabulary=tokenizer"):
        small_model("captioning").caption(IMAGES)
    model = small_model("captioning", encoder=None, image_shape=(2, 3, 5))
    batch = examples(model, 2)
    for verb in (lambda x: model.check_batch(batch | {"features": x}), model.generate):
        with pytest.raises(BatchError, match=r"'features' of shape .*2, 3, 5.*got .*2, 3, 4"):
            verb(batch["features"][..., :4])
    with pytest.raises(BatchError, match="'caption' ids in 0 ... 19, got 0 to 20"):
        model.check_batch(batch | {"caption": batch["caption"] * 0 + [[0, 20, 0, 0, 0, 0]]})
    for wrong in ({"encoder": ()}, {"cell": "rnn"}, {"doubly_stochastic_weight": -1.0}):
        with pytest.raises(UsageError, match="must be"):
            small_model("captioning", **wrong)


# Features of a network.


def network(channels=4, name="two"):
    x = keras.Input((8, 8, 3))
    y = keras.layers.Conv2D(channels, 3, strides=4, padding="same")(x)
    return image_features.PretrainedNetwork(keras.Model(x, y, name=name), size=8)


def test_features_are_computed_once_and_again_after_a_change(tmp_path, capsys):
    net, images = network(), RNG.integers(0, 256, (5, 8, 8, 3), np.uint8)
    first = image_features.cached_feature_maps(images, net, tmp_path, batch_size=2)
    assert first.dtype == np.float16 and first.shape == (5, 2, 2, 4)
    np.testing.assert_allclose(first, net.model(images.astype(np.float32)), rtol=1e-2, atol=0.2)
    compiled, net._compiled = net._compiled, None  # computing again would fail
    np.testing.assert_array_equal(image_features.cached_feature_maps(images, net, tmp_path), first)
    with pytest.raises(TypeError):
        image_features.cached_feature_maps(images[::-1], net, tmp_path)
    net._compiled = compiled
    (file,) = tmp_path.glob("*.npy")
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    np.testing.assert_array_equal(image_features.cached_feature_maps(images, net, tmp_path), first)
    file.with_suffix(".json").write_text("{")
    np.testing.assert_array_equal(image_features.cached_feature_maps(images, net, tmp_path), first)
    assert capsys.readouterr().err.count("damaged") == 2
    other = image_features.cached_feature_maps(images, network(), tmp_path)  # other weights
    assert np.abs(other - first).max() > 0 and len([*tmp_path.glob("*.npy")]) == 2
    assert not [*tmp_path.glob(".*")]  # nothing temporary is left


def test_a_channel_is_dropped_at_all_positions():
    model = with_vocabulary(encoder=None, image_shape=(3, 2, 64), annotation_dropout=0.5)
    annotations = np.asarray(model.encode(tf.ones((2, 3, 2, 64)), training=True)["annotations"])
    np.testing.assert_array_equal(annotations, np.repeat(annotations[:, :1], 6, axis=1))
    assert {*annotations.flat} == {0.0, 2.0} and (annotations[0] != annotations[1]).any()


def test_mirrored_images_are_used_in_training_and_not_in_evaluation(tmp_path, monkeypatch):
    images = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)
    texts = {"caption": ["a cat", "a dog", "a cat"]}
    corpus = corpora.Corpus(texts, "x", "train", {"image": images}, np.array([0, 0, 1]))
    monkeypatch.setattr(corpora, "load_captions", lambda *args, **how: corpus)
    captions = CaptionConfig(mirrored=True, min_count=2, tokenizer="words")
    train = captions.load("x", "train", shuffle=True, batch_size=6)
    (batch,) = train
    rows = np.round(np.asarray(batch["image"]) * 255)
    both = {x.tobytes() for x in np.concatenate([images, images[:, :, ::-1]]).astype(rows.dtype)}
    assert {x.tobytes() for x in rows} == both and len(rows) == 6
    assert train.corpus.references("caption") == [["a cat", "a dog"], ["a cat"]] * 2
    assert "dog" not in train.vocabularies["caption"].words  # once is once, mirrored or not
    assert len(captions.load("x", "train", batch_size=2).corpus) == 3
    net = network()
    monkeypatch.setattr(image_features, "PretrainedNetwork", lambda *args: net)
    watched = replace(captions, network="X", folder=tmp_path)
    prepared = watched.prepare(replace(corpus, rows=None), training=True)
    assert len(prepared.arrays["features"]) == 4 and prepared.rows is None


def test_features_of_a_scene_corpus_come_from_a_named_network(tmp_path):
    scenes = shapes.generate(2)
    corpus = corpora.Corpus(
        {"caption": scenes["caption"]}, "scenes", "train", {"image": scenes["image"]}
    )
    net = image_features.PretrainedNetwork("MobileNetV2", weights=None, size=96)
    assert net.shape == (3, 3, 1280)
    data = TextDataset(image_features.with_feature_maps(corpus, net, tmp_path), WORDS, batch_size=2)
    (batch,) = data
    assert batch["features"].dtype == tf.float16 and batch["features"].shape == (2, 3, 3, 1280)
    grey = net(np.full((1, 98, 99, 1), 0.5, np.float32))  # any size and grey ones
    np.testing.assert_allclose(grey, net(np.full((1, 96, 96, 3), 0.5)), atol=1e-4)


def test_networks_that_cannot_be_loaded_are_named(tmp_path):
    (tmp_path / "broken.h5").write_bytes(b"no weights")
    with pytest.raises(UnknownNameError, match="MobileNetV2"):
        image_features.PretrainedNetwork("MobileNetV9")
    with pytest.raises(UsageError, match="broken.h5"):
        image_features.PretrainedNetwork("MobileNetV2", weights=tmp_path / "broken.h5", size=96)
    x = keras.Input((8, 8, 3))
    with pytest.raises(UsageError, match="without pooling"):
        image_features.PretrainedNetwork(
            keras.Model(x, keras.layers.GlobalMaxPooling2D()(x)), size=8
        )
    for wrong, message in ((200.0, "divide 0..255 by 255"), (-1.0, "1]"), (200, "astype")):
        with pytest.raises(UsageError, match=message):
            network()(np.full((1, 8, 8, 3), wrong))
    with pytest.raises(UsageError, match="one or more images, got none"):
        image_features.cached_feature_maps(np.zeros((0, 8, 8, 3)), network(), tmp_path)
    with pytest.raises(UsageError, match=r"\[n, h, w, 1 or 3\]"):
        network()(np.zeros((2, 8, 8, 5)))


# From the command line to records.


@pytest.fixture
def few(monkeypatch, tmp_path):
    """The data set "shapes" with few scenes, in a folder of the test."""
    monkeypatch.setattr(shapes, "SPLITS", {"train": 70, "validation": 8, "test": 8})
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    return tmp_path


SMALL = {"encoder": [4, 4, 4], "embedding_dim": 8, "units": 8, "doubly_stochastic_weight": 0.0}


def test_a_recipe_of_captions_becomes_a_record(few):
    recipe = zoo.recipes.get("captioning.shapes")
    recipe = replace(recipe, config=SMALL, batch_size=32, budgets={"smoke": Budget(1, samples=5)})
    record = run.reproduce(recipe, "smoke", few / "results", few / "run")
    found = record["metrics"]
    assert [*found] == ["exact_match_greedy", "coco_CIDEr-D_greedy"]
    assert found["exact_match_greedy"]["n"] == 5
    assert found["exact_match_greedy"]["protocol"] == (
        "shapes train / validation / test, as they are; exact match, greedy on the first 5 test"
        " texts, %"
    )
    captions = (few / "run" / "test-beam1.txt").read_text().splitlines()
    model = zoo.load(few / "run")
    assert model.caption(shapes.generate(5, first=78)["image"], max_length=24) == captions
    protocol = zoo.recipes.get("captioning.flickr8k").protocol()
    assert "224 pixels wide, seen by MobileNetV2; COCO BLEU-4, beam of 3" in protocol


def test_the_command_line_trains_captioners_and_rejects_options_without_effect(few, monkeypatch):
    monkeypatch.chdir(few)
    small = [f"--set={name}={value}" for name, value in SMALL.items()]
    train = ["train", "captioning", "--data", "shapes", "--batch-size", "32", *small]
    done = CliRunner().invoke(main, [*train, "--epochs", "1"])
    assert done.exit_code == 0, done.output
    done = CliRunner().invoke(main, ["evaluate", "runs/captioning-shapes", "--json"])
    assert json.loads(done.stdout)["metrics"].keys() == {
        "loss",
        "nll",
        "accuracy",
        "doubly_stochastic_penalty",
    }
    assert (few / "runs/captioning-shapes/figures/captions.png").is_file()
    done = CliRunner().invoke(main, ["sample", "captioning", "-n", "2", "-o", "two.png"])
    assert done.exit_code == 0 and (few / "two.png").is_file(), done.output
    for number, scene in enumerate(shapes.generate(2)["image"]):
        figures.save(f"{number}.png", scene)
    files, how = ["0.png", "1.png"], ["--num-beams=2", "--max-length=5"]
    done = CliRunner().invoke(
        main, ["caption", "captioning", *files, *how, "--attention=maps.png", "--json"]
    )
    found = json.loads(done.stdout)
    assert found["num_beams"] == 2 and [one["image"] for one in found["captions"]] == files
    assert (few / "maps.png").read_bytes().startswith(b"\x89PNG")
    (few / "torn.png").write_bytes(b"no picture")
    for args, message in {
        (): "Missing argument",
        ("2.png",): "2.png cannot be read as an image",
        ("torn.png",): "cannot be read as an image",
        ("0.png", "--num-beams", "0"): "must be an integer >= 1",
        ("0.png", "--attention", "a.gif"): "ends in .png",
        ("0.png", "--network", "VGG16"): "expects images, not features: leave --network out",
    }.items():
        done = CliRunner().invoke(main, ["caption", "captioning", *args])
        assert done.exit_code == 2 and message in done.stderr, done.output
    done = CliRunner().invoke(main, ["caption", "vae", "0.png"])
    assert "does not caption images; these do: captioning" in done.stderr
    done = CliRunner().invoke(main, [*train, "--languages", "de,en"])
    assert "captions of images, where --languages has no effect" in done.output


def test_the_command_line_captions_from_the_features_of_a_network(tmp_path):
    net = image_features.PretrainedNetwork("MobileNetV2", weights=None, size=32)
    net.model.save_weights(tmp_path / "net.weights.h5")
    model = with_vocabulary(encoder=None, image_shape=net.shape)
    model.save(tmp_path / "features.keras")
    image = RNG.integers(0, 256, (40, 32, 3), np.uint8)
    figures.save(tmp_path / "scene.png", image)
    run, file = str(tmp_path / "features.keras"), str(tmp_path / "scene.png")
    network_options = ("--network", "MobileNetV2", "--image-size", "32", "--weights")
    done = CliRunner().invoke(
        main,
        [
            "caption",
            run,
            file,
            *network_options,
            str(tmp_path / "net.weights.h5"),
            "--max-length=5",
            "--json",
        ],
    )
    assert done.exit_code == 0, done.output
    (found,) = json.loads(done.stdout)["captions"]
    features = net(image_files.read_image(file, size=32)[None])
    assert [found["caption"]] == model.caption(features, num_beams=5, max_length=5)
    for args, message in (
        ((), "features (1, 1, 1280) of another network"),
        (
            (*network_options, "no.weights.h5"),
            "or pass weights=FILE for the network without its top",
        ),
    ):
        done = CliRunner().invoke(main, ["caption", run, file, *args])
        assert done.exit_code == 2 and message in done.stderr, done.output


# Figures.


def test_a_map_is_bright_where_attention_weights_are_large(tmp_path):
    image = np.full((1, 8, 8, 3), 200, np.uint8)
    weights = np.zeros((1, 2, 2))
    weights[0, 1, 0] = 1.0  # below, on the left
    found = [(["word"], weights)]
    picture = figures.caption_maps(image, found, path=tmp_path / "maps.png")
    assert (tmp_path / "maps.png").is_file()
    tile = picture[4:124, 128:248].mean(-1)
    assert tile[100:, :20].min() > 195 and tile[:20, 100:].max() < 60
    assert set(with_vocabulary().figures({"image": IMAGES / np.float32(255)})) == {"captions"}
    with pytest.raises(UsageError, match="1 images and 0 maps"):
        figures.caption_maps(image, [])
