"""Presets and .keras files that are damaged or malicious."""

import io
import json
import zipfile

import h5py
import numpy as np
import pytest
from cases import small_config, small_model
from preset_cases import CARD, replace_file, rewrite

import zoo
from zoo import presets
from zoo.errors import PresetError, UsageError
from zoo.presets import keras_files, preset, weights

pytest_plugins = ("preset_fixtures",)

HASH = "0" * 64


def refused(place, message, seconds=None):
    """Asserts that a preset is rejected with one short line."""
    with pytest.raises((PresetError, UsageError), match=message) as caught:
        zoo.get(str(place), pretrained=True)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 800


def spoil(name, change):
    return lambda place: (place / name).write_bytes(change((place / name).read_bytes()))


def files(**facts):
    return lambda place: rewrite(
        place, files={preset.CARD: {"sha256": HASH, "size": 1}, preset.WEIGHTS: facts}
    )


def config(**changes):
    return lambda place: rewrite(place, config=small_config("vae") | changes)


def other_model(name, parameters=10**4, **changes):
    return lambda place: rewrite(
        place, model=name, config=small_config(name) | changes, parameters=parameters
    )


def part(module, name, settings=None, **more):
    own = {} if settings is None else settings
    return {"module": module, "class_name": name, "config": own, "registered_name": None, **more}


def function(name, module="builtins"):
    return part(module, "function", name, registered_name="function")


SPOILT = {
    # files
    "flipped": (spoil(preset.WEIGHTS, lambda raw: raw[:-1] + b"?"), "has the wrong hash"),
    "half": (spoil(preset.WEIGHTS, lambda raw: raw[:100]), "has 100 bytes instead of .*incomplete"),
    "missing": (lambda place: (place / preset.WEIGHTS).unlink(), "weights.h5 is missing"),
    "card": (spoil(preset.CARD, lambda raw: raw + b"x"), "card.md has .* incomplete"),
    "no text": (lambda place: replace_file(place, preset.CARD, b"\xff"), "is not UTF-8 text"),
    # the JSON
    "edited": (
        spoil(preset.CONFIG, lambda raw: raw.replace(b'"latent_dim": 2', b'"latent_dim": 3')),
        "the digest in config.json does not match its content",
    ),
    "newer": (
        lambda place: rewrite(place, format=99),
        "99, made by a newer .*reads formats 1 to 2",
    ),
    "old": (
        lambda place: rewrite(place, format=0),
        "has the format 0; this version reads formats 1 to 2",
    ),
    "true": (lambda place: rewrite(place, format=True), "has the format True"),
    "empty": (spoil(preset.CONFIG, lambda raw: b"{}"), "is not a preset.*zoo save"),
    "list": (spoil(preset.CONFIG, lambda raw: b"[1]"), "is not a preset.*TypeError"),
    "deep": (spoil(preset.CONFIG, lambda raw: b"[" * 10**5), "is not a preset.*RecursionError"),
    "nan": (spoil(preset.CONFIG, lambda raw: b'{"format": 1, "x": NaN}'), "NaN is not JSON"),
    "infinite": (spoil(preset.CONFIG, lambda raw: b'{"format": 1, "x": 1e999}'), "the digest in"),
    "large": (spoil(preset.CONFIG, lambda raw: b" " * 2**24), "16,777,216 bytes, more than"),
    # its types and sizes
    "nothing": (
        lambda place: rewrite(place, model=None),
        r"must have the fields .*got \['model'\]",
    ),
    "versions": (lambda place: rewrite(place, versions=[1]), r"must have .*got \['versions'\]"),
    "dtype": (lambda place: rewrite(place, dtype="int4"), "of dtype 'int4', expected one of"),
    "escapes": (lambda place: rewrite(place, name="x\x1b[2J"), "must have names .* line"),
    "long name": (lambda place: rewrite(place, name="x" * 10**6), "must have names"),
    "package": (lambda place: rewrite(place, package=5), "name and version of its package, got 5"),
    "escaping": (
        lambda place: rewrite(place, files={"../../x": {"sha256": HASH, "size": 1}}),
        r"must list the files .*got \['../../x'\]",
    ),
    "no facts": (
        lambda place: rewrite(place, files={preset.WEIGHTS: {}, preset.CARD: 5}),
        "must have sha256 and size",
    ),
    "hash": (files(sha256=5, size=1), "must have sha256 and size"),
    "negative": (files(sha256=HASH, size=-1), "must have sha256 and size"),
    "huge": (files(sha256=HASH, size=10**12), "1,000,000,000,000 bytes: these do not match"),
    "more parameters": (lambda place: rewrite(place, parameters=10**9), "do not match"),
    "fewer parameters": (
        lambda place: rewrite(place, parameters=7),
        "do not fit vae .*parameters, not 7",
    ),
    "no answers": (lambda place: rewrite(place, golden_outputs={"loss": "x"}), "cannot be checked"),
    "wrong answers": (
        lambda place: rewrite(
            place, golden_outputs={"loss": [1, 2, 3], "nll": [0] * 3, "kl": [0] * 3}
        ),
        r"does not reproduce its golden outputs \(of .*keras.*kl of three examples is .*not",
    ),
    # the layers that Keras would build
    "range": (config(latent_dim=-3), "cannot be built: .*latent_dim must be an integer >= 1"),
    "type": (config(filters="x" * 10**6), "cannot be built: filters must be"),
    "argument": (config(no=1), "unknown argument of vae 'no'"),
    "name": (config(name=5), "unknown argument of vae 'name'"),
    "model": (lambda place: rewrite(place, model="vea"), "unknown model 'vea'.*'vae'"),
    "plug-in": (
        lambda place: rewrite(
            place, model="vq_vae", package={"name": "more-vaes", "version": "1.2"}
        ),
        "made with the package more-vaes 1.2, which is not installed .*pip install more-vaes",
    ),
    "latent": (config(latent_dim=10**9), "latent_dim=1000000000, out of proportion to"),
    "deep network": (config(filters=[8] * 3000), r"filters=.*out of proportion to"),
    "wide network": (
        config(dense_units=[10**6, 10**6]),
        "cannot be built|its arguments make .* arrays",
    ),
    "many layers": (
        other_model("transformer", num_encoder_layers=10**5),
        "num_encoder_layers=100000, out",
    ),
    "large image": (other_model("pix2pix", image_shape=[2**14, 2**14, 3]), "image_shape=.*out of"),
    "code": (config(kl_weight=function("exec")), "the configuration in .* is unusable"),
    "setting": (config(kl_weight=function("set_floatx", "keras.config")), "unusable.*set_floatx"),
    "plot": (
        config(output_distribution=function("plot_model", "keras.utils")),
        "unusable.*'plot_model'",
    ),
    "get": (config(output_distribution=function("deserialize")), "unusable.*'deserialize'"),
    "reader": (
        config(output_distribution=part("keras.layers", "TFSMLayer", {"filepath": "x"})),
        "TFSMLayer",
    ),
    "lookup": (
        config(output_distribution=part("keras.layers", "StringLookup", {"vocabulary": "words"})),
        "unusable.*StringLookup",
    ),
    "private": (
        config(output_distribution=part("keras.src.utils.io_utils", "print_msg")),
        "unusable.*print_msg",
    ),
    "lambda": (
        config(output_distribution=part("builtins", "__lambda__", {"value": "x"})),
        "unusable.*__lambda__",
    ),
    "memory": (
        config(
            output_distribution=part(None, "__numpy__", {"value": ["x"], "dtype": "S999999999"})
        ),
        "unusable.*__numpy__",
    ),
    "no name": (
        config(output_distribution=part([], "x", registered_name={})),
        "the configuration in .* is unus",
    ),
    "cloud": (
        other_model("style_transfer", feature_network="gs://b/x.h5"),
        "feature_network='gs://b/x.h5': an?",
    ),
    "web": (
        other_model("style_transfer", feature_network="http://h/x"),
        "a URL is not allowed there",
    ),
    "path": (
        other_model("style_transfer", feature_network="/etc/x.h5"),
        "a path is not allowed there",
    ),
    "inside": (
        config(output_distribution={**part("zoo.models", "X", {"feature_network": "gs://b/x.h5"})}),
        "unusable|is not allowed there",
    ),
}


@pytest.mark.parametrize("how", SPOILT)
def test_a_damaged_preset_is_rejected_with_a_one_line_reason(how, copy):
    change, message = SPOILT[how]
    change(copy)
    refused(copy, message)


# Weights.


def edited(change, dtype="float32"):
    """A change of a preset that edits its HDF5 file: change(file, a weight's name)."""

    def spoilt(place):
        if dtype == "int8":
            model = small_model("vae", dense_units=(32,), filters=(8,))
            zoo.save(model, place, CARD, dtype="int8")
        raw = io.BytesIO((place / preset.WEIGHTS).read_bytes())
        with h5py.File(raw, "a") as file:
            arrays = [(name, item.ndim) for name, item in weights.datasets(file)]
            name = next(n for n, axes in arrays if axes > 1 and not n.endswith(".scale"))
            change(file, name)
        replace_file(place, preset.WEIGHTS, raw.getvalue())

    return spoilt


def external(file, name):
    shape, dtype = file[name].shape, file[name].dtype
    del file[name]
    file.create_dataset(name, shape, dtype, external=[("/etc/passwd", 0, 10**6)])


def virtual(file, name):
    shape, dtype = file[name].shape, file[name].dtype
    del file[name]
    layout = h5py.VirtualLayout(shape, dtype)
    layout[...] = h5py.VirtualSource("/etc/passwd", "x", shape)
    file.create_virtual_dataset(name, layout)


def linked(link):
    def change(file, name):
        del file[name]
        file[name] = link

    return change


def declared(file, name):
    file.create_dataset("much", (10**5, 10**6), "f4", chunks=(100, 100), compression="gzip")


def pieces(file, name):
    array = file[name][()]
    del file[name]
    how = {"maxshape": [None] * array.ndim, "chunks": (2**19, *[1] * (array.ndim - 1))}
    file.create_dataset(name, data=array, compression="gzip", **how)


def replaced(make):
    def change(file, name):
        array = file[name][()]
        del file[name]
        file[name] = make(array)

    return change


def loop(file, name):
    file["again"] = file["/"]


WEIGHTS = {
    "external": (edited(external), "has its numbers in another file"),
    "external int8": (edited(external, "int8"), "has its numbers in another file"),
    "virtual": (edited(virtual), "has its numbers in another file"),
    "virtual int8": (edited(virtual, "int8"), "has its numbers in another file"),
    "soft": (edited(linked(h5py.SoftLink("/x"))), "is a link to another place"),
    "other file": (
        edited(linked(h5py.ExternalLink("/x.h5", "/x")), "int8"),
        "is a link to another",
    ),
    "loop": (edited(loop), "'again/.*occurs twice"),
    "declared": (edited(declared), "'much' is not the model's"),
    "declared int8": (edited(declared, "int8"), "'much' is not the model's"),
    "pieces": (edited(pieces), "stored in chunks that are larger than the array"),
    "shape": (edited(replaced(lambda x: x[:1])), r"has the shape \(1, .*the model"),
    "nan": (edited(replaced(lambda x: x * np.nan)), "are not finite"),
    "overflow": (edited(replaced(lambda x: np.float64(x) + 1e300)), "are not finite"),
    "texts": (edited(replaced(lambda x: np.full(x.shape, b"x"))), "does not hold numbers"),
    "complex": (edited(replaced(lambda x: x.astype("c8"))), "does not hold numbers"),
    "gone": (edited(lambda file, name: file.pop(name)), "is missing"),
    "scales": (
        edited(lambda file, name: file.move(name + ".scale", "x.scale"), "int8"),
        "is missing|is not the model's|does not reproduce",
    ),
    "no file": (lambda place: replace_file(place, preset.WEIGHTS, b"x" * 999), "do not fit vae"),
    "another model's": (config(latent_dim=5), "weights in .* do not fit vae"),
}


@pytest.mark.parametrize("how", WEIGHTS)
def test_a_weights_file_that_is_not_plain_numbers_of_the_model_is_rejected(how, copy):
    change, message = WEIGHTS[how]
    change(copy)
    refused(copy, message)


# .keras files.


def keras_file(path, change=lambda config: None, numbers=lambda raw: raw):
    """A .keras file of a small VAE, changed."""
    small_model("vae").save(path)
    with zipfile.ZipFile(path) as archive:
        raw = {name: archive.read(name) for name in archive.namelist()}
    settings = json.loads(raw["config.json"])
    change(settings)
    raw["config.json"] = json.dumps(settings).encode()
    raw["model.weights.h5"] = numbers(raw["model.weights.h5"])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in raw.items():
            archive.writestr(name, content)


def set_argument(**changes):
    return {"change": lambda settings: settings["config"].update(changes)}


KERAS = {
    "plot": (
        set_argument(output_distribution=function("plot_model", "keras.utils")),
        "asks for .*plot_model",
    ),
    "web": (set_argument(output_distribution="https://host/x"), "a URL is not allowed there"),
    "nan": ({"change": lambda settings: settings.update(x=float("nan"))}, "NaN is not JSON"),
    "wide": (set_argument(dense_units=[10**5, 10**5]), "its arguments make"),
    "zeros": (
        {"numbers": lambda raw: bytes(10**7)},
        "model.weights.h5 unpacks .* bytes to 10,000,000",
    ),
    "no weights": ({"numbers": lambda raw: b"?"}, "cannot be read as a Keras model"),
}


@pytest.mark.parametrize("how", KERAS)
def test_a_keras_file_is_checked_as_a_preset_is(how, tmp_path):
    changes, message = KERAS[how]
    keras_file(tmp_path / "x.keras", **changes)
    with pytest.raises(UsageError, match=message) as caught:
        keras_files.load(tmp_path / "x.keras")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600


def test_a_missing_folder_and_an_archive_have_different_errors(tmp_path):
    with pytest.raises(UsageError, match="is not a preset: it has no config.json"):
        presets.load(tmp_path)
    (tmp_path / "preset.zip").write_bytes(b"PK")
    with pytest.raises(UsageError, match="is a file: unpack it"):
        presets.load(tmp_path / "preset.zip")
