"""Strings that end a generated text, also when it is streamed."""

from collections.abc import Callable, Iterable, Iterator

from zoo.errors import UsageError, short_repr

REPLACEMENT = "\ufffd"  # what the first bytes of an unfinished character are decoded to


def stop_list(stop: str | Iterable[str] | None) -> list[str]:
    """The argument `stop` as a list; raises UsageError unless each is non-empty text."""
    if stop is None:
        return []
    if not isinstance(stop, str | list | tuple | set):
        raise UsageError(f"stop must be text, or a list of texts, got {short_repr(stop)}")
    stops = [stop] if isinstance(stop, str) else list(stop)
    for each in stops:
        if not isinstance(each, str) or not each:
            raise UsageError(f"stop must be non-empty text, got {short_repr(each)}")
    return stops


def cut(text: str, stops: list[str]) -> str:
    """The text before the first of the stop strings."""
    return text[: min((text.find(stop) for stop in stops if stop in text), default=len(text))]


def stream_pieces(
    tokens: Iterable[int], decode: Callable[[list[int]], str], stops: list[str]
) -> Iterator[str]:
    """Yields text as its tokens arrive, in total the text before the first stop string.

    A possible beginning of a stop string, or a partial character, is held back until the next
    token.
    """
    ids: list[int] = []
    written = 0
    for token in tokens:
        ids.append(token)
        text = decode(ids)
        if cut(text, stops) != text:
            break
        ready = _ready_length(text, stops)
        if ready > written:
            yield text[written:ready]
            written = ready
    rest = cut(decode(ids), stops)[written:]
    if rest:
        yield rest


def _ready_length(text: str, stops: list[str]) -> int:
    """The length of the text without a partial character or the beginning of a stop string."""
    text = text.rstrip(REPLACEMENT)
    for stop in stops:
        held = next((n for n in range(len(stop) - 1, 0, -1) if text.endswith(stop[:n])), 0)
        text = text[: len(text) - held] if held else text
    return len(text)
