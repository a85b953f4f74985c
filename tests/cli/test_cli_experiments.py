"""`zoo train` for experiments: descriptions in files, initial weights, optimizers; comparisons."""

import json
import shlex
from dataclasses import replace

import keras
import numpy as np
import pytest
from shell import SMALL, run, run_error, run_json, write_images

import zoo
import zoo.recipes
from zoo.cli.main import main
from zoo.cli.run_options import config_from_options, read_config
from zoo.cli.train_options import command_line
from zoo.data.text_config import TextConfig
from zoo.errors import UsageError
from zoo.optimizers import WarmUp
from zoo.recipes import records
from zoo.training import run_folder, run_training
from zoo.training.run_building import build_optimizers
from zoo.training.run_config import OPTIMIZERS, RunConfig

pytestmark = pytest.mark.usefixtures("eager_steps")

QUICK = ("--eager", "--figures-every", 0, "--set", "filters=4,", "--epochs", 1)


class Described(Exception):
    """Raised in place of training."""


@pytest.fixture
def described(monkeypatch):
    """A function: words of a `zoo train` command -> the description that it would train."""

    def stop(config, *args, **options):
        raise Described(config)

    monkeypatch.setattr(run_training, "prepare_run", stop)

    def describe(*words):
        result = run("train", *words)
        assert isinstance(result.exception, Described), result.output
        return result.exception.args[0]

    return describe


# Descriptions.


@pytest.mark.parametrize("name", zoo.recipes.names())
def test_a_recipe_is_one_line_of_zoo_train(name, described, empty_dir):
    recipe = zoo.recipes.get(name)
    for budget in recipe.budgets:
        line = command_line(recipe.run_config(budget), main.commands["train"])
        assert "\n" not in line
        assert described(*shlex.split(line)[2:]) == recipe.run_config(budget)
    assert run("reproduce", name, "--command", "--budget", budget).stdout == f"{line}\n"


def test_every_field_can_be_written_on_the_command_line(described, empty_dir):
    config = RunConfig(
        model="dcgan",
        data=str(empty_dir / "images.npz"),
        valid="train",
        test=None,
        steps=7,
        optimizer="adamw",
        learning_rate={"generator": 1e-3, "x": 2.0},
        betas=(0.5, 0.9),
        schedule="linear",
        warmup=3,
        weight_decay=0.1,
        accumulate=2,
        patience=4,
        monitor="max:val_loss",
        kl_warmup_epochs=0.5,
        jit_compile=True,
        precision="mixed_bfloat16",
        drop_remainder=False,
        select_best_epoch=True,
        init="vae.snowflakes",
        freeze=("a*", "b"),
        strategy="mirrored",
        micro_batches=3,
    )
    words = shlex.split(command_line(config, main.commands["train"]))
    assert described(*words[2:], "--test-split", "train") == replace(config, test="train")


def test_a_description_in_a_file_is_changed_by_options(described, trained_dir):
    saved = run_folder.read("runs/vae-images").config
    file = ("--config", "runs/vae-images/config.json")
    assert described(*file) == saved
    changed = described("vae", *file, "--seed", 3, "--steps", 9, "--set", "latent_dim=5")
    assert (changed.seed, changed.steps, changed.epochs) == (3, 9, None)
    assert changed.config == {"latent_dim": 5} and changed.batch_size == saved.batch_size
    (trained_dir / "own.toml").write_text(
        '# an experiment\nmodel = "seq2seq"\ndata = "dates"\nbatch_size = 8  # small\n'
        "betas = [0.5, 0.9]\n[config]\nunits = 16\n[text_config]\nmax_length = 30\n"
    )
    own = described("--config", "own.toml", "--lowercase")
    assert own.config == {"units": 16} and own.betas == (0.5, 0.9) and own.batch_size == 8
    assert own.text_config == TextConfig(tokenizer="characters", max_length=30, lowercase=True)
    for text, message in (
        ('model = "vae"\nbatchsize = 3', "Did you mean 'batch_size'"),
        ('model = "vae"\nbatch_size = 0', "batch_size must be an integer >= 1, got 0"),
        ('model = "vae"\ndata = "mnist"\noptimizer = "adan"', "Did you mean 'adam'"),
        ('model = "seq2seq"\n[text_config]\ntokeniser = "bpe"', "Did you mean 'tokenizer'"),
        ("model =", "does not describe a run"),
        ("batch_size = 3", "the name of a model, as in zoo train vae"),
    ):
        (trained_dir / "own.toml").write_text(text)
        assert message in run_error("train", "--config", "own.toml")
    assert "there is no file missing.toml" in run_error("train", "--config", "missing.toml")
    assert "describes a run of vae, got dcgan" in run_error("train", "dcgan", *file)


def test_a_run_says_which_epoch_it_evaluates_and_shows_its_figures(trained_dir):
    split = ("--validation-split", "train[:8]", "--monitor", "max:val_loss", "--best")
    options = (*SMALL, *split, "--patience", 1, "--epochs", 9, "--figures-every", 2)
    result = run("train", "vae", *options, "--workdir", "worst")
    assert "stopped after epoch 2: val_loss has not improved for 1 epochs" in result.stderr
    assert "evaluating epoch 1 of 2, the best by val_loss" in result.stderr
    folder = trained_dir / "worst" / "figures"
    shown = (folder / "samples.png").read_bytes()
    assert shown == (folder / "samples" / "epoch-0001.png").read_bytes()
    assert shown != (folder / "samples" / "epoch-0002.png").read_bytes()


def test_python_reads_and_trains_the_same_description(trained_dir):
    config = RunConfig(**read_config(trained_dir / "runs/vae-images/config.json"))
    assert config == run_folder.read("runs/vae-images").config
    assert config == config_from_options(None, trained_dir / "runs/vae-images/config.json")


# Optimizers.


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_has_the_settings_of_the_description(name):
    model = zoo.get("dcgan", image_shape=(8, 8, 1), filters=(4,))
    config = RunConfig(
        model="dcgan",
        data="x",
        optimizer=name,
        learning_rate=0.5,
        warmup=4,
        schedule="cosine",
        weight_decay=0.1,
        clip_norm=2.0,
        ema_momentum=0.5,
        accumulate=3,
    )
    built = build_optimizers(config, model, 104)
    assert [*built] == ["generator", "discriminator"] and type(built["generator"]).__name__.lower()
    for optimizer in built.values():
        settings = optimizer.get_config()
        assert settings["global_clipnorm"] == 2 and settings["ema_momentum"] == 0.5
        assert settings["gradient_accumulation_steps"] == 3 and settings["weight_decay"] == 0.1
        assert optimizer.use_ema and name in type(optimizer).__name__.lower()
    rate = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))._learning_rate
    assert [float(rate(step)) for step in (0, 1, 3, 4)] == pytest.approx([0.125, 0.25, 0.5, 0.5])
    assert float(rate(104)) == pytest.approx(0.005)


@pytest.mark.parametrize(
    "schedule, middle, end", (("constant", 1, 1), ("linear", 0.505, 0.01), ("cosine", 0.505, 0.01))
)
def test_a_schedule_ends_with_the_last_step(schedule, middle, end):
    model = zoo.get("vae", image_shape=(8, 8, 1), filters=(4,))
    config = RunConfig(model="vae", data="x", schedule=schedule, learning_rate=1.0)
    rate = build_optimizers(config, model, 100)[""]._learning_rate
    values = [float(rate(step)) if callable(rate) else float(rate) for step in (0, 50, 100)]
    assert values == pytest.approx([1, middle, end])


def test_the_models_own_optimizer_keeps_what_is_not_requested():
    model = zoo.get("transformer", **zoo.registry.get_class("transformer").small_config())
    config = RunConfig(model="transformer", data="x", clip_norm=1.0)
    own, changed = model.configure_optimizers()[""], build_optimizers(config, model, 9)[""]
    differing = {k for k, v in own.get_config().items() if changed.get_config()[k] != v}
    assert differing - {"name"} == {"global_clipnorm"}
    with pytest.raises(UsageError, match="already has a schedule: give the peak learning rate"):
        build_optimizers(replace(config, schedule="cosine"), model, 9)
    with pytest.raises(UsageError, match="transformer has one learning rate, got .'x'."):
        build_optimizers(replace(config, learning_rate={"x": 1.0}), model, 9)
    with pytest.raises(UsageError, match="SGD has no betas"):
        build_optimizers(replace(config, optimizer="sgd", betas=(0.5, 0.9)), model, 9)


def test_a_warm_up_of_a_constant_is_saved():
    rate = WarmUp.from_config(WarmUp(0.5, 4).get_config())
    assert [float(rate(step)) for step in (0, 3, 9)] == pytest.approx([0.125, 0.5, 0.5])


# Initial weights.


def test_a_run_begins_with_the_weights_of_another_and_freezes_layers(trained_dir):
    before = zoo.load("runs/vae-images")
    init = ("--init", "runs/vae-images", "--freeze", "encoder", "--workdir", "tuned")
    tune = ("train", "vae", *SMALL, *QUICK[:3], *init)
    result = run(*tune, "--steps", 2)
    assert "vae from runs/vae-images, 14 weights loaded" in result.stderr, result.output
    tuned = zoo.load("tuned")
    same = [
        np.array_equal(a, b) for a, b in zip(before.get_weights(), tuned.get_weights(), strict=True)
    ]
    encoder = len(before.encoder.weights)
    assert all(same[:encoder]) and not any(same[encoder:])
    assert "from step 2" in run(*tune, "--steps", 3).stderr
    for other in (("--freeze", "decoder"), ("--init", "vae.snowflakes")):
        assert "--init tuned" in run_error(*tune, *other, "--steps", 4)
    other = run(*tune[:-2], "--set", "latent_dim=3", "--steps", 0, "--workdir", "new").stderr
    assert "; the arguments of runs/vae-images are --set latent_dim=2" in other
    missing = (*tune[:-4], "--init", "runs/none", "--workdir", "new")
    assert "there is no runs/none" in run_error(*missing)
    assert "unknown layer of vae" in run_error(*tune, "--freeze", "encodr", "--workdir", "new")


def test_training_stops_without_progress_and_evaluates_the_best_epoch(empty_dir):
    stop = ("--learning-rate", 1e-20, "--patience", 1, "--best", "--epochs", 9)
    record = run_json("train", "vae", *SMALL, *QUICK[:-2], *stop)
    assert record["epochs"] == 1  # the best epoch
    history = json.loads((empty_dir / "runs/vae-images/history.json").read_text())
    assert len(history["val_loss"]) == 2
    assert run_json("evaluate", "runs/vae-images")["metrics"] == record["metrics"]


# Lists and comparisons.


def test_runs_and_presets_are_listed(trained_dir):
    rows = run_json("list", "--runs")["runs"]
    row = next(row for row in rows if row["run"] == "runs/vae-images")
    history = json.loads((trained_dir / "runs/vae-images/history.json").read_text())
    assert (row["model"], row["steps"], row["metric"]) == ("vae", 6, "val_loss")
    assert row["best"] == min(history["val_loss"]) and row["data"].endswith("images.npz")
    assert "runs/vae-images" in run("list", "--runs").stdout
    names = [row["name"] for row in run_json("list", "--presets")["presets"]]
    assert names == zoo.names(pretrained=True) and "vae.mnist" in run("list", "--presets").stdout
    assert "use either" in run_error("list", "--presets", "--runs")


def test_no_runs_are_an_empty_list(empty_dir):
    assert "there are no runs here" in run("list", "--runs").stdout


@pytest.mark.filterwarnings("ignore:vae has a Bernoulli head", "ignore:mixture_vae has a")
def test_runs_are_compared_example_by_example(trained_dir):
    best = run_json("compare", "runs/vae-images", "runs/vae-images")
    one = best["metrics"]["loss"]
    metrics = run_json("evaluate", "runs/vae-images")["metrics"]
    assert one["values"] == pytest.approx([metrics["loss"]] * 2, rel=1e-5)
    assert one["differences"][1]["interval"] == [0, 0] and one["differences"][1]["n"] == 40
    run_json("train", "vae", *SMALL, *QUICK, "--workdir", "small-run")
    two = run_json("compare", "runs/vae-images", "small-run")["metrics"]["loss"]
    low, high = two["differences"][1]["interval"]
    assert low < two["values"][1] - two["values"][0] < high
    assert "small-run - runs/vae-images" in run("compare", "runs/vae-images", "small-run").stdout
    assert "give two or more runs" in run_error("compare", "runs/vae-images")
    write_images(trained_dir, n=12, name="few.npz", seed=3)
    run_json("train", "mmd_vae", *SMALL, *QUICK, "--workdir", "other-model")
    other = run("compare", "runs/vae-images", "other-model")
    assert "loss is the objective of each model (vae, mmd_vae)" in other.stderr
    run_json("train", "mixture_vae", *SMALL, *QUICK, "--workdir", "other-prior")
    metric = ("--metric", "log_likelihood:samples=2", "--metric", "active_units")
    prior = run("compare", "runs/vae-images", "other-prior", *metric)
    assert "objective of each model" not in prior.stderr
    rows = {line.split()[0]: line for line in prior.stdout.splitlines()[2:] if line}
    assert "[95 %]" in prior.stdout and " [" in rows["iwae_2"] and "[" not in rows["active_units"]
    few = run_json("compare", "runs/vae-images", "small-run", "--data", "few.npz")
    assert few["metrics"]["kl"]["differences"][1]["n"] == 12


def test_runs_of_recipes_are_compared_by_their_records(empty_dir):
    """Nothing is computed: the folders need a description, the results a record."""
    model = zoo.get("vae", image_shape=(8, 8, 1), filters=(4,))
    config = RunConfig(model="vae", data="mnist", valid="test", test="test")
    entry = {"value": 2.0, "lower_is_better": True, "protocol": "p", "unit": "nats", "images": "i"}
    for budget, values in (("smoke", [1.0, 3.0, 2.0]), ("paper", [2.0, 4.5, 2.5])):
        folder = f"runs/reproduce/vae.mnist-{budget}"
        run_folder.write(folder, config, model, f"zoo reproduce vae.mnist --budget {budget}")
        record = {"kind": "reproduction", "protocol": "p", "metrics": {"elbo": entry, "x": entry}}
        records.write(f"results/vae.mnist.{budget}.json", record, {"elbo": values})
    names = ("runs/reproduce/vae.mnist-smoke", "runs/reproduce/vae.mnist-paper")
    metrics = run_json("compare", *names, "--results", "results")["metrics"]
    assert metrics["elbo"]["differences"][1]["mean"] == 1 and metrics["elbo"]["values"] == [2, 2]
    assert metrics["x"]["differences"] == [None, None]  # it has no values of single images
    assert "+1 [" in run("compare", *names, "--results", "results").stdout
