//! Random inputs against the sample bots: whatever happens in whatever order, the invariants hold.

use std::sync::Arc;
use std::time::Duration;

use offhook_conversation::{
    Bot, CallFacts, Conversation, Input, Output, PromptId, ToolAnswer, ToolFailure, ToolId, TransferId,
    TransferOutcome,
};
use offhook_time::{Randomness, Seed, Time, WallClock};

const CALLS_PER_BOT: u64 = 500;
const INPUTS_PER_CALL: u64 = 60;

#[test]
fn random_inputs_never_break_a_conversation() {
    let mut ended = 0;
    for bot in bots() {
        for seed in 0..CALLS_PER_BOT {
            let (_, has_ended) = play(&bot, seed);
            ended += u64::from(has_ended);
        }
    }
    assert!(ended > CALLS_PER_BOT / 2, "only {ended} conversations came to an end");
}

#[test]
fn the_same_inputs_give_the_same_outputs() {
    for bot in bots() {
        for seed in 0..20 {
            assert_eq!(play(&bot, seed).0, play(&bot, seed).0);
        }
    }
}

/// Plays one call; all outputs as text, and whether it came to an end.
fn play(bot: &Arc<Bot>, seed: u64) -> (String, bool) {
    let mut randomness = Randomness::new(Seed::from_number(seed));
    let mut now = Time::ZERO;
    let mut conversation =
        Conversation::new(Arc::clone(bot), Seed::from_number(seed), WallClock::default(), now);
    let mut watch = Watch::default();
    conversation.handle(Input::Start(CallFacts::default()), now);
    watch.drain(&mut conversation);
    for _ in 0..INPUTS_PER_CALL {
        now += Duration::from_millis(randomness.below(4_000));
        let mut deadlines = 0;
        while let Some(at) = conversation.poll_timeout().filter(|at| *at <= now) {
            conversation.handle(Input::Deadline, at);
            watch.drain(&mut conversation);
            deadlines += 1;
            assert!(deadlines < 100, "deadlines that never end in state {}", conversation.state());
        }
        conversation.handle(random_input(&mut randomness, &watch), now);
        watch.drain(&mut conversation);
    }
    (watch.text, conversation.is_over())
}

#[derive(Default)]
struct Watch {
    text: String,
    prompts: u64,
    requests: u64,
    hung_up: bool,
}

impl Watch {
    fn drain(&mut self, conversation: &mut Conversation) {
        while let Some(output) = conversation.poll_output() {
            assert!(!self.hung_up, "{output:?} after the end");
            match &output {
                Output::Prompt(prompt) => {
                    assert_eq!(prompt.id, PromptId(self.prompts + 1), "prompts are numbered without gaps");
                    self.prompts += 1;
                }
                Output::CallTool(call) => self.requests = call.id.0,
                Output::Transfer(transfer) => self.requests = transfer.id.0,
                Output::HangUp { .. } => self.hung_up = true,
                Output::StopPrompts
                | Output::StopPrompt(_)
                | Output::ResumePrompts
                | Output::Expect(_)
                | Output::ExpectNothing
                | Output::CancelTool(_)
                | Output::Event(_) => {}
            }
            self.text.push_str(&format!("{output:?}\n"));
        }
        assert!(!self.hung_up || conversation.is_over());
    }
}

fn random_input(randomness: &mut Randomness, watch: &Watch) -> Input {
    const TEXTS: [&str; 16] = [
        "check my order",
        "return",
        "yes",
        "no",
        "12345678",
        "one two three",
        "pizza",
        "",
        "goodbye",
        "operator",
        "查订单",
        "退货",
        "对",
        "不对",
        "一二三四五六七八",
        "转人工",
    ];
    const KEYS: [char; 6] = ['0', '1', '2', '5', '*', '#'];
    let latest = |randomness: &mut Randomness, count: u64| count.saturating_sub(randomness.below(2)).max(1);
    match randomness.below(40) {
        0..=11 => Input::Heard {
            text: TEXTS[randomness.below(16) as usize].to_owned(),
            confidence: (randomness.below(2) == 0).then(|| randomness.unit() as f32),
        },
        12..=14 => Input::Digit(KEYS[randomness.below(6) as usize]),
        15..=16 => Input::SpeechStarted,
        17 => Input::NoMatch,
        18 => Input::NoInput,
        19..=29 => Input::PromptFinished {
            prompt: PromptId(latest(randomness, watch.prompts)),
            completed: randomness.below(2) == 0,
        },
        30..=33 => Input::ToolResult {
            tool: ToolId(latest(randomness, watch.requests)),
            outcome: match randomness.below(4) {
                0 => Err(ToolFailure::TimedOut),
                1 => Ok(ToolAnswer { status: 404, body: String::new() }),
                _ => Ok(ToolAnswer { status: 200, body: r#"{"state": "shipped"}"#.to_owned() }),
            },
        },
        34..=35 => Input::TransferOutcome {
            transfer: TransferId(latest(randomness, watch.requests)),
            outcome: match randomness.below(2) {
                0 => TransferOutcome::Succeeded,
                _ => TransferOutcome::Failed { cause: "busy".to_owned(), status: Some(486) },
            },
        },
        36 => Input::SynthesizerFailed { prompt: PromptId(latest(randomness, watch.prompts)) },
        37 if randomness.below(4) == 0 => Input::RecognizerFailed,
        38 if randomness.below(8) == 0 => Input::CallerHungUp,
        _ => Input::Deadline,
    }
}

fn bots() -> Vec<Arc<Bot>> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bots");
    ["after-sales.yaml", "after-sales-zh.yaml"]
        .map(|name| {
            let yaml = std::fs::read_to_string(folder.join(name)).expect("a sample bot");
            Arc::new(Bot::parse(&yaml, name).unwrap_or_else(|errors| panic!("{errors}")))
        })
        .to_vec()
}
