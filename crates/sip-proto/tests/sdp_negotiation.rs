//! Offer and answer (RFC 3264) as tables: what comes in, what stream comes out.

#![allow(clippy::unwrap_used, reason = "helpers of a test fail like the test")]

mod message_support;

use std::net::SocketAddr;

use message_support::{fixture_folder, parse};
use offhook_sip_proto::sdp::{
    Codec, Direction, LocalCapabilities, NegotiationError, SessionDescription, answer, apply_answer, offer,
    reoffer,
};

fn local() -> LocalCapabilities {
    LocalCapabilities::g711("192.0.2.100:20000".parse().unwrap(), 7)
}

fn local_v6() -> LocalCapabilities {
    LocalCapabilities::g711("[2001:db8::100]:20000".parse().unwrap(), 7)
}

fn sdp(session: &str, media: &str) -> SessionDescription {
    let text = format!("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\n{session}t=0 0\r\n{media}");
    SessionDescription::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// An offer of one audio stream from 192.0.2.1.
fn audio(media: &str) -> SessionDescription {
    sdp("c=IN IP4 192.0.2.1\r\n", media)
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
fn the_first_common_codec_of_the_offer_is_taken_with_its_number() {
    for (offered, codec, payload_type, events) in [
        ("m=audio 4000 RTP/AVP 0 8\r\n", Codec::pcmu(), 0, None),
        ("m=audio 4000 RTP/AVP 8 0\r\n", Codec::pcma(), 8, None),
        ("m=audio 4000 RTP/AVP 18 4 0\r\na=rtpmap:18 G729/8000\r\n", Codec::pcmu(), 0, None),
        (
            "m=audio 4000 RTP/AVP 96 97\r\na=rtpmap:96 pcma/8000\r\na=rtpmap:97 telephone-event/8000\r\n",
            Codec::pcma(),
            96,
            Some(97),
        ),
        ("m=audio 4000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/48000\r\n", Codec::pcmu(), 0, None),
        (
            "m=audio 4000 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000/1\r\na=rtpmap:101 TELEPHONE-EVENT/8000\r\na=fmtp:101 0-16\r\n",
            Codec::pcmu(),
            0,
            Some(101),
        ),
    ] {
        let (_, stream) = answer(&audio(offered), &local()).unwrap();

        assert_eq!(
            (stream.codec, stream.payload_type, stream.telephone_event),
            (codec, payload_type, events),
            "{offered}"
        );
    }
}

#[test]
fn our_own_order_counts_where_it_is_configured() {
    let preferring = LocalCapabilities { prefer_own_order: true, ..local() };

    let (_, stream) = answer(&audio("m=audio 4000 RTP/AVP 8 0\r\n"), &preferring).unwrap();

    assert_eq!(stream.codec, Codec::pcmu());
}

#[test]
fn no_common_codec_no_audio_and_no_address_are_told_apart() {
    for (offered, error) in [
        (audio("m=audio 4000 RTP/AVP 18\r\n"), NegotiationError::NoCommonCodec),
        (
            audio("m=audio 4000 RTP/AVP 101\r\na=rtpmap:101 telephone-event/8000\r\n"),
            NegotiationError::NoCommonCodec,
        ),
        (audio("m=audio 4000 RTP/AVP 0\r\na=rtpmap:0 PCMU/16000\r\n"), NegotiationError::NoCommonCodec),
        (audio("m=audio 0 RTP/AVP 0\r\n"), NegotiationError::NoAudio),
        (audio("m=video 4000 RTP/AVP 31\r\n"), NegotiationError::NoAudio),
        (audio("m=audio 4000 RTP/SAVP 0\r\n"), NegotiationError::NoAudio),
        (audio(""), NegotiationError::NoAudio),
        (sdp("", "m=audio 4000 RTP/AVP 0\r\n"), NegotiationError::NoAddress),
        (sdp("c=IN IP4 host.example.com\r\n", "m=audio 4000 RTP/AVP 0\r\n"), NegotiationError::NoAddress),
        (sdp("c=IN IP4 224.2.36.42/127\r\n", "m=audio 4000 RTP/AVP 0\r\n"), NegotiationError::NoAddress),
        (sdp("c=IN IP4 255.255.255.255\r\n", "m=audio 4000 RTP/AVP 0\r\n"), NegotiationError::NoAddress),
        (sdp("c=IN IP6 2001:db8::1\r\n", "m=audio 4000 RTP/AVP 0\r\n"), NegotiationError::NoAddress),
    ] {
        assert_eq!(answer(&offered, &local()).unwrap_err(), error, "{offered}");
    }
}

#[test]
fn directions_are_reversed_and_limited_by_what_we_want() {
    use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
    for (theirs, we_want, ours) in [
        (SendRecv, SendRecv, SendRecv),
        (SendOnly, SendRecv, RecvOnly),
        (RecvOnly, SendRecv, SendOnly),
        (Inactive, SendRecv, Inactive),
        (SendRecv, SendOnly, SendOnly),
        (SendOnly, SendOnly, Inactive),
    ] {
        let local = LocalCapabilities { direction: we_want, ..local() };

        let (description, stream) =
            answer(&audio(&format!("m=audio 4000 RTP/AVP 0\r\na={theirs}\r\n")), &local).unwrap();

        assert_eq!(stream.direction, ours, "{theirs} {we_want}");
        assert_eq!(description.direction_of(&description.media[0]), ours);
    }
}

#[test]
fn every_form_of_hold_stops_our_audio() {
    for held in [
        audio("m=audio 4000 RTP/AVP 0\r\na=sendonly\r\n"),
        audio("m=audio 4000 RTP/AVP 0\r\na=inactive\r\n"),
        audio("m=audio 4000 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\n"),
        sdp("c=IN IP4 0.0.0.0\r\n", "m=audio 4000 RTP/AVP 0\r\na=sendrecv\r\n"),
        sdp("c=IN IP4 192.0.2.1\r\na=sendonly\r\n", "m=audio 4000 RTP/AVP 0\r\n"),
    ] {
        let (_, stream) = answer(&held, &local()).unwrap();

        assert!(!stream.direction.sends(), "{held}");
        assert_eq!(stream.rtp_target(), None);
        assert!(stream.rtcp_target().is_none_or(|address| !address.ip().is_unspecified()));
    }
}

#[test]
fn streams_that_we_do_not_take_are_rejected_in_place() {
    let offered = audio(
        "m=video 5000 RTP/AVP 31\r\nm=audio 4000 RTP/SAVP 0\r\nm=audio 4002 RTP/AVP 8\r\nm=image 6000 udptl t38\r\nm=audio 4004 RTP/AVP 0\r\n",
    );

    let (description, stream) = answer(&offered, &local()).unwrap();

    let lines: Vec<_> =
        description.media.iter().map(|m| (m.kind.as_str(), m.port, m.protocol.as_str())).collect();
    assert_eq!(
        lines,
        [
            ("video", 0, "RTP/AVP"),
            ("audio", 0, "RTP/SAVP"),
            ("audio", 20000, "RTP/AVP"),
            ("image", 0, "udptl"),
            ("audio", 0, "RTP/AVP")
        ]
    );
    assert_eq!((stream.media_index, stream.remote_rtp), (2, address("192.0.2.1:4002")));
}

#[test]
fn packet_times_are_ones_that_we_can_send() {
    for (attributes, wanted) in [
        ("", 20),
        ("a=ptime:30\r\n", 30),
        ("a=ptime:20.0\r\n", 20),
        ("a=ptime:20\r\na=maxptime:10\r\n", 10),
        ("a=ptime:5\r\n", 10),
        ("a=ptime:25\r\n", 20),
        ("a=ptime:500\r\n", 60),
        ("a=ptime:0\r\n", 20),
        ("a=ptime:many\r\n", 20),
    ] {
        let (_, stream) =
            answer(&audio(&format!("m=audio 4000 RTP/AVP 0\r\n{attributes}")), &local()).unwrap();

        assert_eq!(stream.ptime_ms, wanted, "{attributes}");
    }
}

#[test]
fn rtcp_goes_where_the_peer_says() {
    for (attributes, rtcp, mux) in [
        ("", "192.0.2.1:4001", false),
        ("a=rtcp:4100\r\n", "192.0.2.1:4100", false),
        ("a=rtcp:4100 IN IP4 192.0.2.9\r\n", "192.0.2.9:4100", false),
        ("a=rtcp-mux\r\n", "192.0.2.1:4000", true),
        ("a=rtcp:somewhere\r\n", "192.0.2.1:4001", false),
        ("a=rtcp:9 IN IP4 0.0.0.0\r\n", "192.0.2.1:9", false),
    ] {
        let (description, stream) =
            answer(&audio(&format!("m=audio 4000 RTP/AVP 0\r\n{attributes}")), &local()).unwrap();

        assert_eq!((stream.remote_rtcp, stream.rtcp_mux), (address(rtcp), mux), "{attributes}");
        assert_eq!(description.media[0].has_flag("rtcp-mux"), mux);
    }
}

#[test]
fn a_shared_port_that_only_one_side_wants_is_not_shared() {
    let alone = LocalCapabilities { rtcp_mux: false, ..local() };
    let wanted = audio("m=audio 4000 RTP/AVP 0\r\na=rtcp-mux\r\n");

    let (description, answered) = answer(&wanted, &alone).unwrap();
    let offered = apply_answer(&offer(&alone), &wanted, &alone).unwrap();

    assert!(!description.media[0].has_flag("rtcp-mux"));
    for stream in [answered, offered] {
        assert_eq!((stream.rtcp_mux, stream.remote_rtcp), (false, address("192.0.2.1:4001")));
    }
}

#[test]
fn the_answer_to_an_ordinary_phone_is_what_it_should_be_to_the_letter() {
    let offered = audio(
        "m=audio 4000 RTP/AVP 9 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n",
    );

    let (description, _) = answer(&offered, &local()).unwrap();

    assert_eq!(
        description.to_string(),
        "v=0\r\no=- 7 1 IN IP4 192.0.2.100\r\ns=-\r\nc=IN IP4 192.0.2.100\r\nt=0 0\r\nm=audio 20000 RTP/AVP 8 101\r\n\
         a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
    );
}

#[test]
fn ipv6_streams_are_answered_over_ipv6() {
    let offered = sdp("c=IN IP6 2001:db8::20\r\n", "m=audio 6000 RTP/AVP 0\r\n");

    let (description, stream) = answer(&offered, &local_v6()).unwrap();

    assert_eq!(stream.remote_rtp, address("[2001:db8::20]:6000"));
    assert!(description.to_string().contains("c=IN IP6 2001:db8::100\r\n"));
}

#[test]
fn an_ipv4_address_in_ipv6_clothes_is_reached_over_ipv4() {
    let offered = sdp("c=IN IP6 ::ffff:192.0.2.2\r\n", "m=audio 6000 RTP/AVP 0\r\n");

    let (_, stream) = answer(&offered, &local()).unwrap();

    assert_eq!(stream.remote_rtp, address("192.0.2.2:6000"));
}

#[test]
fn our_offer_answered_by_ourselves_is_the_same_stream_from_both_ends() {
    let caller = local();
    let callee = LocalCapabilities::g711("192.0.2.200:30000".parse().unwrap(), 9);
    let offered = offer(&caller);

    let (answered, callee_stream) =
        answer(&SessionDescription::parse(&offered.to_bytes()).unwrap(), &callee).unwrap();
    let caller_stream = apply_answer(&offered, &answered, &caller).unwrap();

    assert_eq!(caller_stream.codec, callee_stream.codec);
    assert_eq!(caller_stream.telephone_event, Some(101));
    assert_eq!((caller_stream.remote_rtp, callee_stream.remote_rtp), (callee.rtp, caller.rtp));
    assert!(caller_stream.rtcp_mux && callee_stream.rtcp_mux);
}

#[test]
fn an_answer_may_number_codecs_in_its_own_way() {
    let answered = audio("m=audio 4000 RTP/AVP 8 96\r\na=rtpmap:96 telephone-event/8000\r\n");

    let stream = apply_answer(&offer(&local()), &answered, &local()).unwrap();

    assert_eq!((stream.payload_type, stream.receive_payload_type), (8, 8));
    assert_eq!((stream.telephone_event, stream.receive_telephone_event), (Some(96), Some(101)));
}

#[test]
fn an_answer_that_does_not_fit_the_offer_is_refused() {
    let offered = offer(&local());
    for (answered, error) in [
        (audio("m=audio 0 RTP/AVP 0\r\n"), NegotiationError::NoAudio),
        (audio("m=audio 4000 RTP/AVP 18\r\n"), NegotiationError::NoCommonCodec),
        (audio("m=video 4000 RTP/AVP 31\r\n"), NegotiationError::AnswerMismatch),
        (audio(""), NegotiationError::AnswerMismatch),
        (audio("m=audio 4000 RTP/AVP 0\r\nm=audio 4002 RTP/AVP 0\r\n"), NegotiationError::AnswerMismatch),
    ] {
        assert_eq!(apply_answer(&offered, &answered, &local()).unwrap_err(), error, "{answered}");
    }
}

#[test]
fn a_reoffer_keeps_streams_and_numbers_and_raises_the_version_by_one() {
    let offered = audio(
        "m=video 5000 RTP/AVP 31\r\nm=audio 4000 RTP/AVP 96 97\r\na=rtpmap:96 PCMA/8000\r\na=rtpmap:97 telephone-event/8000\r\n",
    );
    let (ours, _) = answer(&offered, &local()).unwrap();

    let hold = reoffer(&ours, &LocalCapabilities { direction: Direction::SendOnly, ..local() });
    let again = reoffer(&hold, &LocalCapabilities { direction: Direction::SendOnly, ..local() });

    assert_eq!((hold.origin.session_id.as_str(), hold.origin.version.as_str()), ("7", "2"));
    assert_eq!(hold.media.iter().map(|m| m.port).collect::<Vec<_>>(), [0, 20000]);
    assert_eq!(hold.media[1].rtpmap(96).unwrap().encoding, "PCMA");
    assert_eq!(hold.media[1].rtpmap(97).unwrap().encoding, "telephone-event");
    assert_eq!(again, hold, "an unchanged description keeps its version");
}

#[test]
fn descriptions_of_the_torture_messages_are_read() {
    for (path, media) in
        [("rfc5118/ipv6-in-sdp.sip", 2), ("rfc5118/mult-ip-in-sdp.sip", 2), ("rfc4475/wsinv.dat", 2)]
    {
        let message = parse(&std::fs::read(fixture_folder().join(path)).unwrap()).unwrap();

        let description = SessionDescription::parse(message.body()).unwrap();

        assert_eq!(description.media.len(), media, "{path}");
    }
}

#[test]
fn each_stream_has_the_connection_that_is_nearest_to_it() {
    let message =
        parse(&std::fs::read(fixture_folder().join("rfc5118/mult-ip-in-sdp.sip")).unwrap()).unwrap();

    let description = SessionDescription::parse(message.body()).unwrap();

    let addresses: Vec<_> =
        description.media.iter().map(|m| description.rtp_address_of(m).unwrap()).collect();
    assert_eq!(addresses, [address("192.0.2.1:22334"), address("[2001:db8::1]:6024")]);
}

#[test]
fn what_deployed_devices_write_is_read_and_nonsense_is_not() {
    for text in [
        "v=0\no=user name 1 1 IN IP4 192.0.2.1\ns=\nt=0 0\nm=audio 4000/2 RTP/AVP 0\n\n",
        "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0\r\nc=IN IP4 224.2.36.42/127\r\nb=AS:64\r\nk=clear:x\r\n",
        "v=0\r\no=- 18446744073709551999 1 IN IP6 [2001:db8::1]\r\ns=\u{4f60}\u{597d}\r\nt=0 0\r\n",
    ] {
        assert!(SessionDescription::parse(text.as_bytes()).is_ok(), "{text}");
    }
    for text in [
        "",
        "v=1\r\n",
        "hello",
        "v=0\r\n",
        "v=0\r\no=- 1 1 IN IP4\r\n",
        "v=0\r\no=- 1 1 IN IP4 a\r\nm=audio x RTP/AVP 0\r\n",
        "v=0\r\no=- 1 1 ATM NSAP a\r\n",
    ] {
        assert!(SessionDescription::parse(text.as_bytes()).is_err(), "{text}");
    }
}
