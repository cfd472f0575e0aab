#!/usr/bin/env python3
"""Makes coughs out of noise: none is a recording. The seed of each file decides everything about it.

A cough is an explosive burst when the glottis opens, a longer decaying flow of air through the throat, and sometimes a
short voiced end. Mouth and nose colour all of it: three resonances. Twelve are for tuning, twelve are read by tests only.
"""

import math
import os
import random

from telephone import RATE, SILENCE, band_limit, spoken_range, write


def resonate(samples, frequency, width):
    """A two-pole resonance of `frequency` and `width` in Hz, about as loud as what goes in."""
    radius = math.exp(-math.pi * width / RATE)
    c1, c2 = 2 * radius * math.cos(2 * math.pi * frequency / RATE), -radius * radius
    gain, y1, y2, out = 1 - radius, 0.0, 0.0, []
    for s in samples:
        y1, y2 = gain * s + c1 * y1 + c2 * y2, y1
        out.append(y1)
    return out


def through_mouth(samples, formants, air):
    """The sum of the resonances, and `air`: the part that nothing colours."""
    parts = [resonate(samples, frequency, width) for frequency, width in formants]
    return [sum(values) + air * s for values, s in zip(zip(*parts), samples)]


def noise(count, chance):
    return [chance.gauss(0, 1) for _ in range(count)]


def voiced(count, pitch, chance):
    """Glottal pulses whose pitch falls and wavers."""
    out, phase = [], 0.0
    for n in range(count):
        phase += pitch * (1 - 0.2 * n / count) * (1 + 0.05 * chance.gauss(0, 1)) / RATE
        out.append(5.0 if phase >= 1 else -0.2)
        phase %= 1.0
    return out


def cough(chance):
    formants = [(chance.uniform(450, 900), chance.uniform(180, 350)), (chance.uniform(1200, 1900), chance.uniform(200, 400)),
                (chance.uniform(2300, 3100), chance.uniform(250, 500))]
    air = chance.uniform(0.1, 0.4)
    burst = int(chance.uniform(0.020, 0.060) * RATE)
    flow = int(chance.uniform(0.100, 0.300) * RATE)
    fall = chance.uniform(2.0, 4.0)
    loudness = chance.uniform(0.25, 0.6)
    attack = RATE * 2 // 1000
    shape = [min(1.0, n / attack) for n in range(burst)]
    shape += [loudness * math.exp(-fall * n / flow) for n in range(flow)]
    out = [s * e for s, e in zip(through_mouth(noise(len(shape), chance), formants, air), shape)]
    tail = None
    if chance.random() < 0.5:
        count = int(chance.uniform(0.040, 0.100) * RATE)
        tail = round(count / RATE * 1000)
        strength = chance.uniform(0.1, 0.3)
        voice = through_mouth(voiced(count, chance.uniform(90, 250), chance), formants, 0.0)
        begin = burst + int(flow * chance.uniform(0.4, 0.8))
        out += [0.0] * max(0, begin + count - len(out))
        for n, s in enumerate(voice):
            out[begin + n] += strength * s * math.sin(math.pi * n / count)
    return out, {"burst_ms": round(burst / 8), "flow_ms": round(flow / 8), "voiced_tail_ms": tail}


def make(path, seed):
    chance = random.Random(seed)
    samples, parts = cough(chance)
    if chance.random() < 0.4:
        second, part = cough(chance)
        parts = [parts, part]
        samples = samples + [0.0] * int(chance.uniform(0.08, 0.30) * RATE) + second
    else:
        parts = [parts]
    samples = band_limit(samples + [0.0] * 160, RATE)
    peak = 32768 * 10 ** (chance.uniform(-16, -4) / 20)
    factor = peak / max(abs(s) for s in samples)
    samples = [s * factor for s in samples]
    start, end = spoken_range(samples)
    facts = {"seed": seed, "start": SILENCE + start, "end": SILENCE + end, "coughs": parts}
    write(path, [0.0] * SILENCE + samples + [0.0] * SILENCE, facts)
    print(path)


def main():
    for folder, first_seed in (("tuning", 1000), ("test", 2000)):
        os.makedirs(f"coughs/{folder}", exist_ok=True)
        for number in range(1, 13):
            make(f"coughs/{folder}/cough-{number:02}", first_seed + number)


if __name__ == "__main__":
    main()
