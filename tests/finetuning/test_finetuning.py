"""Training on: what is frozen stays to the bit, what learns is what was meant to."""

import keras
import numpy as np
import pytest
from cases import shuffled, small_model, trainer

import zoo
from zoo import finetuning, inspection
from zoo.errors import UnknownNameError, UsageError


def weights(model):
    """Path -> array, of every weight."""
    paths = inspection.variable_paths(model)
    return {paths[id(v)]: keras.ops.convert_to_numpy(v).copy() for v in model.weights}


def moved(before, model):
    """Paths of the layers of which a weight is not what it was."""
    after = weights(model)
    return {p.rpartition("/")[0] for p in before if before[p].tobytes() != after[p].tobytes()}


def test_what_is_frozen_stays_to_the_bit_statistics_and_averages_included():
    model = small_model("dcgan")
    assert finetuning.freeze(model, "generator/[0-4]", "discriminator")
    run, before = trainer("dcgan", model=model), weights(model)
    run.fit(shuffled("dcgan"), epochs=1)
    frozen = set(finetuning._matching_layers(model, "generator/[0-4]", "discriminator"))
    learned = moved(before, model)
    assert learned and not learned & frozen
    with run.averaged_weights():  # normalization's statistics are measured anew, but not here
        assert moved(before, model) and not moved(before, model) & frozen


def test_thawing_a_part_of_what_is_frozen_thaws_that_alone():
    model = small_model("vae")
    finetuning.freeze(model, "*")
    assert not model.trainable_variables
    assert finetuning.unfreeze(model, "encoder/3") == ["encoder/3", "encoder/3/dense"]
    assert [v.name for v in model.trainable_variables] == ["kernel", "bias"]
    before, run = weights(model), trainer("vae", model=model, eager=True)
    run.fit(shuffled("vae"), epochs=1)
    assert moved(before, model) == {"encoder/3/dense"}
    assert len(model.trainable_variables) == 2  # making the optimizer changed nothing


def test_stages_thaw_one_after_the_other_and_after_a_stop_as_without():
    stages = ["decoder", ("encoder/3", "encoder/2"), "encoder"]
    seen = []

    class Look(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.before = weights(self.model)

        def on_epoch_end(self, epoch, logs=None):
            seen.append({path.partition("/")[0] for path in moved(self.before, self.model)})
            seen[-1] |= {"convolutions"} & {
                "convolutions" for path in moved(self.before, self.model) if path == "encoder/0/0"
            }

    thaw = finetuning.GradualUnfreezing(stages)
    run = trainer("vae", callbacks=[thaw, Look()])
    run.fit(shuffled("vae"), epochs=2)
    run.fit(shuffled("vae"), epochs=3)
    assert seen == [{"decoder"}, {"decoder", "encoder"}, {"decoder", "encoder", "convolutions"}]


def test_layers_learn_at_their_own_rates():
    steps = {}
    for shares in ({}, {"encoder": 0.5, "encoder/3": 0.25}):
        model = small_model("vae")
        before, adam = weights(model), keras.optimizers.Adam(1e-2)
        slower = finetuning.layerwise_learning_rates(adam, model, shares)
        trainer("vae", model=model, optimizers=slower, eager=True).fit(shuffled("vae"), steps=1)
        steps[len(shares)] = {p: value - before[p] for p, value in weights(model).items()}
    for path, step in steps[0].items():
        share = 0.25 if "encoder/3" in path else 0.5 if "encoder" in path else 1.0
        np.testing.assert_allclose(steps[2][path], share * step, atol=1e-6)
    assert isinstance(slower, keras.optimizers.Adam)


def test_lora_learns_thin_products_and_is_saved_as_the_sum(tmp_path):
    model = small_model("vae")
    assert finetuning.add_lora(model, "encoder/3", "decoder/0", rank=2) == [
        "encoder/3/dense",
        "decoder/0",
    ]
    assert {v.name for v in model.trainable_variables} == {"lora_kernel_a", "lora_kernel_b"}
    before, run = weights(model), trainer("vae", model=model, eager=True)
    run.fit(shuffled("vae"), epochs=1)
    changed = {p for p, value in weights(model).items() if (value != before[p]).any()}
    assert changed and all("lora_kernel" in path for path in changed)
    zoo.save(model, tmp_path / "sum", {"license": "apache-2.0"})
    plain = zoo.get(str(tmp_path / "sum"), pretrained=True)
    assert len(plain.weights) == len(model.weights) - 4
    assert zoo.info(str(tmp_path / "sum"))["parameters"] == plain.count_params()
    codes = np.ones((3, model.latent_dim), "float32")
    np.testing.assert_allclose(plain.decode(codes), model.decode(codes), atol=1e-6)


def has_stepped(model):
    optimizer = keras.optimizers.SGD()
    optimizer.build(model.trainable_variables)
    optimizer.iterations.assign(1)
    return optimizer


@pytest.mark.parametrize(
    "ask, error, message",
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
        (lambda m: finetuning.freeze(m), UsageError, "no layers of vae are named"),
        (lambda m: finetuning.add_lora(m), UsageError, "no layers of vae are named"),
        (lambda m: zoo.feature_extractor(m, []), UsageError, "name a layer of vae"),
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
def test_what_cannot_be_is_told(ask, error, message):
    with pytest.raises(error, match=message):
        ask(small_model("vae"))
