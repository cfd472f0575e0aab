//! Who calls, as the bot may say it.
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm)]

mod common;

use std::sync::Arc;

use common::{Bench, OFFER, peer};
use offhook_call_control::{Input, Output, Role, SpeechContent};
use offhook_conversation::Bot;
use offhook_sip_proto::endpoint::{SipEvent, TransactionId};
use offhook_sip_proto::message::{Limits, Message};

const BOT: &str = "bot: names\nlanguage: zh\nstart: ask\nstates:\n  \
    ask: { say: \"{{ call.caller_name }},{{ call.headers['X-Vip'] }}\", hang_up: true }\n";

/// What the bot says to a caller whose INVITE carries these octets.
fn greeting(display: &[u8], vip: &[u8]) -> String {
    let mut bench = Bench::with(|settings| {
        settings.role = Role::Bot(Arc::new(Bot::parse(BOT, "names.yaml").unwrap()));
    });
    let head =
        b"INVITE sip:bot@127.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2:5080;branch=z9hG4bK1\r\n\
        Max-Forwards: 70\r\nFrom: ";
    let rest = format!(
        "\r\nTo: <sip:bot@127.0.0.1>\r\nCall-ID: call@127.0.0.2\r\nCSeq: 1 INVITE\r\n\
        Contact: <sip:alice@127.0.0.2:5080>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{OFFER}",
        OFFER.len()
    );
    let from = b" <sip:alice@127.0.0.2>;tag=alice\r\nX-Vip: ";
    let octets = [head.as_slice(), display, from, vip, rest.as_bytes()].concat();
    let Ok(Message::Request(request)) = Message::parse(&octets, &Limits::default()) else {
        panic!("no INVITE")
    };
    let transaction = TransactionId::server(1);
    bench.feed(Input::Sip(SipEvent::Request { transaction, request, peer: peer() }));
    bench.ack("");
    let said = bench.outputs.iter().find_map(|(_, output)| match output {
        Output::Speak(request) => Some(request.content.clone()),
        _ => None,
    });
    match said {
        Some(SpeechContent::Text(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_caller_is_called_by_the_name_that_the_telephone_sends_in_utf_8_or_gbk() {
    // 张三 and 金牌 in GBK.
    let gbk = (b"\"\xd5\xc5\xc8\xfd\"".as_slice(), b"\xbd\xf0\xc5\xc6".as_slice());

    assert_eq!(greeting(gbk.0, gbk.1), "张三,金牌");
    assert_eq!(greeting("\"张三\"".as_bytes(), "金牌".as_bytes()), "张三,金牌");
    assert_eq!(greeting("李四".as_bytes(), b"1"), "李四,1");
    assert_eq!(greeting(b"", b""), ",");
}

#[test]
fn octets_of_no_known_character_set_are_no_reason_to_refuse_a_call() {
    assert!(greeting(b"\"\xff\xff\"", b"x").ends_with(",x"));
}
