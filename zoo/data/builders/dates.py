"""Dates: a procedural data set of dates as people write them and their ISO 8601 form.

    written[0], iso[0]                              # "jeudi 4 juillet 2019", "2019-07-04"

Nine languages, years 1950 to 2049. Each date has one correct answer: numeric dates have the day
first, as in 4/7/2019, and a year may be reduced to its last two digits, as in 4.7.19. The splits
have no date in common, so that the test measures generalization to unseen dates.

`generate` needs only Python and NumPy. Importing this module registers the TFDS data set "dates".
"""

import datetime
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from zoo.checks import check_numbers
from zoo.errors import UnknownNameError

SPLITS = {"train": 30_000, "validation": 1_000, "test": 1_000}
FIRST = datetime.date(1950, 1, 1)
DAYS = 36_525  # up to 2049-12-31
DAY_RANGES = {"train": (0, 32_525), "validation": (32_525, 34_525), "test": (34_525, DAYS)}

# Language: months, weekdays from Monday on, patterns.
LANGUAGES = {
    "en": (
        "January February March April May June July August September October November December",
        "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
        (
            "{d} {M} {Y}",
            "{M} {d}, {Y}",
            "{W}, {M} {d}, {Y}",
            "the {d}{th} of {M} {Y}",
            "{d} {m3} {y}",
        ),
    ),
    "de": (
        "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
        "Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag",
        (
            "{d}. {M} {Y}",
            "{W}, den {d}. {M} {Y}",
            "{d}.{m}.{Y}",
            "{dd}.{mm}.{y}",
            "{W}, {d}.{m}.{Y}",
        ),
    ),
    "fr": (
        "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
        "lundi mardi mercredi jeudi vendredi samedi dimanche",
        ("{d} {M} {Y}", "le {d} {M} {Y}", "{W} {d} {M} {Y}", "{dd}/{mm}/{Y}"),
    ),
    "es": (
        "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
        "lunes martes miércoles jueves viernes sábado domingo",
        ("{d} de {M} de {Y}", "{W}, {d} de {M} de {Y}", "{d}/{m}/{Y}"),
    ),
    "it": (
        "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre "
        "dicembre",
        "lunedì martedì mercoledì giovedì venerdì sabato domenica",
        ("{d} {M} {Y}", "{W} {d} {M} {Y}", "{d}/{m}/{y}"),
    ),
    "nl": (
        "januari februari maart april mei juni juli augustus september oktober november december",
        "maandag dinsdag woensdag donderdag vrijdag zaterdag zondag",
        ("{d} {M} {Y}", "{W} {d} {M} {Y}", "{dd}-{mm}-{Y}"),
    ),
    "pl": (
        "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października "
        "listopada grudnia",
        "poniedziałek wtorek środa czwartek piątek sobota niedziela",
        ("{d} {M} {Y}", "{W}, {d} {M} {Y} r.", "{dd}.{mm}.{Y}"),
    ),
    "el": (
        "Ιανουαρίου Φεβρουαρίου Μαρτίου Απριλίου Μαΐου Ιουνίου Ιουλίου Αυγούστου Σεπτεμβρίου "
        "Οκτωβρίου Νοεμβρίου Δεκεμβρίου",
        "Δευτέρα Τρίτη Τετάρτη Πέμπτη Παρασκευή Σάββατο Κυριακή",
        ("{d} {M} {Y}", "{W} {d} {M} {Y}", "{d}/{m}/{y}"),
    ),
    "ja": (
        "1 2 3 4 5 6 7 8 9 10 11 12",
        "月 火 水 木 金 土 日",
        ("{Y}年{m}月{d}日", "{Y}年{m}月{d}日({W})", "{Y}/{mm}/{dd}"),
    ),
}


def generate(
    n: int, seed: int = 0, first: int = 0, split: str = "train"
) -> tuple[list[str], list[str]]:
    """Pairs first .. first + n - 1 of a split: two lists of n str, as written and in ISO form.

    A pair is a function of (split, seed, its number) alone.

    Args:
        n: number of pairs.
        seed: seed of all random choices.
        first: number of the first pair.
        split: "train", "validation" or "test".

    Raises:
        UsageError: n < 1.
        UnknownNameError: the split.
    """
    check_numbers(n=n, seed=seed, first=first)
    if split not in DAY_RANGES:
        raise UnknownNameError("split of dates", split, DAY_RANGES)
    days = np.random.default_rng(seed).permutation(DAYS)[slice(*DAY_RANGES[split])]
    codes = [*LANGUAGES]
    written = []
    iso = []
    for number in range(first, first + n):
        random = np.random.default_rng((seed, [*DAY_RANGES].index(split), number))
        date = FIRST + datetime.timedelta(days=int(days[random.integers(len(days))]))
        patterns = LANGUAGES[code := codes[random.integers(len(codes))]][2]
        written.append(format_date(date, code, patterns[random.integers(len(patterns))]))
        iso.append(date.isoformat())
    return written, iso


def format_date(date: datetime.date, language: str, pattern: str) -> str:
    """A date in a language, by one of its patterns in `LANGUAGES`."""
    months, weekdays, _ = LANGUAGES[language]
    month = months.split()[date.month - 1]
    teen = 11 <= date.day <= 13
    return pattern.format(
        d=date.day,
        dd=f"{date.day:02}",
        m=date.month,
        mm=f"{date.month:02}",
        m3=month[:3],
        M=month,
        y=f"{date.year % 100:02}",
        Y=date.year,
        W=weekdays.split()[date.weekday()],
        th="th" if teen else {1: "st", 2: "nd", 3: "rd"}.get(date.day % 10, "th"),
    )


class Dates(tfds.core.GeneratorBasedBuilder):
    """TFDS builder with the texts "written" and "iso"."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "30,000 + 1,000 + 1,000 dates."}

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description="Dates as people write them in nine languages, and their ISO 8601 form.",
            features=tfds.features.FeaturesDict(
                {"written": tfds.features.Text(), "iso": tfds.features.Text()}
            ),
            supervised_keys=("written", "iso"),
            disable_shuffling=True,  # pair i stays example i
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        return {name: self._generate_examples(name, count) for name, count in SPLITS.items()}

    def _generate_examples(self, split: str, count: int) -> Iterator[tuple[int, dict[str, Any]]]:
        for i, (written, iso) in enumerate(zip(*generate(count, split=split), strict=True)):
            yield i, {"written": written, "iso": iso}
