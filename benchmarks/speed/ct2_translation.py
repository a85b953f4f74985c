"""Translation of the 1,000 test sentences of Multi30k, beside CTranslate2 with the same weights.

    python -m benchmarks.speed.ct2_translation --record

Both translate from text to text with the vocabulary of `transformer.multi30k_de_en`, in float32, in
batches of 64 sentences sorted by length, greedily and with a beam of 5. CTranslate2 has two
settings: all threads in each operation, or one thread for each batch; the faster one counts.
TensorFlow's threads are those of `zoo translate`; `--script` leaves TensorFlow's default.

Checked before timing: greedy search gives equal translations for at least 99 % of the sentences,
and BLEU is that of a trained model and differs by at most 0.3. With a beam of 5, some translations
differ, since CTranslate2 divides scores by length ** penalty, and the zoo by
((5 + length) / 6) ** penalty.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ctranslate2
from rich.console import Console

import zoo
from benchmarks.speed import ct2_weights
from benchmarks.speed.summary import results_table, summarize
from benchmarks.speed.worker_process import ROOT
from zoo import metrics, threads
from zoo.data.text_config import TextConfig
from zoo.environment import count_cores
from zoo.recipes import environment, records

PRESET = "transformer.multi30k_de_en"
DATA = "multi30k"
BATCH_SIZE = 64
MAX_LENGTH = 100
LENGTH_PENALTY = 0.6
SEARCHES = {"greedy": 1, "beam-5": 5}
SAME_SENTENCES = 0.99  # of greedy search
BLEU_DIFFERENCE = 0.3
LOWEST_BLEU = 30.0  # of a model with trained weights
PROTOCOL = (
    "Seconds to translate the {sentences} test sentences of Multi30k from German to English, text"
    " to text, by "
    + PRESET
    + " and by CTranslate2 {version} with the same weights in float32, with"
    " {search}, in batches of {batch_size} sorted by length, in {rounds} interleaved rounds in one"
    " process after one warm-up. TensorFlow's threads: {threads}. Ratio: seconds of the faster"
    " setting of CTranslate2 / seconds of the variant in the same round. Checked before timing:"
    " {check}."
)
Translate = Callable[[list[str], int], list[str]]


def make_translators(model: Any, folder: Path) -> dict[str, Translate]:
    """Variant -> a function of texts and the number of beams that returns translations."""
    ct2_weights.convert(model, folder / "model")
    cores = count_cores()
    settings = {
        "ctranslate2 threads per operation": {"inter_threads": 1, "intra_threads": cores},
        "ctranslate2 threads per batch": {"inter_threads": cores, "intra_threads": 1},
    }
    vocabulary = model.vocabulary("source")

    def make(options: dict[str, int]) -> Translate:
        translator = ctranslate2.Translator(
            str(folder / "model"), device="cpu", compute_type="float32", **options
        )

        def translate(texts: list[str], num_beams: int) -> list[str]:
            source = [list(map(str, ids)) for ids in vocabulary.encode(texts)]
            results = translator.translate_batch(
                source,
                beam_size=num_beams,
                max_batch_size=BATCH_SIZE,
                max_decoding_length=MAX_LENGTH,
                length_penalty=LENGTH_PENALTY,
                suppress_sequences=[[str(zoo.text.PAD)], [str(zoo.text.START)]],
            )
            return vocabulary.decode([[*map(int, r.hypotheses[0])] for r in results])

        return translate

    def translate(texts: list[str], num_beams: int) -> list[str]:
        return model.translate(texts, num_beams, MAX_LENGTH, batch_size=BATCH_SIZE)

    return {name: make(options) for name, options in settings.items()} | {"zoo": translate}


def check(outputs: dict[str, list[str]], references: list[str], num_beams: int) -> str:
    """What is equal, as text; exits with an error if too little is."""
    expected, actual = outputs["zoo"], outputs["ctranslate2 threads per operation"]
    same = sum(a == b for a, b in zip(expected, actual, strict=True)) / len(expected)
    scores = [metrics.bleu(texts, references).value for texts in (expected, actual)]
    difference = abs(scores[0] - scores[1])
    message = (
        f"{100 * same:.1f} % equal sentences; BLEU {scores[0]:.2f} of the zoo and {scores[1]:.2f}"
        " of CTranslate2"
    )
    if min(scores) < LOWEST_BLEU:
        sys.exit(f"not timed, these are not the translations of a trained model: {message}")
    if difference > BLEU_DIFFERENCE or (num_beams == 1 and same < SAME_SENTENCES):
        sys.exit(f"not timed, the work is not equal: {message}")
    return message


def measure(
    translators: dict[str, Translate], texts: list[str], num_beams: int, rounds: int
) -> dict[str, Any]:
    """Variant -> measurements, as in `benchmarks.speed`."""
    seconds: dict[str, list[float]] = {name: [] for name in translators}
    for _ in range(rounds):
        for name, translate in translators.items():
            begin = time.perf_counter()
            translate(texts, num_beams)
            seconds[name].append(time.perf_counter() - begin)
    peers = [values for name, values in seconds.items() if name != "zoo"]
    base = min(peers, key=min)
    return {
        name: summarize(values, base, steps=1, batch_size=len(texts))
        for name, values in seconds.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed.ct2_translation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=4, help="interleaved rounds (default: 4)")
    parser.add_argument("--sentences", type=int, default=1000, help="use the first N sentences")
    parser.add_argument("--data", default=DATA, help="a folder with the files of Multi30k")
    parser.add_argument("--script", action="store_true", help="TensorFlow's default threads")
    parser.add_argument("--check", action="store_true", help="only check that the work is equal")
    parser.add_argument("--record", action="store_true", help=f"write to {records.RESULTS}")
    options = parser.parse_args()
    if not options.script:
        threads.single_threaded_ops()
    model = zoo.get(PRESET, pretrained=True)
    corpus = TextConfig(languages=("de", "en")).load_corpus(options.data, "test")
    texts, references = (corpus.texts[side][: options.sentences] for side in ("source", "target"))
    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        translators = make_translators(model, Path(folder))
        for search, num_beams in SEARCHES.items():
            outputs = {name: run(texts, num_beams) for name, run in translators.items()}
            checked = check(outputs, references, num_beams)
            console.print(f"{search}: {checked}")
            if options.check:
                continue
            settings = {"rounds": options.rounds, "steps": 1, "batch_size": len(texts)}
            measured = measure(translators, texts, num_beams, options.rounds)
            console.print(results_table(search, measured, settings))
            if options.record:
                protocol = PROTOCOL.format(
                    sentences=f"{len(texts):,}",
                    version=ctranslate2.__version__,
                    search=f"{num_beams} beams" if num_beams > 1 else "greedy search",
                    batch_size=BATCH_SIZE,
                    rounds=options.rounds,
                    threads="TensorFlow's default" if options.script else "one per operation",
                    check=checked,
                )
                record = {
                    "kind": "speed",
                    "protocol": protocol,
                    "settings": settings,
                    **environment.environment(),
                    "results": {f"{PRESET}, {search}": measured},
                }
                name = f"speed.{PRESET}-{search}{'-script' * options.script}.json"
                records.write(ROOT / records.RESULTS / name, record)


if __name__ == "__main__":
    main()
