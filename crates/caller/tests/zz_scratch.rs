use offhook_caller::bench::frame::BenchReport;
use offhook_caller::bench::{bargein, turns};
use offhook_caller::call::Stop;
use offhook_caller::talk::{read_speech, read_voiced};
use std::time::Duration;
#[test]
fn turns() {
    let at = std::env::var("S").unwrap();
    let mut o = turns::TurnsOptions::to(format!("sip:answers@{at}"), read_speech("/work/main/audio-samples/order-status-slt.wav".as_ref()).unwrap());
    o.speech.push(read_speech("/work/main/audio-samples/return-awb.wav".as_ref()).unwrap());
    o.calls = 20; o.at_once = 10; o.quiet_after = Duration::from_millis(500); o.turns = Some(3); o.answer_within = Some(Duration::from_millis(900));
    let r = turns::run(&o, &Stop::default()).unwrap();
    println!("{}\n{:?} {:?} {:?}", r.page(), r.broken(), r.verdict, r.expected);
}
#[test]
fn bargein() {
    let at = std::env::var("S").unwrap();
    let mut o = bargein::BargeInOptions::to(format!("sip:talker@{at}"), read_speech("/work/main/audio-samples/order-status-slt.wav".as_ref()).unwrap());
    for n in 1..=4 { o.noises.push(read_voiced(format!("/work/main/audio-samples/coughs/tuning/cough-0{n}.wav").as_ref()).unwrap()); }
    o.calls = 20; o.at_once = 10;
    let r = bargein::run(&o, &Stop::default()).unwrap();
    println!("{}\n{:?} {:?}", r.page(), r.broken(), r.verdict);
}
