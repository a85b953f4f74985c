"""Fine-tuning: frozen variables do not change in any bit, and the right ones are trained."""

import keras
import numpy as np
import pytest
from cases import shuffled, small_model, small_trainer

import zoo
from zoo import finetuning, inspection
from zoo.errors import UnknownNameError, UsageError


def weights(model):
    """Path -> array, of every weight."""
    paths = inspection.variable_paths(model)
    return {paths[id(v)]: keras.ops.convert_to_numpy(v).copy() for v in model.weights}


def changed_layers(before, model):
    """Paths of the layers with a weight that has changed."""
    after = weights(model)
    return {p.rpartition("/")[0] for p in before if before[p].tobytes() != after[p].tobytes()}


def test_frozen_variables_do_not_change_even_by_statistics_and_averages():
    model = small_model("dcgan")
    assert finetuning.freeze(model, "generator/[0-4]", "discriminator")
    run, before = small_trainer("dcgan", model=model), weights(model)
    run.fit(shuffled("dcgan"), epochs=1)
    frozen = set(finetuning._matching_layers(model, "generator/[0-4]", "discriminator"))
    trained = changed_layers(before, model)
    assert trained and not trained & frozen
    with run.averaged_weights():  # batch-norm statistics are recomputed, except frozen ones
        assert changed_layers(before, model) and not changed_layers(before, model) & frozen


def test_unfreezing_a_part_unfreezes_only_that():
    model = small_model("vae")
    finetuning.freeze(model, "*")
    assert not model.trainable_variables
    assert finetuning.unfreeze(model, "encoder/3") == ["encoder/3", "encoder/3/dense"]
    assert [v.name for v in model.trainable_variables] == ["kernel", "bias"]
    before, run = weights(model), small_trainer("vae", model=model, eager=True)
    run.fit(shuffled("vae"), epochs=1)
    assert changed_layers(before, model) == {"encoder/3/dense"}
    assert len(model.trainable_variables) == 2  # building the optimizer changed nothing


def test_stages_are_unfrozen_one_after_the_other_and_after_a_resume():
    stages = ["decoder", ("encoder/3", "encoder/2"), "encoder"]
    trained = []

    class Recorder(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.before = weights(self.model)

        def on_epoch_end(self, epoch, logs=None):
            trained.append(
                {path.partition("/")[0] for path in changed_layers(self.before, self.model)}
            )
            trained[-1] |= {"convolutions"} & {
                "convolutions"
                for path in changed_layers(self.before, self.model)
                if path == "encoder/0/0"
            }

    unfreezing = finetuning.GradualUnfreezing(stages)
    run = small_trainer("vae", callbacks=[unfreezing, Recorder()])
    run.fit(shuffled("vae"), epochs=2)
    run.fit(shuffled("vae"), epochs=3)
    assert trained == [{"decoder"}, {"decoder", "encoder"}, {"decoder", "encoder", "convolutions"}]


def test_layers_have_their_own_learning_rates():
    steps = {}
    for rates in ({}, {"encoder": 0.5, "encoder/3": 0.25}):
        model = small_model("vae")
        before, adam = weights(model), keras.optimizers.Adam(1e-2)
        slower = finetuning.layerwise_learning_rates(adam, model, rates)
        run = small_trainer("vae", model=model, optimizers=slower, eager=True)
        run.fit(shuffled("vae"), steps=1)
        steps[len(rates)] = {p: value - before[p] for p, value in weights(model).items()}
    for path, step in steps[0].items():
        rate = 0.25 if "encoder/3" in path else 0.5 if "encoder" in path else 1.0
        np.testing.assert_allclose(steps[2][path], rate * step, atol=1e-6)
    assert isinstance(slower, keras.optimizers.Adam)


def test_lora_trains_low_rank_products_and_is_saved_as_the_sum(tmp_path):
    model = small_model("vae")
    assert finetuning.add_lora(model, "encoder/3", "decoder/0", rank=2) == [
        "encoder/3/dense",
        "decoder/0",
    ]
    assert {v.name for v in model.trainable_variables} == {"lora_kernel_a", "lora_kernel_b"}
    before, run = weights(model), small_trainer("vae", model=model, eager=True)
    run.fit(shuffled("vae"), epochs=1)
    changed = {p for p, value in weights(model).items() if (value != before[p]).any()}
    assert changed and all("lora_kernel" in path for path in changed)
    zoo.save(model, tmp_path / "sum", {"license": "apache-2.0"})
    loaded = zoo.get(str(tmp_path / "sum"), pretrained=True)
    assert len(loaded.weights) == len(model.weights) - 4
    assert zoo.info(str(tmp_path / "sum"))["parameters"] == loaded.count_params()
    codes = np.ones((3, model.latent_dim), "float32")
    np.testing.assert_allclose(loaded.decode(codes), model.decode(codes), atol=1e-6)


def has_stepped(model):
    optimizer = keras.optimizers.SGD()
    optimizer.build(model.trainable_variables)
    optimizer.iterations.assign(1)
    return optimizer


@pytest.mark.parametrize(
    "call, error, message",
    [
        (
            lambda m: finetuning.freeze(m, "encodre"),
            UnknownNameError,
            "layer of vae 'encodre'.*'encoder'",
        ),
        (lambda m: finetuning.add_lora(m, "latent_prior"), UsageError, "supports LoRA"),
        (
            lambda m: finetuning.add_lora(m, "decoder/0", rank=0),
            UsageError,
            "rank must be .* >= 1, got 0",
        ),
        (lambda m: finetuning.add_lora(m, "decoder/0", rank=True), UsageError, "rank must be"),
        (
            lambda m: (m.prepare(), finetuning.add_lora(m, "decoder/0")),
            UsageError,
            "has an optimizer",
        ),
        (lambda m: finetuning.freeze(m), UsageError, "no layers of vae are given"),
        (lambda m: finetuning.add_lora(m), UsageError, "no layers of vae are given"),
        (lambda m: zoo.feature_extractor(m, []), UsageError, "give one or more layers of vae"),
        (
            lambda m: finetuning.layerwise_learning_rates(has_stepped(m), m, {"encoder": 0.5}),
            UsageError,
            "1 steps",
        ),
        (
            lambda m: finetuning.layerwise_learning_rates(
                keras.optimizers.SGD(), m, {"encoder": float("inf")}
            ),
            UsageError,
            "must be a finite number > 0, got inf",
        ),
        (
            lambda m: finetuning.layerwise_learning_rates(keras.optimizers.SGD(), m, {"x": 1}),
            UnknownNameError,
            "'x'",
        ),
        (
            lambda m: finetuning.layerwise_learning_rates(
                keras.optimizers.SGD(), m, {"encoder": 0}
            ),
            UsageError,
            "must be a finite number > 0, got 0; or freeze it",
        ),
        (lambda m: finetuning.GradualUnfreezing("encoder"), UsageError, "a list of patterns"),
        (lambda m: finetuning.GradualUnfreezing(["a"], every=0), UsageError, ">= 1, got 0"),
    ],
)
def test_impossible_requests_are_errors(call, error, message):
    with pytest.raises(error, match=message):
        call(small_model("vae"))
