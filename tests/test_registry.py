"""The registry: listed names, rejected names, and imports of a listing."""

import os
import subprocess
import sys
import textwrap
import time
import types
from dataclasses import replace

import pytest

import zoo
from zoo import errors, registry
from zoo.cli import doctor
from zoo.data import catalog


def test_the_models_are_listed_by_their_files_and_by_wildcard():
    assert {"vae", "mixture_vae", "dcgan"} <= set(zoo.names())
    assert "vae" in zoo.names("*vae") and "dcgan" not in zoo.names("*vae")
    assert zoo.names("nothing*") == []


@pytest.mark.parametrize("wrong, hint", [("vea", "'vae'"), ("mixturevae", "'mixture_vae'")])
def test_an_unknown_name_gets_close_matches(wrong, hint):
    for ask in (zoo.get, zoo.info):
        with pytest.raises(errors.UnknownNameError, match=f"unknown model '{wrong}'.*{hint}"):
            ask(wrong)


def test_a_name_without_close_matches_gets_the_whole_list():
    with pytest.raises(errors.UnknownNameError, match="Available: .*dcgan.*vae"):
        zoo.get("zzzz")


def test_an_unknown_argument_gets_close_matches():
    with pytest.raises(
        errors.UnknownNameError, match="argument of vae 'latent_dims'.*'latent_dim'"
    ):
        zoo.get("vae", latent_dims=3)


@pytest.mark.parametrize(
    "name, config, message",
    [
        ("vae", {"latent_dim": 0}, "latent_dim must be an integer >= 1, got 0"),
        ("vae", {"latent_dim": "two"}, "latent_dim must be an integer >= 1, got 'two'"),
        ("dcgan", {"filters": ()}, "filters must be"),
        ("vae", {"filters": (0,)}, "every item of filters must be an integer >= 1, got 0"),
        ("vae", {"filters": 32}, "filters must be"),
        ("vae", {"image_shape": (28, 28)}, "image_shape must be"),
        ("vae", {"image_shape": (28, 0, 1)}, "image_shape must be"),
        ("vae", {"base_filters": -1}, "base_filters must be an integer >= 1, got -1"),
        (
            "vae",
            {"output_distribution": "bernouli"},
            "output_distribution must be one of.*bernoulli.*got 'bernouli'",
        ),
        ("vae", {"kl_estimator": "exact"}, "kl_estimator must be one of.*got 'exact'"),
        ("vae", {"kl_weight": -1.0}, "kl_weight must be"),
        ("vae", {"kl_weight": "much"}, "kl_weight must be"),
        ("mixture_vae", {"num_components": 0}, "num_components must be an integer >= 1, got 0"),
        ("dcgan", {"components": 4}, "no longer has the argument components: .* deligan"),
        ("deligan", {"num_components": 0.5}, "num_components must be an integer >= 1, got 0.5"),
        ("dcgan", {"full_size_filters": -1}, "full_size_filters must be an integer >= 0, got -1"),
        ("instance_dcgan", {"num_features": 0}, "num_features must be an integer >= 1, got 0"),
        ("instance_dcgan", {"feature_noise_std": -0.1}, "feature_noise_std must be"),
        ("instance_dcgan", {"num_instances": 0}, "num_instances must be an integer >= 1, got 0"),
        ("mixture_vae", {"kl_estimator": "analytic"}, "no closed form"),
        ("dcgan", {"latent_dim": 0}, "latent_dim must be an integer >= 1, got 0"),
        ("dcgan", {"dropout": 1.5}, "dropout must be a fraction"),
        ("dcgan", {"filters": ()}, "filters must be"),
        ("dcgan", {"image_shape": "28"}, "image_shape must be"),
    ],
)
def test_the_error_for_an_impossible_value_names_what_was_expected(name, config, message):
    with pytest.raises(errors.UsageError, match=message):
        zoo.get(name, **config)


def test_a_duplicate_name_is_an_error_but_the_same_class_may_be_registered_again():
    def define(qualname):
        cls = types.new_class("Toy", (zoo.Model,))
        cls.__module__, cls.__qualname__ = "somewhere", qualname
        return cls

    first = zoo.register("toy_of_the_registry_test")(define("Toy"))
    assert registry.get_class("toy_of_the_registry_test") is first
    assert zoo.info("toy_of_the_registry_test")["class"] == "Toy"  # without a source file
    again = zoo.register("toy_of_the_registry_test")(define("Toy"))
    assert registry.get_class("toy_of_the_registry_test") is again
    with pytest.raises(errors.UsageError, match="is taken by somewhere.Toy"):
        zoo.register("toy_of_the_registry_test")(define("Other"))
    with pytest.raises(errors.UsageError, match="'vae' is taken by zoo.models.vae"):
        zoo.register("vae")(define("Toy"))
    with pytest.raises(errors.UsageError, match="lower_snake"):
        zoo.register("Toy-1")
    registry._registered.pop("toy_of_the_registry_test")


PLUGIN = '''
"""A model from elsewhere."""
import zoo
from zoo.models.vae import VAE

@zoo.register("plugged_vae")
class PluggedVAE(VAE):
    """Comes from another package."""
    def __init__(self, flavour="plain", **kwargs):
        super().__init__(**kwargs)
        self.flavour = flavour
'''


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """An installed package whose entry points are given as {name: module}."""

    def install(entry_points, group="zoo.models", code=PLUGIN):
        (tmp_path / "plugged_models.py").write_text(code)
        info = tmp_path / "plugged-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugged\nVersion: 1.0\n")
        lines = [f"{name} = {module}" for name, module in entry_points.items()]
        (info / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines]) + "\n")
        monkeypatch.syspath_prepend(tmp_path)
        clear()

    def clear():
        registry._plugins.cache_clear()
        zoo.recipes._plugins.cache_clear()
        zoo.recipes._registered_modules.clear()

    yield install
    clear()
    registry._registered.pop("plugged_vae", None)
    sys.modules.pop("plugged_models", None)


def test_plugins_come_by_entry_point(plugin):
    plugin({"plugged_vae": "plugged_models"})
    assert "plugged_vae" in zoo.names()
    about = zoo.info("plugged_vae")
    assert about["summary"] == "A model from elsewhere."
    assert about["arguments"]["flavour"] == "'plain'" and about["arguments"]["latent_dim"] == "2"
    assert "plugged_models" not in sys.modules  # read, not run
    assert zoo.get("plugged_vae", flavour="sweet", image_shape=(8, 8, 1)).flavour == "sweet"


def test_a_plugin_may_not_use_the_name_of_a_model_of_the_zoo(plugin):
    plugin({"vae": "plugged_models"})
    with pytest.raises(errors.UsageError, match="two packages offer a model named 'vae'"):
        zoo.names()


def test_a_plugin_must_register_the_name_it_declares(plugin):
    plugin({"other_vae": "plugged_models"})
    with pytest.raises(errors.UsageError, match="does not register 'other_vae'"):
        zoo.get("other_vae")


RECIPES = """
from dataclasses import replace
import zoo.recipes

RECIPES = (replace(zoo.recipes.get("vae.mnist"), name="vae.plugged"),)
"""
DATA_SETS = """
from zoo.data import DatasetInfo

def load(source, split, **options):
    from zoo.data import ArrayDataset
    return ArrayDataset({"image": [[[[0.5]]]] * 8}, name=source, split=split, **options)

facts = ("A test", (1, 1, 1), {"train": 8}, "nowhere", "MIT")
DATA_SETS = (DatasetInfo("plugged", *facts, network=False, load="plugged_models:load"),)
"""


def test_a_plugin_adds_recipes(plugin, monkeypatch):
    monkeypatch.setattr(zoo.recipes, "_recipes", dict(zoo.recipes._recipes))
    plugin({"mine": "plugged_models"}, "zoo.recipes", RECIPES)
    assert "vae.plugged" in zoo.recipes.names("vae.*")
    assert zoo.recipes.get("vae.plugged").protocol() == zoo.recipes.get("vae.mnist").protocol()
    assert doctor._plugins() == ({"mine": "plugged_models"}, [])


def test_a_plugin_without_recipes_is_named(plugin):
    plugin({"mine": "plugged_models"}, "zoo.recipes", "")
    with pytest.raises(errors.UsageError, match="mine offers recipes in plugged_models"):
        zoo.recipes.get("vae.plugged")
    assert "mine (plugged_models) is broken" in doctor._plugins()[1][0]


def test_a_plugin_adds_data_sets(plugin, capsys, tmp_path, monkeypatch):
    plugin({"mine": "plugged_models"}, "zoo.data", DATA_SETS)
    catalog.register_plugins()
    try:
        assert "plugged" in zoo.data.names() and zoo.data.splits("plugged") == ["train"]
        data = zoo.data.load("plugged", "train", batch_size=4, binarize="dynamic")
        assert (data.num_examples, data.batch_size, data.binarize) == (8, 4, "dynamic")
        assert data.shuffle and data.drop_remainder
        assert zoo.data.is_prepared("plugged")
        for message, call in (
            ("nothing to prepare: plugged_models:load computes plugged", zoo.data.prepare),
            ("unknown split of plugged 'val'", lambda name: zoo.data.load(name, "train+val[:2]")),
            ("no option image_size", lambda name: zoo.data.load(name, image_size=2)),
            ("no option data_dir", lambda name: zoo.data.load(name, data_dir=tmp_path)),
        ):
            with pytest.raises(errors.UsageError, match=message):
                call("plugged")
        sys.modules["plugged_models"].DATA_SETS = (zoo.data.info("mnist"), None)
        catalog.register_plugins()
        assert "the data sets of plugged_models are broken" in capsys.readouterr().err
    finally:
        del catalog.CATALOG["plugged"]
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    out, _ = in_a_fresh_process("import zoo; print(zoo.data.info('plugged').license)")
    assert out == "MIT\n"
    with pytest.raises(errors.UsageError, match="the data set 'mnist' is taken"):
        zoo.data.register(replace(zoo.data.info("mnist"), license="MIT"))


def in_a_fresh_process(code):
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        cwd=registry.FOLDER.parent.parent,
        check=True,
    )
    return done.stdout, time.perf_counter() - started


def test_listing_and_info_import_neither_tensorflow_nor_matplotlib():
    out, _ = in_a_fresh_process("""
        import sys, zoo
        zoo.names("*"), [zoo.info(name) for name in zoo.names()], zoo.data.names()
        [zoo.info(name) for name in zoo.names(pretrained=True)]
        heavy = {"tensorflow", "keras", "tensorflow_probability", "tensorflow_datasets",
                 "matplotlib", "numpy", "rich"}
        print(sorted(heavy & set(sys.modules)))
    """)
    assert out.strip() == "[]"


def test_a_process_without_a_home_starts_silently_and_leaves_no_folder_of_that_name(tmp_path):
    code = (
        "import os; os.path.expanduser = lambda text: text\n"  # no HOME, no entry in passwd
        "import zoo; zoo.get('simple_dot')\n"
        "print(zoo.metrics.__name__, zoo.text.__name__)\n"
        "print(zoo.data.is_prepared('ratings'), os.listdir('.'))"
    )
    unset = ("HOME", "TFDS_DATA_DIR", "KERAS_HOME", "TF_CPP_MIN_LOG_LEVEL")
    environment = {k: v for k, v in os.environ.items() if k not in unset}
    environment["PYTHONPATH"] = str(registry.FOLDER.parent.parent)
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("zoo.metrics zoo.text\nFalse []\n", "")


@pytest.mark.parametrize(("level", "shown"), [(None, ""), ("3", ""), ("0", "starting\n")])
def test_messages_of_tensorflow_are_shown_if_a_log_level_asks_for_them(tmp_path, level, shown):
    (tmp_path / "tensorflow.py").write_text("import os; os.write(2, b'starting\\n')")
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    environment |= {"TF_CPP_MIN_LOG_LEVEL": level} if level else {}
    environment["PYTHONPATH"] = f"{tmp_path}:{registry.FOLDER.parent.parent}"
    code = "from zoo.environment import import_tensorflow; import_tensorflow()"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, shown)


def test_suggested_arguments_exist():
    with pytest.raises(errors.UnknownNameError) as caught:
        zoo.get("vae", nam="x")
    assert "name" not in str(caught.value).partition("unknown argument of vae 'nam'")[2].split()
    assert zoo.get("simple_dot", dtype="mixed_bfloat16").name == "simple_dot"


def test_the_public_names_exist():
    for name in zoo.__all__:
        assert getattr(zoo, name) is not None
    assert set(zoo.__all__) <= set(dir(zoo))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        zoo.nonsense  # noqa: B018
