"""The files of a preset: vocabularies beside config.json, and presets of format 1."""

import io
import json
import shutil

import h5py
import pytest
import sentencepiece
from cases import small_model
from preset_cases import CARD, replace_file, rewrite, same

import zoo
from zoo import former_arguments, presets, text
from zoo.errors import PresetError, UsageError
from zoo.files import digest
from zoo.presets import format_1, preset, preset_record, vocabulary_files, weights

pytest_plugins = ("preset_fixtures",)

SENTENCES = ["Ein Mann schläft.", "Zwei Hunde laufen über Schnee.", "Eine Frau lacht."] * 4
WORDS = "source_vocabulary.json"


def read_config(place):
    return json.loads((place / preset.CONFIG).read_text())


@pytest.fixture(scope="module")
def words():
    return text.WordTokenizer(["Mann", "Schnee\n", "\u2028", "\ud800"], unit="word")


@pytest.fixture(scope="module")
def translator(words):
    other = text.WordTokenizer(["man", "snow"], lowercase=True)
    return small_model("seq2seq", source_vocabulary=words, target_vocabulary=other)


@pytest.fixture(scope="module")
def saved(translator, tmp_path_factory):
    return zoo.save(translator, tmp_path_factory.mktemp("made") / "seq2seq.tiny", CARD).folder


@pytest.fixture
def place(saved, tmp_path):
    """A copy of the preset that tests may damage."""
    return shutil.copytree(saved, tmp_path / saved.name)


# Vocabularies.


def test_lists_of_words_are_readable_files(translator, words, place):
    config = read_config(place)["config"]
    assert config["source_vocabulary"] == words.to_dict() | {"words": WORDS}
    assert config["target_vocabulary"]["words"] == "target_vocabulary.json"
    assert json.loads((place / WORDS).read_text("utf-8")) == words.words
    assert (place / "target_vocabulary.json").read_text() == '[\n"man",\n"snow"\n]\n'
    assert {"source_vocabulary.json", "target_vocabulary.json"} < {*zoo.info(str(place))["files"]}
    again = zoo.get(str(place), pretrained=True)
    assert same(translator, again) and again.get_config() == translator.get_config()
    assert again.vocabulary("source") == words


def test_a_sentencepiece_model_is_a_file_of_that_library_and_both_languages_share_it(tmp_path):
    tokenizer = text.SentencePieceTokenizer.train(SENTENCES, 300)
    model = small_model("transformer", source_vocabulary=tokenizer, target_vocabulary=tokenizer)
    made = zoo.save(model, tmp_path / "transformer.tiny", CARD, dtype="int8")
    path = made.folder / "vocabulary.model"
    assert path.read_bytes() == tokenizer.model
    assert len(sentencepiece.SentencePieceProcessor(model_file=str(path))) == len(tokenizer)
    lines = (made.folder / preset.CONFIG).read_text().splitlines()
    assert len(lines) > 20 and max(map(len, lines)) < 120
    again = zoo.get(str(made.folder), pretrained=True)
    assert again.get_config() == model.get_config()
    assert again.vocabulary("target") == tokenizer


def test_the_size_of_a_vocabulary_needs_no_file(tmp_path):
    made = zoo.save(small_model("captioning"), tmp_path / "captioning.tiny", CARD)
    assert made.record["config"]["caption_vocabulary"] == 20 and made.vocabularies == {}


def reference(name, key="words"):
    return {"kind": "words", "unit": "word", "lowercase": False, key: name}


def refer(name, key="words"):
    """A change after which config.json names another file, which exists."""

    def change(place):
        record = read_config(place)
        record["config"]["source_vocabulary"] = reference(name, key)
        if isinstance(name, str):
            record["files"][name] = record["files"].pop(WORDS)
        rewrite(place, config=record["config"], files=record["files"])

    return change


def resize(place):
    files = read_config(place)["files"]
    files[WORDS]["size"] = 10**9
    rewrite(place, files=files)


SPOILT = {
    "missing": (lambda place: (place / WORDS).unlink(), f"{WORDS} is missing"),
    "half": (lambda place: (place / WORDS).write_bytes(b"["), "has 1 bytes instead of"),
    "flipped": (
        lambda place: (place / WORDS).write_bytes((place / WORDS).read_bytes()[::-1]),
        "has the wrong hash",
    ),
    "unlisted": (
        lambda place: rewrite(
            place, files={k: v for k, v in read_config(place)["files"].items() if k != WORDS}
        ),
        "must list the files",
    ),
    "more": (
        lambda place: rewrite(
            place,
            files=read_config(place)["files"]
            | {"x_vocabulary.json": {"sha256": "0" * 64, "size": 1}},
        ),
        "must list the files",
    ),
    "large": (resize, f"lists a {WORDS} of more than 8,388,608 bytes"),
    "path": (refer("../source_vocabulary.json"), "source_vocabulary must name a file such as"),
    "absolute": (refer("/etc/vocabulary.json"), "must name a file such as"),
    "config": (refer("config.json"), "must name a file such as"),
    "weights": (refer("model.weights.h5", "model"), "must name a file such as"),
    "other ending": (refer("source_vocabulary.json", "model"), "must name a file such as"),
    "number": (refer(5), "must name a file such as"),
    "no name": (refer(None, "neither"), "must name a file such as"),
    "bytes": (lambda place: replace_file(place, WORDS, b"\xff"), "damaged vocabulary: .*utf-8"),
    "no JSON": (lambda place: replace_file(place, WORDS, b"[NaN]"), "damaged vocabulary: NaN is"),
    "deep": (lambda place: replace_file(place, WORDS, b"[" * 10**5), "damaged vocabulary: "),
    "no list": (lambda place: replace_file(place, WORDS, b'{"a": 1}'), "words must be a list"),
    "no words": (lambda place: replace_file(place, WORDS, b"[1, 2, 3, 4]"), "be a list of str"),
    "fewer": (lambda place: replace_file(place, WORDS, b'["a"]'), "do not fit seq2seq"),
}


@pytest.mark.parametrize("how", SPOILT)
def test_a_damaged_vocabulary_is_rejected_with_a_one_line_reason(how, place):
    change, message = SPOILT[how]
    change(place)
    with pytest.raises((PresetError, UsageError), match=message) as caught:
        zoo.get(str(place), pretrained=True)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 800


# Format 1.


def rename_arrays(raw, rename):
    """A weights file with other paths."""
    new = io.BytesIO()
    with h5py.File(io.BytesIO(raw)) as file, h5py.File(new, "w") as target:
        for name, dataset in weights.datasets(file):
            target[rename(name)] = dataset[()]
    return new.getvalue()


def make_format_1(place, rename=None, **changes):
    """Turns a folder into one of format 1, as it was written then."""
    made = presets.load(place)
    config = made.config()
    if rename:
        replace_file(place, preset.WEIGHTS, rename_arrays(made.weights, rename))
    record = read_config(place)
    files = {name: record["files"][name] for name in (preset.WEIGHTS, preset.CARD)}
    for name in made.vocabularies:
        (place / name).unlink()
    record["stored"] = record.pop("dtype")
    record["golden"] = record.pop("golden_outputs")
    (place / preset.CONFIG).write_text(json.dumps(record))
    rewrite(place, **{"format": 1, "config": config, "files": files, **changes})


def test_format_1_had_its_vocabularies_in_config_json_and_is_read(translator, place):
    make_format_1(place)
    assert sorted(path.name for path in place.iterdir()) == [
        preset.CARD,
        preset.CONFIG,
        preset.WEIGHTS,
    ]
    again = zoo.get(str(place), pretrained=True)
    assert same(translator, again) and again.get_config() == translator.get_config()
    assert zoo.info(str(place))["dtype"] == "float32"
    record = read_config(place)
    (place / preset.CONFIG).write_text(json.dumps(record | {"stored": "float16"}))
    with pytest.raises(PresetError, match="the digest in config.json does not match"):
        presets.load(place)


def test_old_names_of_models_arguments_values_metrics_and_weights_are_translated(
    translator, place, monkeypatch
):
    made = presets.load(place)
    config = format_1.rename_keys(made.config(), {"units": "width", "cell": "kind"})
    config |= {"kind": "gated", "gone": 0, "scheduled_sampling": 0.5}
    golden = format_1.rename_keys(made.record["golden_outputs"], {"nll": "log_loss"})
    make_format_1(
        place,
        rename=lambda path: path.replace("decoder/", "speaker/"),
        model="old_name",
        config=config,
        golden=golden,
    )
    names = {"seq2seq": {"width": "units", "kind": "cell", "gone": None}}
    models = {"old_name": ("scheduled_sampling", "seq2seq")}
    monkeypatch.setattr(former_arguments, "MODELS", models)
    monkeypatch.setattr(former_arguments, "ARGUMENTS", names)
    monkeypatch.setattr(former_arguments, "INSTEAD", {"gone": "leave it out"})
    monkeypatch.setattr(format_1, "VALUES", {"cell": {"gated": made.config()["cell"]}})
    monkeypatch.setattr(format_1, "METRICS", {"log_loss": "nll"})
    monkeypatch.setattr(format_1, "WEIGHTS", {"*": ((r"^speaker/", "decoder/"),)})
    again = zoo.get(str(place), pretrained=True)
    assert same(translator, again)
    assert again.get_config() == translator.get_config() | {"scheduled_sampling": 0.5}
    assert presets.load(place).record["golden_outputs"] == made.record["golden_outputs"]
    rewrite(place, config=config | {"gone": 3})
    with pytest.raises(PresetError, match="seq2seq no longer has the argument gone=3"):
        presets.load(place)
    rewrite(place, config=config | {"scheduled_sampling": 0.0})
    assert presets.load(place).model == "old_name"


def test_a_gan_with_a_mixture_as_noise_is_read_as_the_model_that_it_is_now():
    record = presets.load("deligan.mnist").record
    config = format_1.rename_keys(record["config"], {"num_components": "components"})
    old = record | {"model": "dcgan", "config": config}
    old |= {"digest": digest(old)}
    read = preset_record.parse(json.dumps(old).encode(), "x")
    assert read == record | {"digest": old["digest"]} and read["format"] == 2
    assert format_1.upgrade_config("dcgan", {"components": 0}) == ("dcgan", {})
    with pytest.raises(PresetError, match="no longer has the argument components=3"):
        format_1.upgrade_config("conditional_dcgan", {"components": 3})


def test_old_names_of_objects_and_of_vocabularies_are_translated(monkeypatch):
    monkeypatch.setattr(former_arguments, "OBJECT_NAMES", {"Old": "New", "b>Old": "b>New"})
    monkeypatch.setattr(former_arguments, "OBJECT_ARGUMENTS", {"b>Old": {"every": "interval"}})
    monkeypatch.setattr(format_1, "VOCABULARY_KINDS", {"letters": "characters"})
    monkeypatch.setattr(format_1, "VOCABULARY_KEYS", {"by": "unit"})
    part = {"module": "b", "class_name": "Old", "config": {"every": 2}, "registered_name": "b>Old"}
    new = {"module": "b", "class_name": "New", "registered_name": "b>New"}
    vocabulary = json.dumps({"kind": "letters", "by": "character"})
    _, config = format_1.upgrade_config(
        "vae", {"penalty": [part], "x_vocabulary": vocabulary, "y_vocabulary": "{"}
    )
    assert config["penalty"] == [new | {"config": {"interval": 2}}]
    assert json.loads(config["x_vocabulary"]) == {"kind": "characters", "unit": "character"}
    assert config["y_vocabulary"] == "{"


HOSTILE = {
    "config": ({"config": [1]}, r"must have the fields .*got \['config'\]"),
    "model": ({"model": {}}, r"must have the fields .*got \['model'\]"),
    "golden": ({"golden": 5}, "golden outputs cannot be checked"),
    "text": ({"config": {"source_vocabulary": "{" * 10**5}}, "cannot be built: .*vocabulary"),
    "file": ({"config": {"source_vocabulary": reference("x")}}, "must name a file such as"),
}


@pytest.mark.parametrize("how", HOSTILE)
def test_a_hostile_preset_of_format_1_is_rejected(how, place):
    changes, message = HOSTILE[how]
    make_format_1(place, **changes)
    with pytest.raises((PresetError, UsageError), match=message) as caught:
        zoo.get(str(place), pretrained=True)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 800


def test_two_arrays_of_one_path_are_rejected(place, monkeypatch):
    make_format_1(place)
    monkeypatch.setattr(format_1, "WEIGHTS", {"*": ((r"vars/\d", "vars/0"),)})
    with pytest.raises(PresetError, match="two of its arrays have the same path"):
        zoo.get(str(place), pretrained=True)


def test_vocabularies_are_split_into_files_and_joined_again():
    words = json.dumps({"kind": "words", "words": ["a"]})
    config = {"a_vocabulary": words, "b_vocabulary": words, "c_vocabulary": 9, "units": "{"}
    references, files = vocabulary_files.split(config)
    assert list(files) == ["vocabulary.json"] and references["c_vocabulary"] == 9
    assert vocabulary_files.file_names(references) == {"vocabulary.json"}
    assert vocabulary_files.join(references, files) == config
    assert vocabulary_files.split({"x_vocabulary": "{}"}) == ({"x_vocabulary": "{}"}, {})
