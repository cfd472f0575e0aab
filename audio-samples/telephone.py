"""What both sample makers share: a telephone's band, levels, labels and WAV files. Standard library only."""

import array
import json
import math
import operator
import wave

RATE = 8000
SILENCE = int(1.2 * RATE)
"""Digital silence around and between utterances, in samples."""


def band_limit(samples, rate):
    """300-3400 Hz at 8 kHz, from any rate: a band-pass windowed sinc, 10 ms to each side, evaluated where needed."""
    reach = int(0.010 * rate)
    phases = RATE // math.gcd(RATE, rate)
    taps = [_taps(rate, reach, (p * rate % RATE) / RATE) for p in range(phases)]
    padded = [0.0] * reach + [float(s) for s in samples] + [0.0] * (reach + 1)
    count = len(samples) * RATE // rate
    out = []
    for n in range(count):
        at = n * rate // RATE
        out.append(sum(map(operator.mul, padded[at:at + 2 * reach + 1], taps[n % phases])))
    return out


def _taps(rate, reach, offset):
    low, high = 300.0 / rate, 3400.0 / rate
    taps = []
    for k in range(-reach, reach + 1):
        t = offset - k
        edge = 1.0 - (t / (reach + 1)) ** 2
        taps.append((2 * high * _sinc(2 * high * t) - 2 * low * _sinc(2 * low * t)) * _bessel(6.0, edge) / _bessel(6.0, 1.0))
    return taps


def _sinc(x):
    return 1.0 if x == 0 else math.sin(math.pi * x) / (math.pi * x)


def _bessel(beta, edge):
    total = term = 1.0
    for k in range(1, 25):
        term *= beta * beta * max(edge, 0.0) / (4 * k * k)
        total += term
    return total


def blocks(samples):
    """Root mean square of each 10 ms."""
    size = RATE // 100
    return [math.sqrt(sum(s * s for s in samples[n:n + size]) / size) for n in range(0, len(samples) - size + 1, size)]


def spoken_range(samples, down_db=30.0):
    """First and one-past-last sample of the blocks of 10 ms that are less than `down_db` below the loudest."""
    levels = blocks(samples)
    limit = max(levels) * 10 ** (-down_db / 20)
    loud = [n for n, level in enumerate(levels) if level > limit]
    return loud[0] * RATE // 100, (loud[-1] + 1) * RATE // 100


def at_level(samples, dbfs):
    """Scaled so that the louder half of its 10 ms blocks has that root mean square level."""
    levels = sorted(blocks(samples))
    loud = levels[len(levels) // 2:]
    now = math.sqrt(sum(level * level for level in loud) / len(loud))
    factor = 32768 * 10 ** (dbfs / 20) / now
    return [s * factor for s in samples]


def write(path, samples, facts):
    """`path`.wav and, beside it, `path`.json with what is known about it."""
    pcm = array.array("h", (max(-32768, min(32767, round(s))) for s in samples))
    with wave.open(f"{path}.wav", "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(pcm.tobytes())
    with open(f"{path}.json", "w", encoding="utf-8") as file:
        json.dump({"sample_rate": RATE, "samples": len(pcm), **facts}, file, ensure_ascii=False, indent=2)
        file.write("\n")
