"""Presets: the same model again, from wherever it comes; and what is refused, with the reason."""

import http.server
import json
import sys
import threading
from pathlib import Path

import keras
import numpy as np
import pytest
from cases import examples, small_config, small_model
from click.testing import CliRunner

import zoo
from zoo import presets, text
from zoo.cli import main
from zoo.errors import PresetError, UnknownName, UsageError
from zoo.presets import cards, folder, making, sources
from zoo.records import digest

CARD = {"license": "apache-2.0", "data": "noise", "title": "A small network that knows nothing"}


def arrays(model):
    return [keras.ops.convert_to_numpy(v) for v in model.weights]


def same(a, b):
    return all(x.tobytes() == y.tobytes() for x, y in zip(arrays(a), arrays(b), strict=True))


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


def rewrite(place, **changes):
    """Changes a config.json as its author could: the digest fits."""
    path = place / folder.CONFIG
    record = json.loads(path.read_text()) | changes
    path.write_text(json.dumps(record | {"digest": digest(record)}))


# What ships.


@pytest.mark.parametrize("name", presets.names())
def test_a_shipped_preset_says_of_three_examples_what_it_said_when_it_was_made(name):
    preset = presets.open(name)
    found = making.answers(zoo.get(name, pretrained=True))
    assert found.keys() == preset.record["golden"].keys()
    for metric, values in preset.record["golden"].items():
        assert found[metric] == pytest.approx(values, rel=1e-3, abs=1e-4), metric


@pytest.mark.parametrize("name", presets.names())
def test_a_shipped_preset_is_small_and_its_card_tells_how_it_was_made(name):
    preset = presets.open(name)
    assert preset.name == name and preset.model == name.partition(".")[0]
    assert sum(facts["size"] for facts in preset.record["files"].values()) < 8 * 2**20
    told = zoo.info(name)["card"]
    for fact in ("zoo reproduce", "95 % interval", "licence of the data", "sha256", "## Limits"):
        assert fact in told, fact
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


def test_the_same_weights_give_the_same_bytes_whatever_the_process_has_made_before(model, tmp_path):
    other = small_model("vae", seed=5)  # its layers have got other names
    other.set_weights(arrays(model))
    one, two = (
        zoo.save(x, tmp_path / f"{i}", CARD, name="x") for i, x in enumerate((model, other))
    )
    assert one.record == two.record
    assert one.record["files"] == two.record["files"]


def test_float16_takes_half_the_bytes_and_little_of_the_weights(model, whole, tmp_path):
    half = zoo.save(model, tmp_path / "half", CARD, stored="float16")
    size = [p.record["files"][folder.WEIGHTS]["size"] for p in (half, whole)]
    assert size[0] < 0.8 * size[1]  # of a network this small, names are a good part
    for a, b in zip(arrays(model), arrays(zoo.get(str(half.folder), pretrained=True)), strict=True):
        np.testing.assert_allclose(a, b, rtol=2**-11, atol=1e-7)


def test_bytes_take_little_and_keep_weights_to_half_a_step_of_their_row_or_column(tmp_path):
    model = small_model("seq2seq", embedding_dim=128, units=128)
    rows = np.ones((len(model.weights[0].numpy()), 1), np.float32)
    rows[:2] = [[0.0], [99.0]]
    model.weights[0].assign(model.weights[0] * rows)
    part, whole = (
        zoo.save(model, tmp_path / stored, CARD, stored=stored) for stored in ("int8", "float32")
    )
    size = [p.record["files"][folder.WEIGHTS]["size"] for p in (part, whole)]
    assert size[0] < 0.35 * size[1]
    loaded = arrays(zoo.get(str(part.folder), pretrained=True))
    for a, b in zip(arrays(model), loaded, strict=True):
        steps = [np.abs(a).max(axis, keepdims=True) / 127 for axis in range(a.ndim)]
        near = [(np.abs(a - b) <= 0.5001 * step).all() for step in steps]
        assert any(near) if a.ndim > 1 else np.array_equal(a, b)


def test_saving_replaces_a_preset_whole_and_nothing_else(model, copy, tmp_path):
    zoo.save(model, copy, CARD | {"title": "Another"})
    assert "Another" in presets.open(copy).card and len(list(tmp_path.iterdir())) == 1
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text("{}")
    with pytest.raises(UsageError, match="holds something that is no preset"):
        zoo.save(model, tmp_path / "run", CARD)


@pytest.mark.parametrize(
    "card, message",
    [
        ({"data": "noise"}, "a card needs a license"),
        ("# A title\n", "names no licence"),
        ({"licence": "mit"}, "unknown fact of a card 'licence'.*'license'"),
        (3, "a card is a text or a dict"),
    ],
)
def test_no_preset_is_made_without_a_licence(card, message, model, tmp_path):
    with pytest.raises(UsageError, match=message):
        zoo.save(model, tmp_path / "new", card)
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_a_preset_is_told(tmp_path):
    with pytest.raises(UsageError, match="only a registered model"):
        zoo.save(keras.Sequential([keras.layers.Dense(1)]), tmp_path / "new", CARD)
    model = small_model("vae")
    with pytest.raises(UsageError, match="'float16', 'int8'.*, got 'int4'"):
        zoo.save(model, tmp_path / "new", CARD, stored="int4")
    model.weights[0].assign(model.weights[0] + 1e6)
    with pytest.raises(UsageError, match="not finite as float16"):
        zoo.save(model, tmp_path / "new", CARD, stored="float16")
    assert not list(tmp_path.iterdir())


# What is refused.


def spoil(name, change):
    return lambda place: (place / name).write_bytes(change((place / name).read_bytes()))


SPOILT = {
    "flipped": (spoil(folder.WEIGHTS, lambda raw: raw[:-1] + b"?"), "has the wrong hash"),
    "half": (
        spoil(folder.WEIGHTS, lambda raw: raw[:100]),
        "has 100 bytes in place of .*half a file",
    ),
    "missing": (lambda place: (place / folder.WEIGHTS).unlink(), "weights.h5 is missing"),
    "card": (spoil(folder.CARD, lambda raw: raw + b"x"), "card.md has .* half a file"),
    "edited": (
        spoil(folder.CONFIG, lambda raw: raw.replace(b'"latent_dim": 2', b'"latent_dim": 3')),
        "the digest in config.json is not that of its content",
    ),
    "newer": (lambda place: rewrite(place, format=2), "made by a newer version.*reads up to 1"),
    "empty": (spoil(folder.CONFIG, lambda raw: b"{}"), "is no preset.*zoo push"),
    "range": (
        lambda place: rewrite(place, config={"latent_dim": -3}),
        "cannot be built: .*latent_dim must be an integer >= 1, got -3",
    ),
    "argument": (lambda place: rewrite(place, config={"no": 1}), "unknown argument of vae 'no'"),
    "model": (lambda place: rewrite(place, model="vea"), "unknown model 'vea'"),
    "code": (
        lambda place: rewrite(
            place,
            config={
                "kl_weight": {
                    "module": "builtins",
                    "class_name": "function",
                    "config": "exec",
                    "registered_name": "function",
                }
            },
        ),
        "the configuration in .* is unusable",
    ),
    "other": (
        lambda place: rewrite(place, config=small_config("vae") | {"latent_dim": 5}),
        "weights in .* do not fit vae",
    ),
    "escaping": (
        lambda place: rewrite(place, files={"../../x": {"sha256": "0", "size": 1}}),
        r"files those of .*got \['../../x'\]",
    ),
    "nothing": (lambda place: rewrite(place, model=None), r"must tell .*got \['model'\]"),
    "sizes": (
        lambda place: rewrite(place, files={folder.WEIGHTS: {}, folder.CARD: {}}),
        "must tell sha256 and size",
    ),
}


@pytest.mark.parametrize("how", SPOILT)
def test_a_spoilt_preset_is_refused_with_the_reason(how, copy):
    change, message = SPOILT[how]
    change(copy)
    with pytest.raises((PresetError, UsageError), match=message):
        zoo.get(str(copy), pretrained=True)


def test_a_card_that_lost_its_licence_is_refused(copy):
    raw = (copy / folder.CARD).read_bytes().replace(b"license: apache-2.0", b"license:")
    (copy / folder.CARD).write_bytes(raw)
    files = json.loads((copy / folder.CONFIG).read_text())["files"]
    files[folder.CARD] = {"sha256": making.sha256(raw), "size": len(raw)}
    rewrite(copy, files=files)
    with pytest.raises(PresetError, match="names no licence"):
        presets.open(copy)


@pytest.mark.parametrize(
    "reference, message",
    [
        ("vae.mnits", "unknown preset 'vae.mnits'"),
        ("../nowhere", "does not exist; a preset is a folder"),
        ("hf://../etc", "is no place of a preset"),
        ("hf://owner/..", "is no place of a preset"),
        ("hf://owner/name@../..", "is no place of a preset"),
        ("https://host/a/../../b", "is no place of a preset"),
        ("http://example.org/x", "plain http is for this machine alone"),
        ("ftp://host/x", "is no place of a preset"),
    ],
)
def test_what_leads_nowhere_or_out_of_the_cache_is_refused(reference, message, tmp_path):
    with pytest.raises(UsageError, match=message):
        zoo.get(reference, pretrained=True, cache=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_folder_that_is_none_and_an_archive_are_told_apart(tmp_path):
    with pytest.raises(UsageError, match="is no preset: it has no config.json"):
        presets.open(tmp_path)
    (tmp_path / "preset.zip").write_bytes(b"PK")
    with pytest.raises(UsageError, match="is a file: unpack it"):
        presets.open(tmp_path / "preset.zip")


# The web and the hub, on this machine.


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves `server.root` under any prefix, with ranges; breaks off or fails if told to."""

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        name, server = self.path.rpartition("/")[2], self.server
        server.asked.append((name, self.headers.get("Range")))
        path = server.root / name
        if server.down or not path.is_file():
            self.send_response(503 if server.down else 404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        raw = path.read_bytes()
        begin = int((self.headers.get("Range") or "bytes=0-")[6:].partition("-")[0])
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(raw) - begin))
        self.send_header("ETag", f'"{making.sha256(raw)}"')
        self.send_header("X-Repo-Commit", "0" * 40)
        self.end_headers()
        if self.command == "GET":
            breaks = server.breaks and name == folder.WEIGHTS
            self.wfile.write(raw[begin : server.breaks if breaks else None])
            self.close_connection = True

    def log_message(self, *args):
        pass


@pytest.fixture
def server(copy, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.root, running.asked, running.down, running.breaks = copy, [], False, None
        running.url = f"http://127.0.0.1:{running.server_address[1]}/vae.tiny"
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield running
        running.shutdown()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def fetched(server):
    return [name for name, _ in server.asked if name == folder.WEIGHTS]


def test_a_preset_comes_from_the_web_once_and_serves_when_nobody_answers(
    server, cache, model, capsys, monkeypatch
):
    assert same(model, zoo.get(server.url, pretrained=True))
    assert same(model, zoo.get(server.url, pretrained=True)) and len(fetched(server)) == 1
    server.down = True
    assert same(model, zoo.get(server.url, pretrained=True))
    assert "answers 503; using the copy in" in capsys.readouterr().err
    server.down = False
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    asked = len(server.asked)
    assert same(model, zoo.get(server.url, pretrained=True)) and len(server.asked) == asked
    assert capsys.readouterr().err == ""
    with pytest.raises(PresetError, match="ZOO_OFFLINE is set, and .* has no copy"):
        presets.open(server.url, cache=cache / "other")


def test_a_new_version_is_fetched_and_a_damaged_copy_is_replaced(server, cache, model):
    first = presets.open(server.url).folder
    (first / folder.WEIGHTS).write_bytes(b"damaged")
    assert same(model, zoo.get(server.url, pretrained=True)) and len(fetched(server)) == 2
    zoo.save(model, server.root, CARD | {"title": "The second"}, name="vae.tiny")
    assert "The second" in presets.open(server.url).card and len(fetched(server)) == 3


def test_a_download_that_broke_off_goes_on_from_there(server, cache, model):
    server.breaks = 40_000
    with pytest.raises(PresetError, match=r"broke off after 32,768 of [\d,]+ bytes.*goes on"):
        presets.open(server.url)
    server.breaks = None
    assert same(model, zoo.get(server.url, pretrained=True))
    assert [r for name, r in server.asked if name == folder.WEIGHTS] == [None, "bytes=32768-"]


def test_what_a_host_sends_is_believed_only_if_its_hash_is_right(server, cache, model):
    path = server.root / folder.WEIGHTS
    raw = path.read_bytes()
    path.write_bytes(raw[:-1] + b"?")
    with pytest.raises(PresetError, match="wrong hash"):
        presets.open(server.url)
    path.write_bytes(raw + b"much more")
    with pytest.raises(PresetError, match="sends more than the"):
        presets.open(server.url)
    path.write_bytes(raw)
    assert same(model, zoo.get(server.url, pretrained=True))  # nothing bad was kept
    (server.root / folder.CONFIG).unlink()
    with pytest.raises(PresetError, match="answers 404: no preset is there"):
        presets.open(server.url)


def test_two_that_ask_at_once_fetch_it_once(server, cache):
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(presets.open(server.url))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({preset.folder for preset in found}) == 1 and len(found) == 4
    assert len(fetched(server)) == 1


def test_a_host_that_is_not_there_is_told_at_once(cache, offline):
    with pytest.raises(PresetError, match="no answer from https://nowhere.example"):
        presets.open("https://nowhere.example/vae.tiny")


def test_the_hub_serves_presets_too(server, cache, model, monkeypatch, capsys):
    constants = pytest.importorskip("huggingface_hub.constants")
    home = server.url.rpartition("/")[0]
    monkeypatch.setattr(constants, "ENDPOINT", home)
    place = home + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", place)
    assert same(model, zoo.get("hf://somebody/vae.tiny", pretrained=True))
    server.down = True
    assert same(model, zoo.get("hf://somebody/vae.tiny", pretrained=True))
    assert "using the copy in" in capsys.readouterr().err


def test_without_the_hub_s_package_its_name_is_told(cache, monkeypatch, whole):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(PresetError, match=r"pip install 'the-zoo\[hub\]'"):
        presets.open("hf://somebody/vae.tiny")
    pushed = CliRunner().invoke(main, ["push", str(whole.folder), "hf://somebody/vae.tiny"])
    assert pushed.exit_code == 1 and "the-zoo[hub]" in pushed.stderr


def test_a_preset_is_put_on_the_hub_in_one_commit(whole, monkeypatch):
    calls = []

    class Api:
        def create_repo(self, name, exist_ok):
            calls.append((name, exist_ok))

        def upload_folder(self, repo_id, folder_path):
            calls.append((repo_id, sorted(path.name for path in Path(folder_path).iterdir())))

    stub = type(sys)("huggingface_hub")
    stub.HfApi = Api
    stub.errors = type("errors", (), {"HfHubHTTPError": OSError})
    monkeypatch.setattr(sources, "hub_library", lambda: stub)
    pushed = CliRunner().invoke(main, ["push", str(whole.folder), "hf://somebody/vae.tiny"])
    assert pushed.exit_code == 0, pushed.output
    files = sorted([folder.CARD, folder.CONFIG, folder.WEIGHTS])
    assert calls == [("somebody/vae.tiny", True), ("somebody/vae.tiny", files)]


# Parts of a preset, and networks that are not quite the same.


def test_a_block_brings_its_weights_into_any_keras_model(model, whole):
    block = zoo.load_block(str(whole.folder), "encoder")
    images = examples(model, 3)["image"]
    net = keras.Sequential([keras.Input((8, 8, 1)), block, keras.layers.Dense(2)])
    assert net(images).shape == (3, 2)
    np.testing.assert_array_equal(block(images), model.encoder(images))
    with pytest.raises(UnknownName, match="unknown block of .*'encodre'.*'encoder'"):
        zoo.load_block(str(whole.folder), "encodre")


def test_features_are_what_layers_put_out_and_can_be_trained_on(model):
    images = examples(model, 3)["image"]
    found = zoo.features(model, ["encoder/0", "encoder/1"])(images)
    assert {path: tuple(x.shape) for path, x in found.items()} == {
        "encoder/0": (3, 4, 4, 8),
        "encoder/1": (3, 2, 2, 16),
    }
    inputs = keras.Input((8, 8, 1))
    hidden = keras.layers.Flatten()(zoo.features(model.encoder, "1")(inputs))
    net = keras.Model(inputs, keras.layers.Dense(3)(hidden))
    assert net.predict(images, verbose=0).shape == (3, 3)
    with pytest.raises(UnknownName, match="layer of vae 'encoder/9'"):
        zoo.features(model, "encoder/9")


def test_other_channels_give_of_a_grey_picture_what_it_gave(model, whole, capsys):
    coloured = zoo.get(str(whole.folder), pretrained=True, image_shape=(8, 8, 3))
    assert "adapted: encoder/0/0/kernel (sees 3 channels in place of 1)" in capsys.readouterr().err
    grey = np.random.default_rng(0).random((3, 8, 8, 1)).astype("float32")
    codes = model.encode(grey)
    np.testing.assert_allclose(coloured.encode(grey.repeat(3, -1)), codes, atol=1e-5)
    drawn = np.repeat(model.decode(codes), 3, -1)
    np.testing.assert_allclose(coloured.decode(codes), drawn, atol=1e-5)
    back = small_model("vae", seed=3)
    assert len(zoo.transfer(back, coloured).adapted) == 3
    np.testing.assert_allclose(back.encode(grey), codes, atol=1e-5)


def test_what_does_not_fit_is_left_fresh_and_reported(model, whole):
    wider = small_model("vae", seed=1, latent_dim=5)
    before = arrays(wider.encoder.layers[-1])
    report = zoo.transfer(wider, str(whole.folder))
    assert set(report.fresh) == {
        "encoder/3/dense/kernel",
        "encoder/3/dense/bias",
        "decoder/0/kernel",
    }
    assert "(64, 4) there, (64, 10) here" in report.fresh["encoder/3/dense/kernel"]
    assert not report.adapted and not report.unused and len(report.loaded) == 11
    for a, b in zip(before, arrays(wider.encoder.layers[-1]), strict=True):
        np.testing.assert_array_equal(a, b)
    mixture = small_model("mixture_vae")
    report = zoo.transfer(mixture, model)
    assert report.fresh and all(p.startswith("latent_prior/") for p in report.fresh)
    assert zoo.transfer(model, mixture).unused == [*report.fresh]
    with pytest.raises(UsageError, match="no weight of vae fits dense"):
        zoo.transfer(built(keras.layers.Dense(7, name="dense")), model)


def built(layer):
    layer.build((None, 7))
    return layer


def test_words_that_both_know_keep_their_vectors_and_the_others_their_fresh_ones():
    old, new = text.Words(["a", "b", "c", "d"]), text.Words(["c", "x", "a", "y"])
    was = small_model("seq2seq", source_vocabulary=old, target_vocabulary=old)
    now = small_model("seq2seq", seed=1, source_vocabulary=new, target_vocabulary=old)
    table, fresh = (np.array(m.source_words.weights[0]) for m in (was, now))
    report = zoo.transfer(now, was)
    (path,) = report.adapted  # of the same shape, and yet not the same words
    assert path.startswith("source_words/") and "6 of 8 words are known" in report.adapted[path]
    rows = np.array(now.source_words.weights[0])
    np.testing.assert_array_equal(rows[[0, 1, 2, 3, 4, 6]], table[[0, 1, 2, 3, 6, 4]])
    np.testing.assert_array_equal(rows[[5, 7]], fresh[[5, 7]])
    assert not report.fresh and not report.unused


def test_a_card_of_one_s_own_is_kept_as_it_is():
    own = "---\nlicense: cc-by-4.0\n---\n# Mine\n"
    assert cards.written(own, "x", "vae", "") == own and cards.header(own)["license"] == "cc-by-4.0"


def test_a_preset_draws_from_the_command_line(tmp_path):
    def run(*words):
        return CliRunner().invoke(main, ["sample", "vae.snowflakes", *words])

    done = run("-n", "2", "--seed", "3", "-o", str(tmp_path / "crystals.npz"))
    assert done.exit_code == 0, done.stderr
    model = zoo.get("vae.snowflakes", pretrained=True)
    drawn = np.load(tmp_path / "crystals.npz")["image"]
    np.testing.assert_allclose(drawn, model.sample(2, seed=3), atol=1e-6)
    for words, said in (
        (("--best",), "vae.snowflakes is one model"),
        (("--label", "7"), "vae was told of no classes"),
        (("-o", "crystals.gif"), "ends in .png, .npy or .npz"),
    ):
        done = run(*words)
        assert done.exit_code == 2 and said in done.stderr
