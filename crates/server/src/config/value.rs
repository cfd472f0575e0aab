//! Single values: what is right, and what to write where one is wrong.

use std::net::IpAddr;
use std::time::Duration;

use offhook_call_media::LineCodec;

use super::place::Wrong;

/// A year in seconds: a limit beyond it is a slip of the pen.
const LONGEST_LIMIT: f64 = 31_536_000.0;

/// First and last RTP port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpRange {
    /// First, even.
    pub first: u16,
    /// Last.
    pub last: u16,
}

impl RtpRange {
    /// Reads `A-B`.
    ///
    /// # Errors
    /// A sentence that says what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is not a port range: write FIRST-LAST, as 20000-29999");
        let (first, last) = text.split_once('-').ok_or_else(wrong)?;
        let first: u16 = first.trim().parse().map_err(|_| wrong())?;
        let last: u16 = last.trim().parse().map_err(|_| wrong())?;
        if last < first {
            return Err(format!("'{text}' ends before it begins: write FIRST-LAST, as 20000-29999"));
        }
        let first = first.checked_add(first % 2).ok_or_else(wrong)?;
        if first < 1024 || last <= first {
            return Err(format!(
                "'{text}' holds no pair of ports above 1023: write FIRST-LAST, as 20000-29999"
            ));
        }
        Ok(RtpRange { first, last })
    }
}

/// Where RTP may come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nat {
    /// The address of the SDP.
    Sdp,
    /// The address that the SIP peer really has, too.
    Learn,
}

pub(super) fn seconds(path: &[&str], value: f64, least: f64) -> Result<Duration, Wrong> {
    if (least..=LONGEST_LIMIT).contains(&value) {
        Ok(Duration::from_secs_f64(value))
    } else {
        let range = format!("{least} to {LONGEST_LIMIT}");
        Err(Wrong::new(path, format!("{value} is out of range: write seconds, {range}")))
    }
}

pub(super) fn milliseconds(path: &[&str], value: f64) -> Result<Duration, Wrong> {
    if (1.0..=1000.0).contains(&value) {
        Ok(Duration::from_secs_f64(value / 1000.0))
    } else {
        Err(Wrong::new(path, format!("{value} is out of range: write milliseconds, 1 to 1000")))
    }
}

pub(super) fn calls(path: &[&str], value: Option<usize>) -> Result<Option<usize>, Wrong> {
    match value {
        Some(0) => Err(Wrong::new(path, "0 lets no call in: write 1 or more, or leave it out for no limit")),
        Some(_) | None => Ok(value),
    }
}

pub(super) fn ptime(path: &[&str], value: i64) -> Result<u8, Wrong> {
    let wrong = || Wrong::new(path, format!("{value} is none of 10, 20, 30, 40, 60"));
    u8::try_from(value).ok().filter(|value| [10, 20, 30, 40, 60].contains(value)).ok_or_else(wrong)
}

pub(super) fn one_of<'a>(path: &[&str], value: &'a str, allowed: &[&str]) -> Result<&'a str, Wrong> {
    if allowed.contains(&value) {
        Ok(value)
    } else {
        Err(Wrong::new(path, format!("'{value}' is none of {}", allowed.join(", "))))
    }
}

pub(super) fn on_off(path: &[&str], value: &str) -> Result<bool, Wrong> {
    Ok(one_of(path, value, &["on", "off"])? == "on")
}

pub(super) fn nat(path: &[&str], value: &str) -> Result<Nat, Wrong> {
    Ok(if one_of(path, value, &["sdp", "learn"])? == "learn" { Nat::Learn } else { Nat::Sdp })
}

pub(super) fn dscp(path: &[&str], value: i64) -> Result<u8, Wrong> {
    let wrong = || Wrong::new(path, format!("{value} is no DSCP: write 0 to 63"));
    u8::try_from(value).ok().filter(|value| *value <= 63).ok_or_else(wrong)
}

/// One line of a header.
pub(super) fn header_text(path: &[&str], value: &str) -> Result<String, Wrong> {
    if value.len() <= 128 && !value.chars().any(char::is_control) {
        Ok(value.to_owned())
    } else {
        Err(Wrong::new(path, "it stands in a SIP header: write one line of at most 128 bytes"))
    }
}

pub(super) fn codecs(path: &[&str], names: &[String]) -> Result<Vec<LineCodec>, Wrong> {
    let mut codecs = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let called = |what: String| {
            let place = path.join(".");
            Wrong::new(&[path, &[&index.to_string()]].concat(), what).called(place)
        };
        let codec = match name.to_ascii_lowercase().as_str() {
            "pcmu" => LineCodec::Pcmu,
            "pcma" => LineCodec::Pcma,
            _ => return Err(called(format!("'{name}' is not spoken here: write pcmu, pcma"))),
        };
        if codecs.contains(&codec) {
            return Err(called(format!("'{name}' is there twice: leave one out")));
        }
        codecs.push(codec);
    }
    if codecs.is_empty() {
        return Err(Wrong::new(path, "at least one codec is needed: write pcmu, pcma"));
    }
    Ok(codecs)
}

/// A URL of the application behind `bridge`.
pub(super) fn websocket_url(path: &[&str], url: &str) -> Result<String, Wrong> {
    if url.strip_prefix("ws://").is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/')) {
        Ok(url.to_owned())
    } else {
        Err(Wrong::new(path, format!("'{url}' is not ws://HOST:PORT/PATH")))
    }
}

/// An address, or a network by its first address and prefix length.
pub(super) fn network(text: &str) -> Result<(IpAddr, u8), String> {
    let wrong = || format!("'{text}' is not a network: write ADDRESS or ADDRESS/PREFIX, as 192.0.2.0/24");
    let (address, prefix) =
        text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
    let address: IpAddr = address.parse().map_err(|_| wrong())?;
    let width = if address.is_ipv4() { 32 } else { 128 };
    let prefix = prefix.map_or(Ok(width), |prefix| prefix.parse::<u8>().map_err(|_| wrong()))?;
    if prefix > width {
        return Err(wrong());
    }
    let first = first_address(address, prefix);
    if first == address {
        Ok((address, prefix))
    } else {
        // Which of the two was meant decides whom we may call.
        Err(format!("'{text}' is an address within a network: write {first}/{prefix} or {address}"))
    }
}

fn first_address(address: IpAddr, prefix: u8) -> IpAddr {
    let mask = |width: u32| {
        let kept = u32::from(prefix).min(width);
        if kept == 0 { 0 } else { u128::MAX << (width - kept) }
    };
    match address {
        IpAddr::V4(address) => IpAddr::from((address.to_bits() & mask(32) as u32).to_be_bytes()),
        IpAddr::V6(address) => IpAddr::from((address.to_bits() & mask(128)).to_be_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_written_by_its_first_address() {
        let read = |text: &str| network(text).map(|(address, prefix)| format!("{address}/{prefix}"));

        assert_eq!(read("192.0.2.0/24").unwrap(), "192.0.2.0/24");
        assert_eq!(read("192.0.2.7").unwrap(), "192.0.2.7/32");
        assert_eq!(read("2001:db8::/32").unwrap(), "2001:db8::/32");
        assert_eq!(read("0.0.0.0/0").unwrap(), "0.0.0.0/0");
        assert!(read("10.1.2.3/8").unwrap_err().contains("write 10.0.0.0/8 or 10.1.2.3"));
        assert!(read("2001:db8::1/64").unwrap_err().contains("write 2001:db8::/64 or 2001:db8::1"));
        assert!(read("10.0.0.0/33").is_err() && read("carrier.example").is_err());
    }
}
