//! Amounts of money as a voice should say them.

use super::spoken::{decimal, signed, whole_number};
use crate::Language;

/// One currency: how its units are called.
struct Currency {
    code: &'static str,
    /// One, several, one hundredth, several of them; no hundredths where the words are empty.
    english: [&'static str; 4],
    /// The unit and its hundredth. Where the hundredth is 分, tenths are 角.
    chinese: [&'static str; 2],
}

const CURRENCIES: [Currency; 6] = [
    Currency { code: "USD", english: ["dollar", "dollars", "cent", "cents"], chinese: ["美元", "美分"] },
    Currency { code: "EUR", english: ["euro", "euros", "cent", "cents"], chinese: ["欧元", "欧分"] },
    Currency { code: "GBP", english: ["pound", "pounds", "penny", "pence"], chinese: ["英镑", "便士"] },
    Currency { code: "CNY", english: ["yuan", "yuan", "fen", "fen"], chinese: ["元", "分"] },
    Currency {
        code: "HKD",
        english: ["Hong Kong dollar", "Hong Kong dollars", "cent", "cents"],
        chinese: ["港元", "分"],
    },
    Currency { code: "JPY", english: ["yen", "yen", "", ""], chinese: ["日元", ""] },
];

/// The codes that [`money`] knows.
pub(crate) fn codes() -> impl Iterator<Item = &'static str> + Clone {
    CURRENCIES.iter().map(|currency| currency.code)
}

/// What an amount is in where the template does not say.
pub(crate) fn usual(language: Language) -> &'static str {
    match language {
        Language::English => "USD",
        Language::Chinese => "CNY",
    }
}

/// `12.5` as twelve dollars and fifty cents; anything that is not an amount comes back as it is. `None` for a currency
/// that nobody taught us.
pub(crate) fn money(text: &str, code: &str, language: Language) -> Option<String> {
    let currency = CURRENCIES.iter().find(|currency| currency.code == code)?;
    let Some((negative, mut whole, fraction)) = decimal(text) else { return Some(text.to_owned()) };
    let mut hundredths = hundredths(&fraction);
    if currency.chinese[1].is_empty() {
        // There is no smaller coin.
        hundredths = if hundredths >= 50 { 100 } else { 0 };
    }
    if hundredths >= 100 {
        whole += 1;
        hundredths -= 100;
    }
    let words = match language {
        Language::English => english(currency, whole, hundredths),
        Language::Chinese => chinese(currency, whole, hundredths),
    };
    Some(signed(negative && (whole, hundredths) != (0, 0), &words, language))
}

/// The first two places, rounded by the third: what computers make of 0.1 + 0.2 is thirty cents.
fn hundredths(fraction: &str) -> u64 {
    let place = |index: usize| fraction.chars().nth(index).and_then(|c| c.to_digit(10)).map_or(0, u64::from);
    place(0) * 10 + place(1) + u64::from(place(2) >= 5)
}

fn english(currency: &Currency, whole: u64, hundredths: u64) -> String {
    let [one, several, cent, cents] = currency.english;
    let counted = |count: u64, one: &str, several: &str| {
        format!("{} {}", whole_number(count, Language::English), if count == 1 { one } else { several })
    };
    match (whole, hundredths) {
        (whole, 0) => counted(whole, one, several),
        (0, hundredths) => counted(hundredths, cent, cents),
        (whole, hundredths) => {
            format!("{} and {}", counted(whole, one, several), counted(hundredths, cent, cents))
        }
    }
}

fn chinese(currency: &Currency, whole: u64, hundredths: u64) -> String {
    let [unit, part] = currency.chinese;
    let mut words = String::new();
    if whole > 0 || hundredths == 0 {
        words.push_str(&measured(whole, unit));
    }
    if hundredths == 0 {
        return words;
    }
    if part != "分" {
        words.push_str(&measured(hundredths, part));
        return words;
    }
    let (tenths, rest) = (hundredths / 10, hundredths % 10);
    if tenths > 0 {
        words.push_str(&measured(tenths, "角"));
    } else if whole > 0 {
        words.push('零');
    }
    if rest > 0 {
        words.push_str(&measured(rest, part));
    }
    words
}

/// Two of something are 两, not 二.
fn measured(count: u64, unit: &str) -> String {
    if count == 2 { format!("两{unit}") } else { whole_number(count, Language::Chinese) + unit }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Language::{Chinese, English};

    #[test]
    fn amounts_are_said_in_words() {
        for (text, code, words) in [
            ("12.5", "USD", "twelve dollars and fifty cents"),
            ("1", "USD", "one dollar"),
            ("0.01", "EUR", "one cent"),
            ("1,250.00", "EUR", "one thousand two hundred fifty euros"),
            ("2.02", "GBP", "two pounds and two pence"),
            ("-3", "GBP", "minus three pounds"),
            ("0", "USD", "zero dollars"),
            ("0.30000000000000004", "USD", "thirty cents"),
            ("0.999", "USD", "one dollar"),
            ("99.5", "JPY", "one hundred yen"),
            ("nothing", "USD", "nothing"),
        ] {
            assert_eq!(money(text, code, English).unwrap(), words, "{text} {code}");
        }
        assert_eq!(money("1", "XXX", English), None);
    }

    #[test]
    fn amounts_are_said_in_chinese_as_people_say_them() {
        for (text, code, words) in [
            ("1205.5", "CNY", "一千二百零五元五角"),
            ("2", "CNY", "两元"),
            ("2.22", "CNY", "两元两角两分"),
            ("12.05", "CNY", "十二元零五分"),
            ("0.5", "CNY", "五角"),
            ("0.05", "CNY", "五分"),
            ("0", "CNY", "零元"),
            ("22000", "CNY", "两万二千元"),
            ("-0.5", "CNY", "负五角"),
            ("12.5", "USD", "十二美元五十美分"),
            ("8.1", "HKD", "八港元一角"),
            ("100", "JPY", "一百日元"),
        ] {
            assert_eq!(money(text, code, Chinese).unwrap(), words, "{text} {code}");
        }
    }
}
