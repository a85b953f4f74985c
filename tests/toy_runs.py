"""Runs of a model that is small enough to check by hand."""

from cases import shuffled, small_model, small_trainer

TOY = {"filters": (4,), "base_filters": 2}


def toy(**config):
    return small_model("vae", **TOY, **config)


def data(epoch=0):
    return shuffled("vae")(epoch)  # 4 batches of 8


def run(workdir=None, **options):
    """An eager `small_trainer` of a toy: a few steps take less time than tracing."""
    model = options.pop("model", None) or toy()
    return small_trainer("vae", workdir, model=model, **{"eager": True, **options})


def checkpoints(folder):
    return sorted(path.name for path in (folder / "checkpoints").iterdir())
