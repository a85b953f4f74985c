"""Chorales as text, and their sound: four voices, one token for each voice and frame.

    S72 A67 T60 B48 S74 A67 T59 B43 ...

S, A, T, B are soprano, alto, tenor and bass, numbers are MIDI notes, and S0 is a rest.
"""

import os
import wave
from collections.abc import Iterable, Sequence

import numpy as np

from zoo.errors import UsageError, short_repr
from zoo.files import write_atomically

VOICES = "SATB"
REST = 0  # no voice has this note
RATE = 22_050  # samples a second
FRAME_SECONDS = 0.6  # a quarter note
OVERTONES = (1.0, 0.5, 0.3, 0.15, 0.1)  # amplitudes of a tone and its harmonics, like a soft organ
FADE_SECONDS = 0.03  # at both ends of a note, to avoid clicks


def format_frames(frames: Iterable[Sequence[int]]) -> str:
    """The text of frames: for each, the MIDI notes of the four voices, `REST` for none."""
    tokens = [
        f"{voice}{note}" for frame in frames for voice, note in zip(VOICES, frame, strict=True)
    ]
    return " ".join(tokens)


def parse_frames(text: str) -> np.ndarray:
    """The MIDI notes [n, 4] of a text, `REST` for none; a token out of order begins a new frame.

    Raises UsageError: it is not such a text.
    """
    frames: list[list[int]] = []
    last = len(VOICES)
    for token in text.split():
        voice = VOICES.find(token[0])
        note = token[1:]
        if voice < 0 or not note.isdecimal() or int(note) > 127:
            raise UsageError(
                f"a chorale has tokens like S72 or B0, got {short_repr(token)}: use a model that"
                " is trained on jsb_chorales"
            )
        if voice <= last:
            frames.append([REST] * len(VOICES))
        frames[-1][voice] = int(note)
        last = voice
    if not frames:
        raise UsageError("the text contains no notes: generate a longer one")
    return np.array(frames)


def synthesize(frames: np.ndarray, frame_seconds: float = FRAME_SECONDS) -> np.ndarray:
    """The sound of frames [n, 4], float32 in [-1, 1], by additive synthesis.

    A note that a voice repeats is held.
    """
    length = round(frame_seconds * RATE)
    sound = np.zeros(len(frames) * length)
    for voice in np.asarray(frames).T:
        edges = [0, *(np.flatnonzero(np.diff(voice)) + 1), len(voice)]
        for begin, end in zip(edges, edges[1:], strict=False):
            if voice[begin] != REST:
                sound[begin * length : end * length] += _tone(voice[begin], (end - begin) * length)
    return (sound / max(np.abs(sound).max(), 1e-9) * 0.8).astype(np.float32)


def _tone(note: int, length: int) -> np.ndarray:
    """A tone of a MIDI note, [length]."""
    seconds = np.arange(length) / RATE
    frequency = 440.0 * 2 ** ((note - 69) / 12)
    waves = sum(
        amplitude * np.sin(2 * np.pi * frequency * (k + 1) * seconds)
        for k, amplitude in enumerate(OVERTONES)
    )
    fade = np.minimum(1, np.minimum(seconds, seconds[::-1]) / FADE_SECONDS)
    return waves * fade * np.exp(-0.3 * seconds)


def write_wav(
    path: str | os.PathLike[str], frames: np.ndarray, frame_seconds: float = FRAME_SECONDS
) -> None:
    """Writes the sound of frames [n, 4] as a WAV file: one channel, 16 bits, 22,050 Hz."""
    samples = np.round(synthesize(frames, frame_seconds) * 32_767).astype("<i2").tobytes()

    def write(file: object) -> None:
        with wave.open(file, "wb") as sound:  # type: ignore[call-overload]
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(RATE)
            sound.writeframes(samples)

    write_atomically(path, write)
