//! Comparisons of any size with everything a page can show.

use std::collections::BTreeMap;

use offhook_call_control::{Segment, Speaker};
use offhook_replay::compare::{
    Aspect, BargeInNote, COMPARISON_VERSION, CallComparison, CallSide, Comparison, Costs, DepartureNote,
    Distribution, FirstDifference, NotCompared, Part, PartKind, Row, RuleCall, RuleResult,
    SegmentDistribution, SideLabel, SideTotals, Sound, StateNote, ToolNote, Totals, TransferNote, Turn,
    TurnPair, Words,
};

const SEGMENTS: [&str; 8] = [
    "jitter_buffer",
    "voice_activity",
    "recognizer",
    "conversation",
    "tools",
    "synthesizer",
    "queue",
    "lead_in",
];

/// Bot and caller by turns; what the new bot says otherwise after a bar.
const ENGLISH: [(&str, &str); 5] = [
    (
        "You can check your order, return something, or talk to a person. What would you like to do?",
        "where is my order",
    ),
    (
        "Please say your eight digit order number, or type it on your keypad.|Please say or type your order number.",
        "two four six nine one three five seven",
    ),
    ("I heard two four six nine, one three five seven. Is that right?", "yes please"),
    (
        "One moment, please.|Good news: your order has been shipped and should arrive on November twenty-seventh.",
        "thanks",
    ),
    ("Is there anything else I can do for you?", "no thank you"),
];
const CHINESE: [(&str, &str); 4] = [
    ("您好,这里是售后服务。请问有什么可以帮您?", "我想查一下我的订单到哪里了"),
    ("请说出八位订单号。|请说出或按键输入八位订单号。", "二四六九幺三五七"),
    ("您的订单已经发货,预计十一月二十七日送达。", "好的谢谢"),
    ("还有什么可以帮您?|请问还需要别的帮助吗?", "没有了再见"),
];

/// `calls` calls of `turns` turns each. Every third has other words, every fifth is slower, some were not played to their
/// end, the first is called by somebody with bad intentions.
pub fn comparison(calls: usize, turns: usize) -> Comparison {
    let calls: Vec<CallComparison> = (1..=calls).map(|number| call(number, turns)).collect();
    let totals = totals(&calls);
    Comparison {
        version: COMPARISON_VERSION,
        build: "0.1.0 (01c5f16)".to_owned(),
        a: SideLabel { label: "recorded".to_owned(), is_recorded: true, ..SideLabel::default() },
        b: SideLabel {
            label: "new.yaml".to_owned(),
            bot: Some("new.yaml".to_owned()),
            settings: vec!["end_of_speech=500ms".to_owned()],
            ..SideLabel::default()
        },
        rules: vec![
            RuleResult {
                rule: "turn_p95 > 900ms".to_owned(),
                fired: true,
                found: format!(
                    "turn_p95 is {} ms, recorded {} ms",
                    totals.b.turn.p95 / 1000,
                    totals.a.turn.p95 / 1000
                ),
                calls: calls
                    .iter()
                    .take(7)
                    .map(|call| RuleCall {
                        call_id: Some(call.call_id.clone()),
                        file: call.file.clone(),
                        why: "turn 3 takes 1640 ms".to_owned(),
                    })
                    .collect(),
                more_calls: 3,
            },
            RuleResult {
                rule: "outcome != recorded".to_owned(),
                found: "no call".to_owned(),
                ..empty_rule()
            },
        ],
        not_compared: vec![NotCompared {
            file: "bundles/broken.call".to_owned(),
            call_id: None,
            reason: "damaged at byte 4711: a block is cut".to_owned(),
        }],
        totals,
        calls,
    }
}

/// What a caller with bad intentions puts everywhere.
pub const HOSTILE: &str =
    "</script><script>document.title='owned'</script><img src=x onerror=alert(1)>\"'`&\u{2028}";

fn empty_rule() -> RuleResult {
    RuleResult { rule: String::new(), fired: false, found: String::new(), calls: Vec::new(), more_calls: 0 }
}

fn call(number: usize, turns: usize) -> CallComparison {
    let (other_words, slower, unfinished) =
        (number.is_multiple_of(3), number.is_multiple_of(5), number.is_multiple_of(17));
    let hostile = number == 1;
    let chinese = number % 4 == 2;
    let script: &[(&str, &str)] = if chinese { &CHINESE } else { &ENGLISH };
    let (mut transcript, mut pairs, mut words) = (Vec::new(), Vec::new(), Words::default());
    let (mut a, mut b) =
        (side(number, "1f3a90bb"), side(number, if other_words { "77c0d1e2" } else { "1f3a90bb" }));
    let mut at = 900;
    for turn in 0..turns {
        let (said, heard) = script[turn % script.len()];
        let (old, new) = said
            .split_once('|')
            .map_or((said, said), |(old, new)| if other_words { (old, new) } else { (old, old) });
        transcript.push(bot_row(at, old, new, &mut words));
        for side in [&mut a, &mut b] {
            side.states.push(StateNote {
                at_ms: at,
                state: format!("state_{}", ["greet", "menu", "订单", "confirm", "more"][turn % 5]),
            });
        }
        at += 2_600 + 40 * said.len() as u64 / 4;
        let began = at + 1_900;
        transcript.push(row(Speaker::Caller, began + 650, heard, &mut words));
        let wait = |slow: u64| {
            [
                2,
                640 + slow + (turn as u64 * 37 + number as u64 * 11) % 120,
                9,
                1,
                if turn % 4 == 3 { 210 } else { 0 },
                24 + slow / 8,
                8,
                22,
            ]
        };
        let barge = (turn % 6 == 4).then_some(92_000);
        let one = |lengths: [u64; 8]| Turn {
            number: turn + 1,
            began_ms: began,
            micros: lengths.iter().sum::<u64>() * 1000,
            segments: SEGMENTS
                .iter()
                .zip(lengths)
                .filter(|(_, ms)| *ms > 0)
                .map(|(name, ms)| Segment { name: (*name).to_owned(), micros: ms * 1000 })
                .collect(),
            barge_in_micros: barge,
        };
        let old = one(wait(0));
        let new = if unfinished && turn * 2 > turns {
            None
        } else {
            Some(one(wait(if slower { 300 + 10 * (turn as u64 % 9) } else { 0 })))
        };
        let changed = slower || new.is_none();
        if barge.is_some() {
            a.barge_ins.push(BargeInNote { at_ms: began - 1_500, played_ms: 1_180 });
            b.barge_ins.push(BargeInNote { at_ms: began - 1_500, played_ms: 1_180 });
        }
        pairs.push(TurnPair { a: Some(old), b: new, changed });
        at = began + 1_000;
    }
    if hostile {
        transcript.push(bot_row(at, HOSTILE, "Thank you.", &mut words));
        a.slots.insert(HOSTILE.to_owned(), HOSTILE.to_owned());
    }
    let mut changed = Vec::new();
    if other_words || hostile {
        changed.push(Aspect::Transcript);
    }
    if slower || unfinished {
        changed.push(Aspect::Turns);
    }
    if other_words {
        changed.insert(0, Aspect::Outcome);
        b.outcome = Some("callback_asked".to_owned());
        b.departure = Some(DepartureNote {
            at_ms: 8_240,
            place: "turn 2, state state_menu, after \"where is my order\"".to_owned(),
            what: "the bot says something else".to_owned(),
            recorded: "speak: Please say your eight digit order number".to_owned(),
            now: "speak: Please say or type your order number.".to_owned(),
        });
        if let Some(state) = b.states.get_mut(2) {
            state.state = "order_by_any_means".to_owned();
        }
    }
    if unfinished {
        b.unfinished = Some(
            "the recording has no answer to: speak \"Please say or type your order number.\"".to_owned(),
        );
        (b.outcome, b.cause) = (None, None);
    }
    let seed = number as u64;
    a.sound = Some(sound(at, &transcript, seed));
    b.sound =
        Some(if slower { sound(at + 300, &transcript, seed + 1) } else { sound(at, &transcript, seed) });
    if let (Some(sound), Some(old)) = (&mut b.sound, &a.sound) {
        sound.caller.clone_from(&old.caller);
    }
    let first_difference = other_words.then(|| FirstDifference {
        a_ms: Some(8_240),
        b_ms: Some(8_240),
        state: Some("state_menu".to_owned()),
        a: "bot: Please say your eight digit order number, or type it on your keypad.".to_owned(),
        b: "bot: Please say or type your order number.".to_owned(),
    });
    CallComparison {
        number,
        call_id: if hostile {
            format!("call-\"1\"-{HOSTILE}")
        } else {
            format!("01a1fdea-ce0b-7107-80ca-{number:012x}")
        },
        file: format!("bundles/2026-11-21/01a1fdea-ce0b-7107-80ca-{number:012x}.call"),
        file_b: None,
        caller: if hostile { HOSTILE.to_owned() } else { format!("+49301234{:04}", number % 10_000) },
        called: if chinese { "after-sales-zh" } else { "after-sales" }.to_owned(),
        started_unix_ms: 1_795_264_200_000 + number as i64 * 61_000,
        changed,
        first_difference,
        transcript,
        words,
        turns: pairs,
        a,
        b,
    }
}

fn side(number: usize, version: &str) -> CallSide {
    CallSide {
        bot: "after-sales".to_owned(),
        bot_version: version.to_owned(),
        cause: Some("bot_hung_up".to_owned()),
        outcome: Some("order_status_told".to_owned()),
        talk_ms: 61_000 + number as u64 % 900,
        slots: BTreeMap::from([("order".to_owned(), "24691357".to_owned())]),
        intents: vec!["order_status".to_owned(), "yes".to_owned(), "no".to_owned()],
        transfers: if number.is_multiple_of(8) {
            vec![TransferNote {
                at_ms: 40_000,
                target: "agents".to_owned(),
                failure: Some("busy".to_owned()),
            }]
        } else {
            Vec::new()
        },
        tools: vec![ToolNote {
            at_ms: 21_000,
            tool: "order_service".to_owned(),
            status: Some(200),
            error: None,
        }],
        costs: Costs {
            synthesized_characters: Some(412),
            recognizer_seconds: Some(9.4),
            tool_calls: 1,
            tool_failures: 0,
        },
        ..CallSide::default()
    }
}

fn row(speaker: Speaker, at: u64, text: &str, words: &mut Words) -> Row {
    let count = text.split(' ').count() as u64;
    (words.a, words.b, words.same) = (words.a + count, words.b + count, words.same + count);
    let parts = vec![Part { kind: PartKind::Same, text: text.to_owned() }];
    Row { speaker, a_ms: Some(at), b_ms: Some(at), parts }
}

fn bot_row(at: u64, old: &str, new: &str, words: &mut Words) -> Row {
    if old == new {
        return row(Speaker::Bot, at, old, words);
    }
    let same = old.chars().zip(new.chars()).take_while(|(one, other)| one == other).count();
    let cut = |text: &str| text.chars().skip(same).collect::<String>();
    words.replaced += 3;
    let parts = vec![
        Part { kind: PartKind::Same, text: old.chars().take(same).collect() },
        Part { kind: PartKind::Removed, text: cut(old) },
        Part { kind: PartKind::Added, text: cut(new) },
    ];
    Row {
        speaker: Speaker::Bot,
        a_ms: Some(at),
        b_ms: Some(at),
        parts: parts.into_iter().filter(|part| !part.text.is_empty()).collect(),
    }
}

/// Something like speech: bursts while somebody talks.
fn sound(length_ms: u64, rows: &[Row], seed: u64) -> Sound {
    let bin_ms = (length_ms / 1000).max(20);
    let levels = |speaker: Speaker| {
        let bins = length_ms / bin_ms + 1;
        let mut talks = vec![false; bins as usize];
        for row in rows.iter().filter(|row| row.speaker == speaker) {
            let said = row.a_ms.unwrap_or(0);
            let from = if speaker == Speaker::Caller { said.saturating_sub(2_300) } else { said + 60 };
            (from / bin_ms..(from + 1_650) / bin_ms).for_each(|bin| talks[bin.min(bins - 1) as usize] = true);
        }
        (0..bins)
            .map(|bin| {
                let noise = (bin * 7919 + seed * 104_729) % 97;
                let level = if talks[bin as usize] { 40 + noise * (bin % 7 + 1) / 4 } else { noise % 3 };
                format!("{:02x}", level.min(255))
            })
            .collect()
    };
    Sound { bin_ms, caller: levels(Speaker::Caller), bot: levels(Speaker::Bot) }
}

fn totals(calls: &[CallComparison]) -> Totals {
    let count =
        |test: &dyn Fn(&CallComparison) -> bool| calls.iter().filter(|call| test(call)).count() as u64;
    let mut changed_in = BTreeMap::new();
    for aspect in calls.iter().flat_map(|call| &call.changed) {
        *changed_in.entry(*aspect).or_default() += 1;
    }
    let side = |of: fn(&CallComparison) -> &CallSide, turn: fn(&TurnPair) -> &Option<Turn>| {
        let turns: Vec<&Turn> =
            calls.iter().flat_map(|call| &call.turns).filter_map(|pair| turn(pair).as_ref()).collect();
        let mut outcomes = BTreeMap::new();
        let mut causes = BTreeMap::new();
        for call in calls.iter().map(of).filter(|side| side.unfinished.is_none()) {
            *outcomes.entry(call.outcome.clone().unwrap_or("none".to_owned())).or_default() += 1;
            *causes.entry(call.cause.clone().unwrap_or("none".to_owned())).or_default() += 1;
        }
        SideTotals {
            talk_ms: calls.iter().map(|call| of(call).talk_ms).sum(),
            turn: spread(turns.iter().map(|turn| turn.micros)),
            segments: SEGMENTS
                .iter()
                .map(|name| {
                    let lengths =
                        turns.iter().flat_map(|turn| &turn.segments).filter(|one| one.name == *name);
                    SegmentDistribution {
                        name: (*name).to_owned(),
                        micros: spread(lengths.map(|one| one.micros)),
                    }
                })
                .collect(),
            barge_in: spread(turns.iter().filter_map(|turn| turn.barge_in_micros)),
            barge_ins: calls.iter().map(|call| of(call).barge_ins.len() as u64).sum(),
            understood: turns.len() as u64,
            no_match: calls.len() as u64 / 4,
            transfers_failed: calls.iter().map(|call| of(call).transfers.len() as u64).sum(),
            outcomes,
            causes,
            costs: Costs {
                synthesized_characters: Some(412 * calls.len() as u64),
                recognizer_seconds: None,
                tool_calls: calls.len() as u64,
                tool_failures: 0,
            },
            ..SideTotals::default()
        }
    };
    let words = calls.iter().fold(Words::default(), |sum, call| Words {
        a: sum.a + call.words.a,
        b: sum.b + call.words.b,
        same: sum.same + call.words.same,
        replaced: sum.replaced + call.words.replaced,
        ..sum
    });
    Totals {
        calls: calls.len() as u64,
        not_compared: 1,
        unfinished: count(&|call| call.b.unfinished.is_some()),
        departed: count(&|call| call.b.departure.is_some()),
        changed: count(&|call| call.changed.iter().any(|aspect| *aspect != Aspect::Turns)),
        changed_in,
        turns: calls.iter().map(|call| call.turns.len() as u64).sum(),
        turns_changed: calls.iter().flat_map(|call| &call.turns).filter(|pair| pair.changed).count() as u64,
        words,
        a: side(|call| &call.a, |pair| &pair.a),
        b: side(|call| &call.b, |pair| &pair.b),
    }
}

fn spread(values: impl Iterator<Item = u64>) -> Distribution {
    let mut sorted: Vec<u64> = values.collect();
    sorted.sort_unstable();
    let at = |share: f64| {
        sorted.get((share * sorted.len() as f64).ceil().max(1.0) as usize - 1).copied().unwrap_or(0)
    };
    Distribution { count: sorted.len() as u64, p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1.0) }
}
