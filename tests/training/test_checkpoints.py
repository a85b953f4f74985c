"""Checkpoints: the newest and the best are kept; damaged files; a full disk."""

import math
import os
import shutil
import signal

import keras
import pytest
from cases import same_bits, shuffled
from toy_runs import checkpoints, data, run, toy

from zoo import errors
from zoo.training.checkpoint import Checkpoints


def test_the_newest_and_the_best_are_kept(tmp_path):
    values = iter([3.0, 1.0, 2.0, 4.0, 5.0])
    trainer = run(tmp_path, max_to_keep=2)
    trainer.evaluator.evaluate = lambda data: {"loss": next(values)}
    trainer.fit(data, epochs=5, validation=data())
    assert checkpoints(tmp_path) == ["best.npz", "step-000000016.npz", "step-000000020.npz"]
    last = trainer.state.arrays()
    best = run(tmp_path)
    best.restore(best=True)
    assert best.state.position["epoch"] == 2 and best.state.best_value == 1.0
    assert same_bits(last, best.state.arrays()) != []


def test_a_metric_can_be_maximized():
    trainer = run(monitor="max:val_score")
    values = (1.0, 3.0, 2.0, math.nan)
    improved = [trainer.state.update_best({"val_score": v}, trainer.monitor) for v in values]
    assert improved == [True, True, False, False]


@pytest.fixture(scope="module")
def two_epochs(tmp_path_factory):
    """The workdir of a run of two epochs, to be copied."""
    workdir = tmp_path_factory.mktemp("two_epochs")
    run(workdir).fit(data, epochs=2)
    return workdir


@pytest.mark.parametrize("damage", ["cut short", "flipped bits", "empty", "not a checkpoint"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(
    tmp_path, capsys, damage, two_epochs
):
    shutil.copytree(two_epochs, tmp_path, dirs_exist_ok=True)
    newest = Checkpoints(tmp_path / "checkpoints").paths()[-1]
    content = bytearray(newest.read_bytes())
    if damage == "cut short":
        content = content[: len(content) // 2]
    elif damage == "flipped bits":
        for i in range(len(content) // 2, len(content) // 2 + 200):
            content[i] ^= 255
    else:
        content = b"" if damage == "empty" else b"hello" * 1000
    newest.write_bytes(content)
    trainer = run(tmp_path)
    trainer.restore()
    assert trainer.state.position["step"] == 4
    assert newest.name in capsys.readouterr().err
    assert newest.read_bytes() == content  # a reader renames nothing
    trainer.fit(data, epochs=2)
    assert newest.with_suffix(".npz.damaged").read_bytes() == content  # nothing is lost


def test_without_an_undamaged_checkpoint_nothing_is_changed(tmp_path):
    run(tmp_path).fit(data, epochs=1)
    for path in Checkpoints(tmp_path / "checkpoints").paths():
        path.write_bytes(b"nonsense")
    before = checkpoints(tmp_path)
    with pytest.raises(errors.CheckpointError, match="no undamaged checkpoint is left.*damaged"):
        run(tmp_path).fit(data, epochs=2)
    assert checkpoints(tmp_path) == before


def test_the_checkpoint_of_another_model_is_rejected_and_not_deleted(tmp_path):
    run(tmp_path).fit(data, epochs=1)
    before = checkpoints(tmp_path)
    with pytest.raises(errors.CheckpointError, match="belongs to another model"):
        run(tmp_path, model=toy(latent_dim=3)).fit(data, epochs=2)
    with pytest.raises(errors.CheckpointError, match="belongs to another model"):
        run(tmp_path, optimizers=keras.optimizers.SGD(0.1)).fit(data, epochs=2)
    assert checkpoints(tmp_path) == before


def test_a_full_disk_leaves_the_last_good_checkpoint(tmp_path, monkeypatch):
    trainer = run(tmp_path)
    trainer.fit(data, epochs=1)
    good = trainer.state.arrays()

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(errors.WriteError, match="No space left on device.*intact"):
            trainer.fit(data, epochs=2)
    assert checkpoints(tmp_path) == ["step-000000004.npz"]
    again = run(tmp_path)
    again.restore()
    assert same_bits(good, again.state.arrays()) == []


def test_a_second_trainer_in_the_same_workdir_is_rejected(tmp_path):
    first, second = run(tmp_path), run(tmp_path)

    class Intrude(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            with pytest.raises(errors.WorkdirBusyError, match="another trainer"):
                second.fit(data, epochs=1)

    first.callbacks.append(Intrude())
    first.fit(data, epochs=1)
    second.fit(data, epochs=2)  # free again
    assert second.state.position["step"] == 8


def test_resuming_with_other_data_is_rejected(tmp_path):
    run(tmp_path).fit(data, steps=3)
    with pytest.raises(errors.UsageError, match="in the middle of an epoch of 4 batches.*are 8"):
        run(tmp_path).fit(shuffled("vae", 32, 4), steps=6)


def test_a_signal_finishes_the_step_and_saves(tmp_path):
    class Interrupt(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if batch == 2:
                signal.raise_signal(signal.SIGINT)

    trainer = run(tmp_path, callbacks=[Interrupt()])
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(data, epochs=5)
    assert trainer.state.position["step"] == 3
    assert checkpoints(tmp_path) == ["step-000000003.npz"]
