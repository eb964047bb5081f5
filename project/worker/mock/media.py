"""A picture and a sound, made on the spot, so that returned files can be seen and heard."""

from __future__ import annotations

import hashlib
import math
import struct
import wave
import zlib
from pathlib import Path

SIDE = 256
RATE = 16_000


def draw(path: Path, prompt: str) -> None:
    """Write a PNG of soft rings in colours that depend on the prompt."""
    seed = hashlib.sha256(prompt.encode()).digest()
    centre = (SIDE * (0.25 + seed[0] / 512), SIDE * (0.25 + seed[1] / 512))
    rows = b"".join(b"\x00" + b"".join(_pixel(x, y, centre, seed) for x in range(SIDE)) for y in range(SIDE))
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)
    chunks = (("IHDR", header), ("IDAT", zlib.compress(rows, 6)), ("IEND", b""))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind.encode(), data) for kind, data in chunks))


def _pixel(x: int, y: int, centre: tuple[float, float], seed: bytes) -> bytes:
    distance = math.dist((x, y), centre) / SIDE
    return bytes(int(127 + 100 * math.sin(distance * (9 + seed[2 + c] / 32) + seed[5 + c] / 40)) for c in range(3))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def speak(path: Path, prompt: str) -> None:
    """Write a WAV of three short tones that depend on the prompt."""
    seed = hashlib.sha256(prompt.encode()).digest()
    samples = bytearray()
    for number in range(3):
        pitch = 220 * 2 ** (seed[number] % 18 / 12)
        for index in range(RATE // 4):
            fade = math.sin(math.pi * index / (RATE // 4))
            samples += struct.pack("<h", int(9000 * fade * math.sin(2 * math.pi * pitch * index / RATE)))
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(RATE)
        sound.writeframes(bytes(samples))


def wav_seconds(path: Path) -> float | None:
    """How long a WAV file plays, or None if it is not one."""
    try:
        with wave.open(str(path), "rb") as sound:
            return round(sound.getnframes() / sound.getframerate(), 3)
    except (wave.Error, EOFError, ZeroDivisionError):
        return None
