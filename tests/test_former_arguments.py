"""Former arguments of models: files with them are read, code with them gets the name of today."""

import json
import shutil
import zipfile

import keras
import numpy as np
import pytest
from cases import small_model

import zoo
from zoo import former_arguments, registry
from zoo.cli.overrides import parse_overrides
from zoo.cli.run_options import read_config
from zoo.errors import CheckpointError, UsageError
from zoo.former_arguments import FormerArgumentError, translate
from zoo.training import checkpoint
from zoo.training.workdir import Workdir

TABLE = [
    (model, former, name)
    for model, names in former_arguments.ARGUMENTS.items()
    for former, name in names.items()
]


@pytest.mark.parametrize("model, former, name", TABLE)
def test_a_former_argument_has_a_name_of_today_or_advice(model, former, name):
    today = registry.info(model)["arguments"]
    assert former not in today and (name is None or name in today)
    instead = f"it is called {name} now" if name else former_arguments.INSTEAD[former]
    message = f"{model} no longer has the argument {former}: {instead}"
    with pytest.raises(FormerArgumentError, match=message):
        raise registry.unknown_argument(model, former, today)
    expected = {"filters": [4]} if name is None else {name: 0, "filters": [4]}
    assert translate(model, {former: 0, "filters": [4]}) == (model, expected)
    assert former_arguments.has_no_effect(model, former, 0) == (name is None)


def serialized(name, **config):
    return {
        "module": "blocks.x",
        "class_name": name,
        "registered_name": f"blocks>{name}",
        "config": config,
    }


@pytest.mark.parametrize(
    "old, new",
    [
        ({"bound": "iwae"}, {"bound": "iwae", "num_samples": 5}),
        ({"bound": "iwae", "num_samples": 2}, {"bound": "iwae", "num_samples": 2}),
        ({"bound": serialized("IWAE", samples=7)}, {"bound": "iwae", "num_samples": 7}),
        ({"bound": serialized("DReG", samples=1)}, {"bound": "stl", "num_samples": 1}),
        (
            {"kl": serialized("FreeBits", nats=2.0, kl="analytic")},
            {"kl_estimator": serialized("FreeBits", nats=2.0, kl_estimator="analytic")},
        ),
        ({"a": [serialized("Caffe")]}, {"a": [serialized("CaffePreprocessing")]}),
    ],
)
def test_former_values_are_translated(old, new):
    assert translate("vae", old) == ("vae", new)


# Files of `dcgan` from before its mixture noise became the model `deligan`.


def as_before(config):
    """A configuration, or an identity, of `dcgan` by the names before."""
    names = {"num_components": "components", "feature_matching_weight": "matching"}
    return {"components": 0} | former_arguments.rename_keys(config, names)


@pytest.fixture(scope="module", params=["dcgan", "deligan"])
def saved(request, tmp_path_factory):
    """(model, the folder of its run of one step)."""
    folder = tmp_path_factory.mktemp(request.param)
    model = small_model(request.param)
    trainer = zoo.Trainer(model, folder, eager=True, figures_every=0, verbose=False)
    trainer.fit(zoo.data.load(np.zeros((4, 8, 8, 1), np.uint8), batch_size=2), steps=1)
    return model, folder


def require_same(model, other):
    assert type(model) is type(other)
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_keras_file_is_read(saved, tmp_path):
    model, _ = saved
    new = tmp_path / "new.keras"
    old = tmp_path / "old.keras"
    model.save(new)
    with zipfile.ZipFile(new) as source, zipfile.ZipFile(old, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "config.json":
                record = json.loads(content)
                record |= {"class_name": "DCGAN", "registered_name": "zoo>dcgan"}
                record |= {"module": "zoo.models.dcgan", "config": as_before(record["config"])}
                content = json.dumps(record)
            target.writestr(name, content)
    require_same(model, keras.models.load_model(old))
    require_same(model, zoo.load(old))


def test_a_run_is_opened(saved, tmp_path):
    _, run = saved
    folder = shutil.copytree(run, tmp_path / "old")
    record = json.loads((folder / "config.json").read_text())
    config, arguments = as_before(record["config"]), as_before(record["arguments"])
    record |= {"model": "dcgan", "config": config, "arguments": arguments}
    (folder / "config.json").write_text(json.dumps(record))
    path = Workdir(folder).checkpoints.paths()[-1]
    arrays, state = checkpoint.read(path)
    state["identity"] = as_before(state["identity"]) | {"model": "dcgan"}
    checkpoint.save(path, arrays, state)
    require_same(zoo.load(run), zoo.load(folder))


def test_a_description_is_read_and_code_is_refused(tmp_path):
    file = tmp_path / "gan.toml"
    file.write_text('model = "dcgan"\n[config]\ncomponents = 3')
    assert read_config(file) == {"model": "deligan", "config": {"num_components": 3}}
    assert parse_overrides("dcgan", ["components=0"]) == {}
    assert zoo.get("dcgan", components=0, image_shape=(8, 8, 1), filters=(8,)).filters == (8,)
    with pytest.raises(UsageError, match="dcgan no longer has .* components: .* use deligan"):
        zoo.get("dcgan", components=3)
    record = {"model": "conditional_dcgan", "config": {"components": 3}, "data": "mnist"}
    (tmp_path / "config.json").write_text(json.dumps(record | {"made_by": "zoo train"}))
    with pytest.raises(CheckpointError, match="cannot be opened: .* components=3: .* deligan"):
        zoo.load(tmp_path)
