"""The rows of the catalog that are texts for language models. Needs only Python."""

from zoo.data.dataset_info import DatasetInfo

_MODULE = "zoo.data.builders.texts"

TEXTS = (
    DatasetInfo(
        "tiny_shakespeare",
        "Tiny Shakespeare: 40,000 lines of the plays (Karpathy 2015), one text split 90/5/5",
        (),
        {"train": 1, "validation": 1, "test": 1},
        "https://github.com/karpathy/char-rnn",
        "public domain",
        features=("text",),
        module=_MODULE,
        manual="tinyshakespeare.txt (or .txt.gz), which is data/tinyshakespeare/input.txt of"
        " https://github.com/karpathy/char-rnn,",
        kind="texts",
    ),
    DatasetInfo(
        "names",
        "32,033 first names of the US Social Security Administration (Karpathy, makemore)",
        (),
        {"train": 30_033, "validation": 1_000, "test": 1_000},
        "https://github.com/karpathy/makemore",
        "MIT",
        features=("text",),
        module=_MODULE,
        manual="names.txt (or .txt.gz) of https://github.com/karpathy/makemore",
        kind="texts",
    ),
    DatasetInfo(
        "jsb_chorales",
        "Chorales by Bach, four voices as tokens in quarter notes; jsb_chorales/sixteenth is finer",
        (),
        {"train": 229, "validation": 76, "test": 77},
        "https://github.com/czhuang/JSB-Chorales-dataset",
        "public domain",
        network=False,
        features=("text",),
        module=_MODULE,
        manual="jsb-chorales-16th.json (or .json.gz) of"
        " https://github.com/czhuang/JSB-Chorales-dataset",
        kind="texts",
        tokenizer="words",
        config="quarter",
    ),
)
