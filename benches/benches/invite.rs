//! One INVITE with an SDP offer: parsed, and every field read that a call is opened from.

use std::hint::black_box;

use offhook_sip_proto::message::{Limits, Message, Method};
use offhook_sip_proto::sdp::SessionDescription;

fn main() {
    let datagram = invite();
    for _ in 0..offhook_benches::iterations() {
        read(black_box(&datagram));
    }
}

fn read(datagram: &[u8]) {
    let Ok(Message::Request(request)) = Message::parse(datagram, &Limits::default()) else {
        panic!("the INVITE was refused");
    };
    assert_eq!(request.method, Method::Invite);
    let headers = &request.headers;
    let via = headers.top_via().expect("Via");
    let from = headers.from().expect("From");
    let to = headers.to().expect("To");
    let call_id = headers.call_id().expect("Call-ID");
    let cseq = headers.cseq().expect("CSeq");
    let contact = headers.contact().expect("Contact");
    let routes = headers.record_routes().expect("Record-Route");
    assert_eq!((from.tag(), to.tag(), cseq.number, routes.len()), (Some("9fxced76sl"), None, 1, 2));
    assert!(contact.is_some());
    black_box((via, call_id, contact, routes));

    let offer = SessionDescription::parse(&request.body).expect("SDP");
    let audio = &offer.media[0];
    assert_eq!(audio.payload_types().count(), 4);
    black_box((offer.rtp_address_of(audio), offer.ptime_of(audio), audio.rtpmap(101)));
}

/// An INVITE as a trunk sends it, through two proxies.
fn invite() -> Vec<u8> {
    let body = "v=0\r\n\
        o=trunk 2890844526 2890844526 IN IP4 192.0.2.101\r\n\
        s=-\r\n\
        c=IN IP4 192.0.2.101\r\n\
        t=0 0\r\n\
        m=audio 49172 RTP/AVP 8 0 18 101\r\n\
        a=rtpmap:8 PCMA/8000\r\n\
        a=rtpmap:0 PCMU/8000\r\n\
        a=rtpmap:18 G729/8000\r\n\
        a=fmtp:18 annexb=no\r\n\
        a=rtpmap:101 telephone-event/8000\r\n\
        a=fmtp:101 0-16\r\n\
        a=ptime:20\r\n\
        a=sendrecv\r\n";
    format!(
        "INVITE sip:after-sales@198.51.100.20:5060 SIP/2.0\r\n\
        Via: SIP/2.0/UDP 198.51.100.2:5060;branch=z9hG4bK2d4790.1;rport\r\n\
        Via: SIP/2.0/UDP 192.0.2.101:5060;branch=z9hG4bK74bf9;received=192.0.2.101\r\n\
        Record-Route: <sip:198.51.100.2;lr>\r\n\
        Record-Route: <sip:198.51.100.1;lr>\r\n\
        Max-Forwards: 68\r\n\
        From: \"A. Caller\" <sip:+15551234567@carrier.example>;tag=9fxced76sl\r\n\
        To: <sip:after-sales@198.51.100.20>\r\n\
        Call-ID: 3848276298220188511@carrier.example\r\n\
        CSeq: 1 INVITE\r\n\
        Contact: <sip:+15551234567@192.0.2.101:5060;transport=udp>\r\n\
        Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, PRACK, REFER\r\n\
        Supported: timer, 100rel, replaces\r\n\
        Session-Expires: 1800;refresher=uac\r\n\
        Min-SE: 90\r\n\
        P-Asserted-Identity: <sip:+15551234567@carrier.example>\r\n\
        User-Agent: Carrier SBC\r\n\
        Content-Type: application/sdp\r\n\
        Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
