"""Where presets come from, and the cache of downloaded ones.

    CACHE/hf/owner--name/        or https/HOST-HASH/
        current.json             the newest config.json of the source
        0123456789abcdef/        the preset of that digest, complete and checked
        0123456789abcdef.part/   a partial download; the next attempt resumes it

A lock lets one process at a time download a preset. ZOO_OFFLINE=1 disables network access.
"""

import contextlib
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import filelock

from zoo.errors import PresetError, UnknownNameError, UsageError, one_line
from zoo.files import user_path, write_atomically
from zoo.log import log_message
from zoo.presets import preset, preset_record, web
from zoo.presets.web import UnreachableError

SHIPPED_FOLDER = Path(__file__).parent
PRESET_NAME = re.compile(r"[a-z][a-z0-9_]*\.\w+")
HUB_REFERENCE = re.compile(r"hf://([\w-][\w.-]*)/([\w-][\w.-]*)(?:@([\w-][\w./-]*))?")
CURRENT_CONFIG = "current.json"
SILENT_WAIT = 3  # seconds to wait for another process without a message
MAX_WAIT = 600  # seconds after that message


def locate(reference: str, cache: str | Path | None = None) -> Path:
    """The folder of a preset, downloaded if necessary; see `zoo.presets.load`."""
    if re.match(r"\w+://", reference):
        return fetch(reference, cache)
    if reference in shipped_names():
        return SHIPPED_FOLDER / reference
    path = user_path(reference)
    if path.exists() or preset.being_replaced(path) or re.search(r"[/\\]", reference):
        return path
    raise UnknownNameError("preset", reference, shipped_names())


def shipped_names() -> list[str]:
    """The names of the presets in this package."""
    return [
        path.name
        for path in SHIPPED_FOLDER.iterdir()
        if PRESET_NAME.fullmatch(path.name) and path.is_dir()
    ]


def fetch(reference: str, cache: str | Path | None = None) -> Path:
    """The folder in the cache with the current content of a `hf://` or `https://` reference.

    If the source does not respond, that is reported and the newest copy in the cache is used.
    Raises PresetError if there is none.
    """
    slug, get = parse_reference(reference)
    home = cache_folder(cache) / slug
    try:
        home.mkdir(parents=True, exist_ok=True)
        with _exclusive(reference, home):
            return _newest_folder(reference, home, get)
    except OSError as error:
        raise PresetError(f"the cache {home} cannot be written: {one_line(error)}") from error


@contextlib.contextmanager
def _exclusive(reference: str, home: Path) -> Iterator[None]:
    """Context for one process at a time; raises PresetError if others take too long."""
    lock = filelock.FileLock(home / ".lock")
    try:
        lock.acquire(timeout=SILENT_WAIT)
    except filelock.Timeout:
        log_message(f"{reference}: waiting for another process that downloads it")
        try:
            lock.acquire(timeout=MAX_WAIT)
        except filelock.Timeout as error:
            raise PresetError(
                f"{reference}: another process has been downloading it for {MAX_WAIT} s, with the"
                f" lock {home / '.lock'}; try again when it has finished"
            ) from error
    try:
        yield
    finally:
        lock.release()


def _newest_folder(reference: str, home: Path, get: Callable) -> Path:
    """The preset's folder as its source has it; if it is unreachable, the newest copy."""
    offline = os.environ.get("ZOO_OFFLINE", "") not in ("", "0")
    try:
        if offline:
            raise UnreachableError("ZOO_OFFLINE is set")
        return _current_folder(reference, home, get)
    except UnreachableError as error:
        if not (home / CURRENT_CONFIG).exists():
            raise PresetError(f"cannot get {reference}: {error}, and {home} has no copy") from error
        copy = _cached_folder(reference, home)
        if not offline:
            log_message(f"{reference}: {error}; using the copy in {home}")
        return copy


def _cached_folder(reference: str, home: Path) -> Path:
    """The newest copy in the cache; raises PresetError if it is damaged."""
    current = home / CURRENT_CONFIG
    record = preset_record.parse(current.read_bytes(), current)
    folder = home / record["digest"][:16]
    if not folder.exists():
        raise PresetError(f"{folder} is missing, and {reference} cannot be reached now")
    return preset.read(folder).folder


def _current_folder(reference: str, home: Path, get: Callable) -> Path:
    """The folder with the source's current content; raises UnreachableError without it."""
    answers = home / "asked"
    shutil.rmtree(answers, ignore_errors=True)
    raw = get(preset.CONFIG, answers, preset_record.MAX_CONFIG_BYTES, whole=False).read_bytes()
    try:
        record = preset_record.parse(raw, reference)
    except (PresetError, UsageError) as error:  # such as the login page of a hotel's Wi-Fi
        if (home / CURRENT_CONFIG).exists():
            raise UnreachableError(str(error)) from error
        raise
    folder = home / record["digest"][:16]
    if folder.exists():
        try:
            preset.read(folder)
        except (PresetError, UsageError):
            shutil.rmtree(folder)
    if not folder.exists():
        _download(record, raw, folder, get)
    write_atomically(home / CURRENT_CONFIG, lambda file: file.write(raw))
    return folder


def _download(record: dict[str, Any], raw: bytes, folder: Path, get: Callable) -> None:
    """Makes the folder of a preset, complete and checked."""
    part = folder.with_suffix(".part")
    for name, facts in record["files"].items():
        path = get(name, part, facts["size"])
        try:
            preset.read_file(path, facts)
        except PresetError:
            path.unlink()
            raise
    write_atomically(part / preset.CONFIG, lambda file: file.write(raw))
    preset.read(part)
    part.rename(folder)


def cache_folder(cache: str | Path | None = None) -> Path:
    """The cache: the argument, ZOO_CACHE or ~/.cache/zoo."""
    return user_path(cache or os.environ.get("ZOO_CACHE") or "~/.cache/zoo", "ZOO_CACHE")


def parse_reference(reference: str) -> tuple[str, Callable[..., Path]]:
    """(folder in the cache, function that downloads a file, see `web.make_getter`).

    Raises UsageError if the reference is neither `hf://owner/name` nor a safe URL of a folder.
    """
    hub = HUB_REFERENCE.fullmatch(reference)
    if hub and not any(part and ".." in part for part in hub.groups()):
        owner, name, revision = hub.groups()
        slug = f"hf/{owner}--{name}" + (f"@{revision.replace('/', '-')}" if revision else "")
        return slug, _hub_getter(f"{owner}/{name}", revision)
    if not _is_folder_url(reference):
        raise UsageError(
            f"{reference!r:.200} is not the address of a preset: write hf://owner/name,"
            " https://host/folder without '..' (plain http only for this machine), or the path of a"
            " folder"
        )
    base = reference.rstrip("/")
    host = urlsplit(reference).hostname
    digest = hashlib.sha256(base.encode()).hexdigest()
    return f"https/{host}-{digest[:16]}", web.make_getter(lambda name: f"{base}/{name}")


def _is_folder_url(reference: str) -> bool:
    """Whether a URL can point to a preset's folder."""
    if not web.is_safe(reference) or not reference.isprintable():
        return False
    url = urlsplit(reference)
    return not (".." in url.path.split("/") or url.query or url.fragment or len(reference) > 2000)


def _hub_getter(repository: str, revision: str | None) -> Callable:
    hub = hub_library()
    headers = hub.utils.build_hf_headers(library_name="the-zoo")  # with the token, if there is one

    def url_of(name: str) -> str:
        if hub.constants.HF_HUB_OFFLINE:
            raise UnreachableError("HF_HUB_OFFLINE is set")
        try:
            return hub.hf_hub_url(repository, name, revision=revision)
        except ValueError as error:
            raise UsageError(f"hf://{repository} is not a valid name: {one_line(error)}") from error

    return web.make_getter(url_of, headers)


def hub_library() -> ModuleType:
    """huggingface_hub, which only `hf://` needs; raises PresetError if it is not installed."""
    try:
        import huggingface_hub.constants
        import huggingface_hub.errors
        import huggingface_hub.utils
    except ImportError as error:
        raise PresetError(
            "hf:// needs the package huggingface_hub: pip install 'the-zoo[hub]'"
        ) from error
    return huggingface_hub
