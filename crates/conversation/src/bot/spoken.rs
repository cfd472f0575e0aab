//! Numbers and dates as a voice should say them.

use crate::Language;
use crate::numerals::{CHINESE_DIGITS, CHINESE_UNITS, ENGLISH_DIGITS, ENGLISH_TEENS, ENGLISH_TENS};

/// Digit by digit, with pauses where people make them: `one two three four, five six …`.
pub(crate) fn digits(text: &str, language: Language) -> String {
    let digits: Vec<usize> = text.chars().filter_map(|c| c.to_digit(10)).map(|d| d as usize).collect();
    let mut rest = digits.as_slice();
    let mut groups = Vec::new();
    while !rest.is_empty() {
        let (group, others) =
            rest.split_at(group_of(digits.len(), digits.len() - rest.len()).min(rest.len()));
        groups.push(match language {
            Language::English => group.iter().map(|d| ENGLISH_DIGITS[*d]).collect::<Vec<_>>().join(" "),
            Language::Chinese => group.iter().map(|d| CHINESE_DIGITS[*d]).collect::<String>(),
        });
        rest = others;
    }
    groups.join(pause(language))
}

/// How many digits are said in one breath, `said` of `all` being said already.
fn group_of(all: usize, said: usize) -> usize {
    match all {
        // Telephone numbers: 138 0013 8000, 555 123 4567, 555 1234.
        7 | 11 if said == 0 => 3,
        10 if said < 6 => 3,
        7 | 10 | 11 => 4,
        6 | 9 => 3,
        _ if all > 4 && all.is_multiple_of(4) => 4,
        _ => all,
    }
}

fn pause(language: Language) -> &'static str {
    match language {
        Language::English => ", ",
        Language::Chinese => "，",
    }
}

/// Character by character: `A, B, one`.
pub(crate) fn spell(text: &str, language: Language) -> String {
    let spoken = text.chars().filter(|c| !c.is_whitespace()).map(|c| match c.to_digit(10) {
        Some(_) => digits(&c.to_string(), language),
        None => c.to_uppercase().to_string(),
    });
    spoken.collect::<Vec<_>>().join(pause(language))
}

/// A number in words; anything that is not one comes back as it is.
pub(crate) fn number(text: &str, language: Language) -> String {
    let Some((negative, whole, fraction)) = decimal(text) else { return text.to_owned() };
    let mut words = signed(negative, &whole_number(whole, language), language);
    let digits = fraction.chars().filter_map(|c| c.to_digit(10)).map(|d| d as usize);
    match language {
        _ if fraction.is_empty() => {}
        Language::English => {
            words.push_str(" point");
            digits.for_each(|digit| words.extend([" ", ENGLISH_DIGITS[digit]]));
        }
        Language::Chinese => {
            words.push('点');
            words.extend(digits.map(|digit| CHINESE_DIGITS[digit]));
        }
    }
    words
}

/// The sign, the whole part and the digits behind the point. `1,250.00` may have its commas.
pub(super) fn decimal(text: &str) -> Option<(bool, u64, String)> {
    let text = text.trim().replace(',', "");
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.as_str()),
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_digits = |part: &str| part.chars().all(|c| c.is_ascii_digit());
    if !is_digits(whole) || !is_digits(fraction) || (text.contains('.') && fraction.is_empty()) {
        return None;
    }
    Some((negative, whole.parse().ok()?, fraction.to_owned()))
}

pub(super) fn signed(negative: bool, words: &str, language: Language) -> String {
    match (language, negative) {
        (_, false) => words.to_owned(),
        (Language::English, true) => format!("minus {words}"),
        (Language::Chinese, true) => format!("负{words}"),
    }
}

pub(super) fn whole_number(value: u64, language: Language) -> String {
    match language {
        Language::English => english_number(value),
        Language::Chinese => chinese_number(value),
    }
}

/// `2026-11-21` as a date in words; anything that is not a date comes back as it is.
pub(crate) fn date(text: &str, language: Language) -> String {
    let Some((year, month, day)) = calendar_date(text) else { return text.to_owned() };
    match language {
        Language::English => format!("{} {}", MONTHS[month - 1], ordinal(day)),
        Language::Chinese => {
            let year: String =
                year.chars().filter_map(|c| c.to_digit(10)).map(|d| CHINESE_DIGITS[d as usize]).collect();
            format!("{year}年{}月{}日", chinese_number(month as u64), chinese_number(day as u64))
        }
    }
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

fn calendar_date(text: &str) -> Option<(String, usize, usize)> {
    // A time after the date (`2026-11-21T08:00:00Z`) is left out.
    let mut parts = text.trim().split(['T', ' ']).next()?.splitn(3, '-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let year_is_plain = year.len() == 4 && year.chars().all(|c| c.is_ascii_digit());
    let (month, day) = (month.parse().ok()?, day.parse().ok()?);
    (year_is_plain && (1..=12).contains(&month) && (1..=31).contains(&day))
        .then(|| (year.to_owned(), month, day))
}

fn ordinal(day: usize) -> String {
    const IRREGULAR: [(&str, &str); 7] = [
        ("one", "first"),
        ("two", "second"),
        ("three", "third"),
        ("five", "fifth"),
        ("eight", "eighth"),
        ("nine", "ninth"),
        ("twelve", "twelfth"),
    ];
    let words = english_number(day as u64);
    let (head, last) = match words.rsplit_once('-') {
        Some((head, last)) => (format!("{head}-"), last.to_owned()),
        None => (String::new(), words),
    };
    if let Some((_, irregular)) = IRREGULAR.iter().find(|(plain, _)| *plain == last) {
        return format!("{head}{irregular}");
    }
    match last.strip_suffix('y') {
        Some(stem) => format!("{head}{stem}ieth"),
        None => format!("{head}{last}th"),
    }
}

fn english_number(value: u64) -> String {
    const SCALES: [(u64, &str); 6] = [
        (1_000_000_000_000_000_000, "quintillion"),
        (1_000_000_000_000_000, "quadrillion"),
        (1_000_000_000_000, "trillion"),
        (1_000_000_000, "billion"),
        (1_000_000, "million"),
        (1_000, "thousand"),
    ];
    if let Some((scale, name)) = SCALES.iter().find(|(scale, _)| value >= *scale) {
        return with_rest(format!("{} {name}", english_number(value / scale)), value % scale, " ");
    }
    match value {
        0..=9 => ENGLISH_DIGITS[value as usize].to_owned(),
        10..=19 => ENGLISH_TEENS[value as usize - 10].to_owned(),
        20..=99 => with_rest(ENGLISH_TENS[value as usize / 10 - 2].to_owned(), value % 10, "-"),
        _ => with_rest(format!("{} hundred", ENGLISH_DIGITS[value as usize / 100]), value % 100, " "),
    }
}

fn with_rest(head: String, rest: u64, joint: &str) -> String {
    if rest == 0 { head } else { format!("{head}{joint}{}", english_number(rest)) }
}

fn chinese_number(value: u64) -> String {
    let words = chinese_part(value);
    // 两千, 两万, 两亿 at the head of a number; inside it, and before 百 and 十, it is 二.
    match words.strip_prefix('二') {
        Some(rest) if rest.starts_with(['千', '万', '亿']) => format!("两{rest}"),
        Some(_) | None => words,
    }
}

fn chinese_part(value: u64) -> String {
    let Some((unit, name)) = CHINESE_UNITS.iter().find(|(unit, _)| value >= *unit).copied() else {
        return CHINESE_DIGITS[value as usize % 10].to_string();
    };
    let (head, rest) = (value / unit, value % unit);
    // 十二, not 一十二; but 一百一十二.
    let mut words = if value < 20 { name.to_string() } else { format!("{}{name}", chinese_part(head)) };
    if rest > 0 {
        // A skipped place is said: 一百零三, 一万零五十.
        if rest < unit / 10 {
            words.push('零');
        }
        words.push_str(if (10..20).contains(&rest) { "一" } else { "" });
        words.push_str(&chinese_part(rest));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use Language::{Chinese, English};

    #[test]
    fn digits_are_spoken_one_by_one_with_a_pause_in_the_middle() {
        assert_eq!(digits("12345670", English), "one two three four, five six seven zero");
        assert_eq!(digits("12345670", Chinese), "一二三四，五六七零");
        assert_eq!(digits("123", English), "one two three");
        assert_eq!(digits("13800138000", Chinese), "一三八，零零一三，八零零零");
        assert_eq!(digits("5551234", English), "five five five, one two three four");
        assert_eq!(digits("5551234567", English), "five five five, one two three, four five six seven");
        assert_eq!(digits("", English), "");
    }

    #[test]
    fn spelling_says_letters_and_digits() {
        assert_eq!(spell("ab1", English), "A, B, one");
        assert_eq!(spell("a1", Chinese), "A，一");
    }

    #[test]
    fn numbers_are_said_in_words() {
        assert_eq!(number("0", English), "zero");
        assert_eq!(number("42", English), "forty-two");
        assert_eq!(number("-1205", English), "minus one thousand two hundred five");
        assert_eq!(number("3.05", English), "three point zero five");
        assert_eq!(number("-3.5", Chinese), "负三点五");
        assert_eq!(number("1,250", English), "one thousand two hundred fifty");
        assert_eq!(number("about 3", English), "about 3");
        assert_eq!(number("3.", English), "3.");
        assert_eq!(number("12", Chinese), "十二");
        assert_eq!(number("103", Chinese), "一百零三");
        assert_eq!(number("112", Chinese), "一百一十二");
        assert_eq!(number("120", Chinese), "一百二十");
        assert_eq!(number("10050", Chinese), "一万零五十");
        assert_eq!(number("120000", Chinese), "十二万");
        assert_eq!(number("2", Chinese), "二");
        assert_eq!(number("22", Chinese), "二十二");
        assert_eq!(number("200", Chinese), "二百");
        assert_eq!(number("2002", Chinese), "两千零二");
        assert_eq!(number("22000", Chinese), "两万二千");
        assert_eq!(number("250000000", Chinese), "两亿五千万");
        assert_eq!(number("1000000000000", Chinese), "一万亿");
    }

    #[test]
    fn dates_are_said_in_words() {
        assert_eq!(date("2026-11-21", English), "November twenty-first");
        assert_eq!(date("2026-02-03T10:00:00Z", English), "February third");
        assert_eq!(date("2026-12-30", English), "December thirtieth");
        assert_eq!(date("2026-12-12", Chinese), "二零二六年十二月十二日");
        assert_eq!(date("soon", English), "soon");
    }
}
