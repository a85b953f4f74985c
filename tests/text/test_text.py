"""Text becomes ids and text again; invalid text is rejected with its line."""

import json
import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from zoo import text
from zoo.data.caption_config import CaptionConfig
from zoo.data.text_config import TextConfig
from zoo.errors import UnknownNameError, UsageError
from zoo.text import END, PAD, START, UNKNOWN

CORPUS = [
    "Ein Mann schläft in der grünen Hängematte.",
    "Zwei Männer stehen am Herd und kochen, sagte Émile.",
    "A man sleeps in a green hammock.",
    "Two men are at the stove, preparing food; it's 10 o'clock!",
    "",
    "Ein Mädchen läuft über die Straße.",
    "A girl walks across the street.",
] * 3
HARD = [
    "",
    " ",
    "  two  spaces and one behind ",
    "tab\tand\nnew line\r",
    "漢字 한국어 עברית",
    "👍🏽 family: 👨‍👩‍👧",
    "<s> </s> <pad> <unk> <0x41>",
    "\x00 \ufeff \u2585 \u200b",
    "x" * 30_000,
    "Straße ÉMILE naïve",
]


@pytest.fixture(scope="module", params=["bpe", "unigram"])
def tokenizer(request):
    return text.SentencePieceTokenizer.train(CORPUS, 400, model_type=request.param)


@pytest.fixture(scope="module", params=["word", "character"])
def words(request):
    return text.WordTokenizer.train(CORPUS, unit=request.param)


def test_any_text_is_restored_from_subwords(tokenizer):
    ids = tokenizer.encode(HARD + CORPUS)
    assert tokenizer.decode(ids) == HARD + CORPUS
    assert ids[0] == []
    assert all(UNKNOWN not in row for row in ids)
    assert min(min(row, default=4) for row in ids) >= 4
    assert max(max(row, default=0) for row in ids) < len(tokenizer)


def test_subword_counts_are_between_those_of_words_and_characters(
    tokenizer,
):
    ids = tokenizer.encode(CORPUS)
    letters, count = sum(map(len, CORPUS)), sum(map(len, ids))
    assert 300 < len(tokenizer) <= 400
    assert sum(len(line.split()) for line in CORPUS) < count < letters
    pieces = tokenizer.tokens(ids[0])
    assert "".join(pieces).replace("\u2581", " ").strip() == CORPUS[0]
    assert tokenizer.tokens([PAD, UNKNOWN, START, END]) == ["<pad>", "<unk>", "<s>", "</s>"]


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_training_twice_gives_the_same_vocabulary(kind):
    one, two = (
        text.SentencePieceTokenizer.train(iter(CORPUS), 380, model_type=kind) for _ in range(2)
    )
    assert one == two
    assert one.fingerprint == two.fingerprint
    assert one != text.SentencePieceTokenizer.train(CORPUS, 320, model_type=kind)


def test_training_in_another_process_gives_the_same_vocabulary():
    code = (
        "import json, sys; from zoo import text;"
        "print(text.SentencePieceTokenizer.train(json.load(sys.stdin), 400).fingerprint)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(CORPUS),
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout.strip() == text.SentencePieceTokenizer.train(CORPUS, 400).fingerprint


def test_letters_that_the_corpus_lacks_become_bytes():
    tokenizer = text.SentencePieceTokenizer.train(["abc"] * 9, 300)
    ids = tokenizer.encode(["Ω"])[0]
    assert [p for p in tokenizer.tokens(ids) if p.startswith("<0x")] == ["<0xCE>", "<0xA9>"]
    assert tokenizer.decode([ids]) == ["Ω"]
    assert tokenizer.decode([ids[:-1]]) != ["Ω"]  # half a letter is shown, not an error


def test_normal_form_and_lower_case():
    composed, apart = "é", "e\u0301"
    tokenizer = text.SentencePieceTokenizer.train(CORPUS, 400, lowercase=True)
    assert tokenizer.encode([composed]) == tokenizer.encode([apart])
    assert tokenizer.decode(tokenizer.encode(["EIN Mann ÜBER"])) == ["ein mann über"]
    words = text.WordTokenizer.train(CORPUS, lowercase=True)
    assert words.encode(["EIN Mann ÜBER"]) == words.encode(["ein mann über"])
    assert UNKNOWN not in words.encode(["EIN Mann ÜBER"])[0]


def test_decoding_stops_at_the_end_and_leaves_out_the_rest(tokenizer, words):
    for vocabulary in (tokenizer, words):
        ids = vocabulary.encode(["Ein Mann"])[0]
        row = [START, *ids, END, *ids, PAD]
        for form in (list, np.array, tf.constant):
            assert vocabulary.decode([form(row)]) == ["Ein Mann"]
        assert vocabulary.decode(np.array([row, row])) == ["Ein Mann"] * 2
        assert vocabulary.decode(tf.ragged.constant([row, []])) == ["Ein Mann", ""]
        assert (
            text.vocabulary.UNKNOWN_TEXT in vocabulary.decode([[UNKNOWN, len(vocabulary) + 5]])[0]
        )


def test_word_tokens_split_off_punctuation_and_character_tokens_keep_everything():
    words = text.WordTokenizer.train(["a dog, it's red.", "a dog"])
    assert words.words == ["a", "dog", "'", ",", ".", "it", "red", "s"]
    assert words.decode(words.encode(["a red dog."])) == ["a red dog ."]
    assert words.encode(["a cat"]) == [[4, UNKNOWN]]
    letters = text.WordTokenizer.train(["4 juillet", "11月"], unit="character")
    assert letters.decode(letters.encode(["1 月 jeu"])) == ["1 月 jeu"]
    assert len(text.WordTokenizer.train(CORPUS, vocabulary_size=10)) == 10
    assert text.WordTokenizer.train(["a a b"], min_count=2).words == ["a"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("Bonjour\u00a0!", ["Bonjour", "!"]),
        ("dix\u202f000", ["dix", "000"]),
        ("a\u3000b\u2009c\u2028d\u0085e\u1680f\x0bg\x1ch", [*"abcdefgh"]),
        ("foo\u200bbar \u200b baz", ["foo\u200bbar", "baz"]),
        ("\ufeffHello \u200b.", ["\ufeffHello", "\u200b."]),
        ("m\u00ec\u200cn soft\u00adhyphen", ["m\u00ec\u200cn", "soft\u00adhyphen"]),
        ("x\u0301y !\u0301", ["x\u0301y", "!\u0301"]),
        ("\u2764\ufe0fok 1\ufe0f\u20e3", ["\u2764\ufe0f", "ok", "1\ufe0f\u20e3"]),
        ("\U0001f44d\U0001f3fd!", ["\U0001f44d\U0001f3fd", "!"]),
        (2 * "\U0001f468\U0001f3fd\u200d\U0001f680", 2 * ["\U0001f468\U0001f3fd\u200d\U0001f680"]),
        (
            "\U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7",
            ["\U0001f1e9\U0001f1ea", "\U0001f1eb\U0001f1f7"],
        ),
        ("it's red, 10 o'clock...", ["it", "'", "s", "red", ",", "10", "o", "'", "clock", *"..."]),
    ],
)
def test_words_are_split_at_white_space_and_not_at_zero_width_characters(line, words):
    vocabulary = text.WordTokenizer.train([line])
    assert vocabulary.tokens(vocabulary.encode([line])[0]) == words


def test_every_white_space_splits_words_and_no_zero_width_character_does():
    signs = [chr(i) for i in range(sys.maxunicode + 1)]
    parts = [sign for sign in signs if sign.isspace()]
    joined = [sign for sign in signs if unicodedata.category(sign) in ("Mn", "Mc", "Me", "Cf")]
    split = (
        text.WordTokenizer([]).split([f"a{sign}b" for sign in parts + joined]).row_lengths().numpy()
    )
    assert (split == [2] * len(parts) + [1] * len(joined)).all()


def test_special_tokens_cannot_be_written_by_hand(tokenizer, words):
    for vocabulary in (tokenizer, words):
        for row in vocabulary.encode(["<s> </s> <pad>", " <s>"]):
            assert not {PAD, START, END} & set(row)


def test_the_word_tokenizer_works_inside_a_graph(words):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def there_and_back(texts):
        return words(texts), words.detokenize(words(texts).to_tensor())

    ids, back = there_and_back(CORPUS)
    assert ids.to_list() == words.encode(CORPUS)
    assert [one.decode() for one in back.numpy()] == words.decode(words.encode(CORPUS))
    mapped = tf.data.Dataset.from_tensor_slices(CORPUS[:4]).batch(4).map(words)
    assert mapped.get_single_element().to_list() == ids.to_list()[:4]


def test_the_word_tokenizer_is_exported_with_its_tables(words, tmp_path):
    class Echo(tf.Module):
        def __init__(self):
            self.tables = words.lookup_layers

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def echo(self, texts):
            return words.detokenize(words(texts).to_tensor())

    tf.saved_model.save(Echo(), tmp_path)
    back = tf.saved_model.load(tmp_path).echo(CORPUS).numpy()
    assert [one.decode() for one in back] == words.decode(words.encode(CORPUS))


def test_a_saved_vocabulary_needs_no_corpus(tokenizer, words, tmp_path):
    for vocabulary in (tokenizer, words):
        path = vocabulary.save(tmp_path / vocabulary.kind)
        assert [file.name for file in path.parent.iterdir()] == ["vocabulary.json"]
        same = text.load(path.parent)
        assert same == vocabulary == text.from_json(vocabulary.to_json())
        assert same.encode(HARD) == vocabulary.encode(HARD)
        assert type(same) is type(vocabulary)


DEEP = 100_000 * "["


def test_a_damaged_vocabulary_is_rejected(words, tmp_path):
    path = words.save(tmp_path)
    whole = path.read_text()
    changed = whole.replace('"r"', '"q"').replace("man", "nam")
    for damaged in (whole[:-30], changed, "[]", "{}", DEEP, "NaN", '{"sha256": 5}', "\udcff"):
        path.write_text(damaged, errors="surrogateescape")
        with pytest.raises(UsageError, match=f"{path} is damaged") as error:
            text.load(tmp_path)
        assert len(str(error.value).splitlines()) == 1 and len(str(error.value)) < 400
    path.unlink()
    os.mkfifo(path)  # would wait for ever
    for folder in (tmp_path, tmp_path / "elsewhere"):
        with pytest.raises(UsageError, match="there is no vocabulary at"):
            text.load(folder)


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "{}",
        DEEP,
        "5",
        '{"kind": "sub-words", "model": "eA==", "lowercase": false}',
        '{"kind": "sub-words", "model": "eA==", "lowercase": "no"}',
        '{"kind": "words", "unit": "word", "lowercase": "no", "words": ["a"]}',
        '{"kind": "words", "unit": "word", "lowercase": false, "words": "abc"}',
        '{"kind": "words", "unit": "word", "lowercase": false, "words": {"a": 1}}',
        '{"kind": "words", "unit": "word", "lowercase": false, "words": [1, 2]}',
        '{"kind": ["words"], "unit": "word", "lowercase": false, "words": []}',
    ],
)
def test_an_invalid_vocabulary_is_a_one_line_error(wrong):
    with pytest.raises(UsageError, match="this is not a vocabulary") as error:
        text.from_json(wrong)
    assert len(str(error.value).splitlines()) == 1 and len(str(error.value)) < 300


def test_invalid_text_is_rejected_with_its_line(tokenizer, words):
    for vocabulary in (tokenizer, words):
        assert vocabulary.encode([b"Ein Mann"]) == vocabulary.encode(["Ein Mann"])
        with pytest.raises(UsageError, match="line 2 is not UTF-8 text: invalid start byte"):
            vocabulary.encode([b"good", b"\xff\xfe"])
        with pytest.raises(UsageError, match="line 1 is not UTF-8 text: surrogates"):
            vocabulary.encode(["\ud800"])
        with pytest.raises(UsageError, match="line 3 must be text, got None"):
            vocabulary.encode(["a", "b", None])
        with pytest.raises(UsageError, match=r"list of sentences, got one sentence; write \['a'\]"):
            vocabulary.encode("a")


def test_arrays_are_padded_marked_and_limited(tokenizer):
    ids = tokenizer.encode(CORPUS[:2])
    plain, marked = (
        tokenizer.encode_batch(["", *CORPUS[:2]], add_start_end=m) for m in (False, True)
    )
    assert plain.dtype == marked.dtype == np.int32
    assert plain.shape == (3, max(map(len, ids)))
    assert marked[1, : len(ids[0]) + 2].tolist() == [START, *ids[0], END]
    assert marked[0].tolist()[:3] == [START, END, PAD]
    assert tokenizer.encode_batch([]).shape == (0, 1)
    assert tokenizer.encode_batch([""]).tolist() == [[PAD]]
    with pytest.raises(UsageError, match=f"line 2 has {len(ids[1])} ids, more than max_length=5"):
        tokenizer.encode_batch(["a", CORPUS[1]], max_length=5)
    cut = tokenizer.encode_batch(CORPUS[:2], add_start_end=True, max_length=5, truncate=True)
    assert cut.tolist() == [[START, *row[:3], END] for row in ids]


def test_impossible_vocabularies_are_rejected():
    with pytest.raises(UsageError, match="vocabulary_size=50 sub-words.*alone need"):
        text.SentencePieceTokenizer.train(CORPUS, 50)
    with pytest.raises(UsageError, match="got no sentence that contains text"):
        text.SentencePieceTokenizer.train(["", "  "])
    with pytest.raises(UsageError, match="got no sentence that contains text"):
        text.WordTokenizer.train([""])
    with pytest.raises(UnknownNameError, match="model_type 'bpm'.*'bpe'"):
        text.SentencePieceTokenizer.train(CORPUS, model_type="bpm")
    with pytest.raises(UsageError, match="vocabulary_size must be above 4"):
        text.WordTokenizer.train(CORPUS, 4)
    with pytest.raises(UnknownNameError, match="unit 'letter'"):
        text.WordTokenizer(["a"], unit="letter")
    with pytest.raises(UsageError, match="words must be distinct"):
        text.WordTokenizer(["a", "a"])
    with pytest.raises(UsageError, match="not a SentencePiece model"):
        text.SentencePieceTokenizer(b"x")


@pytest.mark.parametrize("wrong", [0, -1, 2.5, True, float("nan"), "8", 2**31])
def test_numbers_are_checked(words, wrong):
    for call in (
        lambda: text.SentencePieceTokenizer.train(CORPUS, vocabulary_size=wrong),
        lambda: text.WordTokenizer.train(CORPUS, vocabulary_size=wrong),
        lambda: text.WordTokenizer.train(CORPUS, min_count=wrong),
        lambda: text.limit_length([[4]], max_length=wrong),
        lambda: words.encode_batch(["a"], max_length=wrong),
        lambda: TextConfig(vocabulary_size=wrong),
        lambda: TextConfig(max_length=wrong),
        lambda: CaptionConfig(min_count=wrong),
        lambda: CaptionConfig(image_size=wrong),
    ):
        with pytest.raises(UsageError, match="must be an integer >= 1"):
            call()


def test_a_limit_leaves_room_between_the_marks():
    for max_length in (1, 2):
        with pytest.raises(UsageError, match="no room for an id between START and END"):
            text.limit_length([[4, 5]], add_start_end=True, max_length=max_length, truncate=True)
    assert text.limit_length([[4, 5]], add_start_end=True, max_length=3, truncate=True) == [
        [START, 4, END]
    ]


def test_ids_outside_the_vocabulary_decode_to_the_unknown_token(tokenizer, words):
    for vocabulary in (tokenizer, words):
        assert vocabulary.tokens([-1, len(vocabulary)]) == 2 * [text.vocabulary.UNKNOWN_TEXT]


def test_importing_the_zoo_imports_no_tokenizer():
    code = (
        "import sys, zoo; assert not {'sentencepiece', 'sacrebleu', 'sacremoses'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
