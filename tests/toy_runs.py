"""Runs of a model that is small enough to check by hand."""

from cases import shuffled, small_model, small_trainer


def toy(**config):
    return small_model("vae", filters=(4,), base_filters=2, **config)


def data(epoch=0):
    return shuffled("vae")(epoch)  # 4 batches of 8


def run(workdir=None, **options):
    return small_trainer("vae", workdir, model=options.pop("model", None) or toy(), **options)


def checkpoints(folder):
    return sorted(path.name for path in (folder / "checkpoints").iterdir())
