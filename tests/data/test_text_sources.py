"""Texts of files, folders and tables in pieces, and their ids in a cache."""

import gzip

import numpy as np
import pytest

from zoo import log, text
from zoo.data import text_pieces, token_files
from zoo.data.stream_config import StreamConfig
from zoo.data.text_sources import open_text
from zoo.errors import UnknownNameError, UsageError

VERSES = "".join(f"Zeile {i}: ä€🙂\n" for i in range(50))


def read(source, split, column=None):
    return ["".join(document) for document in open_text(source, column).documents(split)]


@pytest.fixture
def book(tmp_path):
    path = tmp_path / "book.txt"
    path.write_text(VERSES, encoding="utf-8")
    return path


@pytest.mark.parametrize("piece", [3, 7, 1 << 20])
def test_the_pieces_of_a_text_make_the_text_at_any_cut(book, piece, monkeypatch):
    monkeypatch.setattr(text_pieces, "PIECE", piece)
    size = len(VERSES.encode())
    assert "".join(text_pieces.read_pieces(book)) == VERSES
    for cut in range(9, 24):  # inside of characters of 2, 3 and 4 bytes, too
        parts = [(0, cut), (cut, size)]
        assert "".join("".join(text_pieces.read_pieces(book, *part)) for part in parts) == VERSES
    assert "".join(text_pieces.whole_lines(text_pieces.read_pieces(book))) == VERSES


def test_a_text_has_a_training_part_and_a_validation_part_by_position(book, tmp_path):
    assert read(book, "all") == [VERSES]
    train, validation = (read(book, split)[0] for split in ("train", "validation"))
    assert train + validation == VERSES
    assert abs(len(train.encode()) - 0.9 * len(VERSES.encode())) < 4
    assert read(book, "train[:10]")[0] == VERSES[:10]
    packed = tmp_path / "book.txt.gz"
    packed.write_bytes(gzip.compress(VERSES.encode()))
    assert read(packed, "validation") == [validation]
    marked = tmp_path / "marked.txt"
    marked.write_bytes(b"\xef\xbb\xbfone\r\ntwo\rthree\n")
    assert read(marked, "all") == ["one\ntwo\nthree\n"]


def test_the_files_of_a_folder_are_documents_and_may_be_named_after_splits(tmp_path, capsys):
    (tmp_path / "a" / "deep").mkdir(parents=True)
    for name, content in (("a/1.txt", "one"), ("a/deep/2.txt", "two"), ("a/3.txt", "three")):
        (tmp_path / name).write_text(content)
    assert read(tmp_path / "a", "all") == ["one", "three", "two"]
    assert read(tmp_path / "a", "all[:5]") == ["one", "th"]
    assert "".join(read(tmp_path / "a", "validation")) == "wo"
    (tmp_path / "b").mkdir()
    for name in ("Train.txt", "VALID.txt", "testing.txt", "README"):
        (tmp_path / "b" / name).write_text(name)
    log.forget_messages()
    assert open_text(tmp_path / "b").splits == ["train", "validation", "test"]
    assert "README do not belong to a split and are skipped" in capsys.readouterr().err
    assert read(tmp_path / "b", "validation") == ["VALID.txt"]


def test_the_rows_of_a_column_are_documents(tmp_path):
    path = tmp_path / "reviews.csv"
    path.write_text('stars,text\n5,"good, ""really"""\n1,"bad\nvery"\n3,fine\n')
    assert read(path, "all", "text") == ['good, "really"', "bad\nvery", "fine"]
    assert read(path, "all[1:]", "text") == ["bad\nvery", "fine"]
    assert read(path, "all", "0") == ["stars", "5", "1", "3"]
    with pytest.raises(UsageError, match=r"no column 'words'; its first line is \['stars', 'text'"):
        read(path, "all", "words")
    with pytest.raises(UsageError, match="choose the text, as in --column 1"):
        read(path, "all")
    path.write_text(f"text\n{'x' * 200_000}\n")
    assert len(read(path, "all", "text")[0]) == 200_000
    path.write_text('text\none\n"two\nthree\n')
    with pytest.raises(UsageError, match="reviews.csv: line 4 is not CSV: .*must end with one"):
        read(path, "all", "text")
    table = tmp_path / "reviews.tsv"
    table.write_text('"one\t1\ntwo"\t2\n')  # a quote is a character of a text
    assert read(table, "all", "0") == ['"one', 'two"']


def test_invalid_texts_are_refused_with_their_name(tmp_path, book):
    def refused(content, message, split="train"):
        path = tmp_path / "text.txt"
        path.write_bytes(content)
        with pytest.raises(UsageError, match=message):
            read(path, split)

    refused(b"", "text.txt is empty: it has no text")
    refused(b"\x89PNG\xff\xd8" * 9, "text.txt is not UTF-8 text .*save it as UTF-8")
    refused(b"a\0b" * 9, "text.txt is not UTF-8 text .it holds NUL bytes")
    refused(b"abc" * 9 + b"\xe2\x82", "it ends inside a character", "all")
    refused(b"\x1f\x8b" + b"x" * 50, "text.txt cannot be read")
    with pytest.raises(UsageError, match="the splits are: 'train', 'validation', 'all'"):
        read(book, "test")
    with pytest.raises(UsageError, match="leave --column out"):
        read(book, "train", "text")
    with pytest.raises(UnknownNameError, match="data set 'mnst'"):
        open_text("mnst")
    with pytest.raises(UsageError, match="mnist holds images, not texts"):
        open_text("mnist")
    (tmp_path / "none").mkdir()
    with pytest.raises(UsageError, match="none is empty: it has no text files"):
        read(tmp_path / "none", "train")


@pytest.mark.parametrize("tokenizer", ["characters", "bytes", "bpe", "words"])
def test_ids_are_written_once_and_decode_to_the_text(book, tokenizer, monkeypatch):
    monkeypatch.setattr(text_pieces, "PIECE", 40)
    config = StreamConfig(tokenizer, vocabulary_size=330)
    data = config.load(book, "all", context_length=16)
    ids = np.array(data.ids)
    assert ids[0] == text.END and len(ids) == data.file.tokens + 1
    assert data.file.text_bytes == len(VERSES.encode())
    found, expected = data.vocabularies["text"].decode([ids[1:]])[0], VERSES
    if tokenizer == "words":
        found, expected = ("".join(line.split()) for line in (found, expected))
    assert found == expected
    monkeypatch.setattr(token_files, "write_atomically", None)  # nothing is written again
    again = config.load(book, "all", data.vocabularies["text"], context_length=16)
    np.testing.assert_array_equal(ids, again.ids)


def test_documents_have_an_end_between_them_and_other_text_has_other_ids(tmp_path, capfd):
    for name, content in (("1.txt", "ab"), ("2.txt", "ba")):
        (tmp_path / name).write_text(content)
    data = StreamConfig().load(tmp_path, "all", context_length=2)
    assert data.ids.tolist() == [text.END, 4, 5, text.END, 5, 4]
    (tmp_path / "2.txt").write_text("bc")
    changed = StreamConfig().load(tmp_path, "all", data.vocabularies["text"], context_length=2)
    assert changed.ids.tolist() == [text.END, 4, 5, text.END, 5, text.UNKNOWN]
    assert "1 characters that the training text lacks" in capfd.readouterr().err
