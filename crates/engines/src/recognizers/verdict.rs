//! Whether what a grammar decoder found was really said.
//!
//! A grammar decoder forces everything into its grammar. Beside it a phone loop decodes the same audio without any
//! grammar. Where the phone loop explains the audio much better than the words do, the words were not said. The
//! measures are differences of acoustic scores per frame: over the whole speech, and for the worst word.

use offhook_pocketsphinx_ffi::Segment;

/// How much better the phone loop explained the audio; larger is worse for the words.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Evidence {
    /// Words only, per frame.
    pub(super) words: f32,
    /// The worst single word, per frame.
    pub(super) worst_word: f32,
    /// Everything in the utterance, per frame that is speech for the phone loop.
    pub(super) whole: f32,
    /// Frames that are speech for the phone loop but silence or noise for the words, as a part of its speech.
    pub(super) unexplained: f32,
    /// How many words.
    pub(super) count: usize,
    /// Every word is a digit.
    pub(super) digits: bool,
}

/// How the measures of one kind of text add up to a doubt, and how much doubt is too much: a logistic regression, so that
/// a margin of 1 is e times likelier to have been said.
///
/// Fitted to `examples/judge-recognition`: 19 voices over telephone lines of all qualities, with the grammars of the sample
/// bot; 1,764 texts that were heard right and 1,660 times a sentence of three words or more outside the grammar. Of the
/// texts 7 in 100 phrases, 7 in 100 short answers and 9 in 100 eight-digit numbers are refused; of the sentences 8, 6 and
/// 10 in 100 are taken. One or two words outside the grammar are too little to judge: three in ten pass for an answer.
struct Scale {
    words: f32,
    worst_word: f32,
    whole: f32,
    unexplained: f32,
    each_word: f32,
    limit: f32,
}

/// Three words and more.
const PHRASE: Scale = Scale {
    words: 0.0583,
    worst_word: 0.0303,
    whole: 0.0727,
    unexplained: 6.08,
    each_word: 0.198,
    limit: 1.87,
};
/// One or two words.
const SHORT: Scale = Scale {
    words: 0.0527,
    worst_word: 0.0178,
    whole: 0.0274,
    unexplained: 7.57,
    each_word: 1.21,
    limit: 3.12,
};
const SHORT_WORDS: usize = 2;
/// Digits fit almost anything, one at a time; but the bot asks whether a number is right.
const DIGITS: Scale = Scale {
    words: 0.0893,
    worst_word: 0.0548,
    whole: 0.0896,
    unexplained: 0.0,
    each_word: 0.0,
    limit: 0.755,
};
/// A decoding that fell out of its beam says no more than this.
const FARTHEST: f32 = 60.0;

impl Evidence {
    /// Weighs the two decodings of one utterance; none where the grammar decoder found no word.
    pub(super) fn weigh(words: &[Segment], phones: &[Segment]) -> Option<Evidence> {
        let shift = words.first()?.first_frame - phones.first()?.first_frame;
        let (mut frames, mut loss, mut worst_word, mut count, mut digits) = (0, 0.0, f32::MIN, 0, true);
        for word in words.iter().filter(|segment| !is_filler(&segment.word)) {
            let length = length(word);
            let word_loss =
                loop_score(phones, word.first_frame - shift, word.last_frame - shift) - word.acoustic as f32;
            frames += length;
            loss += word_loss;
            worst_word = worst_word.max(word_loss / length as f32);
            count += 1;
            digits &= is_digit(base(&word.word));
        }
        if count == 0 {
            return None;
        }
        let speech: Vec<&Segment> = phones.iter().filter(|phone| !is_filler(&phone.word)).collect();
        let speech_frames: i32 = speech.iter().map(|phone| length(phone)).sum();
        let total =
            |segments: &[Segment]| segments.iter().map(|segment| segment.acoustic as f32).sum::<f32>();
        let language: f32 = phones.iter().map(|phone| phone.language as f32).sum();
        let explained: i32 = speech.iter().map(|phone| overlap(words, phone, shift)).sum();
        Some(Evidence {
            words: loss / frames.max(1) as f32,
            worst_word,
            whole: (total(phones) + language - total(words)) / speech_frames.max(1) as f32,
            unexplained: (speech_frames - explained) as f32 / speech_frames.max(1) as f32,
            count,
            digits,
        })
    }

    /// Whether the words were said.
    pub(super) fn accepts(&self) -> bool {
        self.margin() >= 0.0
    }

    /// 0.5 at the limit, towards 1 the better the words explain the audio.
    pub(super) fn confidence(&self) -> f32 {
        1.0 - 0.5 * (-self.margin().max(0.0) / 1.5).exp()
    }

    /// How far the doubt stays below its limit.
    fn margin(&self) -> f32 {
        let scale = match self.count {
            _ if self.digits => DIGITS,
            ..=SHORT_WORDS => SHORT,
            _ => PHRASE,
        };
        scale.limit
            - scale.words * self.words
            - scale.worst_word * self.worst_word
            - scale.whole * self.whole.clamp(-FARTHEST, FARTHEST)
            - scale.unexplained * self.unexplained
            - scale.each_word * self.count as f32
    }
}

fn length(segment: &Segment) -> i32 {
    (segment.last_frame - segment.first_frame + 1).max(1)
}

/// What the phone loop scored from `first` to `last`, each phone's score spread over its frames.
fn loop_score(phones: &[Segment], first: i32, last: i32) -> f32 {
    phones
        .iter()
        .map(|phone| {
            let shared = phone.last_frame.min(last) - phone.first_frame.max(first) + 1;
            (phone.acoustic + phone.language) as f32 * shared.max(0) as f32 / length(phone) as f32
        })
        .sum()
}

/// Frames of `phone` that are words.
fn overlap(words: &[Segment], phone: &Segment, shift: i32) -> i32 {
    words
        .iter()
        .filter(|word| !is_filler(&word.word))
        .map(|word| {
            (word.last_frame - shift).min(phone.last_frame)
                - (word.first_frame - shift).max(phone.first_frame)
                + 1
        })
        .map(|shared| shared.max(0))
        .sum()
}

fn is_filler(word: &str) -> bool {
    word.starts_with(['<', '[', '(', '+']) || word == "SIL"
}

/// `read(2)` is another way to say `read`.
fn base(word: &str) -> &str {
    word.split_once('(').map_or(word, |(base, _)| base)
}

fn is_digit(word: &str) -> bool {
    const WORDS: [&str; 12] =
        ["zero", "oh", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "double"];
    WORDS.contains(&word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_explain_the_audio_as_well_as_the_phones_are_accepted() {
        let words = [segment("<sil>", 0, 9, -100), segment("return", 10, 49, -1000)];
        let phones = [segment("SIL", 0, 9, -80), segment("R", 10, 29, -620), segment("T", 30, 49, -620)];

        let evidence = Evidence::weigh(&words, &phones).unwrap();

        assert_eq!((evidence.words, evidence.worst_word, evidence.count), (-6.0, -6.0, 1));
        assert_eq!((evidence.unexplained, evidence.digits), (0.0, false));
        assert!(evidence.accepts() && evidence.confidence() > 0.6);
    }

    #[test]
    fn one_bad_word_among_good_ones_is_enough_to_refuse() {
        let words = [segment("my", 0, 19, -400), segment("order", 20, 59, -3000)];
        let phones = [segment("M", 0, 19, -600), segment("AO", 20, 59, -1000)];

        let evidence = Evidence::weigh(&words, &phones).unwrap();

        assert_eq!(evidence.worst_word, 50.0);
        assert!(!evidence.accepts());
    }

    #[test]
    fn speech_that_the_words_leave_out_is_counted() {
        let words = [segment("<sil>", 0, 59, -900), segment("no", 60, 79, -500)];
        let phones = [segment("AA", 0, 59, -900), segment("N", 60, 79, -600)];

        let evidence = Evidence::weigh(&words, &phones).unwrap();

        assert_eq!(evidence.unexplained, 0.75);
        assert!(!evidence.accepts());
    }

    #[test]
    fn without_words_there_is_nothing_to_weigh() {
        let silence = [segment("<sil>", 0, 9, -100)];

        assert_eq!(Evidence::weigh(&silence, &silence), None);
        assert_eq!(Evidence::weigh(&[], &silence), None);
    }

    fn segment(word: &str, first_frame: i32, last_frame: i32, acoustic: i32) -> Segment {
        Segment { word: word.to_owned(), first_frame, last_frame, acoustic, language: 0 }
    }
}
