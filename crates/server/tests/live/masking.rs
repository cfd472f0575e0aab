//! Masked states: a card number that is keyed and one that is said reach the bank, and nothing that is written down.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use offhook_audio::G711;
use offhook_call_media::{MediaCommand, RecordedInput};
use offhook_journal::bundle::{Bundle, Direction, PacketKind};
use offhook_rtp_proto::RtpPacket;
use offhook_time::Half;
use serde_json::Value;

use crate::common::{Asked, Calling, HttpSink, Server, Setup, alone, program, repository, until};

const KEYED: &str = "4111111111111111";
const SAID: &str = "46903192";

const BOT: &str = r#"
bot: NAME
start: card
config: { bank: ~ }
slots:
  card: { digits: { min: 8, max: 16 }, masked: MASKED, confirm: "I heard {{ card | digits }}. Is that right?" }
tools:
  charge: { method: POST, url: "{{ config.bank }}/NAME", body: { pan: "{{ card }}" } }
no_match: [{ say: Pardon., repeat: true }, { say: Goodbye., hang_up: true }]
states:
  card: { say: Your card number please., listen: { slot: card, filled: charge } }
  charge: { say: One moment., call: { tool: charge, answered: done, on_error: done } }
  done: { say: Thank you., outcome: paid, hang_up: true }
"#;

#[test]
fn a_card_number_by_key_and_in_words_is_sent_to_the_bank_and_written_down_nowhere() {
    let _turn = alone();
    let bank = HttpSink::start(&[], r#"{"ok":true}"#);
    let bots = tempfile::tempdir().unwrap();
    for (name, masked) in [("pay", "true"), ("plain", "false")] {
        let text = BOT.replace("NAME", name).replace("MASKED", masked);
        std::fs::write(bots.path().join(format!("{name}.yaml")), text).unwrap();
    }
    let config = format!(
        "[bundle]\nrecord = \"on\"\n[bots]\nfolder = \"{}\"\n[bots.config]\nbank = \"http://{}\"\n",
        bots.path().display(),
        bank.address
    );
    let number = said_number();

    let (masked, plain) = std::thread::scope(|scope| {
        let masked = scope.spawn(|| Served::of(&config, "pay", &number));
        let plain = Served::of(&config, "plain", &number);
        (masked.join().unwrap(), plain)
    });

    // Masked or not, the bank gets the numbers.
    for bot in ["pay", "plain"] {
        for card in [KEYED, SAID] {
            let body = format!("{{\"pan\":\"{card}\"}}");
            let is_it = |asked: &Asked| asked.line.contains(bot) && asked.body == body.as_bytes();
            assert!(bank.asked().iter().any(is_it), "{bot} {card}: {:?}", bank.asked());
        }
    }
    for spelling in spellings() {
        assert_eq!(masked.places_of(spelling.as_bytes()), Vec::<String>::new(), "{spelling}");
    }
    // The same search finds them where nothing is masked.
    for (spelling, place) in [
        (KEYED, "log"),
        (KEYED, "events"),
        (KEYED, "offhook.db"),
        (SAID, ".journal"),
        ("four one one one", "events"),
        ("four six nine zero", ".call"),
    ] {
        let places = plain.places_of(spelling.as_bytes());
        assert!(places.iter().any(|found| found.contains(place)), "{spelling} in {place}: {places:?}");
    }
    let voice = loud_pieces(&number);
    let found = |served: &Served| voice.iter().filter(|piece| !served.places_of(piece).is_empty()).count();
    assert_eq!(found(&masked), 0);
    assert!(found(&plain) * 2 > voice.len(), "{} of {}", found(&plain), voice.len());
    assert!(keys_of(&plain.bundles[0]).contains(&4));
    for bundle in &masked.bundles {
        assert!(keys_of(bundle).iter().all(|key| *key == 0), "{:?}", keys_of(bundle));
        assert!(masked_speech(bundle) > 8_000, "the bot says the number, and how that sounds is not kept");
    }
}

/// What a server left behind that took two calls.
struct Served {
    /// Everything that was written, by name.
    written: Vec<(String, Vec<u8>)>,
    bundles: Vec<Bundle>,
}

impl Served {
    fn of(config: &str, bot: &str, number: &[i16]) -> Served {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let mut server =
            Setup::new().config(config).data(&data).env("OFFHOOK_LOG", "trace,h2=off,hyper=off").start();
        let events = server.api.events("");
        let mut written = Vec::new();
        let mut bundles = Vec::new();
        let place = |give: &str, from: &str| {
            let script = format!("wait-quiet\n{give}\ninterrupt after 900ms dtmf 1\nexpect-hangup 40s");
            Calling::to(&server, bot).from(from).wav("number.wav", number).script(&script).start()
        };
        let keyed = format!("dtmf {KEYED}");
        let both = [("keys", keyed.as_str()), ("words", "say number.wav")];
        let calls = both.map(|(from, give)| (from, give, place(give, from)));
        for (from, give, call) in calls {
            call.finish();
            let mut record = server.api.ended_call_from(from);
            // A machine with too much to do may be late with the words, and the caller then confirms what was not asked.
            for attempt in 1..4 {
                if record["outcome"] == "paid" {
                    break;
                }
                let from = format!("{from}-{attempt}");
                place(give, &from).finish();
                record = server.api.ended_call_from(&from);
            }
            assert_eq!(record["outcome"], "paid", "{bot} {from}: {record}");
            written.push((format!("record of {from}"), record.to_string().into_bytes()));
            let path = bundle_of(&server, &record);
            let shown = run(&["bundle", "show"], &path);
            written.push((format!("bundle show of {from}"), shown));
            run(&["bundle", "verify"], &path);
            written.push((format!("replay of {from}"), run(&["replay"], &path)));
            let bundle = Bundle::open(File::open(&path).unwrap()).unwrap();
            let report = offhook_replay::verify(&bundle).unwrap();
            assert!(report.is_equal() && report.media.packets > 200, "{from}:\n{report:#?}");
            // What a block cuts in two stands whole in what the reader makes of it.
            for step in [Half::Media, Half::Control].into_iter().flat_map(|half| bundle.steps(half)) {
                written.push((format!("step of {from} in .call"), step.body.payload().to_vec()));
            }
            bundles.push(bundle);
        }
        let told: Vec<Value> = events.all();
        written.push(("events".to_owned(), serde_json::to_vec(&told).unwrap()));
        server.signal(rustix::process::Signal::TERM);
        server.wait(std::time::Duration::from_secs(40));
        written.push(("log".to_owned(), server.log().into_bytes()));
        files(&data, &mut written);
        Served { written, bundles }
    }

    /// Where these bytes were written.
    fn places_of(&self, bytes: &[u8]) -> Vec<String> {
        let holds = |text: &[u8]| {
            let first = bytes[0];
            let starts = text.iter().enumerate().filter(|(_, byte)| **byte == first);
            starts.map(|(at, _)| at).any(|at| text[at..].starts_with(bytes))
        };
        self.written.iter().filter(|(_, text)| holds(text)).map(|(name, _)| name.clone()).collect()
    }
}

fn bundle_of(server: &Server, record: &Value) -> std::path::PathBuf {
    let shown = server.api.get(&format!("/v1/calls/{}", record["call_id"].as_str().unwrap()));
    let path = std::path::PathBuf::from(shown.body["bundle"].as_str().unwrap());
    until("the end of the bundle", || {
        let bundle = Bundle::open(File::open(&path).unwrap());
        bundle.is_ok_and(|bundle| bundle.end().is_some()).then_some(())
    });
    path
}

/// What a command says of a bundle, which it must like.
fn run(arguments: &[&str], bundle: &Path) -> Vec<u8> {
    let output = Command::new(program()).args(arguments).arg(bundle).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&said));
    said
}

fn files(folder: &Path, written: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, written);
        } else {
            written.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
}

/// The numbers as anybody may write them.
fn spellings() -> Vec<String> {
    let mut spellings = vec!["four one one one".to_owned(), "four six nine zero".to_owned()];
    for card in [&KEYED[..8], KEYED, SAID] {
        let digits: Vec<String> = card.chars().map(|digit| digit.to_string()).collect();
        let groups: Vec<&str> = [0, 4].iter().map(|at| &card[*at..*at + 4]).collect();
        spellings.push(card.to_owned());
        for between in [" ", "-", ".", ", ", "\",\""] {
            spellings.push(digits.join(between));
            spellings.push(groups.join(between));
        }
    }
    spellings
}

/// "four six nine zero three one nine two", in somebody's voice.
fn said_number() -> Vec<i16> {
    let folder = repository("audio-samples");
    let samples = offhook_caller::wav::read(&folder.join("order-status-slt.wav")).unwrap();
    let label = std::fs::read_to_string(folder.join("order-status-slt.json")).unwrap();
    let label: Value = serde_json::from_str(&label).unwrap();
    let utterance = &label["utterances"][1];
    let at = |name: &str| utterance[name].as_u64().unwrap() as usize;
    samples[at("start")..at("end")].to_vec()
}

/// Pieces of the voice as they stand in packets, wherever a packet begins.
fn loud_pieces(samples: &[i16]) -> Vec<Vec<u8>> {
    let mut law = vec![0; samples.len()];
    G711::MuLaw.encode(samples, &mut law);
    let pieces = samples.chunks(24).zip(law.chunks(24));
    let loud = pieces.filter(|(samples, _)| samples.iter().any(|sample| sample.unsigned_abs() > 4_000));
    loud.map(|(_, law)| law.to_vec()).filter(|piece| piece.len() == 24).step_by(3).take(40).collect()
}

/// The codes of all keys in the caller's packets (RFC 4733).
pub fn keys_of(bundle: &Bundle) -> Vec<u8> {
    let inbound = bundle
        .packets()
        .filter(|packet| packet.direction == Direction::Inbound && packet.kind == PacketKind::Rtp);
    let keys = inbound.filter_map(|packet| {
        let packet = RtpPacket::parse(&packet.bytes).ok()?;
        (packet.payload.len() == 4).then(|| packet.payload[0])
    });
    keys.collect()
}

/// How many samples of speech are masked; all of them must be silent.
fn masked_speech(bundle: &Bundle) -> usize {
    let (mut masked, mut count) = (Vec::new(), 0);
    for step in bundle.steps(Half::Media) {
        let input = RecordedInput::decode(&step.body.payload()).unwrap();
        if let RecordedInput::Command(MediaCommand::Announce { utterance, policy }) = &input
            && policy.masked
        {
            masked.push(*utterance);
        }
        if let RecordedInput::Speech { utterance, samples, .. } = &input
            && masked.contains(utterance)
        {
            assert!(samples.iter().all(|sample| *sample == 0));
            count += samples.len();
        }
    }
    count
}
