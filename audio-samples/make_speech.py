#!/usr/bin/env python3
"""Speaks the callers with flite and espeak-ng, as a telephone would carry them. See README.md."""

import array
import io
import os
import random
import subprocess
import tempfile
import wave

from telephone import RATE, SILENCE, at_level, band_limit, spoken_range, write

CALLS = {
    "order-status-slt": {
        "voice": "slt", "level": -20,
        "says": ["i want to check my order", "eight zero zero five three one nine two", "yes that is right", "no thank you"],
    },
    "order-status-rms-mulaw": {
        "voice": "rms", "level": -24, "mulaw": True,
        "says": ["where is my order", "two four one eight one three five seven", "yes please", "no thank you"],
    },
    "return-awb": {
        "voice": "awb", "level": -18,
        "says": ["i would like to return something", "yes", "no thank you", "goodbye"],
    },
    "person-kal16": {
        "voice": "kal16", "level": -22,
        "says": ["talk to a person", "yes"],
    },
    "awkward-slt-noise": {
        "voice": "slt", "level": -20, "stretch": 1.1, "snr": 15, "seed": 5,
        "says": ["could you tell me about the history of rome", "check my order",
                 "eight seven two five four three two one", "no", "eight zero zero five three one nine two", "yes",
                 "goodbye"],
    },
    "barge-in-rms": {
        "voice": "rms", "level": -19, "stretch": 0.95,
        "says": ["talk to a person", "yes please"],
    },
    "order-status-espeak": {
        "voice": "en-us", "level": -21,
        "says": ["check my order", "one two three four five two seven eight", "yes", "goodbye"],
    },
    "order-status-mandarin": {
        "voice": "cmn-latn-pinyin", "level": -21,
        "says": ["你好，我要查订单", "一二三四五六七八", "是的", "谢谢，再见"],
    },
}

OUT_OF_GRAMMAR = [
    ("slt", "could you tell me about the history of rome"),
    ("rms", "the weather will be nice on sunday"),
    ("slt", "my neighbour plays the trumpet every evening"),
    ("rms", "what time does the museum open"),
    ("awb", "please pass me the salt and the pepper"),
    ("slt", "he painted the fence green last summer"),
    ("rms", "how many legs does a spider have"),
    ("kal16", "the train to the mountains was late again"),
    ("slt", "i dreamed about a purple elephant"),
    ("rms", "sing me a song about the sea"),
]

OUT_OF_GRAMMAR_TEST = [
    ("rms", "my grandmother bakes wonderful apple pies"),
    ("slt", "which river flows through budapest"),
    ("awb", "the cat is sleeping under the kitchen table"),
    ("rms", "can you recommend a good book about gardening"),
    ("slt", "they built a wooden bridge across the valley"),
    ("kal16", "the moon was hidden behind the clouds"),
    ("rms", "we are going camping with our cousins"),
    ("slt", "how do you cook rice without burning it"),
    ("rms", "my bicycle has a flat tire"),
    ("slt", "the football match was cancelled because of rain"),
    ("awb", "is there life on other planets"),
    ("rms", "she teaches mathematics at the village school"),
    ("slt", "turn the lamp off before you leave"),
    ("kal16", "our garden is full of yellow flowers"),
    ("rms", "the old clock in the hallway stopped working"),
    ("slt", "could you translate this poem into french"),
    ("rms", "ten thousand people watched the parade"),
    ("en-us", "a strange noise came from the attic"),
    ("slt", "the doctor told him to drink more water"),
    ("rms", "who invented the steam engine"),
]


def speak(voice, text, stretch=1.0):
    """Samples and rate, as the synthesizer made them."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "speech.wav")
        if voice in ("en-us", "cmn-latn-pinyin"):
            command = ["espeak-ng", "-v", voice, "-s", str(round(155 / stretch)), "-w", path, text]
        else:
            command = ["flite", "-voice", voice, "--setf", f"duration_stretch={stretch}", "-t", text, "-o", path]
        subprocess.run(command, check=True)
        with open(path, "rb") as file:
            data = file.read()
    with wave.open(io.BytesIO(data)) as file:
        rate = file.getframerate()
        return array.array("h", file.readframes(file.getnframes())), rate


def utterance(voice, text, level, stretch=1.0):
    """Telephone-band speech without the silence around it; weak consonants at its ends stay."""
    narrow = band_limit(*speak(voice, text, stretch))
    start, end = spoken_range(narrow, down_db=55)
    margin = RATE // 20
    start, end = max(0, start - margin), min(len(narrow), end + margin)
    return at_level(narrow[start:end], level)


def pink(count, chance):
    """Noise that falls by 3 dB per octave (Paul Kellet's economy filter), band-limited like speech."""
    out, a, b, c = [], 0.0, 0.0, 0.0
    for _ in range(count):
        white = chance.gauss(0, 1)
        a = 0.99765 * a + white * 0.0990460
        b = 0.96300 * b + white * 0.2965164
        c = 0.57000 * c + white * 1.0526913
        out.append(a + b + c + white * 0.1848)
    return band_limit(out, RATE)


def with_noise(speech, level, snr, chance):
    """Speech within noise that comes 0.6 s before it and goes 0.6 s after it."""
    lead = int(0.6 * RATE)
    noise = at_level(pink(len(speech) + 2 * lead, chance), level - snr)
    ramp = RATE // 10
    noise = [s * min(1.0, n / ramp, (len(noise) - 1 - n) / ramp) for n, s in enumerate(noise)]
    return [s + (speech[n - lead] if 0 <= n - lead < len(speech) else 0.0) for n, s in enumerate(noise)], lead


def mulaw(sample):
    """There and back through G.711 µ-law."""
    biased = min(abs(round(sample)) // 4 + 33, 0x1FFF)
    shift = biased.bit_length() - 5
    value = (((biased >> shift) * 2 + 1) << shift >> 1) - 33
    return (value if sample >= 0 else -value) * 4


def assemble(path, says, level, stretch=1.0, snr=None, seed=0, through_mulaw=False):
    """One WAV of `says` = [(voice, text)], 1.2 s of digital silence before, between and after."""
    chance = random.Random(seed)
    samples, utterances = [0.0] * SILENCE, []
    for voice, text in says:
        speech = utterance(voice, text, level, stretch)
        start, end = spoken_range(speech)
        played, lead = with_noise(speech, level, snr, chance) if snr else (speech, 0)
        begin = len(samples)
        samples += played
        utterances.append({"text": text, "voice": voice, "from": begin, "to": len(samples),
                           "start": begin + lead + start, "end": begin + lead + end})
        samples += [0.0] * SILENCE
    if through_mulaw:
        samples = [mulaw(s) for s in samples]
    write(path, samples, {"level_dbfs": level, "snr_db": snr, "mulaw": through_mulaw, "utterances": utterances})
    print(path)


def main():
    for name, call in CALLS.items():
        assemble(name, [(call["voice"], text) for text in call["says"]], call["level"], call.get("stretch", 1.0),
                 call.get("snr"), call.get("seed", 0), call.get("mulaw", False))
    for folder, sentences in (("out-of-grammar", OUT_OF_GRAMMAR), ("out-of-grammar-test", OUT_OF_GRAMMAR_TEST)):
        os.makedirs(folder, exist_ok=True)
        for number, (voice, text) in enumerate(sentences, 1):
            name = "-".join(text.split()[:4])
            assemble(f"{folder}/{number:02}-{name}", [(voice, text)], -18 - number % 5)


if __name__ == "__main__":
    main()
