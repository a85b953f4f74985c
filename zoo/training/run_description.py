"""The `config.json` of a run that `zoo.Trainer` makes in Python."""

import json
from typing import TYPE_CHECKING, Any

from zoo.errors import CheckpointError
from zoo.log import log_message
from zoo.registry import arguments
from zoo.training import run_folder
from zoo.training.run_arguments import model_name, to_jsonable_arguments
from zoo.training.run_config import RunConfig
from zoo.training.run_folder import TRAINER, Run
from zoo.training.workdir import Workdir, differences

if TYPE_CHECKING:
    from zoo.model import Model
    from zoo.training.trainer import Trainer

DATA_FIELDS = ("train", "batch_size", "binarize", "augment", "image_size", "drop_remainder")


def describe_run(
    trainer: "Trainer", train: Any, validation: Any, epochs: int | None, steps: int | None
) -> None:
    """Writes `config.json` with what is known, unless the command line has written it.

    The data are described if they came from `zoo.data`. The caller has locked the folder.

    Args:
        trainer: with a workdir.
        train, validation, epochs, steps: as for `Trainer.fit`.
    """
    assert trainer.workdir
    folder = trainer.workdir
    previous = _previous_description(folder)
    if previous and previous.made_by != TRAINER:
        return
    model = trainer.model
    source = getattr(train, "source", None)
    same_source = source is not None and getattr(validation, "source", None) == source
    held_out = validation.split if same_source else None
    config = RunConfig(
        model=model_name(model),
        config=_changed_arguments(model),
        data=source,
        train=getattr(train, "split", "train"),
        valid=held_out,
        test=held_out,
        batch_size=getattr(train, "batch_size", None) or RunConfig.batch_size,
        epochs=epochs,
        steps=steps,
        monitor=trainer.monitor,
        micro_batches=trainer.micro_batches,
        jit_compile=trainer.jit_compile,
        precision=model.dtype_policy.name,
        text_config=getattr(train, "text_config", None),
        binarize=getattr(train, "binarize", "none"),
        augment=getattr(train, "augment", "none"),
        image_size=getattr(train, "image_size", None),
        drop_remainder=getattr(train, "drop_remainder", None),
        seed=trainer.state.seed,
        save_every=trainer.save_every,
        figures_every=trainer.figures_every,
    )
    if previous and trainer.state.position["step"]:
        _note_other_data(previous, config)
    run_folder.write(folder.path, config, model, TRAINER)


def _previous_description(folder: Workdir) -> Run | None:
    """What `config.json` says, or None; a damaged one is reported, since it is written again."""
    if not folder.config.exists():
        return None
    try:
        return run_folder.read(folder.path)
    except CheckpointError:
        log_message(f"warning: {folder.config} is damaged and is written again")
        return None


def _note_other_data(previous: Run, config: RunConfig) -> None:
    """Logs a message if a run resumes with different data from those it was trained on so far."""
    old = {name: getattr(previous.config, name) for name in DATA_FIELDS}
    changed = differences(old, {name: getattr(config, name) for name in DATA_FIELDS})
    if previous.config.data and not run_folder.has_same_data(previous, config.data):
        changed += differences({"data": previous.config.data}, {"data": config.data})
    if changed:
        before, now = (", ".join(texts) for texts in zip(*changed, strict=True))
        log_message(
            f"note: the run in {previous.workdir} was trained with {before}, and resumes with {now}"
        )


def _changed_arguments(model: "Model") -> dict[str, Any]:
    """The constructor arguments that are not the defaults and do not follow from the data."""
    defaults = {name: each.default for name, each in arguments(type(model)).items()}
    defaults = json.loads(json.dumps(defaults, default=str))
    values = to_jsonable_arguments(model) or {}
    names = [name for name in values if name not in model.inferred_arguments]
    return {name: values[name] for name in names if values[name] != defaults[name]}
