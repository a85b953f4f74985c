"""Chorales as text, as a score and as sound."""

import wave

import numpy as np
import pytest

from zoo import figures, music
from zoo.data.builders import texts
from zoo.errors import UsageError

FRAMES = [[72, 67, 60, 48], [72, 67, 60, 0], [74, 65, 62, 50]]


def test_frames_survive_the_form_of_text():
    line = music.format_frames(FRAMES)
    assert line.startswith("S72 A67 T60 B48 S72") and "B0" in line
    np.testing.assert_array_equal(music.parse_frames(line), FRAMES)
    np.testing.assert_array_equal(
        music.parse_frames("T60 S72 A67"), [[0, 0, 60, 0], [72, 67, 0, 0]]
    )
    for wrong in ("hello", "S72 A999", "S"):
        with pytest.raises(UsageError, match="a chorale has tokens like S72"):
            music.parse_frames(wrong)
    with pytest.raises(UsageError, match="the text contains no notes"):
        music.parse_frames("")


def test_a_note_has_its_frequency_and_a_repeated_one_is_held():
    sound = music.synthesize(np.array([[69, 0, 0, 0]] * 2), 0.5)
    assert len(sound) == music.RATE and np.abs(sound).max() <= 1
    spectrum = np.abs(np.fft.rfft(sound))
    assert abs(int(spectrum.argmax()) - 440) <= 1  # one second: a bin is a hertz
    assert np.abs(sound[music.RATE // 2 - 200 : music.RATE // 2 + 200]).max() > 0.5
    again = music.synthesize(np.array([[69, 0, 0, 0], [0, 0, 0, 0], [69, 0, 0, 0]]), 0.5)
    assert np.abs(again[music.RATE // 2 : music.RATE]).max() == 0


def test_a_chorale_is_written_as_wav_and_as_a_score(tmp_path):
    music.write_wav(tmp_path / "a.wav", np.array(FRAMES))
    with wave.open(str(tmp_path / "a.wav")) as sound:
        assert sound.getparams()[:3] == (1, 2, music.RATE)
        assert sound.getnframes() == len(FRAMES) * round(music.FRAME_SECONDS * music.RATE)
    image = figures.piano_roll(FRAMES, path=tmp_path / "a.png")
    assert image.ndim == 3 and len(np.unique(image.reshape(-1, 3), axis=0)) > 4
    with pytest.raises(UsageError, match="a piano roll needs notes"):
        figures.piano_roll([[0, 0, 0, 0]])


def test_builders_divide_their_files():
    shakespeare = object.__new__(texts.TinyShakespeare).split_texts("0123456789" * 10)
    assert [len(shakespeare[split][0]) for split in texts.SPLITS] == [90, 5, 5]
    names = object.__new__(texts.Names).split_texts("\n".join(f"n{i}" for i in range(2100)))
    assert [len(names[split]) for split in texts.SPLITS] == [100, 1000, 1000]
    assert len({name for part in names.values() for name in part}) == 2100
    assert names["train"] != sorted(names["train"], key=lambda name: int(name[1:]))
