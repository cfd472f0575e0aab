//! The words for numbers: spoken by the bot, heard from the caller.

/// `zero` to `nine`.
pub(crate) const ENGLISH_DIGITS: [&str; 10] =
    ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];

/// `ten` to `nineteen`.
pub(crate) const ENGLISH_TEENS: [&str; 10] = [
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

/// `twenty` to `ninety`.
pub(crate) const ENGLISH_TENS: [&str; 8] =
    ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];

/// 零 to 九.
pub(crate) const CHINESE_DIGITS: [char; 10] = ['零', '一', '二', '三', '四', '五', '六', '七', '八', '九'];

/// What stands behind a Chinese digit and multiplies it.
pub(crate) const CHINESE_UNITS: [(u64, char); 5] =
    [(1_0000_0000, '亿'), (1_0000, '万'), (1000, '千'), (100, '百'), (10, '十')];
