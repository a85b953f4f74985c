"""Where presets come from, and the cache of what was fetched.

    CACHE/hf/owner--name/        or https/HOST-HASH/
        current.json             config.json as the source had it last
        0123456789abcdef/        the preset of that digest, whole and checked
        0123456789abcdef.part/   one that is on its way; the next try goes on from there

A lock lets one process at a time fetch a preset. ZOO_OFFLINE=1 keeps everything off the network.
"""

import contextlib
import hashlib
import os
import re
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import filelock

from zoo.errors import PresetError, UnknownNameError, UsageError, one_line
from zoo.files import user_path, write_atomically
from zoo.log import log_message
from zoo.presets import preset, web
from zoo.presets.web import Unreachable

SHIPPED = Path(__file__).parent
NAME = re.compile(r"[a-z][a-z0-9_]*\.\w+")
HUB = re.compile(r"hf://([\w-][\w.-]*)/([\w-][\w.-]*)(?:@([\w-][\w./-]*))?")
CURRENT = "current.json"
QUIET = 3  # seconds that a process waits for another one without a word
WAITING = 600  # and with one


def locate(reference, cache=None):
    """The folder of a preset, fetched if it must be; see `zoo.presets.open`."""
    if re.match(r"\w+://", reference):
        return fetched(reference, cache)
    if reference in shipped():
        return SHIPPED / reference
    path = user_path(reference)
    if path.exists() or preset.being_replaced(path) or re.search(r"[/\\]", reference):
        return path
    raise UnknownNameError("preset", reference, shipped())


def shipped():
    """The names of the presets in this package."""
    return [path.name for path in SHIPPED.iterdir() if NAME.fullmatch(path.name) and path.is_dir()]


def fetched(reference, cache=None):
    """The folder in the cache that holds what a `hf://` or `https://` reference has now.

    A source that does not answer is reported at once, and the newest copy in the cache is used.
    """
    slug, get = source(reference)
    home = directory(cache) / slug
    try:
        home.mkdir(parents=True, exist_ok=True)
        with alone(reference, home):
            return newest(reference, home, get)
    except OSError as error:
        raise PresetError(f"the cache {home} cannot be written: {one_line(error)}") from error


@contextlib.contextmanager
def alone(reference, home):
    """Context for one process at a time; raises PresetError if others take too long."""
    lock = filelock.FileLock(home / ".lock")
    try:
        lock.acquire(timeout=QUIET)
    except filelock.Timeout:
        log_message(f"{reference}: waiting for another process that fetches it")
        try:
            lock.acquire(timeout=WAITING)
        except filelock.Timeout as error:
            raise PresetError(
                f"{reference}: another process has been fetching it for {WAITING} s, with the lock"
                f" {home / '.lock'}; try again when it has ended"
            ) from error
    try:
        yield
    finally:
        lock.release()


def newest(reference, home, get):
    """The preset's folder as its source has it; if that cannot be had now, the newest copy."""
    offline = os.environ.get("ZOO_OFFLINE", "") not in ("", "0")
    try:
        if offline:
            raise Unreachable("ZOO_OFFLINE is set")
        return current_folder(reference, home, get)
    except Unreachable as error:
        if not (home / CURRENT).exists():
            raise PresetError(f"cannot get {reference}: {error}, and {home} has no copy") from error
        copy = cached_folder(reference, home)
        if not offline:
            log_message(f"{reference}: {error}; using the copy in {home}")
        return copy


def cached_folder(reference, home):
    """The newest copy in the cache; raises PresetError if it is damaged."""
    record = preset.parse((home / CURRENT).read_bytes(), home / CURRENT)
    place = home / record["digest"][:16]
    if not place.exists():
        raise PresetError(f"{place} is missing, and {reference} cannot be reached now")
    return preset.read(place).folder


def current_folder(reference, home, get):
    """The folder with what the source has now; raises Unreachable if it cannot be had."""
    answers = home / "asked"
    shutil.rmtree(answers, ignore_errors=True)
    raw = get(preset.CONFIG, answers, preset.LARGEST, whole=False).read_bytes()
    try:
        record = preset.parse(raw, reference)
    except (PresetError, UsageError) as error:  # such as the page of a network that wants a login
        if (home / CURRENT).exists():
            raise Unreachable(str(error)) from error
        raise
    place = home / record["digest"][:16]
    if place.exists():
        try:
            preset.read(place)
        except (PresetError, UsageError):
            shutil.rmtree(place)
    if not place.exists():
        download(record, raw, place, get)
    write_atomically(home / CURRENT, lambda file: file.write(raw))
    return place


def download(record, raw, place, get):
    """Makes the folder `place` of a preset, whole and checked."""
    part = place.with_suffix(".part")
    for name, facts in record["files"].items():
        got = get(name, part, facts["size"])
        try:
            preset.content(got, facts)
        except PresetError:
            got.unlink()
            raise
    write_atomically(part / preset.CONFIG, lambda file: file.write(raw))
    preset.read(part)
    part.rename(place)


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
    if not is_place(reference):
        raise UsageError(
            f"{reference!r:.200} is no place of a preset: write hf://owner/name,"
            " https://host/folder without '..' (plain http is for this machine alone), or the path"
            " of a folder"
        )
    base, host = reference.rstrip("/"), urlsplit(reference).hostname
    digest = hashlib.sha256(base.encode()).hexdigest()
    return f"https/{host}-{digest[:16]}", web.getter(lambda name: f"{base}/{name}")


def is_place(reference):
    """Whether an address can be that of a preset's folder."""
    if not web.is_safe(reference) or not reference.isprintable():
        return False
    url = urlsplit(reference)
    return not (".." in url.path.split("/") or url.query or url.fragment or len(reference) > 2000)


def hub_getter(repository, revision):
    hub = hub_library()
    headers = hub.utils.build_hf_headers(library_name="the-zoo")  # with the token, if there is one

    def address(name):
        if hub.constants.HF_HUB_OFFLINE:
            raise Unreachable("HF_HUB_OFFLINE is set")
        try:
            return hub.hf_hub_url(repository, name, revision=revision)
        except ValueError as error:
            raise UsageError(f"hf://{repository} is no name: {one_line(error)}") from error

    return web.getter(address, headers)


def hub_library():
    """huggingface_hub, which only `hf://` needs."""
    try:
        import huggingface_hub.constants
        import huggingface_hub.errors
        import huggingface_hub.utils
    except ImportError as error:
        raise PresetError(
            "hf:// needs the package huggingface_hub: pip install 'the-zoo[hub]'"
        ) from error
    return huggingface_hub
