//! Inputs in any order: nothing panics, deadlines move on, there is one beginning and at most one end.
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm)]

mod common;

use std::time::Duration;

use common::{Bench, FOREIGN, OFFER, bot, offer};
use offhook_call_control::{
    AnswerPolicy, BridgeSettings, CallEvent, Command, EndCause, Input, Output, Role, StartedBy,
};
use offhook_call_media::{CloseReport, LegId, MediaEvent, TurnTimes};
use offhook_conversation::{ToolAnswer, ToolFailure};
use offhook_engine_api::{EngineError, RecognizerEvent, SynthesizerEvent, UtteranceId};
use offhook_sip_proto::endpoint::{Failure, SipEvent, TransactionId};
use offhook_sip_proto::message::Method;
use offhook_time::{Randomness, Seed};

#[test]
fn no_order_of_inputs_panics_or_ends_a_call_twice() {
    let mut ended = 0;
    for number in 0..1_500 {
        let bench = storm(number);
        let sequences: Vec<u64> = bench
            .outputs
            .iter()
            .filter_map(|(_, output)| match output {
                Output::Fact(fact) => Some(fact.sequence),
                _ => None,
            })
            .collect();
        assert!(sequences.iter().copied().eq(0..sequences.len() as u64), "call {number}");
        assert_eq!(bench.ended().is_some(), bench.call.is_ended() || bench.ended().is_some());
        assert_commands_have_one_outcome(&bench, number);
        ended += usize::from(bench.is_over());
    }
    assert!(ended > 750, "only {ended} calls came to their end");
}

fn assert_commands_have_one_outcome(bench: &Bench, number: u64) {
    let mut told: Vec<String> = bench
        .events()
        .into_iter()
        .filter_map(|event| match event {
            CallEvent::CommandFinished { command_id, .. } => Some(command_id),
            _ => None,
        })
        .collect();
    let count = told.len();
    told.sort();
    told.dedup();
    assert_eq!(told.len(), count, "call {number}: an outcome was told twice");
}

/// Eighty inputs drawn from everything, with time passing between them, and a minute at the end.
fn storm(number: u64) -> Bench {
    let mut draw = Randomness::new(Seed::from_number(number));
    let role = match draw.below(3) {
        0 => Role::Echo,
        1 => Role::Bridge(BridgeSettings { sample_rate: 8_000, raw: true }),
        _ => bot(),
    };
    let outbound = draw.below(6) == 0;
    let waits = draw.below(3) == 0;
    let mut bench = Bench::with(|settings| {
        settings.role = role;
        if outbound {
            let target = "sip:alice@127.0.0.2:5080".to_owned();
            settings.started_by = StartedBy::Api { target, caller: "desk".to_owned() };
        }
        if waits {
            settings.answer = AnswerPolicy::WaitForApi;
        }
    });
    bench.media_answers = draw.below(5) > 0;
    if outbound {
        bench.feed(Input::Dial);
    } else if draw.below(10) > 0 {
        bench.invite(OFFER);
    }
    for _ in 0..80 {
        disturb(&mut bench, &mut draw);
        bench.pass(draw.below(400));
    }
    bench.pass(70_000);
    bench
}

fn disturb(bench: &mut Bench, draw: &mut Randomness) {
    let utterance = UtteranceId(draw.below(6) as u32);
    let some = draw.below(2) == 0;
    let stopped = some.then_some((utterance, Duration::from_millis(70)));
    let error = EngineError::TimedOut { engine: "storm".to_owned() };
    let leg = LegId::CALLER;
    match draw.below(40) {
        0..=4 => bench.ack(""),
        5 => bench.ack(&offer("sendonly", 4)),
        6 => drop(bench.invite(&offer("inactive", 9))),
        7 => drop(bench.invite(FOREIGN)),
        8 => drop(bench.invite("")),
        9 => bench.cancel(TransactionId::server(1)),
        10 if draw.below(6) == 0 => drop(bench.request("BYE", "", "")),
        11 => drop(bench.notify([100, 180, 200, 486, 999][draw.below(5) as usize], "active;expires=60")),
        12 => drop(bench.request("OPTIONS", "", "")),
        13 => drop(bench.request("REFER", "", "")),
        14 => respond(bench, draw),
        15 => {
            let transaction = TransactionId::client(draw.below(4));
            bench.feed(Input::Sip(SipEvent::Failed { transaction, cause: Failure::Timeout }));
        }
        16 => bench.media(MediaEvent::SpeechStarted { onset: bench.now, paused: some.then_some(utterance) }),
        17 => bench.media(MediaEvent::SpeechConfirmed { stopped }),
        18 => bench.media(MediaEvent::SpeechRejected { resumed: some.then_some(utterance) }),
        19 => bench.media(MediaEvent::SpeechEnded { times: TurnTimes::default() }),
        20 => {
            let times = TurnTimes::default();
            let digit = ['0', '5', '#'][draw.below(3) as usize];
            bench.media(MediaEvent::Digit {
                leg,
                digit,
                duration: Duration::ZERO,
                stopped,
                times,
                masked: false,
            });
        }
        21 => bench.media(MediaEvent::PlaybackStarted { utterance, audio_at: bench.now }),
        22 => {
            let (audio_at, first_packet_at, heard_at) = (bench.now, bench.now, bench.now);
            bench.media(MediaEvent::PlaybackHeard { utterance, audio_at, first_packet_at, heard_at });
        }
        23 | 24 => {
            bench.media(MediaEvent::PlaybackFinished { utterance, played: Duration::ZERO, completed: some })
        }
        25 => bench.media(MediaEvent::RtpTimeout { leg }),
        26 => bench.media(MediaEvent::RtpResumed { leg }),
        27 if draw.below(8) == 0 => bench.media(MediaEvent::Closed(CloseReport::default())),
        28 => {
            let text = ["tea", "something else"][draw.below(2) as usize].to_owned();
            bench.feed(Input::Recognizer(RecognizerEvent::Final { text, confidence: Some(0.5) }));
        }
        29 => bench.feed(Input::Recognizer(RecognizerEvent::NoMatch)),
        30 => bench.feed(Input::Recognizer(RecognizerEvent::Failed(error))),
        31 => bench.feed(Input::Synthesizer(SynthesizerEvent::Failed { utterance, error })),
        32 => bench.feed(Input::BridgeConnected),
        33 => bench.feed(Input::BridgeMark { name: "m".to_owned() }),
        34 => bench.feed(Input::BridgeClear),
        35 => {
            let answer = ToolAnswer { status: 200, body: "{}".to_owned() };
            let outcome = if some { Ok(answer) } else { Err(ToolFailure::TimedOut) };
            bench.feed(Input::Tool { tool: draw.below(3), outcome });
        }
        36 => {
            let target = ["agents", "sip:x@203.0.113.9"][draw.below(2) as usize].to_owned();
            command(bench, draw, Command::Transfer { target, trunk: None });
        }
        37 => command(bench, draw, Command::Say { text: "word".to_owned(), interruptible: some }),
        38 => command(bench, draw, if some { Command::Answer } else { Command::Mute { leg } }),
        39 if draw.below(20) == 0 => bench.feed(Input::End { cause: EndCause::Shutdown }),
        _ => bench.feed(Input::Deadline),
    }
}

fn command(bench: &mut Bench, draw: &mut Randomness, command: Command) {
    let id = format!("c{}", draw.below(12));
    bench.command(&id, command);
}

fn respond(bench: &mut Bench, draw: &mut Randomness) {
    let method = [Method::Invite, Method::Refer, Method::Bye][draw.below(3) as usize].clone();
    if bench.sent(&method).is_none() {
        return;
    }
    let status = [100, 180, 200, 202, 481, 486, 603][draw.below(7) as usize];
    let (extra, body) = if method == Method::Invite && status == 200 {
        ("Content-Type: application/sdp\r\n", OFFER)
    } else {
        ("", "")
    };
    bench.respond(&method, status, extra, body);
}
