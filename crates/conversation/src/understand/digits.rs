//! Digits as people say them: `one two three`, `double five`, `oh`, `twelve thirty-four`, `123`, `幺二三`.

use crate::Language;
use crate::numerals::{CHINESE_UNITS, ENGLISH_DIGITS, ENGLISH_TEENS, ENGLISH_TENS};

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
    /// 十, 百, 千, 万, 亿: multiplies the digit before it.
    Unit(u64),
    /// Sounds like a digit and is one only between digits.
    Homophone(char),
    Filler,
    Other,
}

/// The digits that begin at `at`, and how many words they take.
fn digits_at(readings: &[Reading], at: usize, after_digits: bool) -> (Option<String>, usize) {
    if let Some((value, used)) = chinese_amount(&readings[at..]) {
        return (Some(value.to_string()), used);
    }
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
        Reading::Unit(_) | Reading::Filler | Reading::Other => (None, 1),
    }
}

/// A number with its units (一百二十三, 十二, 两万零五) at the head of `readings`, and how many words it takes. `None`
/// where digits stand alone, or where it cannot be read as one number.
fn chinese_amount(readings: &[Reading]) -> Option<(u64, usize)> {
    let (mut total, mut section) = (0u64, 0u64);
    let mut digit: Option<u64> = None;
    let mut after_zero = false;
    // What the next unit must be smaller than: within a section of four places, and between sections.
    let (mut limit, mut section_limit) = (u64::MAX, u64::MAX);
    let mut last_unit = None;
    let mut used = 0;
    for reading in readings {
        match reading {
            Reading::Digits(text) if text.len() == 1 => match (text.parse::<u64>().ok()?, digit) {
                (_, Some(_)) => return None,
                (0, None) => after_zero = true,
                (value, None) => digit = Some(value),
            },
            Reading::Unit(unit @ (10 | 100 | 1000)) => {
                // 十二 begins without a digit, 一百十二 is heard too.
                let count = digit.take().or((*unit == 10).then_some(1))?;
                if *unit >= limit {
                    return None;
                }
                section += count * unit;
                (limit, last_unit, after_zero) = (*unit, Some(*unit), false);
            }
            Reading::Unit(unit) => {
                section += digit.take().unwrap_or(0);
                if section == 0 || *unit >= section_limit {
                    return None;
                }
                total += section * unit;
                section = 0;
                (limit, section_limit, last_unit, after_zero) = (u64::MAX, *unit, Some(*unit), false);
            }
            Reading::Digits(_)
            | Reading::Teen(_)
            | Reading::Ten(_)
            | Reading::Times(_)
            | Reading::Homophone(_)
            | Reading::Filler
            | Reading::Other => break,
        }
        used += 1;
    }
    let last = last_unit?;
    // 一百二 is 120, 三千五 is 3500; 一百零二 is 102.
    let place = if last >= 100 && !after_zero { last / 10 } else { 1 };
    Some((total + section + digit.unwrap_or(0) * place, used))
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
    let position = |list: &[&str]| list.iter().position(|known| *known == word);
    if let Some(unit) = position(&ENGLISH_DIGITS) {
        return Reading::Digits(unit.to_string());
    }
    if let Some(teen) = position(&ENGLISH_TEENS) {
        return Reading::Teen(10 + teen as u32);
    }
    if let Some(ten) = position(&ENGLISH_TENS) {
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
    let unit = match word {
        "拾" => "十",
        "佰" => "百",
        "仟" => "千",
        "萬" => "万",
        "億" => "亿",
        plain => plain,
    };
    if let Some((unit, _)) = CHINESE_UNITS.iter().find(|(_, name)| unit.chars().eq([*name])) {
        return Some(Reading::Unit(*unit));
    }
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
    fn chinese_numbers_with_units_are_read_as_one_number() {
        for (text, digits) in [
            ("十", "10"),
            ("十二", "12"),
            ("二十", "20"),
            ("三十五个", "35"),
            ("一百零五", "105"),
            ("一百二", "120"),
            ("两千零二十", "2020"),
            ("三千五", "3500"),
            ("一千二百三十四块", "1234"),
            ("两万", "20000"),
            ("五万零三", "50003"),
            ("一千二百万", "12000000"),
            ("三亿五千万", "350000000"),
            ("壹佰贰拾叁", "123"),
        ] {
            assert_eq!(heard(text, Language::Chinese), [digits], "{text}");
        }
        assert_eq!(heard("千万别挂", Language::Chinese), [] as [&str; 0]);
        assert_eq!(heard("百分之百", Language::Chinese), [] as [&str; 0]);
    }

    #[test]
    fn words_part_numbers() {
        assert_eq!(heard("i have one question about 12345678", Language::English), ["1", "12345678"]);
    }
}
