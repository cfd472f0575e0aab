//! The few lines of SDP that a G.711 telephone needs (RFC 8866, RFC 3264).

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

use crate::g711::Law;

/// Our payload type for telephone-event.
pub(crate) const TELEPHONE_EVENT: u8 = 101;

/// What the other side's description says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Remote {
    /// Where it wants RTP.
    pub address: SocketAddr,
    /// Its first G.711.
    pub law: Law,
    /// Its payload type for telephone-event at 8 kHz.
    pub telephone_event: Option<u8>,
    /// Whether it wants to receive (`sendrecv`, `recvonly`).
    pub receives: bool,
    /// Whether it wants to send (`sendrecv`, `sendonly`).
    pub sends: bool,
}

/// An offer or answer for RTP at `local`, with these codecs, best first.
pub(crate) fn describe(local: SocketAddr, laws: &[Law], version: u64, direction: &str) -> String {
    let family = if local.is_ipv4() { "IP4" } else { "IP6" };
    let ip = local.ip();
    let mut formats = String::new();
    for law in laws {
        let _ = write!(formats, " {}", law.payload_type());
    }
    let mut text = format!(
        "v=0\r\no=- {} {version} IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n\
         m=audio {} RTP/AVP{formats} {TELEPHONE_EVENT}\r\n",
        u64::from(local.port()) + 1,
        local.port()
    );
    for law in laws {
        let _ = write!(text, "a=rtpmap:{} {}/8000\r\n", law.payload_type(), law.name());
    }
    let _ = write!(
        text,
        "a=rtpmap:{TELEPHONE_EVENT} telephone-event/8000\r\na=fmtp:{TELEPHONE_EVENT} 0-15\r\na=ptime:20\r\n\
         a={direction}\r\n"
    );
    text
}

/// Reads the first audio stream of a description. `None` where it has none, refuses it (port 0), or has no G.711.
pub(crate) fn read(text: &str) -> Option<Remote> {
    let (mut session_ip, mut media_ip, mut port, mut law) = (None, None, None, None);
    let (mut telephone_event, mut direction, mut in_audio) = (None, "sendrecv", false);
    let mut session_direction = "sendrecv";
    for line in text.lines() {
        let Some((kind, value)) = line.trim_end().split_once('=') else { continue };
        match kind {
            "m" if port.is_some() => in_audio = false,
            "m" => {
                let mut words = value.split_whitespace();
                in_audio = words.next() == Some("audio");
                if in_audio {
                    port = Some(words.next()?.split('/').next()?.parse::<u16>().ok()?);
                    law =
                        words.skip(1).filter_map(|format| format.parse().ok()).find_map(Law::of_payload_type);
                    direction = session_direction;
                }
            }
            "c" => {
                let ip = value
                    .split_whitespace()
                    .nth(2)
                    .and_then(|ip| ip.split('/').next()?.parse::<IpAddr>().ok());
                if in_audio {
                    media_ip = ip;
                } else if port.is_none() {
                    session_ip = ip;
                }
            }
            "a" => {
                if let Some(map) = value.strip_prefix("rtpmap:").filter(|_| in_audio)
                    && let Some((format, name)) = map.split_once(' ')
                    && name.to_ascii_lowercase().starts_with("telephone-event/8000")
                {
                    telephone_event = format.parse().ok();
                }
                if ["sendrecv", "sendonly", "recvonly", "inactive"].contains(&value) {
                    if in_audio {
                        direction = value;
                    } else if port.is_none() {
                        session_direction = value;
                    }
                }
            }
            _ => {}
        }
    }
    let ip = media_ip.or(session_ip)?;
    // RFC 3264 §8.4: hold of old was the address 0.0.0.0.
    let reachable = !ip.is_unspecified();
    Some(Remote {
        address: SocketAddr::new(ip, port.filter(|port| *port != 0)?),
        law: law?,
        telephone_event,
        receives: reachable && matches!(direction, "sendrecv" | "recvonly"),
        sends: matches!(direction, "sendrecv" | "sendonly"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_description_is_understood() {
        let local: SocketAddr = "[::1]:4000".parse().unwrap();

        let remote = read(&describe(local, &[Law::A, Law::Mu], 1, "sendrecv")).unwrap();

        assert_eq!(
            remote,
            Remote { address: local, law: Law::A, telephone_event: Some(101), receives: true, sends: true }
        );
    }

    #[test]
    fn the_media_line_wins_over_the_session_and_hold_is_seen() {
        let text = "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\na=sendrecv\r\n\
                    m=video 9 RTP/AVP 96\r\nc=IN IP4 10.0.0.3\r\nm=audio 5000 RTP/AVP 96 8\r\nc=IN IP4 10.0.0.2\r\n\
                    a=rtpmap:96 telephone-event/8000\r\na=sendonly\r\n";

        let remote = read(text).unwrap();

        assert_eq!(remote.address, "10.0.0.2:5000".parse().unwrap());
        assert_eq!((remote.law, remote.telephone_event), (Law::A, Some(96)));
        assert!(!remote.receives && remote.sends);
    }

    #[test]
    fn a_refused_stream_or_one_without_g711_is_none() {
        assert_eq!(read("v=0\r\nc=IN IP4 10.0.0.1\r\nm=audio 0 RTP/AVP 0\r\n"), None);
        assert_eq!(read("v=0\r\nc=IN IP4 10.0.0.1\r\nm=audio 9 RTP/AVP 9\r\n"), None);
        assert_eq!(read("rubbish"), None);
    }
}
