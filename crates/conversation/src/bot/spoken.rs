//! Numbers and dates as a voice should say them.

use crate::Language;

const ENGLISH_DIGITS: [&str; 10] =
    ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
const CHINESE_DIGITS: [char; 10] = ['零', '一', '二', '三', '四', '五', '六', '七', '八', '九'];

/// Digit by digit, with a pause after every fourth of a long even number: `one two three four, five six …`.
pub(crate) fn digits(text: &str, language: Language) -> String {
    let digits: Vec<usize> = text.chars().filter_map(|c| c.to_digit(10)).map(|d| d as usize).collect();
    let pause_every =
        if digits.len() > 4 && digits.len().is_multiple_of(4) { 4 } else { digits.len().max(1) };
    let groups = digits.chunks(pause_every);
    match language {
        Language::English => groups
            .map(|group| group.iter().map(|d| ENGLISH_DIGITS[*d]).collect::<Vec<_>>().join(" "))
            .collect::<Vec<_>>()
            .join(", "),
        Language::Chinese => groups
            .map(|group| group.iter().map(|d| CHINESE_DIGITS[*d]).collect::<String>())
            .collect::<Vec<_>>()
            .join("，"),
    }
}

/// Character by character: `A, B, one`.
pub(crate) fn spell(text: &str, language: Language) -> String {
    let spoken = text.chars().filter(|c| !c.is_whitespace()).map(|c| match c.to_digit(10) {
        Some(_) => digits(&c.to_string(), language),
        None => c.to_uppercase().to_string(),
    });
    let pause = match language {
        Language::English => ", ",
        Language::Chinese => "，",
    };
    spoken.collect::<Vec<_>>().join(pause)
}

/// A whole number in words; anything that is not one comes back as it is.
pub(crate) fn number(text: &str, language: Language) -> String {
    let Ok(value) = text.trim().parse::<i64>() else { return text.to_owned() };
    let magnitude = value.unsigned_abs();
    match (language, value < 0) {
        (Language::English, false) => english_number(magnitude),
        (Language::English, true) => format!("minus {}", english_number(magnitude)),
        (Language::Chinese, false) => chinese_number(magnitude),
        (Language::Chinese, true) => format!("负{}", chinese_number(magnitude)),
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
    const TENS: [&str; 10] =
        ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
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
        10..=19 => TEENS[value as usize - 10].to_owned(),
        20..=99 => with_rest(TENS[value as usize / 10].to_owned(), value % 10, "-"),
        _ => with_rest(format!("{} hundred", ENGLISH_DIGITS[value as usize / 100]), value % 100, " "),
    }
}

fn with_rest(head: String, rest: u64, joint: &str) -> String {
    if rest == 0 { head } else { format!("{head}{joint}{}", english_number(rest)) }
}

fn chinese_number(value: u64) -> String {
    const UNITS: [(u64, &str); 6] = [
        (1_0000_0000_0000, "万亿"),
        (1_0000_0000, "亿"),
        (1_0000, "万"),
        (1000, "千"),
        (100, "百"),
        (10, "十"),
    ];
    if value < 10 {
        return CHINESE_DIGITS[value as usize].to_string();
    }
    let (unit, name) = UNITS.iter().find(|(unit, _)| value >= *unit).copied().unwrap_or((10, "十"));
    let (head, rest) = (value / unit, value % unit);
    // 十二, not 一十二; but 一百一十二.
    let mut words = if value < 20 { name.to_owned() } else { format!("{}{name}", chinese_number(head)) };
    if rest > 0 {
        // A skipped place is said: 一百零三, 一万零五十.
        if rest < unit / 10 {
            words.push('零');
        }
        let rest_words = chinese_number(rest);
        words.push_str(if (10..20).contains(&rest) { "一" } else { "" });
        words.push_str(&rest_words);
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
        assert_eq!(digits("", English), "");
    }

    #[test]
    fn spelling_says_letters_and_digits() {
        assert_eq!(spell("ab1", English), "A, B, one");
        assert_eq!(spell("a1", Chinese), "A，一");
    }

    #[test]
    fn whole_numbers_are_said_in_words() {
        assert_eq!(number("0", English), "zero");
        assert_eq!(number("42", English), "forty-two");
        assert_eq!(number("-1205", English), "minus one thousand two hundred five");
        assert_eq!(number("3.5", English), "3.5");
        assert_eq!(number("12", Chinese), "十二");
        assert_eq!(number("103", Chinese), "一百零三");
        assert_eq!(number("112", Chinese), "一百一十二");
        assert_eq!(number("120", Chinese), "一百二十");
        assert_eq!(number("10050", Chinese), "一万零五十");
        assert_eq!(number("120000", Chinese), "十二万");
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
