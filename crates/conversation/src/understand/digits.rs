//! Digits as people say them: `one two three`, `double five`, `oh`, `twelve thirty-four`, `123`, `幺二三`.

use crate::Language;

/// Runs of digits in a text. Words that part two runs make them two.
pub(crate) fn runs(words: &[String], language: Language) -> Vec<String> {
    let readings: Vec<Reading> = words.iter().map(|word| read(word, language)).collect();
    let mut runs = vec![String::new()];
    let mut at = 0;
    while at < readings.len() {
        let before = runs.last().is_some_and(|run| !run.is_empty());
        let (digits, used) = digits_at(&readings, at, before);
        match digits {
            Some(digits) => {
                if let Some(run) = runs.last_mut() {
                    run.push_str(&digits);
                }
            }
            None if readings[at] == Reading::Filler => {}
            None => runs.push(String::new()),
        }
        at += used;
    }
    runs.retain(|run| !run.is_empty());
    runs
}

/// Words between digits that mean nothing.
pub(crate) fn is_filler(word: &str) -> bool {
    matches!(
        word,
        "uh" | "um"
            | "er"
            | "erm"
            | "hm"
            | "mm"
            | "and"
            | "then"
            | "嗯"
            | "呃"
            | "啊"
            | "那"
            | "个"
            | "额"
            | "杠"
    ) || matches!(word, "dash" | "space")
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Reading {
    Digits(String),
    /// `ten` to `nineteen`: two digits.
    Teen(u32),
    /// `twenty` to `ninety`: takes a unit that follows.
    Ten(u32),
    /// `double`, `triple`: repeats the digit that follows.
    Times(usize),
    /// Sounds like a digit and is one only between digits.
    Homophone(char),
    Filler,
    Other,
}

/// The digits that begin at `at`, and how many words they take.
fn digits_at(readings: &[Reading], at: usize, after_digits: bool) -> (Option<String>, usize) {
    let next = readings.get(at + 1);
    match &readings[at] {
        Reading::Digits(digits) => (Some(digits.clone()), 1),
        Reading::Teen(value) => (Some(value.to_string()), 1),
        Reading::Ten(tens) => match next {
            Some(Reading::Digits(unit)) if unit.len() == 1 && unit != "0" => {
                (Some(format!("{}{unit}", tens / 10)), 2)
            }
            _ => (Some(tens.to_string()), 1),
        },
        Reading::Times(times) => match next {
            Some(Reading::Digits(digit)) if digit.len() == 1 => (Some(digit.repeat(*times)), 2),
            _ => (None, 1),
        },
        Reading::Homophone(digit) => {
            let before_digits = next.is_none_or(|next| {
                matches!(next, Reading::Digits(_) | Reading::Teen(_) | Reading::Ten(_) | Reading::Times(_))
            });
            if after_digits && before_digits { (Some(digit.to_string()), 1) } else { (None, 1) }
        }
        Reading::Filler | Reading::Other => (None, 1),
    }
}

fn read(word: &str, language: Language) -> Reading {
    if word.chars().all(|c| c.is_ascii_digit()) {
        return Reading::Digits(word.to_owned());
    }
    if is_filler(word) {
        return Reading::Filler;
    }
    match language {
        Language::English => english(word),
        // English words inside Chinese are read too.
        Language::Chinese => chinese(word).unwrap_or_else(|| english(word)),
    }
}

fn english(word: &str) -> Reading {
    const UNITS: [&str; 10] =
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
    const TEENS: [&str; 10] = [
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
    ];
    const TENS: [&str; 8] = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];

    let position = |list: &[&str]| list.iter().position(|known| *known == word);
    if let Some(unit) = position(&UNITS) {
        return Reading::Digits(unit.to_string());
    }
    if let Some(teen) = position(&TEENS) {
        return Reading::Teen(10 + teen as u32);
    }
    if let Some(ten) = position(&TENS) {
        return Reading::Ten(20 + 10 * ten as u32);
    }
    match word {
        "oh" | "o" | "nought" | "naught" | "nil" => Reading::Digits("0".to_owned()),
        "niner" => Reading::Digits("9".to_owned()),
        "double" => Reading::Times(2),
        "triple" | "treble" => Reading::Times(3),
        "to" | "too" => Reading::Homophone('2'),
        "for" => Reading::Homophone('4'),
        "won" => Reading::Homophone('1'),
        "ate" => Reading::Homophone('8'),
        _ => Reading::Other,
    }
}

fn chinese(word: &str) -> Option<Reading> {
    let digit = match word {
        "零" | "〇" | "洞" => '0',
        // 幺 is how 1 is said in numbers on the telephone, 两 how 2 is said before a measure word.
        "一" | "幺" | "壹" => '1',
        "二" | "两" | "贰" => '2',
        "三" | "叁" => '3',
        "四" | "肆" => '4',
        "五" | "伍" => '5',
        "六" | "陆" => '6',
        "七" | "柒" | "拐" => '7',
        "八" | "捌" => '8',
        "九" | "玖" => '9',
        _ => return None,
    };
    Some(Reading::Digits(digit.to_string()))
}

#[cfg(test)]
mod tests {
    use super::super::words::words;
    use super::*;

    fn heard(text: &str, language: Language) -> Vec<String> {
        runs(&words(text), language)
    }

    #[test]
    fn english_digits_are_read_in_all_their_wordings() {
        for (text, digits) in [
            ("one two three four", "1234"),
            ("One, two. three-four", "1234"),
            ("double five", "55"),
            ("triple oh seven", "0007"),
            ("oh eight", "08"),
            ("12 34 5678", "12345678"),
            ("12-34", "1234"),
            ("one 23 four", "1234"),
            ("twelve thirty four fifty six seventy eight", "12345678"),
            ("twenty one forty", "2140"),
            ("twenty oh five", "2005"),
            ("one uh two um three", "123"),
            ("one to three for five", "12345"),
            ("nineteen eighty four", "1984"),
        ] {
            assert_eq!(heard(text, Language::English), [digits], "{text}");
        }
    }

    #[test]
    fn words_that_only_sound_like_digits_are_none() {
        assert_eq!(heard("i want to talk to someone", Language::English), [] as [&str; 0]);
        assert_eq!(heard("double trouble", Language::English), [] as [&str; 0]);
    }

    #[test]
    fn chinese_digits_are_read_in_all_their_wordings() {
        for (text, digits) in [
            ("一二三四五六七八", "12345678"),
            ("幺零零八六", "10086"),
            ("两三四", "234"),
            ("〇九", "09"),
            ("１２３４５６７８", "12345678"),
            ("一二三四，嗯，五六七八。", "12345678"),
            ("12三四", "1234"),
        ] {
            assert_eq!(heard(text, Language::Chinese), [digits], "{text}");
        }
    }

    #[test]
    fn words_part_numbers() {
        assert_eq!(heard("i have one question about 12345678", Language::English), ["1", "12345678"]);
    }
}
