"""Keras callbacks in runs that stop and resume: each epoch begins once; ended runs stay ended."""

import keras
import numpy as np
import pytest
from cases import same_bits
from denoiser import data, run, worse

from zoo.training.checkpoint import Checkpoints


class Recorder(keras.callbacks.Callback):
    def __init__(self, events):
        super().__init__()
        self.events = events

    def on_epoch_begin(self, epoch, logs=None):
        self.events.append(f"begin {epoch}")

    def on_epoch_end(self, epoch, logs=None):
        self.events.append(f"end {epoch}")


@pytest.mark.parametrize("again", [True, False], ids=["same trainer", "new trainer"])
@pytest.mark.parametrize("stops", [(1,), (4,), (2, 3, 6)])
def test_each_epoch_begins_once_and_ends_once(tmp_path, stops, again):
    events = []
    saver = keras.callbacks.ModelCheckpoint(tmp_path / "{epoch}.keras", save_freq=3)
    log = keras.callbacks.CSVLogger(tmp_path / "log.csv")
    trainer = run(tmp_path / "run", callbacks=[Recorder(events), saver, log])
    for steps in stops:
        trainer.fit(data, steps=steps)
        if not again:
            log = keras.callbacks.CSVLogger(tmp_path / "log.csv")
            trainer = run(tmp_path / "run", callbacks=[Recorder(events), saver, log])
    trainer.fit(data, epochs=2)
    assert events == ["begin 0", "end 0", "begin 1", "end 1"]
    lines = (tmp_path / "log.csv").read_text().splitlines()
    assert [line.partition(",")[0] for line in lines] == ["epoch", "0", "1"]
    assert (tmp_path / "2.keras").exists()  # ModelCheckpoint has the epoch, though it began before


def several():
    return [
        keras.callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=1e9, mode="min"),
        worse(4, restore_best_weights=True),
        keras.callbacks.EarlyStopping("error", mode="min", patience=50),
    ]


@pytest.fixture(scope="module")
def whole():
    """A run at once with several callbacks."""
    whole = run(callbacks=several())
    whole.fit(data, epochs=9)
    return whole


@pytest.mark.parametrize("again", [True, False], ids=["same trainer", "new trainer"])
@pytest.mark.parametrize(
    "budget", [{"epochs": 3}, {"steps": 6}, {"steps": 8}], ids=["epochs", "mid-epoch", "steps"]
)
def test_callbacks_keep_their_state_in_a_resumed_run(tmp_path, budget, again, whole):
    trainer = run(tmp_path, callbacks=several())
    trainer.fit(data, **budget)
    if not again:
        trainer = run(tmp_path, callbacks=several()[::-1])  # identified by name, not by order
    assert len(trainer.fit(data, epochs=9).epoch) == len(whole.state.history["loss"]) == 5
    assert trainer.state.history == whole.state.history
    rates = [next(iter(x.model.optimizers.values())).learning_rate for x in (trainer, whole)]
    assert float(rates[0]) == float(rates[1]) < 1e-3
    if again:
        assert same_bits(trainer.state.arrays(), whole.state.arrays()) == []


def test_a_run_ended_by_a_callback_stays_ended(tmp_path, capsys):
    def ended():
        return run(tmp_path, callbacks=[worse(2, restore_best_weights=True)])

    first = ended()
    assert len(first.fit(data, epochs=9).epoch) == 3
    for _ in range(2):
        again = ended()
        assert len(again.fit(data, epochs=9).epoch) == 3
        assert same_bits(first.state.arrays(), again.state.arrays()) == []
    assert "a callback ended this run after epoch 3" in capsys.readouterr().err
    restored = run(tmp_path)  # the result of the run is what the callback restored
    restored.restore()
    assert same_bits(first.state.arrays(), restored.state.arrays()) == []
    assert (
        len(run(tmp_path).fit(data, epochs=4).epoch) == 4
    )  # without the callback, training continues


def test_best_weights_are_the_result_and_training_continues_from_the_last(tmp_path):
    best = keras.callbacks.EarlyStopping("loss", mode="max", patience=9, restore_best_weights=True)
    trainer = run(tmp_path, callbacks=[best])
    losses = trainer.fit(data, epochs=3).history["loss"]
    first = run()
    first.fit(data, epochs=1 + int(np.argmax(losses[:-1])))
    assert max(losses) != losses[-1]
    weights = [v.numpy() for v in first.model.trainable_variables]
    for a, b in zip(weights, trainer.model.trainable_variables, strict=True):
        assert np.array_equal(a, b.numpy())
    whole = run()
    whole.fit(data, epochs=4)
    trainer.callbacks.clear()
    trainer.fit(data, epochs=4)
    assert same_bits(whole.state.arrays(), trainer.state.arrays()) == []


def test_a_callback_may_stop_in_mid_epoch(tmp_path):
    def stop(batch, logs):
        trainer.model.stop_training = trainer.state.position["step"] == 6

    trainer = run(tmp_path, callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=stop)])
    trainer.fit(data, epochs=9)
    assert trainer.state.position["step"] == 6
    assert Checkpoints(tmp_path / "checkpoints").paths()[-1].name == "step-000000006.npz"
