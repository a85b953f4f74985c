"""Text files: read correctly, or a one-line error with the file and the line."""

import gzip
import os

import numpy as np
import pytest

from zoo import log
from zoo.data import corpora, text_files
from zoo.data.text_config import TextConfig
from zoo.data.text_dataset import TextDataset
from zoo.errors import UsageError
from zoo.text import WordTokenizer

LATIN = "caf\u00e9".encode("latin-1")


@pytest.mark.parametrize(
    ("content", "captions"),
    [
        ("a.jpg,A dog\n\n", {"a.jpg": ["A dog"]}),
        ("a.jpg,A dog\n \nb.jpg,B, c\n", {"a.jpg": ["A dog"], "b.jpg": ["B, c"]}),
        ("\n\na.jpg\tA\n", {"a.jpg": ["A"]}),
        ("f#1.jpg,A dog", {"f#1.jpg": ["A dog"]}),
        ("f#1.jpg#0\tA\nf#1.jpg#1\tB", {"f#1.jpg": ["A", "B"]}),
        ("a.jpg,A dog\tred", {"a.jpg": ["A dog\tred"]}),
        ("image,caption\na.jpg,A\tx\nb.jpg,B\n", {"a.jpg": ["A\tx"], "b.jpg": ["B"]}),
        ("a,b.jpg\tA, dog\n", {"a,b.jpg": ["A, dog"]}),
        ('"a,b.jpg",A dog\n', {"a,b.jpg": ["A dog"]}),
        ('a.jpg,"A ""q"" dog, x"\n', {"a.jpg": ['A "q" dog, x']}),
        ('a.jpg,"A\nb"\nc.jpg,d', {"a.jpg": ["A b"], "c.jpg": ["d"]}),
        ("\ufeffimage,caption\r\na.jpg,A\r\n", {"a.jpg": ["A"]}),
        ("a.jpg,A\rb.jpg,B\r", {"a.jpg": ["A"], "b.jpg": ["B"]}),
    ],
)
def test_caption_files_are_read_in_every_format(tmp_path, content, captions):
    (tmp_path / "c.txt").write_bytes(content.encode())
    assert text_files.read_captions(tmp_path / "c.txt") == captions


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a.jpg,A\nb.jpg\n", "line 2 must be an image's name, .* got 'b.jpg'"),
        (b"a.jpg\tA\nb.jpg,B\nc.jpg\tC", "line 2 must be .* got 'b.jpg,B'"),
        (b"a.jpg, \n", "line 1 must be"),
        (b",A\n", "line 1 must be"),
        (b'a.jpg,A\n\nb.jpg,"B\nc.jpg,C\n', "line 3 is not CSV: unexpected end of data"),
        (b'a.jpg,"A" dog\n', "line 1 is not CSV: ',' expected"),
        (b"x.jpg,ok\na.jpg," + LATIN, "line 2 is not UTF-8 text.*save it as UTF-8"),
        ("a.jpg,A".encode("utf-16"), "line 1 holds NUL bytes; save it as UTF-8"),
        (b"a.jpg\t0\tA dog\n", "line 1 has 3 columns"),
        (b"\n\n", "holds no captions"),
    ],
)
def test_an_invalid_caption_file_is_named_with_its_line(tmp_path, content, message):
    (tmp_path / "c.txt").write_bytes(content)
    with pytest.raises(UsageError, match=f"c.txt:? {message}"):
        text_files.read_captions(tmp_path / "c.txt")


@pytest.mark.parametrize(
    ("content", "columns", "found"),
    [
        ("a\tb\n\nc\td\n\n", None, (["a", "c"], ["b", "d"])),
        ("a\tb\n\t\n", (1, 0), (["b", ""], ["a", ""])),
        ("a\tb\nc\td\te\n", None, "line 2 has 3 columns, previous lines have 2"),
        ("a\tb\tc\nc\td\n", None, "line 2 has 2 columns, previous lines have 3"),
        ("a\tb\n", (0, 5), "line 1 has 2 columns, but column 5"),
        ("a\tb\n", (-1, 0), r"columns must be two different integers.*\(-1, 0\)"),
        ("a\tb\n", (1, 1), r"columns must be two different integers.*\(1, 1\)"),
        ("a\tb\n", (True, 0), "columns must be two different integers"),
        ("a\tb\n", (0, 1, 2), "columns must be two different integers"),
        ("a\tb\n", 3, "columns must be two different integers.*got 3"),
        ("a\t\n\tb\n", None, "is empty: it has no pair"),
        ("", None, "is empty"),
    ],
)
def test_columns_of_a_table_are_checked(tmp_path, content, columns, found):
    (tmp_path / "t.tsv").write_text(content)
    if isinstance(found, str):
        with pytest.raises(UsageError, match=found):
            corpora.load_pairs(tmp_path / "t.tsv", columns=columns)
        return
    texts = corpora.load_pairs(tmp_path / "t.tsv", columns=columns).texts
    assert (texts["source"], texts["target"]) == found


def test_pairs_with_an_empty_side_are_counted_and_cases_are_equal(tmp_path, capsys):
    log.forget_messages()
    for name, content in (("Train.DE", "a\n\nc\n"), ("train.en", "x\ny\nz\n")):
        (tmp_path / name).write_text(content)
    found = corpora.load_pairs(tmp_path, "train", ("de", "en"))
    assert found.texts["source"] == ["a", "", "c"]
    assert "1 of 3 pairs have an empty side, the first is pair 2;" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("languages", "message"),
    [
        (("-1", "0"), "counted from 0.*'-1,0'"),
        (("\u00b2", "\u00b3"), "counted from 0"),
        (("de", "en"), "a table needs two columns"),
        (("9" * 5000, "0"), "counted from 0"),
        (("1", "1"), "two different names"),
        (("1",), "two different names"),
        (("1", ""), "two different names"),
        ("de", "two different names"),
        ((1, 0), "two different names"),
        (("7", "0"), "but column 7"),
    ],
)
def test_unknown_language_columns_are_a_one_line_error(tmp_path, languages, message):
    (tmp_path / "t.tsv").write_text("a\tb\n")
    with pytest.raises(UsageError, match=message) as error:
        TextConfig(languages).load_corpus(str(tmp_path / "t.tsv"), "train")
    assert len(str(error.value)) < 300


@pytest.mark.parametrize(
    ("source", "arguments", "message"),
    [
        ("folder", {"columns": (0, 1), "languages": ("de", "en")}, "columns are for a table"),
        ("t.tsv", {"languages": ("de", "en")}, "languages are for a folder"),
        (("t.tsv", "t.tsv"), {"languages": ("de", "en")}, "languages are for a folder"),
        ("multi30k", {"columns": (0, 1)}, "columns are for a table"),
        ("t.tsv", {"split": 5}, "split must be text, got 5"),
        ((), {}, "pairs come from two files, got 0"),
        ("pipe.tsv", {}, "pipe.tsv must be a regular file"),
    ],
)
def test_options_without_effect_are_rejected(tmp_path, monkeypatch, source, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "t.tsv").write_text("a\tb\n")
    os.mkfifo(tmp_path / "pipe.tsv")
    with pytest.raises(UsageError, match=message):
        corpora.load_pairs(source, **arguments)


def test_a_damaged_or_endless_gzip_is_named(tmp_path, monkeypatch):
    whole, path = gzip.compress(b"a\tb\n" * 999), tmp_path / "x.tsv.gz"
    flipped = [whole[:k] + bytes([whole[k] ^ 255]) + whole[k + 1 :] for k in range(2, len(whole))]
    outcomes = set()
    for content in (whole[:-9], whole[:5], whole + b"rubbish", *flipped):
        path.write_bytes(content)
        try:
            outcomes.add(len(corpora.load_pairs(path)))
        except UsageError as error:
            outcomes.add("named" if str(error).startswith(str(path)) else str(error))
    assert outcomes == {"named", 999}  # 999: the flipped byte is the time of its making
    monkeypatch.setattr(text_files, "SMALL", 1000)
    path.write_bytes(gzip.compress(b"a\tb\n" * 100_000))
    with pytest.raises(UsageError, match=r"x.tsv.gz cannot be read: .* unpack to more than"):
        corpora.load_pairs(path)
    monkeypatch.setattr(text_files, "LARGEST", 10)
    path.write_bytes(b"a\tb\n" * 10)
    with pytest.raises(UsageError, match=r"has more than 10 bytes"):
        corpora.load_pairs(path)


@pytest.mark.parametrize(
    ("texts", "arrays", "rows", "message"),
    [
        ({"source": ["1"], "target": ["1", "2"]}, {}, None, "equally many of each"),
        ({"caption": ["1", "2"]}, {"image": np.zeros((1, 8, 8, 3), "uint8")}, None, "rows="),
        ({"caption": ["1"]}, {"image": np.zeros((1, 8, 8, 3), "uint8")}, [1], "rows="),
        ({"caption": ["1"]}, {"image": np.zeros((1, 8, 8, 3), "uint8")}, [-1], "rows="),
        ({"caption": ["1"]}, {"image": np.full((1, 8, 8, 3), np.nan)}, None, "NaN"),
        ({"caption": ["1"]}, {"image": np.full((1, 8, 8, 3), 255.0)}, None, r"in \[0, 1\]"),
    ],
)
def test_a_whole_corpus_is_checked(texts, arrays, rows, message):
    corpus = corpora.Corpus(texts, "mine", "train", arrays, rows)
    with pytest.raises(UsageError, match=message):
        TextDataset(corpus, WordTokenizer(["1", "2"]))


@pytest.mark.parametrize("wrong", [6, -1])
def test_ids_beyond_the_vocabulary_are_named_by_their_text(wrong):
    class Odd(WordTokenizer):
        def encode(self, texts):
            return [[4], [4, wrong]]

    corpus = corpora.Corpus({"source": ["1", "2"]}, "mine", "train")
    with pytest.raises(UsageError, match=f"mine train: source 2 has ids from .*{wrong}.*0 to 5"):
        TextDataset(corpus, Odd(["1", "2"]))
