//! Recording of calls: whether, what of it, how long.

use anyhow::{Context, bail};
use offhook_journal::bundle::Keep;
use offhook_journal::bundle::seal::KEY;

use super::place::Wrong;
use super::{BundleSection, Secret, value};

/// Ten years: a bundle older than that is kept somewhere else.
const MOST_DAYS: i64 = 3650;

/// An exbibyte is a slip of the pen.
const MOST_GIB: f64 = 1_048_576.0;

const GIB: f64 = 1_073_741_824.0;

/// `[bundle]`, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct BundleConfig {
    /// Whether calls are recorded where their route says nothing.
    pub record: bool,
    /// What is kept of the RTP that we send.
    pub egress: Keep,
    /// Days after which a bundle is removed.
    pub keep_days: u32,
    /// Bytes of bundles beyond which the oldest are removed.
    pub max_bytes: u64,
    key: Option<Secret>,
}

impl BundleConfig {
    /// The key that bundles are encrypted with; `None` where they are not.
    ///
    /// # Errors
    /// It is not where the file says, or it is no key.
    pub fn reveal_key(&self) -> anyhow::Result<Option<[u8; KEY]>> {
        let Some(secret) = &self.key else { return Ok(None) };
        parse_key(&secret.reveal().map_err(anyhow::Error::msg).context("bundle.key")?).map(Some)
    }

    /// The file that holds the key, where one does.
    pub fn key_file(&self) -> Option<&std::path::Path> {
        self.key.as_ref().and_then(Secret::path)
    }

    /// Why the key cannot be looked at here, for people: on the machine of the server it may be there.
    ///
    /// # Errors
    /// It is there, and it is no key.
    pub fn check_key(&self) -> anyhow::Result<Option<String>> {
        match self.key.as_ref().map(Secret::reveal) {
            None => Ok(None),
            Some(Ok(digits)) => parse_key(&digits).map(|_| None),
            Some(Err(why)) => Ok(Some(format!("bundle.key: {why}: without it the server does not start"))),
        }
    }
}

fn parse_key(digits: &str) -> anyhow::Result<[u8; KEY]> {
    let mut key = [0; KEY];
    let pairs = digits.as_bytes().chunks(2);
    if digits.len() != KEY * 2 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        // Not a digit of it is told.
        bail!("bundle.key is no key: write 64 hexadecimal digits, as `openssl rand -hex 32` prints them");
    }
    for (octet, pair) in key.iter_mut().zip(pairs) {
        *octet = pair.iter().fold(0, |value, digit| value << 4 | hexadecimal(*digit));
    }
    Ok(key)
}

fn hexadecimal(digit: u8) -> u8 {
    char::from(digit).to_digit(16).map_or(0, |value| value as u8)
}

pub(super) fn check(section: &BundleSection) -> Result<BundleConfig, Wrong> {
    let egress = value::one_of(&["bundle", "egress"], &section.egress, &["hash", "full"])?;
    if !(1..=MOST_DAYS).contains(&section.keep_days) {
        let what = format!("{} is out of range: write days, 1 to {MOST_DAYS}", section.keep_days);
        return Err(Wrong::new(&["bundle", "keep_days"], what));
    }
    if !(0.001..=MOST_GIB).contains(&section.max_gib) {
        let what = format!("{} is out of range: write GiB, 0.001 to {MOST_GIB}", section.max_gib);
        return Err(Wrong::new(&["bundle", "max_gib"], what));
    }
    Ok(BundleConfig {
        record: value::on_off(&["bundle", "record"], &section.record)?,
        egress: if egress == "full" { Keep::Whole } else { Keep::Header },
        keep_days: section.keep_days as u32,
        max_bytes: (section.max_gib * GIB) as u64,
        key: section.key.clone(),
    })
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, "test.toml").map_err(|error| error.to_string())
    }

    #[test]
    fn calls_are_recorded_where_the_file_or_their_route_says_so() {
        let routes = "[[route]]\nuser = \"a\"\nbot = \"echo\"\nrecord = \"on\"\n\
                      [[route]]\nuser = \"b\"\nbot = \"echo\"\nrecord = \"off\"\n\
                      [[route]]\nuser = \"c\"\nbot = \"echo\"\n";
        let (off, on) =
            (parse(routes).unwrap(), parse(&format!("[bundle]\nrecord = \"on\"\n{routes}")).unwrap());
        let records = |config: &Config| [None, Some(0), Some(1), Some(2)].map(|route| config.records(route));

        assert_eq!(records(&off), [false, true, false, false]);
        assert_eq!(records(&on), [true, true, false, true]);
        assert!(off.records_any() && on.records_any() && !Config::default().records_any());
        assert_ne!(off.hash, on.hash);
        assert_eq!(off.hash.len(), 64);
    }

    #[test]
    fn mistakes_are_named_with_their_place_and_remedy() {
        let table = [
            ("[bundle]\nrecord = \"yes\"\n", "line 2", "bundle.record", "none of on, off"),
            ("[bundle]\negress = \"all\"\n", "line 2", "bundle.egress", "none of hash, full"),
            ("[bundle]\nkeep_days = 0\n", "line 2", "bundle.keep_days", "1 to 3650"),
            ("[bundle]\nmax_gib = 0\n", "line 2", "bundle.max_gib", "write GiB"),
            (
                "[[route]]\nuser = \"a\"\nbot = \"echo\"\nrecord = \"no\"\n",
                "line 4",
                "route 1: record",
                "none of on, off",
            ),
        ];
        for (text, line, key, remedy) in table {
            let told = parse(text).unwrap_err();
            assert!([line, key, remedy].iter().all(|part| told.contains(part)), "{told}");
        }
    }

    #[test]
    fn a_key_is_64_hexadecimal_digits_and_is_not_told() {
        let key = |text: &str| parse(&format!("[bundle]\nkey = \"{text}\"\n")).unwrap().bundle.reveal_key();
        let mut expected = [0xAB; 32];
        expected[31] = 0x0F;

        assert_eq!(key(&format!("{}0f", "Ab".repeat(31))).unwrap(), Some(expected));
        for wrong in ["secret-digits".to_owned(), "ab".repeat(31), "zz".repeat(32)] {
            let told = format!("{:#}", key(&wrong).unwrap_err());
            assert!(told.contains("64 hexadecimal digits") && !told.contains(&wrong), "{told}");
        }
        let told =
            parse("[bundle]\nkey = \"env:OFFHOOK_TEST_NO_SUCH_VARIABLE\"\n").unwrap().bundle.check_key();
        assert!(told.unwrap().is_some_and(|note| note.contains("is not set")));
        assert!(parse("[bundle]\nkey = \"abc\"\n").unwrap().bundle.check_key().is_err());
        let told = format!("{:#}", key("env:OFFHOOK_TEST_NO_SUCH_VARIABLE").unwrap_err());
        assert!(told.contains("bundle.key") && told.contains("OFFHOOK_TEST_NO_SUCH_VARIABLE"), "{told}");
        assert_eq!(Config::default().bundle.reveal_key().unwrap(), None);
    }
}
