"""Texts, captions and ratings from files and data sets: read, or rejected with their line."""

import gzip
import unicodedata

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image

import zoo.data
from zoo.data import corpora
from zoo.data.builders import dates, multi30k_tokenized, ratings, shapes
from zoo.errors import DataNotPreparedError, UnknownNameError, UsageError, ZooError


def test_tables_and_parallel_files_are_read_gzipped_or_not(tmp_path):
    source, target = ["Ein Hund.", "", "Zwei Ü"], ["A dog.", "", "Two U"]
    for language, lines in (("de", source), ("en", target)):
        (tmp_path / f"val.{language}").write_bytes("\n".join(lines).encode() + b"\n")
        with gzip.open(tmp_path / f"train.{language}.gz", "wb") as file:
            file.write("\r\n".join(lines).encode())
    table = tmp_path / "table.tsv"
    table.write_text(
        "\ufeff" + "".join(f"{t}\t{s}\tCC\n" for s, t in zip(source, target, strict=True))
    )
    for corpus in (
        corpora.load_pairs(tmp_path, "val", ("de", "en")),
        corpora.load_pairs(tmp_path, "train", ("de", "en")),
        corpora.load_pairs((tmp_path / "train.de.gz", tmp_path / "val.en")),
        corpora.load_pairs(table, columns=(1, 0)),
    ):
        assert corpus.texts == {"source": source, "target": target}
    assert corpora.load_pairs(tmp_path, "val[1:]", ("en", "de")).texts["target"] == source[1:]
    assert len(corpora.load_pairs(table, "train[:2]")) == 2


def test_bad_files_are_named_with_the_line(tmp_path):
    good, bad, short = (tmp_path / name for name in ("a.de", "b.en", "c.tsv"))
    good.write_bytes(b"one\ntwo\n")
    bad.write_bytes(b"one\ntw\xff\n")
    short.write_text("a\tb\nonly one\n")
    with pytest.raises(UsageError, match=f"{bad}: line 2 is not UTF-8"):
        corpora.load_pairs((good, bad))
    bad.write_bytes(b"one\n")
    with pytest.raises(UsageError, match="has 2 lines and .* 1; line n"):
        corpora.load_pairs((good, bad))
    with pytest.raises(UsageError, match=f"{short}: line 2 has 1 columns"):
        corpora.load_pairs(short)
    with pytest.raises(UsageError, match="has no val.de and no val.de.gz; it has a.de, b.en"):
        corpora.load_pairs(tmp_path, "val", ("de", "en"))
    with pytest.raises(UsageError, match="languages="):
        corpora.load_pairs(tmp_path)
    with pytest.raises(UsageError, match="there is no file .*nowhere.tsv"):
        corpora.load_pairs(tmp_path / "nowhere.tsv")
    torn = tmp_path / "torn.gz"
    torn.write_bytes(gzip.compress(b"a\tb\n" * 99)[:-9])
    with pytest.raises(UsageError, match="torn.gz cannot be read"):
        corpora.load_pairs(torn)


def test_a_folder_of_images_with_captions(tmp_path):
    for number in range(3):
        Image.new("RGB", (8, 6), (80 * number,) * 3).save(tmp_path / f"{number}.png")
    flickr, kaggle, wrong = (tmp_path / f"{name}.txt" for name in ("flickr", "kaggle", "wrong"))
    flickr.write_text(
        "".join(f"{n}.png#{k}\tcaption {n} {k}\n" for n in range(3) for k in range(2))
    )
    kaggle.write_text('image,caption\n1.png,"one, and"\n2.png,two\n')
    corpus = corpora.load_captions(tmp_path, captions=flickr, image_size=4)
    assert corpus.arrays["image"].shape == (3, 4, 4, 3)
    assert corpus.arrays["image"][:, 0, 0, 0].tolist() == [0, 80, 160]
    assert corpus.rows.tolist() == [0, 0, 1, 1, 2, 2]
    assert corpus.references("caption")[2] == ["caption 2 0", "caption 2 1"]
    assert corpora.load_captions(tmp_path, captions=kaggle).texts["caption"] == ["one, and", "two"]
    (tmp_path / "list.txt").write_text("2.png\n")
    some = corpora.load_captions(tmp_path, captions=flickr, names=tmp_path / "list.txt")
    assert some.texts["caption"] == ["caption 2 0", "caption 2 1"]
    Image.new("RGB", (8, 6)).save(tmp_path / unicodedata.normalize("NFD", "été.png"))
    (tmp_path / "composed.txt").write_text("été.png\tsummer\n")
    composed = corpora.load_captions(tmp_path, captions=tmp_path / "composed.txt")
    assert composed.texts["caption"] == ["summer"]
    wrong.write_text("a.png\tx\n0.png\ty\nb.png\tz\n")
    with pytest.raises(UsageError, match=r"2 of 3 images have no file .*: a.png, b.png"):
        corpora.load_captions(tmp_path, captions=wrong)
    wrong.write_text("0.png\ty\nno caption\n")
    with pytest.raises(UsageError, match="wrong.txt: line 2 must be an image's name"):
        corpora.load_captions(tmp_path, captions=wrong)


def test_dates_have_one_correct_target_and_splits_are_disjoint():
    written, iso = dates.generate(2000)
    targets = {}
    assert all(targets.setdefault(w, i) == i for w, i in zip(written, iso, strict=True))
    assert dates.generate(5, first=7) == (written[7:12], iso[7:12])
    assert written[:5] != dates.generate(5, seed=1)[0]
    parts = {split: set(dates.generate(400, split=split)[1]) for split in dates.DAY_RANGES}
    assert not parts["train"] & parts["test"] | parts["train"] & parts["validation"]
    assert min(iso) < "1955" < "2045" < max(iso)
    day = dates.datetime.date(2019, 7, 22)
    assert dates.format_date(day, "en", "the {d}{th} of {M} {Y}") == "the 22nd of July 2019"
    assert dates.format_date(day, "de", "{W}, den {d}. {M} {Y}") == "Montag, den 22. Juli 2019"
    assert dates.format_date(day, "ja", "{Y}年{m}月{d}日({W})") == "2019年7月22日(月)"
    with pytest.raises(UsageError, match="unknown split of dates 'dev'"):
        dates.generate(1, split="dev")


def test_shapes_are_placed_as_in_their_captions():
    found = shapes.generate(60)
    assert found["image"].shape == (60, 48, 48, 3)
    assert len(set(found["caption"])) > 40
    for image, caption, centres in zip(*found.values(), strict=True):
        words = caption.replace("a ", "").split()
        colours = [word for word in words if word in shapes.COLORS]
        assert len(colours) == (centres[:, 0] >= 0).sum() == caption.count("a ")
        for colour, (row, column) in zip(colours, 48 * centres, strict=False):
            pixel = image[int(row), int(column)] / 255
            nearest = min(shapes.COLORS, key=lambda c: np.abs(pixel - shapes.COLORS[c]).sum())
            assert nearest == colour
        if "left of" in caption:
            assert centres[0, 1] < centres[1, 1]
        if caption.count("above") == 1 and "left" not in caption:
            assert centres[0, 0] < centres[1, 0]
        if " and above" in caption:
            assert centres[0, 0] < centres[2, 0]
    again = shapes.generate(2, first=30)
    assert np.array_equal(again["image"], found["image"][30:32])
    assert again["caption"] == found["caption"][30:32]


def test_procedural_texts_are_generated_when_needed(monkeypatch, tmp_path, offline, capsys):
    monkeypatch.setattr(dates, "SPLITS", {"train": 30, "test": 5})
    monkeypatch.setattr(shapes, "SPLITS", {"train": 6, "test": 3})
    monkeypatch.setattr(ratings, "SPLITS", {"train": 50, "test": 10})
    corpus = corpora.load_pairs("dates", "test", data_dir=tmp_path)
    assert [*corpus.texts.values()] == [*dates.generate(5, split="test")]
    turned = corpora.load_pairs("dates", "train[:3]", ("iso", "written"), data_dir=tmp_path)
    assert turned.texts["source"] == dates.generate(3)[1]
    scenes = corpora.load_captions("shapes", "test", data_dir=tmp_path)
    expected = shapes.generate(3, first=6)
    assert np.array_equal(scenes.arrays["image"], expected["image"])
    assert np.array_equal(scenes.arrays["centres"], expected["centres"])
    assert scenes.texts["caption"] == expected["caption"]
    stars = ratings.load("ratings", "test", data_dir=tmp_path).take(10)
    assert np.array_equal(stars["rating"], ratings.generate(60)["rating"][50:])
    assert len(capsys.readouterr().err.splitlines()) == 3


def test_ratings_are_those_of_the_preferences():
    found, known = ratings.generate(20_000), ratings.latent_factors()
    assert len({*zip(found["user"], found["item"], strict=True)}) == 20_000
    liked = (known["user"][found["user"]] * known["item"][found["item"]]).sum(1)
    expected = np.clip(3 + liked + known["bias"][found["item"]], 1, 5)
    error = np.sqrt(np.mean((expected - found["rating"]) ** 2))
    assert ratings.NOISE < error < 1.15 * ratings.NOISE
    assert found["rating"].std() > 3 * error
    assert set(2 * found["rating"]) <= set(range(2, 11))
    with pytest.raises(UsageError, match="n must be .*got 0"):
        ratings.generate(0)


def test_multi30k_is_read_from_its_manual_folder(tmp_path, offline):
    with pytest.raises(DataNotPreparedError, match=f"zoo data prepare multi30k; or .*{tmp_path}"):
        corpora.load_pairs("multi30k", data_dir=tmp_path)
    with pytest.raises(ZooError, match="cannot download 'multi30k': raw.githubusercontent.com"):
        zoo.data.prepare("multi30k", tmp_path)
    folder = tmp_path / "downloads" / "manual" / "multi30k"
    folder.mkdir(parents=True)
    for stem in ("train", "val", "test_2016_flickr"):
        (folder / f"{stem}.de").write_text(f"{stem} Ü\nzwei\n")
        (folder / f"{stem}.en.gz").write_bytes(gzip.compress(f"{stem} U\ntwo\n".encode()))
    zoo.data.prepare("multi30k", tmp_path)
    corpus = corpora.load_pairs("multi30k", "test", data_dir=tmp_path)
    assert corpus.texts == {
        "source": ["test_2016_flickr Ü", "zwei"],
        "target": ["test_2016_flickr U", "two"],
    }
    turned = corpora.load_pairs("multi30k", "validation", ("en", "de"), data_dir=tmp_path)
    assert turned.texts["target"] == ["val Ü", "zwei"]
    with pytest.raises(UsageError, match=r"has the languages de, en; got \('fr', 'en'\)"):
        corpora.load_pairs("multi30k", languages=("fr", "en"), data_dir=tmp_path)


def test_tokens_of_multi30k_are_read_or_made(tmp_path, offline):
    with pytest.raises(DataNotPreparedError, match="put the files .*lc.norm.tok"):
        corpora.load_pairs("multi30k_tokenized", data_dir=tmp_path)
    folder = tmp_path / "downloads" / "manual" / "multi30k_tokenized"
    folder.mkdir(parents=True)
    for stem in multi30k_tokenized.SPLITS.values():
        for language in ("en", "de", "fr"):
            (folder / f"{stem}.lc.norm.tok.{language}").write_text(f"{stem} in {language} .\n")
    (folder / "train.lc.norm.tok.en").unlink()
    (folder / "train.en.gz").write_bytes(gzip.compress("A woman’s “big” dog, on-line.".encode()))
    zoo.data.prepare("multi30k_tokenized", tmp_path)
    train = corpora.load_pairs("multi30k_tokenized", "train", ("en", "fr"), data_dir=tmp_path)
    assert train.texts == {
        "source": ["a woman &apos;s &quot; big &quot; dog , on-line ."],
        "target": ["train in fr ."],
    }
    test = corpora.load_pairs("multi30k_tokenized", "test_2017_mscoco", data_dir=tmp_path)
    assert test.texts["target"] == ["test_2017_mscoco in de ."]
    assert {*zoo.data.splits("multi30k_tokenized")} == {*multi30k_tokenized.SPLITS}


def test_flickr8k_is_read_from_its_manual_folder(tmp_path, offline):
    with pytest.raises(DataNotPreparedError, match="Flicker8k_Dataset.*zoo data prepare flickr8k"):
        corpora.load_captions("flickr8k", data_dir=tmp_path)
    folder = tmp_path / "downloads" / "manual" / "flickr8k"
    (folder / "Flicker8k_Dataset").mkdir(parents=True)
    names = {"train": ["a.jpg", "b.jpg"], "dev": ["c.jpg"], "test": ["d.jpg"]}
    for part, those in names.items():
        (folder / f"Flickr_8k.{part}Images.txt").write_text("\n".join(those) + "\n")
        for name in those[:-1] if part == "test" else those:
            Image.new("RGB", (20, 30), (200, 0, 0)).save(folder / "Flicker8k_Dataset" / name)
    every = sum(names.values(), [])
    lines = "".join(f"{name}#{k}\t{name} {k}\n" for name in every for k in range(5))
    (folder / "Flickr8k.token.txt.gz").write_bytes(gzip.compress(lines.encode()))
    with pytest.raises(UsageError, match="1 of 4 images have no file .*: d.jpg"):
        zoo.data.prepare("flickr8k", tmp_path)
    Image.new("RGB", (40, 10), (0, 200, 0)).save(folder / "Flicker8k_Dataset" / "d.jpg")
    zoo.data.prepare("flickr8k", tmp_path)
    corpus = corpora.load_captions("flickr8k", "train", image_size=16, data_dir=tmp_path)
    assert corpus.arrays["image"].shape == (2, 16, 16, 3)
    assert corpus.texts["caption"][5:7] == ["b.jpg 0", "b.jpg 1"]
    test = corpora.load_captions("flickr8k", "test", data_dir=tmp_path)
    assert test.arrays["image"].shape == (1, 160, 160, 3)


def test_the_wrong_loader_names_the_right_one(tmp_path):
    with pytest.raises(UsageError, match="dates holds pairs.*zoo.data.corpora.load_pairs"):
        zoo.data.load("dates", data_dir=tmp_path)
    with pytest.raises(UsageError, match="mnist holds images.*zoo.data.load"):
        corpora.load_pairs("mnist")
    with pytest.raises(UsageError, match="dates holds pairs"):
        corpora.load_captions("dates")
    with pytest.raises(UsageError, match="dates holds pairs"):
        ratings.load("dates")


def test_real_flickr8k_has_five_captions_an_image():
    if not zoo.data.is_prepared("flickr8k"):
        pytest.skip(f"Flickr8k is not in {zoo.data.directory()}")
    corpus = corpora.load_captions("flickr8k", "test[:20]")
    assert corpus.arrays["image"].shape == (20, 160, 160, 3)
    assert {len(captions) for captions in corpus.references("caption")} == {5}


def test_data_sets_of_tfds_are_read_by_their_kind(monkeypatch, tmp_path):
    monkeypatch.setattr(tfds.core.DatasetBuilder, "is_prepared", lambda self: True)
    with tfds.testing.mock_data(num_examples=4):
        for name in ("ted_hrlr_translate", "ted_hrlr_translate/ru_to_en", "tatoeba/tatoeba_fr"):
            corpus = corpora.load_pairs(name, "train", data_dir=tmp_path)
            assert {*map(type, corpus.texts["source"] + corpus.texts["target"])} == {str}
            assert len(corpus) == 4
        stars = zoo.data.load("movielens/100k-ratings", batch_size=2, data_dir=tmp_path)
        batch = next(iter(stars(0)))
        assert len(stars) == 2 and max(stars.take(4)["user"]) < 4
        assert {k: v.dtype.name for k, v in batch.items()} == (
            {"user": "int32", "item": "int32", "rating": "float32"}
        )
    image = tf.io.encode_jpeg(np.zeros((20, 30, 3), np.uint8))

    def as_dataset(*args, **kwargs):
        """As TFDS has COCO: captions in a dict, of any number, and images of any size."""
        two, three = (
            tf.data.Dataset.from_tensors({"image": image, "captions": {"text": list(texts)}})
            for texts in ("ab", "cde")
        )
        return two.concatenate(three)

    with tfds.testing.mock_data(as_dataset_fn=as_dataset):
        found = corpora.load_captions("coco_captions", "test", image_size=8, data_dir=tmp_path)
    assert found.arrays["image"].shape == (2, 8, 8, 3)
    assert found.references("caption") == [["a", "b"], ["c", "d", "e"]]
    with pytest.raises(UnknownNameError, match="data set 'tatoebo'"):
        zoo.data.info("tatoebo/tatoeba_fr")
    assert zoo.data.info("tatoeba/tatoeba_fr").path == "tatoeba/tatoeba_fr"
    assert zoo.data.info("tatoeba").path == "tatoeba/tatoeba_de"
