"""Files and folders are written atomically, whatever interrupts them."""

from pathlib import Path

import pytest

from zoo import files
from zoo.errors import UsageError, WriteError, one_line


def content(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


def fill(target, text):
    with files.folder_atomically(target) as new:
        (new / "a.txt").write_text(text)


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), KeyboardInterrupt()])
@pytest.mark.parametrize("number", [1, 2])
def test_a_rename_that_fails_leaves_the_former_folder(tmp_path, monkeypatch, number, error):
    fill(tmp_path / "p", "old")
    rename, calls = Path.rename, []

    def failing(path, target):
        calls.append(path)
        if len(calls) == number:
            raise error
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises((WriteError, KeyboardInterrupt)):
        fill(tmp_path / "p", "new")
    assert content(tmp_path / "p") == {"a.txt": "old"}
    assert [path.name for path in tmp_path.iterdir()] == ["p"]


def test_folders_above_are_made(tmp_path):
    fill(tmp_path / "a" / "b" / "p", "new")
    assert content(tmp_path / "a" / "b" / "p") == {"a.txt": "new"}


def test_a_kill_between_two_renames_is_recovered_later(tmp_path):
    fill(tmp_path / "p", "old")
    aside = tmp_path / ".p.123.old"
    aside.mkdir()
    (tmp_path / "p").rename(aside / "p")
    assert files.recover_folder(tmp_path / "p")
    assert content(tmp_path / "p") == {"a.txt": "old"} and not aside.exists()
    assert not files.recover_folder(tmp_path / "p")
    fill(tmp_path / "p", "new")
    assert content(tmp_path / "p") == {"a.txt": "new"}


def test_an_error_of_writing_is_not_hidden_by_cleaning_up(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "open", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(WriteError, match=r"could not write .*x\.png: Read-only file system"):
        files.write_atomically(tmp_path / "x.png", lambda file: file.write(b"1"))


@pytest.mark.parametrize(
    ("name", "reason"),
    [("", "it is a folder"), ("file/x", "is not a folder"), (300 * "x", "at most 200 bytes")],
)
def test_an_unwritable_path_is_detected_in_advance(tmp_path, name, reason):
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match=reason):
        files.check_writable(tmp_path / name)
    files.check_writable(tmp_path / "new" / "folder" / "x.png")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("first\nsecond"), "first"),
        (ValueError(), "ValueError"),
        (ValueError("a\x1b[2Jb"), "a [2Jb"),
        (ValueError("x" * 10_000_000), "x" * 197 + "..."),
    ],
)
def test_messages_of_other_libraries_become_one_line(error, text):
    assert one_line(error) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("~no_such_user/x", "no home folder for '~no_such_user/x': set HOME"),
        ("a\0b", "cannot use 'a.*b' as a path: embedded null"),
        ("\ud800", "cannot use .* as a path: .*surrogate"),
        (300 * "x", "cannot use 'x{70,80}\\.\\.\\. as a path: File name too long"),
        (3000 * "x/", "as a path: File name too long"),
        (5, "cannot use 5 as a path"),
        (b"x", "cannot use b'x' as a path"),
    ],
)
def test_impossible_paths_are_one_line(text, message):
    with pytest.raises(UsageError, match=message) as error:
        files.user_path(text)
    assert len(str(error.value).splitlines()) == 1 and len(str(error.value)) < 300


def test_a_tilde_is_a_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert files.user_path("~/x") == tmp_path / "x"
    assert files.user_path(tmp_path) == tmp_path
    files.write_text("~/a/b.txt", "text")
    assert (tmp_path / "a" / "b.txt").read_text() == "text"
    with files.folder_atomically("~/c") as folder:
        files.write_text(folder / "d.txt", "text")
    assert (tmp_path / "c" / "d.txt").exists()
    monkeypatch.setattr("os.path.expanduser", lambda text: text)  # no HOME, no entry in passwd
    with pytest.raises(UsageError, match="no home folder for '~/x': set HOME or ZOO_CACHE"):
        files.user_path("~/x", "ZOO_CACHE")
