//! Callers who give a card number to a bot that masks it, and to one that does not.

use std::sync::Arc;

use offhook_call_control::{EndCause, Role};
use offhook_conversation::Bot;
use offhook_time::Seed;

use super::draw::Draw;
use super::kinds::pause;
use super::{Scenario, ms};
use crate::Kind;
use crate::plan::{Act, ToolPlan};

/// The number that they give.
pub const CARD: &str = "4111111111111111";

const SPOKEN: &str = "four one one one one one one one one one one one one one one one";

const BOT: &str = r#"
bot: pay
start: hello
turn: { barge_in: recognized }
intents: { pay: ["[to] pay"] }
slots:
  card:
    digits: 16
    masked: MASKED
    confirm: "I heard {{ card }}, {{ card | digits }}. Is that right?"
tools:
  charge: { method: POST, url: "http://127.0.0.1:1/charge", body: { pan: "{{ card }}" } }
no_match: [{ say: Pardon., repeat: true }, { say: Once more., repeat: true }, { say: Goodbye., hang_up: true }]
no_input: [{ say: Hello., repeat: true }, { say: Goodbye., hang_up: true }]
states:
  hello: { say: What can I do for you?, listen: { intents: { pay: card }, keys: { "1": card } } }
  card: { say: Your card number please., listen: { slot: card, filled: charge } }
  charge: { say: One moment., call: { tool: charge, answered: more, on_error: more } }
  more: { say: "Paid with {{ card[-4:] }}. Anything else?", listen: { intents: { pay: card }, keys: { "9": bye } } }
  bye: { say: Bye., hang_up: true }
"#;

impl Scenario {
    /// Call `number` of somebody who pays: by keys where it is even, in words where it is odd; over a line of any
    /// quality. `masked`: whether the bot masks what it hears.
    pub fn card(number: u64, masked: bool) -> Scenario {
        let mut draw = Draw(offhook_time::Randomness::new(Seed::from_number(number)));
        let mut scenario = Scenario::plain(Kind::Keys, number, &mut draw);
        #[allow(clippy::expect_used, reason = "the bot stands above")]
        let bot = Bot::parse(&BOT.replace("MASKED", &masked.to_string()), "pay.yaml").expect("a bot");
        scenario.settings.role = Role::Bot(Arc::new(bot));
        scenario.settings.bot_name = "pay".to_owned();
        scenario.causes.push(EndCause::BotHungUp);
        scenario.tool = ToolPlan::Answer(200);
        if number.is_multiple_of(2) {
            for keys in ["1", CARD, "1"] {
                scenario.act([pause(&mut draw), Act::Press(keys.to_owned())]);
            }
        } else {
            for text in ["pay", SPOKEN, "yes"] {
                scenario.answer_with(text, &mut draw);
            }
        }
        let speech = draw.speech("thank you");
        scenario.act([pause(&mut draw), speech, Act::Wait(ms(1_500)), Act::Press("9".to_owned())]);
        scenario.phone.patience = ms(3_000);
        scenario
    }
}
