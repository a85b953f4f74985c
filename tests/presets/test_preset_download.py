"""Presets from the web and from the hub: local servers that work, and that misbehave."""

import http.server
import json
import sys
import threading
import time
from pathlib import Path

import filelock
import pytest
from cases import small_model
from click.testing import CliRunner
from preset_cases import CARD, rewrite, same

import zoo
from zoo import files, presets, text
from zoo.cli.main import main
from zoo.errors import PresetError, UsageError
from zoo.presets import download, preset, web

pytest_plugins = ("preset_fixtures",)


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves `server.root` under any prefix, with ranges, except for what `server.acts` does.

    `server.acts`: name of a file -> a function of this handler, instead of a response.
    """

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        name, server = self.path.rpartition("/")[2], self.server
        server.requests.append((name, self.headers.get("Range")))
        path = server.root / name
        act = server.acts.get(name)
        if act:
            self.close_connection = True
            act(self)
            return
        if server.down or not path.is_file():
            self.respond(503 if server.down else 404, {"X-Error-Code": "EntryNotFound"})
            return
        raw = path.read_bytes()
        begin = int((self.headers.get("Range") or "bytes=0-")[6:].partition("-")[0])
        facts = {"ETag": f'"{files.sha256(raw)}"', "X-Repo-Commit": "0" * 40}
        breaks = server.breaks and name == preset.WEIGHTS
        body = raw[begin : server.breaks if breaks else None] if self.command == "GET" else b""
        self.respond(206 if begin else 200, facts, body, len(raw) - begin)
        self.close_connection = True

    def respond(self, status, facts=(), body=b"", length=None):
        self.send_response(status)
        for key, value in dict(facts).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(copy, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.root, running.requests, running.down, running.breaks = copy, [], False, None
        running.acts, running.ended, running.stopped = {}, False, False
        running.url = f"http://127.0.0.1:{running.server_address[1]}/vae.tiny"
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield running
        running.ended = True
        running.shutdown()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def fetched(server):
    return [name for name, _ in server.requests if name == preset.WEIGHTS]


def test_a_preset_is_downloaded_once_and_used_from_the_cache_when_offline(
    server, cache, model, capsys, monkeypatch
):
    assert same(model, zoo.get(server.url, pretrained=True))
    assert same(model, zoo.get(server.url, pretrained=True)) and len(fetched(server)) == 1
    server.down = True
    assert same(model, zoo.get(server.url, pretrained=True))
    assert "answers 503; using the copy in" in capsys.readouterr().err
    server.down = False
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    count = len(server.requests)
    assert same(model, zoo.get(server.url, pretrained=True)) and len(server.requests) == count
    assert capsys.readouterr().err == ""
    with pytest.raises(PresetError, match="ZOO_OFFLINE is set, and .* has no copy"):
        presets.load(server.url, cache=cache / "other")


def test_a_new_version_is_fetched_and_a_damaged_copy_is_replaced(server, cache, model):
    first = presets.load(server.url).folder
    (first / preset.WEIGHTS).write_bytes(b"damaged")
    assert same(model, zoo.get(server.url, pretrained=True)) and len(fetched(server)) == 2
    zoo.save(model, server.root, CARD | {"title": "The second"}, name="vae.tiny")
    assert "The second" in presets.load(server.url).card and len(fetched(server)) == 3


def test_vocabularies_are_fetched_with_the_preset(server, cache, tmp_path):
    words = text.WordTokenizer(["a", "b"])
    model = small_model("captioning", caption_vocabulary=words)
    server.root = zoo.save(model, tmp_path / "captioning.tiny", CARD).folder
    assert zoo.get(server.url, pretrained=True).vocabulary("caption") == words
    (server.root / "vocabulary.json").write_text("[]")
    zoo.save(model, server.root, CARD | {"title": "The second"})
    (server.root / "vocabulary.json").write_text('["a", "x"]')
    with pytest.raises(PresetError, match="was interrupted|wrong hash|sends more"):
        presets.load(server.url, cache=cache / "other")


def test_an_interrupted_download_is_resumed(server, cache, model):
    server.breaks = 40_000
    with pytest.raises(PresetError, match=r"interrupted after 32,768 of [\d,]+ bytes.*to resume"):
        presets.load(server.url)
    server.breaks = None
    assert same(model, zoo.get(server.url, pretrained=True))
    assert [r for name, r in server.requests if name == preset.WEIGHTS] == [None, "bytes=32768-"]


def test_a_download_is_accepted_only_with_the_right_hash(server, cache, model):
    path = server.root / preset.WEIGHTS
    raw = path.read_bytes()
    path.write_bytes(raw[:-1] + b"?")
    with pytest.raises(PresetError, match="wrong hash"):
        presets.load(server.url)
    path.write_bytes(raw + b"much more")
    with pytest.raises(PresetError, match="sends more than the"):
        presets.load(server.url)
    path.write_bytes(raw)
    assert same(model, zoo.get(server.url, pretrained=True))  # nothing bad was kept
    (server.root / preset.CONFIG).unlink()
    with pytest.raises(PresetError, match="answers 404: there is no preset"):
        presets.load(server.url)


def test_two_simultaneous_requests_download_once(server, cache):
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(presets.load(server.url))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({preset.folder for preset in found}) == 1 and len(found) == 4
    assert len(fetched(server)) == 1


def test_an_unreachable_host_is_reported_immediately(cache, offline):
    with pytest.raises(PresetError, match="no answer from https://nowhere.example"):
        presets.load("https://nowhere.example/vae.tiny")


def test_the_hub_serves_presets_too(server, cache, model, monkeypatch, capsys):
    constants = pytest.importorskip("huggingface_hub.constants")
    home = server.url.rpartition("/")[0]
    monkeypatch.setattr(constants, "ENDPOINT", home)
    place = home + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", place)
    assert same(model, zoo.get("hf://somebody/vae.tiny", pretrained=True))
    server.down = True
    assert same(model, zoo.get("hf://somebody/vae.tiny", pretrained=True))
    assert "using the copy in" in capsys.readouterr().err
    server.down = False
    server.acts[preset.CONFIG] = endless  # the limit holds on the hub, too
    assert same(model, zoo.get("hf://somebody/vae.tiny", pretrained=True))
    assert "more than the expected 8,388,608 bytes; using" in capsys.readouterr().err
    with pytest.raises(UsageError, match="hf://some--body/x is not a valid name"):
        presets.load("hf://some--body/x")


def test_a_missing_hub_package_is_named(cache, monkeypatch, whole):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(PresetError, match=r"pip install 'the-zoo\[hub\]'"):
        presets.load("hf://somebody/vae.tiny")
    pushed = CliRunner().invoke(main, ["push", str(whole.folder), "hf://somebody/vae.tiny"])
    assert pushed.exit_code == 1 and "the-zoo[hub]" in pushed.stderr


def test_a_preset_is_put_on_the_hub_in_one_commit(whole, monkeypatch):
    calls = []

    class Api:
        def create_repo(self, name, exist_ok):
            calls.append((name, exist_ok))

        def upload_folder(self, repo_id, folder_path):
            calls.append((repo_id, sorted(path.name for path in Path(folder_path).iterdir())))

    stub = type(sys)("huggingface_hub")
    stub.HfApi = Api
    stub.errors = type("errors", (), {"HfHubHTTPError": OSError})
    monkeypatch.setattr(download, "hub_library", lambda: stub)
    pushed = CliRunner().invoke(main, ["push", str(whole.folder), "hf://somebody/vae.tiny"])
    assert pushed.exit_code == 0, pushed.output
    assert "zoo.get('hf://somebody/vae.tiny', pretrained=True)" in pushed.output
    files = sorted([preset.CARD, preset.CONFIG, preset.WEIGHTS])
    assert calls == [("somebody/vae.tiny", True), ("somebody/vae.tiny", files)]


@pytest.mark.parametrize(
    "reference, message",
    [
        ("vae.mnits", "unknown preset 'vae.mnits'"),
        ("../nowhere", "does not exist; a preset is a folder"),
        ("hf://../etc", "is not the address of a preset"),
        ("hf://owner/..", "is not the address of a preset"),
        ("hf://owner/name@../..", "is not the address of a preset"),
        ("https://host/a/../../b", "is not the address of a preset"),
        ("http://example.org/x", "plain http only for this machine"),
        ("ftp://host/x", "is not the address of a preset"),
        ("https://[x", "is not the address of a preset"),
        ("https://host/" + "x" * 9999, "is not the address of a preset"),
        ("~nobody-of-that-name/x", "there is no home folder for"),
        ("x/" + "y" * 300, "does not exist|File name too long"),
    ],
)
def test_references_that_do_not_exist_or_leave_the_cache_are_rejected(reference, message, tmp_path):
    with pytest.raises((UsageError, PresetError), match=message):
        zoo.get(reference, pretrained=True, cache=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


# Servers that misbehave. A valid copy in the cache is used, with a note; else a one-line error.


def status(number, **facts):
    return lambda handler: handler.respond(number, facts)


def page(handler):
    handler.respond(200, {"Content-Type": "text/html"}, b"<html>Please log in</html>")


def drops(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"{")


def drips(begun):
    """A byte now and then, of the header or, if that has `begun`, of the body."""

    def act(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + (b"\r\n" if begun else b""))
        try:
            while not handler.server.ended:
                handler.wfile.write(b"x")
                time.sleep(0.02)
        except OSError:
            pass

    return act


def endless(handler):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
    try:
        while not handler.server.ended:
            handler.wfile.write(bytes(1 << 16))
    except OSError:
        handler.server.stopped = True


def moved(there):
    return lambda handler: handler.respond(302, {"Location": there})


BEHAVIOR = {
    "unavailable": (status(503), "answers 503"),
    "forbidden": (status(403), "answers 403: access is refused"),
    "too many": (status(429), "answers 429: too many requests, try again later"),
    "login page": (page, "is not a preset: cannot read its config.json"),
    "dropped": (drops, r"no answer from .*Error\)"),
    "closed": (lambda handler: None, r"no answer from .*ConnectionError\)"),
    "slow header": (drips(begun=False), "is too slow: less than"),
    "slow body": (drips(begun=True), "is too slow: less than"),
    "endless": (endless, "sends more than the expected 8,388,608 bytes"),
    "loop": (moved("config.json"), "redirects more than 5 times"),
    "plain http": (moved("http://example.org/x"), "only https is allowed"),
    "a file": (moved("file:///etc/passwd"), "only https is allowed"),
}


@pytest.mark.parametrize("how", BEHAVIOR)
def test_a_source_in_trouble_is_reported_and_the_copy_is_used(
    how, server, cache, model, monkeypatch, capsys
):
    act, message = BEHAVIOR[how]
    monkeypatch.setattr(web, "RESPONSE_TIMEOUT", 0.5)
    monkeypatch.setattr(web, "STALL_TIMEOUT", 0.5)
    server.acts[preset.CONFIG] = act
    with pytest.raises((PresetError, UsageError), match=message) as caught:
        presets.load(server.url)
    assert "\n" not in str(caught.value)
    del server.acts[preset.CONFIG]
    presets.load(server.url)
    server.acts[preset.CONFIG] = act
    capsys.readouterr()
    assert same(model, zoo.get(server.url, pretrained=True))
    output = capsys.readouterr().err
    assert "using the copy in" in output and output.count("\n") == 1


@pytest.mark.parametrize("name", [preset.WEIGHTS, preset.CARD])
def test_an_endless_body_stops_at_the_expected_size(name, server, cache):
    server.acts[name] = endless
    with pytest.raises(PresetError, match="sends more than the"):
        presets.load(server.url)
    assert sum(path.stat().st_size for path in cache.rglob("*.half")) == 0
    for _ in range(100):
        if server.stopped:
            break
        time.sleep(0.05)
    assert server.stopped  # and the connection is closed


def test_redirects_never_downgrade_https_or_send_tokens_to_another_host(monkeypatch):
    received_requests = []

    def received(url, headers):
        received_requests.append((url, headers))
        yield moves.pop(0)

    monkeypatch.setattr(web, "stream", received)
    moves = [(302, "http://127.0.0.1/x")]
    message = "redirects to 'http://127.0.0.1/x', and only https"
    with pytest.raises(web.UnreachableError, match=message):
        web.follow_redirects("https://127.0.0.1/x", {})
    moves = [(302, "/y"), (302, "https://other/z"), (200, None)]
    assert web.follow_redirects("https://host/x", {"Authorization": "secret", "A": "b"})[0] == 200
    assert received_requests[1:] == [
        ("https://host/x", {"Authorization": "secret", "A": "b"}),
        ("https://host/y", {"Authorization": "secret", "A": "b"}),
        ("https://other/z", {"A": "b"}),
    ]


def test_an_interrupted_new_version_leaves_the_old_one_in_use(server, cache, model, capsys):
    first = presets.load(server.url)
    zoo.save(model, server.root, CARD | {"title": "The second"}, name="vae.tiny", dtype="float16")
    server.breaks = 20_000
    assert presets.load(server.url).card == first.card
    assert "was interrupted after 16,384 of" in capsys.readouterr().err


def test_waiting_for_another_process_is_reported_and_limited(server, cache, monkeypatch, capsys):
    monkeypatch.setattr(download, "SILENT_WAIT", 0.1)
    monkeypatch.setattr(download, "MAX_WAIT", 0.2)
    home = cache / download.parse_reference(server.url)[0]
    home.mkdir(parents=True)
    with (
        filelock.FileLock(home / ".lock"),
        pytest.raises(PresetError, match="another process has been downloading it for 0.2 s"),
    ):
        presets.load(server.url)
    assert "waiting for another process that downloads it" in capsys.readouterr().err


def test_sizes_that_the_author_declares_are_not_fetched(server, cache):
    record = json.loads((server.root / preset.CONFIG).read_text())
    record["files"][preset.WEIGHTS]["size"] = 10**12
    rewrite(server.root, files=record["files"])
    server.acts[preset.WEIGHTS] = endless
    with pytest.raises(PresetError, match="1,000,000,000,000 bytes: these do not match"):
        presets.load(server.url)
    assert preset.WEIGHTS not in [name for name, _ in server.requests]
