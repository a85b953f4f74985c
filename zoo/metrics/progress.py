"""Progress of a long evaluation on stderr."""

import time
from collections.abc import Iterator

from rich.console import Console
from rich.progress import track

from zoo.log import log_message

LOG_SECONDS = 60  # between two lines where stderr is not a terminal


def track_examples(starts: range, name: str, progress: bool) -> Iterator[int]:
    """The numbers of `starts`, with a bar on stderr; if it is not a terminal, a line every minute.

    Args:
        starts: the number of the first example of each step.
        name: name of the evaluation.
        progress: False: nothing is shown.
    """
    console = Console(stderr=True)
    if progress and console.is_terminal:
        yield from track(starts, name, console=console)
        return
    began = time.monotonic()
    logged = began
    for start in starts:
        now = time.monotonic()
        if progress and now - logged >= LOG_SECONDS:
            logged = now
            left = (now - began) * (starts.stop - start) / (start - starts.start) / 60
            log_message(f"{name}: {start:,} of {starts.stop:,} done, {left:.0f} minutes left")
        yield start
