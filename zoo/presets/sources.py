"""Where presets come from, and the cache of what was fetched.

    CACHE/hf/owner--name/        or https/HOST-HASH/
        current.json             config.json as the source had it last
        0123456789abcdef/        the preset of that digest, whole and checked
        0123456789abcdef.part/   one that is on its way; the next try goes on from there

A lock lets one process at a time fetch a preset. ZOO_OFFLINE=1 keeps everything off the network.
"""

import hashlib
import os
import re
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import filelock

from zoo.errors import PresetError, UnknownName, UsageError
from zoo.files import user_path, write_atomically
from zoo.presets import folder
from zoo.terminal import note

SHIPPED = Path(__file__).parent
NAME = re.compile(r"[a-z][a-z0-9_]*\.\w+")
HUB = re.compile(r"hf://([\w-][\w.-]*)/([\w-][\w.-]*)(?:@([\w-][\w./-]*))?")
LOCAL = ("localhost", "127.0.0.1", "::1")
TIMEOUT = 5  # seconds until a host must answer


class Unreachable(PresetError):
    """A source that does not answer now."""


def locate(reference, cache=None):
    """The folder of a preset, fetched if it must be; see `zoo.presets.open`."""
    if re.match(r"\w+://", reference):
        return fetched(reference, cache)
    if reference in shipped():
        return SHIPPED / reference
    path = user_path(reference)
    if path.exists() or re.search(r"[/\\]", reference):
        return path
    raise UnknownName("preset", reference, shipped())


def shipped():
    """The names of the presets in this package."""
    return [path.name for path in SHIPPED.iterdir() if NAME.fullmatch(path.name) and path.is_dir()]


def fetched(reference, cache=None):
    """The folder in the cache that holds what a `hf://` or `https://` reference has now.

    A source that does not answer is told at once, and the newest copy in the cache serves.
    """
    slug, get = source(reference)
    home = directory(cache) / slug
    try:
        home.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(home / ".lock")
        with lock:
            return newest(reference, home, get)
    except OSError as error:
        raise PresetError(f"the cache {home} cannot be written: {error}") from error


def newest(reference, home, get):
    current, offline = home / "current.json", os.environ.get("ZOO_OFFLINE", "") not in ("", "0")
    try:
        if offline:
            raise Unreachable("ZOO_OFFLINE is set")
        answers = home / "asked"
        shutil.rmtree(answers, ignore_errors=True)
        raw, here = get(folder.CONFIG, answers, folder.LARGEST).read_bytes(), True
    except Unreachable as error:
        if not current.exists():
            raise PresetError(f"cannot get {reference}: {error}, and {home} has no copy") from error
        if not offline:
            note(f"{reference}: {error}; using the copy in {home}")
        raw, here = current.read_bytes(), False
    record = folder.parse(raw, reference)
    place = home / record["digest"][:16]
    if place.exists():
        try:
            return folder.read(place).folder
        except (PresetError, UsageError):
            if not here:
                raise
            shutil.rmtree(place)
    if not here:
        raise PresetError(f"{place} is missing, and {reference} cannot be asked for it now")
    part = place.with_suffix(".part")
    for name, facts in record["files"].items():
        got = get(name, part, facts["size"])
        try:
            folder.check(got, facts)
        except PresetError:
            got.unlink()
            raise
    write_atomically(part / folder.CONFIG, lambda file: file.write(raw))
    folder.read(part)
    part.rename(place)
    write_atomically(current, lambda file: file.write(raw))
    return place


def directory(cache=None):
    """The cache: an argument, ZOO_CACHE or ~/.cache/zoo."""
    return user_path(cache or os.environ.get("ZOO_CACHE") or "~/.cache/zoo", "ZOO_CACHE")


def source(reference):
    """(folder in the cache, a function (file, folder, bytes at most) -> path that fetches)."""
    hub = HUB.fullmatch(reference)
    if hub and not any(part and ".." in part for part in hub.groups()):
        owner, name, revision = hub.groups()
        slug = f"hf/{owner}--{name}" + (f"@{revision.replace('/', '-')}" if revision else "")
        return slug, hub_getter(f"{owner}/{name}", revision)
    url = urlsplit(reference)
    safe = url.scheme == "https" or (url.scheme == "http" and url.hostname in LOCAL)
    if not safe or not url.hostname or ".." in url.path.split("/") or url.query or url.fragment:
        raise UsageError(
            f"{reference!r} is no place of a preset: write hf://owner/name, https://host/folder"
            " without '..' (plain http is for this machine alone), or the path of a folder"
        )
    digest = hashlib.sha256(reference.rstrip("/").encode()).hexdigest()
    return f"https/{url.hostname}-{digest[:16]}", web_getter(reference.rstrip("/"))


def web_getter(base):
    import requests

    def get(name, into, limit):
        url, path, half = f"{base}/{name}", into / name, into / f"{name}.half"
        if path.exists():
            return path
        into.mkdir(parents=True, exist_ok=True)
        have = half.stat().st_size if half.exists() else 0
        if have == limit:
            return half.rename(path)
        head = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
        try:
            with requests.get(url, headers=head, stream=True, timeout=TIMEOUT) as answer:
                if answer.status_code >= 500:
                    raise Unreachable(f"{url} answers {answer.status_code}")
                if not answer.ok:
                    raise PresetError(f"{url} answers {answer.status_code}: no preset is there")
                with half.open("ab" if answer.status_code == 206 else "wb") as file:
                    for chunk in answer.iter_content(1 << 14):
                        file.write(chunk)
                        if file.tell() > limit:
                            break
        except (requests.ConnectionError, requests.Timeout) as error:
            if not half.exists():
                raise Unreachable(f"no answer from {url} ({type(error).__name__})") from error
            raise broken(url, half, limit) from error
        except requests.RequestException as error:
            raise broken(url, half, limit) from error
        size = half.stat().st_size
        if size > limit:
            half.unlink()
            raise PresetError(f"{url} sends more than the {limit:,} bytes it should have")
        if size < limit and name != folder.CONFIG:
            raise broken(url, half, limit)
        return half.rename(path)

    return get


def broken(url, half, size):
    have = half.stat().st_size if half.exists() else 0
    return PresetError(
        f"the download of {url} broke off after {have:,} of {size:,} bytes; the same call goes on"
        " from there"
    )


def hub_getter(repository, revision):
    hub = hub_library()

    def get(name, into, limit):
        if name == folder.CONFIG:
            check_answers(hub.constants.ENDPOINT)
        try:
            return Path(
                hub.hf_hub_download(
                    repository, name, revision=revision, local_dir=into, etag_timeout=TIMEOUT
                )
            )
        except hub.errors.LocalEntryNotFoundError as error:
            raise Unreachable(f"the hub does not answer for {repository}") from error
        except (hub.errors.HfHubHTTPError, hub.errors.HFValidationError) as error:
            told = str(error).strip().splitlines()[0]
            raise PresetError(f"the hub has no {name} of {repository}: {told}") from error

    return get


def check_answers(url):
    """Raises Unreachable at once; the hub's package would try for half a minute."""
    import requests

    try:
        status = requests.head(url, timeout=TIMEOUT).status_code
    except requests.RequestException as error:
        raise Unreachable(f"no answer from {url} ({type(error).__name__})") from error
    if status >= 500:
        raise Unreachable(f"{url} answers {status}")


def hub_library():
    """huggingface_hub, which only `hf://` needs."""
    try:
        import huggingface_hub.constants
        import huggingface_hub.errors
    except ImportError as error:
        raise PresetError(
            "hf:// needs the package huggingface_hub: pip install 'the-zoo[hub]'"
        ) from error
    return huggingface_hub
