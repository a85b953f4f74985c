"""Downloads from web servers, with limits on waiting time and on size.

The timeout of one read does not stop a server that sends a byte a second. So another thread reads,
and this one gives up when fewer than `MIN_BYTES` bytes have arrived in `STALL_TIMEOUT` seconds.
"""

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from zoo.errors import PresetError

LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")
CONNECT_TIMEOUT = 5  # seconds
RESPONSE_TIMEOUT = 15  # seconds until the response must have begun
STALL_TIMEOUT = 20  # seconds in which `MIN_BYTES` must arrive
MIN_BYTES = 1 << 14
CHUNK_SIZE = 1 << 14
MAX_REDIRECTS = 5
REDIRECT_STATUS = (301, 302, 303, 307, 308)


class UnreachableError(PresetError):
    """A source that does not respond now, or not correctly: a cached copy may be used instead."""


def is_safe(url: str) -> bool:
    """Whether files may be downloaded from a URL: https, or http of this machine."""
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" and bool(parts.hostname) or _is_local(parts)
    except ValueError:  # not a URL
        return False


def _is_local(parts: Any) -> bool:
    return parts.scheme == "http" and parts.hostname in LOCAL_HOSTS


def make_getter(
    url_of: Callable[[str], str], headers: dict[str, str] | None = None
) -> Callable[..., Path]:
    """A function (name, folder, limit, whole=True) -> path that downloads a file of a preset.

    `limit` is the file's size in bytes; without `whole`, only an upper bound of it.

    Args:
        url_of: file name -> its URL.
        headers: headers of the request; `Authorization` is sent to no other host.
    """

    def get(name: str, folder: Path, limit: int, whole: bool = True) -> Path:
        url = url_of(name)
        path = folder / name
        partial = folder / f"{name}.half"
        if path.exists():
            return path
        folder.mkdir(parents=True, exist_ok=True)
        size = partial.stat().st_size if partial.exists() else 0
        if size < limit or not whole:
            resume = {"Range": f"bytes={size}-"} if size else {}
            request_headers = {"Accept-Encoding": "identity", **(headers or {}), **resume}
            _fetch(url, request_headers, partial, limit, whole)
        size = partial.stat().st_size
        if size > limit:
            partial.unlink()
            error = PresetError if whole else UnreachableError
            raise error(f"{url} sends more than the expected {limit:,} bytes")
        if size < limit and whole:
            raise _interrupted(url, partial, limit)
        return partial.rename(path)

    return get


def _fetch(url: str, headers: dict[str, str], partial: Path, limit: int, whole: bool) -> None:
    """Appends what a URL sends to the file `partial`; stops a little above `limit` bytes."""
    status, chunks = follow_redirects(url, headers)
    with contextlib.closing(chunks):
        if status == 416:  # the file there is shorter than the part that had arrived
            partial.unlink()
        _check_status(url, status)
        begun = False
        with partial.open("ab" if status == 206 else "wb") as file:
            try:
                for chunk in chunks:
                    begun = True
                    file.write(chunk)
                    if file.tell() > limit:
                        return
            except UnreachableError as error:
                if not (begun and whole):
                    raise
                file.flush()
                raise _interrupted(url, partial, limit) from error


def _interrupted(url: str, partial: Path, limit: int) -> PresetError:
    size = partial.stat().st_size
    return UnreachableError(
        f"the download of {url} was interrupted after {size:,} of {limit:,} bytes; call it again"
        " to resume"
    )


def _check_status(url: str, status: int) -> None:
    if status == 429:
        raise UnreachableError(f"{url} answers 429: too many requests, try again later")
    if status in (401, 403):
        raise UnreachableError(f"{url} answers {status}: access is refused, or needs a token")
    if status in (404, 410):
        raise PresetError(f"{url} answers {status}: there is no preset")
    if status not in (200, 206):
        raise UnreachableError(f"{url} answers {status}")


def follow_redirects(url: str, headers: dict[str, str]) -> tuple[int, Generator[Any, None, None]]:
    """(status, chunks of the body) of a URL, or of the one it redirects to.

    Raises UnreachableError if it redirects too often or to an unsafe URL.
    """
    first = url
    for _ in range(MAX_REDIRECTS + 1):
        chunks = stream(url, headers)
        status, location = next(chunks)
        if status not in REDIRECT_STATUS or not location:
            return status, chunks
        chunks.close()
        target = urljoin(url, location)
        secure = urlsplit(url).scheme == "https"
        if not is_safe(target) or (secure and urlsplit(target).scheme != "https"):
            raise UnreachableError(
                f"{first} redirects to {target!r:.80}, and only https is allowed"
            )
        if urlsplit(target).netloc != urlsplit(url).netloc:
            headers = {key: value for key, value in headers.items() if key != "Authorization"}
        url = target
    raise UnreachableError(f"{first} redirects more than {MAX_REDIRECTS} times")


def stream(url: str, headers: dict[str, str]) -> Generator[Any, None, None]:
    """Yields (status, location) of a response, then its body in chunks.

    Raises UnreachableError if there is no response, or it is too slow.
    """
    items: queue.Queue[Any] = queue.Queue(maxsize=8)
    stopped = threading.Event()

    def put(item: Any) -> None:
        while not stopped.is_set():
            with contextlib.suppress(queue.Full):
                items.put(item, timeout=0.1)
                return

    reader = threading.Thread(target=_read, args=(url, headers, put, stopped), daemon=True)
    reader.start()
    try:
        yield _next_item(items, url, RESPONSE_TIMEOUT)
        end = time.monotonic() + STALL_TIMEOUT
        count = 0
        while chunk := _next_item(items, url, end - time.monotonic()):
            yield chunk
            count += len(chunk)
            if count >= MIN_BYTES:
                end = time.monotonic() + STALL_TIMEOUT
                count = 0
    finally:
        stopped.set()


def _next_item(items: queue.Queue[Any], url: str, seconds: float) -> Any:
    """The next item; raises UnreachableError after that many seconds, or for the reader's error."""
    item = None
    if seconds > 0:
        with contextlib.suppress(queue.Empty):
            item = items.get(timeout=seconds)
    if item is None:
        raise UnreachableError(
            f"{url} is too slow: less than {MIN_BYTES:,} bytes in {STALL_TIMEOUT} s"
        )
    if isinstance(item, Exception):
        raise UnreachableError(f"no answer from {url} ({type(item).__name__})") from item
    return item


def _read(
    url: str, headers: dict[str, str], put: Callable[[Any], None], stopped: threading.Event
) -> None:
    """Puts (status, location), the chunks of the body and finally b"", or the error raised."""
    import requests

    options: dict[str, Any] = {
        "headers": headers,
        "stream": True,
        "timeout": CONNECT_TIMEOUT,
        "allow_redirects": False,
    }
    try:
        with requests.get(url, **options) as response:
            put((response.status_code, response.headers.get("Location")))
            for chunk in response.iter_content(CHUNK_SIZE):
                if stopped.is_set():
                    return
                if chunk:
                    put(chunk)
        put(b"")
    except Exception as error:  # of sockets, TLS, HTTP, URLs: the other thread raises it
        put(error)
