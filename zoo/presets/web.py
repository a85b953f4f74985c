"""Files from web servers, with an end to waiting, and to what a server may send.

A timeout of one read says nothing of a server that sends a byte a second, so another thread reads,
and this one stops waiting when less than `LEAST` bytes have come in `PATIENCE` seconds.
"""

import contextlib
import queue
import threading
import time
from urllib.parse import urljoin, urlsplit

from zoo.errors import PresetError

LOCAL = ("localhost", "127.0.0.1", "::1")
TIMEOUT = 5  # seconds until a host must answer
HEAD = 15  # seconds until its answer must have begun
PATIENCE, LEAST = 20, 1 << 14  # seconds, and bytes that must come within them
PIECE = 1 << 14
REDIRECTS = 5
MOVED = (301, 302, 303, 307, 308)


class Unreachable(PresetError):
    """A source that does not answer now, or not as it should: a copy in the cache may serve."""


def is_safe(url):
    """Whether files may come from an address: https, or http of this machine."""
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" and bool(parts.hostname) or is_local(parts)
    except ValueError:  # no address at all
        return False


def is_local(parts):
    return parts.scheme == "http" and parts.hostname in LOCAL


def getter(address, headers=None):
    """A function (file, folder, bytes at most) -> path that fetches a file of a preset.

    Args:
        address: function of a file's name.
        headers: of the request; `Authorization` goes to no other host.
    """

    def get(name, into, limit, whole=True):  # whole: `limit` is its size
        url, path, half = address(name), into / name, into / f"{name}.half"
        if path.exists():
            return path
        into.mkdir(parents=True, exist_ok=True)
        have = half.stat().st_size if half.exists() else 0
        if have < limit or not whole:
            begin = {"Range": f"bytes={have}-"} if have else {}
            asked = {"Accept-Encoding": "identity", **(headers or {}), **begin}
            fetch(url, asked, half, limit, whole)
        size = half.stat().st_size
        if size > limit:
            half.unlink()
            kind = PresetError if whole else Unreachable
            raise kind(f"{url} sends more than the {limit:,} bytes it should have")
        if size < limit and whole:
            raise broken(url, half, limit)
        return half.rename(path)

    return get


def fetch(url, headers, half, limit, whole):
    """Adds what an address sends to the file `half`, a little more than `limit` at most."""
    status, pieces = answer(url, headers)
    with contextlib.closing(pieces):
        if status == 416:  # the file there is shorter than what had come of it
            half.unlink()
        check_status(url, status)
        begun = False
        with half.open("ab" if status == 206 else "wb") as file:
            try:
                for piece in pieces:
                    begun = True
                    file.write(piece)
                    if file.tell() > limit:
                        return
            except Unreachable as error:
                if not (begun and whole):
                    raise
                file.flush()
                raise broken(url, half, limit) from error


def broken(url, half, limit):
    have = half.stat().st_size
    return Unreachable(
        f"the download of {url} broke off after {have:,} of {limit:,} bytes; the same call goes on"
        " from there"
    )


def check_status(url, status):
    if status == 429:
        raise Unreachable(f"{url} answers 429: too many requests, it asks to try later")
    if status in (401, 403):
        raise Unreachable(f"{url} answers {status}: access is refused, or needs a token")
    if status in (404, 410):
        raise PresetError(f"{url} answers {status}: no preset is there")
    if status not in (200, 206):
        raise Unreachable(f"{url} answers {status}")


def answer(url, headers):
    """(status, pieces of the body) of an address, or of where it redirects to."""
    first = url
    for _ in range(REDIRECTS + 1):
        pieces = received(url, headers)
        status, location = next(pieces)
        if status not in MOVED or not location:
            return status, pieces
        pieces.close()
        there = urljoin(url, location)
        secure = urlsplit(url).scheme == "https"
        if not is_safe(there) or (secure and urlsplit(there).scheme != "https"):
            raise Unreachable(f"{first} redirects to {there!r:.80}, and only https will do")
        if urlsplit(there).netloc != urlsplit(url).netloc:
            headers = {key: value for key, value in headers.items() if key != "Authorization"}
        url = there
    raise Unreachable(f"{first} redirects more than {REDIRECTS} times")


def received(url, headers):
    """Yields (status, location) of an answer, then its body in pieces; raises Unreachable."""
    arrived, over = queue.Queue(maxsize=8), threading.Event()

    def put(item):
        while not over.is_set():
            with contextlib.suppress(queue.Full):
                arrived.put(item, timeout=0.1)
                return

    threading.Thread(target=read, args=(url, headers, put, over), daemon=True).start()
    try:
        yield wait(arrived, url, HEAD)
        end, count = time.monotonic() + PATIENCE, 0
        while piece := wait(arrived, url, end - time.monotonic()):
            yield piece
            count += len(piece)
            if count >= LEAST:
                end, count = time.monotonic() + PATIENCE, 0
    finally:
        over.set()


def wait(arrived, url, seconds):
    """What comes next; raises Unreachable after that many seconds, or with the reader's error."""
    item = None
    if seconds > 0:
        with contextlib.suppress(queue.Empty):
            item = arrived.get(timeout=seconds)
    if item is None:
        raise Unreachable(f"{url} is too slow: less than {LEAST:,} bytes in {PATIENCE} s")
    if isinstance(item, Exception):
        raise Unreachable(f"no answer from {url} ({type(item).__name__})") from item
    return item


def read(url, headers, put, over):
    """Puts (status, location), the body in pieces and at last b"", or the error that came."""
    import requests

    how = {"headers": headers, "stream": True, "timeout": TIMEOUT, "allow_redirects": False}
    try:
        with requests.get(url, **how) as response:
            put((response.status_code, response.headers.get("Location")))
            for piece in response.iter_content(PIECE):
                if over.is_set():
                    return
                if piece:
                    put(piece)
        put(b"")
    except Exception as error:  # of sockets, TLS, HTTP, addresses: the other thread raises it
        put(error)
