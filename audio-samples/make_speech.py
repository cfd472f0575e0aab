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

FLITE = ("slt", "rms", "awb", "kal", "kal16")

# `expect` is what must come out when the sample calls bots/after-sales.yaml: cause and outcome of the record, and the
# order number that the bot took.
TOLD = {"cause": "bot_hung_up", "outcome": "order_status_told"}
RETURNED = {"cause": "bot_hung_up", "outcome": "return_announced"}
TRANSFERRED = {"cause": "transferred", "outcome": "transfer_requested"}

CALLS = {
    "order-status-slt": {
        "voice": "slt", "level": -20, "expect": {**TOLD, "order": "46903192"},
        "says": ["i want to check my order", "four six nine zero three one nine two", "yes that is right", "no thank you"],
    },
    "order-status-rms-mulaw": {
        "voice": "rms", "level": -24, "mulaw": True, "expect": {**TOLD, "order": "24691357"},
        "says": ["where is my order", "two four six nine one three five seven", "yes please", "no thank you"],
    },
    "return-awb": {
        "voice": "awb", "level": -18, "expect": {**RETURNED, "order": "19462605"},
        "says": ["i would like to return something", "one nine four six two six zero five", "yes", "yes please", "no thank you"],
    },
    "person-kal16": {
        "voice": "kal16", "level": -22, "expect": TRANSFERRED,
        "says": ["talk to a person"],
    },
    "awkward-slt-noise": {
        "voice": "slt", "level": -20, "stretch": 1.1, "snr": 15, "seed": 5, "expect": {**TOLD, "order": "46903192"},
        "says": ["could you tell me about the history of rome", "check my order",
                 "eight seven two five four three two one", "no", "four six nine zero three one nine two", "yes",
                 "goodbye"],
    },
    "barge-in-rms": {
        "voice": "rms", "level": -19, "stretch": 0.95, "expect": TRANSFERRED,
        "says": ["talk to a person"],
    },
    "order-status-espeak": {
        "voice": "en-us", "level": -21, "expect": {**TOLD, "order": "12345678"},
        "says": ["check my order", "one two three four five six seven eight", "yes", "goodbye"],
    },
    # Voices that taught the recognizer nothing.
    "order-status-kal": {
        "voice": "kal", "level": -23, "mulaw": True, "expect": {**TOLD, "order": "80564917"},
        "says": ["order status", "eight zero five six four nine one seven", "correct", "no thanks"],
    },
    "order-status-british": {
        "voice": "en-gb", "level": -20, "expect": {**TOLD, "order": "30762914"},
        "says": ["where is my parcel", "three zero seven six two nine one four", "that is correct", "no thank you"],
    },
    "return-espeak-f3": {
        "voice": "en-us+f3", "level": -21, "expect": {**RETURNED, "order": "70819264"},
        "says": ["i want to return an item", "seven zero eight one nine two six four", "yes", "yes", "that is all thank you"],
    },
    "person-scottish": {
        "voice": "en-gb-scotland", "level": -19, "expect": TRANSFERRED,
        "says": ["can i speak to someone"],
    },
    "order-status-espeak-m5": {
        "voice": "en-us+m5", "level": -26, "mulaw": True, "expect": {**TOLD, "order": "51964203"},
        "says": ["when will my order arrive", "five one nine six four two zero three", "yes please", "goodbye"],
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
        if voice not in FLITE:
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


def assemble(path, says, level, stretch=1.0, snr=None, seed=0, through_mulaw=False, expect=None):
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
    write(path, samples, {"level_dbfs": level, "snr_db": snr, "mulaw": through_mulaw,
                           **({"expect": expect} if expect else {}), "utterances": utterances})
    print(path)


def main():
    for name, call in CALLS.items():
        assemble(name, [(call["voice"], text) for text in call["says"]], call["level"], call.get("stretch", 1.0),
                 call.get("snr"), call.get("seed", 0), call.get("mulaw", False), call.get("expect"))
    for folder, sentences in (("out-of-grammar", OUT_OF_GRAMMAR), ("out-of-grammar-test", OUT_OF_GRAMMAR_TEST)):
        os.makedirs(folder, exist_ok=True)
        for number, (voice, text) in enumerate(sentences, 1):
            name = "-".join(text.split()[:4])
            assemble(f"{folder}/{number:02}-{name}", [(voice, text)], -18 - number % 5)


if __name__ == "__main__":
    main()
