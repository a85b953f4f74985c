"""The end of an epoch: means, evaluation, figures, signals."""

import json
import os
import signal
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from cases import examples, same_bits, shuffled, small_model, small_trainer

from zoo.evaluation_mode import seed_states
from zoo.training.callbacks import Figures
from zoo.training.training_time import TrainingTime


def toy(**config):
    return small_model("vae", filters=(4,), base_filters=2, **config)


def data(epoch=0):
    return shuffled("vae")(epoch)  # 4 batches of 8


def run(workdir=None, **options):
    return small_trainer("vae", workdir, model=toy(), eager=True, **options)


def test_each_epoch_has_the_means_of_its_own_steps():
    steps = []
    log = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda b, logs: steps.append(dict(logs))
    )
    history = run(callbacks=[log]).fit(data, epochs=2).history
    assert len(steps) == 8 and "loss" in history
    for name, values in history.items():
        expected = [np.mean([logs[name] for logs in steps[k : k + 4]]) for k in (0, 4)]
        np.testing.assert_allclose(values, expected, rtol=1e-12)


def interrupt(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("moment", ["validation", "drawing"])
def test_a_signal_at_the_end_of_an_epoch_stops_the_run_after_it(tmp_path, moment):
    drawing = keras.callbacks.LambdaCallback(on_epoch_end=interrupt)
    trainer = run(tmp_path, callbacks=[drawing] if moment == "drawing" else [])
    if moment == "validation":
        evaluate = trainer.model.eval_step

        def interrupted(batch):
            trainer.model.eval_step = evaluate  # a second signal would stop it at once
            interrupt()
            return evaluate(batch)

        trainer.model.eval_step = interrupted
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(data, epochs=3, validation=data())
    assert trainer.state.position["epoch"] == 1 and trainer.state.position["step"] == 4
    again = run(tmp_path)
    again.restore()
    assert again.state.position["epoch"] == 1 and len(again.state.history["val_loss"]) == 1
    assert same_bits(trainer.state.arrays(), again.state.arrays()) == []


def test_evaluation_has_random_numbers_that_training_does_not_have():
    trainer = run()
    fresh = [state.numpy() for state in seed_states(trainer.model)]

    def inside():
        with trainer.averaged_weights():
            return [state.numpy() for state in seed_states(trainer.model)]

    first = inside()
    assert fresh and not any((a == b).all() for a, b in zip(fresh, first, strict=True))
    np.testing.assert_array_equal(fresh, [state.numpy() for state in seed_states(trainer.model)])
    trainer.fit(data, epochs=1)
    trained = [state.numpy() for state in seed_states(trainer.model)]
    assert any((a != b).any() for a, b in zip(fresh, trained, strict=True))
    np.testing.assert_array_equal(inside(), first)  # the same at each evaluation


def test_replicas_agree_in_what_is_evaluated_and_saved(two_replicas):
    """Values of a single replica (moving statistics) are in no result and no checkpoint."""
    batches = tf.data.Dataset.from_tensor_slices(examples(toy(), 16)).batch(8)
    with two_replicas.scope():
        many = small_trainer("vae", model=toy(), strategy=two_replicas)
    many.model.eval_step = lambda batch: {"m": many.model.encode(batch["image"])[:, 0]}
    copies = many.model.encoder.trainable_variables[0].value.values
    assert len(copies) == 2
    before = many.evaluate(batches)
    copies[1].assign(copies[1] + 1.0)
    assert many.evaluate(batches) == before
    assert (copies[0].numpy() == copies[1].numpy()).all()
    copies[1].assign(copies[1] + 1.0)
    many.persistence.save()
    assert (copies[0].numpy() == copies[1].numpy()).all()


@pytest.mark.parametrize(
    ("every", "epochs"), [(1, [1, 2, 3, 4, 5]), (2, [2, 4]), (3, [3]), (5, [5]), (6, [])]
)
def test_figures_are_made_every_few_epochs(tmp_path, every, epochs):
    model = SimpleNamespace(
        figures=lambda batch: {"samples": np.zeros((4, 4, 3), np.uint8)},
        history=SimpleNamespace(history={"loss": [1.0]}, epoch=[0]),
    )
    callback = Figures(tmp_path, {}, tmp_path / "logs", every)
    callback.set_model(model)
    for epoch in range(5):
        callback.on_epoch_end(epoch)
    names = sorted(path.name for path in tmp_path.glob("samples/*"))
    assert names == [f"epoch-{epoch:04d}.png" for epoch in epochs]


def test_training_time_is_summed_over_processes(tmp_path):
    path = tmp_path / "seconds.json"
    path.write_text('{"seconds": 100}')
    training_time = TrainingTime(path)
    assert training_time.seconds == 100
    training_time.on_train_begin()
    training_time.on_epoch_end(0)
    training_time.on_train_end()
    assert 100 < json.loads(path.read_text())["seconds"] < 101
    assert TrainingTime(path).seconds == training_time.seconds
