//! Random inputs against the sample bots and a nasty one: whatever happens in whatever order, the invariants hold.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use offhook_conversation::{
    Bot, CallFacts, Conversation, Event, Expected, Input, Output, PromptId, SlotKind, ToolAnswer,
    ToolFailure, ToolId, TransferId, TransferOutcome,
};
use offhook_time::{Randomness, Seed, Time, WallClock};

const CALLS_PER_BOT: u64 = 600;
const INPUTS_PER_CALL: u64 = 60;

/// A caller who says nothing any more is through with every ladder, tool and target after so many deadlines.
const DEADLINES_TO_THE_END: u32 = 40;

/// Every kind of prompt, ladder and way out in one file.
const NASTY: &str = r#"
bot: nasty
start: greet
turn: { max_turns: 30 }
intents: { order: ["[check] my order"], back: [return] }
slots:
  order: { digits: { min: 3, max: 8 }, confirm: "{{ order | digits }}?", wrong_length: "{{ turn.digits | length }}?" }
  sure: { yes_no: true, confirm: "Really?" }
tools: { find: { url: "http://127.0.0.1:1/{{ order }}", timeout: 2s } }
targets: { one: { ring_time: 5s }, two: { ring_time: 5s } }
anywhere: { intents: { back: greet }, keys: { "*": { repeat: true } } }
on_failure: person
states:
  greet:
    say:
      - { text: Hello., barge_in: speech }
      - { text: Calls are recorded., barge_in: none }
      - { text: "What can I do?", barge_in: recognized }
    listen: { intents: { order: ask }, keys: { "1": ask, "2": sure, "5": { say: Five. } } }
  ask:
    say: { text: "Which one?", barge_in: digits }
    listen: { slot: order, filled: find, given_up: person, no_match: [{ say: "Hm?" }, { goto: person }] }
  find:
    say: One moment.
    call: { tool: find, answered: told, on_status: { "404": ask }, on_error: person, on_timeout: { say: Slow., goto: ask } }
  told: { say: "{{ answer.body.state }}", goto: greet }
  sure: { say: "Sure?", listen: { slot: sure, filled: greet } }
  person: { say: A colleague., transfer: { to: [one, two], on_failed: { say: "{{ transfer.cause }}", goto: bye } } }
  bye: { say: Bye., hang_up: true }
"#;

#[test]
fn random_inputs_never_break_a_conversation() {
    let mut ended = 0;
    for bot in bots() {
        let mut entered = BTreeSet::new();
        for seed in 0..CALLS_PER_BOT {
            let (outputs, has_ended) = play(&bot, seed);
            ended += u64::from(has_ended);
            entered.extend(bot.states().filter(|state| outputs.contains(&format!("state: \"{state}\""))));
        }
        // What is never reached proves nothing.
        let missed: Vec<&str> = bot.states().filter(|state| !entered.contains(state)).collect();
        assert!(missed.is_empty(), "{}: nobody came to {missed:?}", bot.name());
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
        now += Duration::from_millis(randomness.below(if seed.is_multiple_of(2) { 4_000 } else { 700 }));
        let mut deadlines = 0;
        while let Some(at) = conversation.poll_timeout().filter(|at| *at <= now) {
            conversation.handle(Input::Deadline, at);
            watch.drain(&mut conversation);
            deadlines += 1;
            assert!(deadlines < 100, "deadlines that never end in state {}", conversation.state());
        }
        let wild = seed.is_multiple_of(2) || randomness.below(10) == 0;
        let input =
            if wild { random_input(&mut randomness, &watch) } else { likely_input(&mut randomness, &watch) };
        if let Input::PromptFinished { prompt, .. } = &input {
            watch.open.remove(prompt);
        }
        conversation.handle(input, now);
        watch.drain(&mut conversation);
    }
    let has_ended = conversation.is_over();
    // From here on nobody says anything, and nothing that was asked for comes: every call ends all the same.
    let mut deadlines = 0;
    while let Some(at) = conversation.poll_timeout() {
        conversation.handle(Input::Deadline, at.max(now));
        watch.drain(&mut conversation);
        deadlines += 1;
        assert!(
            deadlines <= DEADLINES_TO_THE_END,
            "no end after {deadlines} in state {}",
            conversation.state()
        );
    }
    assert!(conversation.is_over(), "no deadline and no end in state {}", conversation.state());
    (watch.text, has_ended)
}

#[derive(Default)]
struct Watch {
    text: String,
    prompts: u64,
    requests: u64,
    hung_up: bool,
    /// Prompts that were given out and not stopped.
    open: BTreeSet<PromptId>,
    tool: Option<ToolId>,
    expected: Option<Expected>,
    state: String,
    /// No-inputs and no-matches in a row, counted as the documents say.
    silences: u32,
    misses: u32,
}

impl Watch {
    fn drain(&mut self, conversation: &mut Conversation) {
        while let Some(output) = conversation.poll_output() {
            assert!(!self.hung_up, "{output:?} after the end");
            match &output {
                Output::Prompt(prompt) => {
                    assert_eq!(prompt.id, PromptId(self.prompts + 1), "prompts are numbered without gaps");
                    self.prompts += 1;
                    self.open.insert(prompt.id);
                }
                Output::CallTool(call) => {
                    self.requests = call.id.0;
                    self.tool = Some(call.id);
                }
                Output::CancelTool(tool) => assert_eq!(self.tool.take(), Some(*tool), "nobody asked for it"),
                Output::Transfer(transfer) => self.requests = transfer.id.0,
                Output::HangUp { .. } => self.hung_up = true,
                Output::StopPrompts => self.open.clear(),
                Output::StopPrompt(prompt) => assert!(self.open.remove(prompt), "{prompt:?} is not said"),
                Output::Event(event) => self.count(event),
                Output::Expect(expected) => self.expected = Some(expected.clone()),
                Output::ResumePrompts | Output::ExpectNothing | Output::Mask(_) => {}
            }
            self.text.push_str(&format!("{output:?}\n"));
        }
        assert!(!self.hung_up || conversation.is_over());
        let waits = conversation.poll_timeout().is_some();
        assert_ne!(waits, conversation.is_over(), "a deadline or the end, in state {}", conversation.state());
    }

    /// Counts start anew when the caller is understood or the state changes.
    fn count(&mut self, event: &Event) {
        match event {
            Event::StateEntered { state } if *state == self.state => {}
            Event::StateEntered { state } => {
                self.state = state.clone();
                (self.silences, self.misses) = (0, 0);
            }
            Event::Understood { .. } => (self.silences, self.misses) = (0, 0),
            Event::NoInput { count } => {
                self.silences += 1;
                assert_eq!(*count, self.silences, "no-inputs in state {}", self.state);
            }
            Event::NotUnderstood { count, .. } => {
                self.misses += 1;
                assert_eq!(*count, self.misses, "no-matches in state {}", self.state);
            }
            Event::BotFailed { state, what } => panic!("{state}: {what}"),
            Event::VariableSet { .. }
            | Event::ToolFinished { .. }
            | Event::TransferFinished { .. }
            | Event::Outcome { .. } => {}
        }
    }
}

/// What follows in most calls: prompts are heard, tools answer, the caller says what is awaited.
fn likely_input(randomness: &mut Randomness, watch: &Watch) -> Input {
    const INTENTS: [&str; 8] =
        ["check my order", "return", "goodbye", "operator", "查订单", "退货", "再见", "转人工"];
    if let Some(prompt) = watch.open.first() {
        return Input::PromptFinished { prompt: *prompt, completed: true };
    }
    if let Some(tool) = watch.tool.filter(|_| randomness.below(2) == 0) {
        let state = ["shipped", "processing", "delivered", "delivered", "lost"][randomness.below(5) as usize];
        let status = [200, 200, 200, 200, 201, 404, 500][randomness.below(7) as usize];
        let answer = ToolAnswer { status, body: format!("{{\"state\": \"{state}\"}}") };
        return Input::ToolResult { tool, outcome: Ok(answer) };
    }
    let slots = watch.expected.as_ref().map_or(&[][..], |expected| expected.slots.as_slice());
    let text = match slots.first().filter(|_| randomness.below(4) > 0) {
        Some(SlotKind::Digits { max, .. }) => "1".repeat(usize::from(*max)),
        Some(SlotKind::YesNo) => {
            ["yes", "yes", "no", "对", "对", "不对"][randomness.below(6) as usize].to_owned()
        }
        Some(SlotKind::Choice(_)) | None => INTENTS[randomness.below(8) as usize].to_owned(),
    };
    Input::Heard { text, confidence: None }
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
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect("a sample bot");
    let files = [
        ("after-sales.yaml", read("after-sales.yaml")),
        ("after-sales-zh.yaml", read("after-sales-zh.yaml")),
        ("nasty.yaml", NASTY.to_owned()),
    ];
    files
        .map(|(name, yaml)| Arc::new(Bot::parse(&yaml, name).unwrap_or_else(|errors| panic!("{errors}"))))
        .to_vec()
}
