"""Image files become arrays in one place: upright, opaque, of 8 bits, in the model's channels."""

import os
import re
import struct
import types
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

import zoo.data
from zoo.cli import caption
from zoo.data import corpora
from zoo.data.builders import style_images
from zoo.data.image_files import read_image
from zoo.errors import UsageError
from zoo.model.image_samples import sample_conditions

GRAY = np.arange(24, dtype=np.uint8).reshape(4, 6) * 10
COLOR = np.stack([GRAY, GRAY // 2, 255 - GRAY], -1)
OPAQUE = np.repeat([[255], [255], [0], [0]], 6, 1).astype(np.uint8)  # the upper half
SIXTEEN = GRAY.astype("u2") * 257


def chunk(kind, content):
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)


def png(rows, size, depth, color, *extra):
    """The bytes of a PNG file, for what Pillow does not write."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, depth, color, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + bytes(row) for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(extra) + data + chunk(b"IEND", b"")


def flat(*pixel):
    return np.full((4, 6, len(pixel)), pixel, np.uint8)


def image(pixels, mode=None):
    made = Image.fromarray(np.asarray(pixels))
    return made if mode is None else made.convert(mode)


def indexed():
    made = Image.new("P", (6, 4), 1)
    made.putpalette([0, 0, 0, 10, 20, 30])
    return made


def swapped_primaries():
    """An ICC profile in which red and blue are exchanged."""
    raw = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    other = {b"rXYZ": b"bXYZ", b"bXYZ": b"rXYZ"}
    raw = re.sub(b"[rb]XYZ", lambda match: other[match[0]], raw)
    return raw.replace("sRGB".encode("utf-16-be"), "test".encode("utf-16-be"))


SWAPPED = swapped_primaries()
DEEP = np.dstack([SIXTEEN, OPAQUE.astype("u2") * 257]).astype(">u2")
CUT = np.where(OPAQUE, GRAY, 255)
CUT_COLOR = np.where(OPAQUE[..., None], COLOR, 255)
RGBA = image(np.dstack([COLOR, OPAQUE]))
CYAN = Image.new("CMYK", (6, 4), (255, 0, 0, 0))
MORE = {"save_all": True, "append_images": [image(flat(200, 200, 200))]}
FILES = {  # name -> what is saved, how, pixels that are read
    "gray.png": (image(GRAY), {}, GRAY),
    "color.PNG": (image(COLOR), {}, COLOR),
    "bits.png": (image(GRAY > 50), {}, 255 * (GRAY > 50)),
    "bits.tif": (image(GRAY > 50), {}, 255 * (GRAY > 50)),
    "deep.png": (image(SIXTEEN), {}, GRAY),
    "deep.tiff": (image(SIXTEEN), {}, GRAY),
    "deep.pgm": (image(SIXTEEN), {}, GRAY),
    "rounded.png": (image(0 * SIXTEEN + 127 * 257 + 129), {}, 0 * GRAY + 128),
    "deep_key.png": (image(SIXTEEN), {"transparency": 0}, np.where(GRAY, GRAY, 255)),
    "deep_alpha.png": (
        png([row.tobytes() for row in DEEP], (6, 4), 16, 4),
        {},
        np.dstack([CUT] * 3),
    ),
    "indexed.png": (indexed(), {}, flat(10, 20, 30)),
    "indexed.gif": (indexed(), {}, flat(10, 20, 30)),
    "clear.png": (indexed(), {"transparency": 1}, flat(255, 255, 255)),
    "clear.gif": (indexed(), {"transparency": 1}, flat(255, 255, 255)),
    "half.png": (indexed(), {"transparency": bytes([255, 128])}, flat(132, 137, 142)),
    "rgba.png": (RGBA, {}, CUT_COLOR),
    "rgba.webp": (RGBA, {"lossless": True}, CUT_COLOR),
    "key.png": (image(flat(9, 8, 7)), {"transparency": (9, 8, 7)}, flat(255, 255, 255)),
    "la.png": (Image.merge("LA", [image(GRAY), image(OPAQUE)]), {}, CUT),
    "cmyk.tif": (CYAN, {}, flat(0, 255, 255)),
    "cmyk.jpg": (CYAN, {}, flat(0, 255, 255)),
    "two.gif": (image(flat(10, 10, 10)), MORE, flat(10, 10, 10)),
    "two.webp": (image(flat(10, 10, 10)), MORE | {"lossless": True}, flat(10, 10, 10)),
    "two.png": (image(flat(10, 10, 10)), MORE, flat(10, 10, 10)),
    "two.tif": (image(flat(10, 10, 10)), MORE, flat(10, 10, 10)),
    "phone.jpg": (image(flat(10, 10, 10)), MORE | {"format": "MPO"}, flat(10, 10, 10)),
    "flat.bmp": (image(flat(1, 2, 3)), {}, flat(1, 2, 3)),
    "profile.png": (image(flat(200, 100, 50)), {"icc_profile": SWAPPED}, flat(50, 100, 200)),
    "profile.jpg": (image(flat(9, 9, 9)), {"icc_profile": SWAPPED[:99]}, flat(9, 9, 9)),
    "gray_profile.png": (image(GRAY), {"icc_profile": SWAPPED}, GRAY),
    "exif.png": (png(GRAY, (6, 4), 8, 0, chunk(b"eXIf", b"Exif\0\0rubbish")), {}, GRAY),
}


@pytest.mark.parametrize("name", FILES)
def test_every_file_format_is_read_as_viewers_display_it(name, tmp_path, capsys):
    saved, how, expected = FILES[name]
    file = tmp_path / name
    if isinstance(saved, bytes):
        file.write_bytes(saved)
    else:
        saved.save(file, **how)
    pixels = read_image(file)
    assert pixels.dtype == np.uint8
    expected = expected[..., None] if expected.ndim == 2 else expected
    np.testing.assert_array_equal(pixels, expected)
    note = f"note: {file} has more than one frame; the first is read\n"
    assert capsys.readouterr().err == (note if name.startswith("two") else "")


UPRIGHT = {
    1: lambda x: x,
    2: np.fliplr,
    3: lambda x: np.rot90(x, 2),
    4: np.flipud,
    5: np.transpose,
    6: lambda x: np.rot90(x, -1),
    7: lambda x: np.rot90(x, 2).T,
    8: np.rot90,
}


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "tif"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_images_are_rotated_by_their_exif_orientation(orientation, ending, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    scene = image(np.kron(GRAY, np.ones((8, 8), np.uint8)))
    how = {"lossless": True} if ending == "webp" else {}
    scene.save(tmp_path / f"a.{ending}", exif=exif, **how)
    pixels = read_image(tmp_path / f"a.{ending}", channels=1)[..., 0]
    upright = UPRIGHT[orientation](np.asarray(scene).astype(int))
    assert pixels.shape == upright.shape
    assert np.abs(pixels - upright).max() <= 3  # JPEG


def test_channels_and_size_are_those_of_the_model(tmp_path):
    image(GRAY).save(tmp_path / "gray.png")
    image(COLOR).save(tmp_path / "color.png")
    gray, color = tmp_path / "gray.png", tmp_path / "color.png"
    np.testing.assert_array_equal(read_image(gray, channels=3), np.stack([GRAY] * 3, -1))
    luminance = COLOR @ [0.299, 0.587, 0.114]
    assert np.abs(read_image(color, channels=1)[..., 0] - luminance).max() <= 1
    assert read_image(gray, channels=3, size=2).shape == (2, 2, 3)
    with pytest.raises(UsageError, match="channels must be 1 or 3 for image files, got 4"):
        read_image(gray, channels=4)
    with pytest.raises(UsageError, match="size must be an integer >= 1"):
        read_image(gray, size=0)


def shared(path):
    image(COLOR).save(path)


UNREADABLE = {
    "torn.png": (lambda path: path.write_bytes(b"torn"), "damaged, or not in one of the formats"),
    "empty.jpg": (lambda path: path.write_bytes(b""), "damaged, or not in one of the formats"),
    "text.png": (
        lambda path: path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n"),
        "not in one of the formats",
    ),
    "none.png": (lambda path: None, "No such file"),
    "pipe.png": (os.mkfifo, "not a regular file"),
    "folder.png": (os.mkdir, "not a regular file"),
    "zero.png": (lambda path: path.symlink_to("/dev/zero"), "not a regular file"),
    "large.png": (
        lambda path: path.write_bytes(png([b""], (12_000, 12_000), 8, 0)),
        "144000000 pixels.* exceeds limit of 89478485 pixels .*MAX_IMAGE_PIXELS.*scale it down",
    ),
    "huge.png": (lambda path: path.write_bytes(png([b""], (30_000, 30_000), 8, 0)), "900000000"),
    "text_chunk.png": (
        lambda path: path.write_bytes(
            png(GRAY, (6, 4), 8, 0, chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(5_000_000))))
        ),
        "Decompressed data too large",
    ),
    "float.tif": (lambda path: image(GRAY.astype("f4")).save(path), "save it with 8 or 16 bits"),
    "int.tif": (lambda path: image(GRAY.astype("i4")).save(path), "save it with 8 or 16 bits"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_an_unreadable_file_is_a_one_line_error_with_its_name(name, tmp_path):
    make, message = UNREADABLE[name]
    make(tmp_path / name)
    with pytest.raises(
        UsageError, match=f"{name} cannot be read as an image: .*{message}"
    ) as error:
        read_image(tmp_path / name)
    assert len(str(error.value).splitlines()) == 1


# ---------------------------------------------------------------- all readers


@pytest.fixture
def phone(tmp_path):
    """A gray photograph of 4 x 6 pixels with a rotated orientation, square when cropped."""
    exif = Image.Exif()
    exif[0x0112] = 6
    image(GRAY).save(tmp_path / "phone.png", exif=exif)
    return tmp_path / "phone.png"


def captioned(phone):
    model = types.SimpleNamespace(image_shape=(4, 4, 3), input_feature="image", name="captioner")
    return caption.load_images(model, [phone], None)[1][0]


def corpus(phone):
    (phone.parent / "captions.txt").write_text("phone.png\ta phone\n")
    read = corpora.load_captions(phone.parent, captions=phone.parent / "captions.txt", image_size=4)
    return read.arrays["image"][0].repeat(3, -1)


def style_image(phone):
    return style_images.read_scaled(phone)[1:5].repeat(3, -1)


def reference(phone):
    def sample(reference):
        return reference

    model = types.SimpleNamespace(image_shape=(4, 4, 3), sample=sample)
    return np.round(255 * sample_conditions(model, None, phone)["reference"][0])


def folder(phone):
    return 255 * zoo.data.load(phone.parent, image_size=4).take(1)["image"][0].repeat(3, -1)


def paired(phone):
    for side in ("a", "b"):
        (phone.parent / "pairs" / side).mkdir(parents=True)
        os.link(phone, phone.parent / "pairs" / side / "1.png")
    batch = zoo.data.load(f"AtoB:{phone.parent / 'pairs'}", image_size=4).take(1)
    return 255 * batch["target"][0].repeat(3, -1)


@pytest.mark.parametrize("reader", [captioned, corpus, style_image, reference, folder, paired])
def test_every_reader_of_images_applies_the_exif_orientation(reader, phone):
    expected = np.rot90(GRAY, -1)[1:5]
    np.testing.assert_allclose(reader(phone), np.stack([expected] * 3, -1), atol=1e-4)
