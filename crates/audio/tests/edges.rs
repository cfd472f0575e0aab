//! The edges of utterances against the labels of `audio-samples`, packet by packet, whatever the phase of the packets.
//! `cargo test -p offhook-audio --test edges -- --nocapture` shows the figures.
#![allow(clippy::print_stdout, reason = "the figures are the point")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod samples;

use offhook_audio::tones::Noise;
use offhook_audio::{
    EndpointConfig, EndpointEvent, Endpointer, Frame, G711, SpeechEdges, VoiceActivity, packet_level,
};
use samples::{Label, Sample, frames, read_folder};

/// Samples of a packet.
const PACKET: usize = 160;

/// Where packets begin, in samples: a telephone does not know where a word begins.
const PHASES: [usize; 4] = [0, 37, 80, 131];

/// The diphone voice kal puts a pause as long as a packet into "correct" and "order status": at one phase of four each is
/// taken for two, of 164 utterances.
const MISSED: usize = 2;

#[test]
fn on_a_clean_line_speech_begins_and_ends_within_a_packet_of_its_labels() {
    for folder in ["", "out-of-grammar", "out-of-grammar-test"] {
        let mut samples = read_folder(folder);
        samples.retain(|sample| !sample.name.contains("noise"));

        let figures = Figures::of(&format!("'{folder}', µ-law"), &samples, G711::MuLaw);

        assert!(figures.missed <= MISSED, "{figures:?}");
        assert!(figures.onset.within(1) == 100, "{figures:?}");
        assert!(figures.end.within(1) >= 98, "{figures:?}");
    }
}

#[test]
fn a_law_makes_no_difference() {
    let mut samples = read_folder("");
    samples.retain(|sample| !sample.name.contains("noise"));

    let figures = Figures::of("calls, A-law", &samples, G711::ALaw);

    assert!(figures.missed <= MISSED, "{figures:?}");
    assert!(figures.onset.within(1) == 100 && figures.end.within(1) >= 98, "{figures:?}");
}

/// The labels were made before the noise was added. What is softer than the noise nobody hears: the edges move
/// inwards by the soft beginnings and ends of words, never out into the noise.
#[test]
fn in_noise_speech_reaches_as_far_as_it_can_be_heard() {
    let mut samples = read_folder("");
    samples.retain(|sample| sample.name.contains("noise"));

    let figures = Figures::of("pink noise at 15 dB, µ-law", &samples, G711::MuLaw);

    assert_eq!((figures.missed, figures.onset.0.len()), (0, 7 * PHASES.len()));
    assert!(figures.onset.least() >= 0 && figures.onset.most() <= 5, "{figures:?}");
    assert!(figures.end.most() <= 0 && figures.end.least() >= -6, "{figures:?}");
}

#[test]
fn white_noise_on_the_whole_call_is_no_speech() {
    for snr in [25.0, 20.0, 15.0] {
        let mut samples = read_folder("");
        samples.retain(|sample| !sample.name.contains("noise"));
        let mut noise = Noise::with_level(11, -20.0 - snr);
        for sample in &mut samples {
            sample.audio.iter_mut().for_each(|value| *value = value.saturating_add(noise.sample()));
        }

        let figures = Figures::of(&format!("calls, white noise at {snr} dB"), &samples, G711::MuLaw);

        assert!(figures.missed <= 4, "{figures:?}");
        assert!(figures.onset.least() >= -1 && figures.end.most() <= 1, "{figures:?}");
    }
}

/// What came of a set of samples: packets after the labelled one.
#[derive(Debug, Default)]
struct Figures {
    missed: usize,
    onset: Packets,
    end: Packets,
}

#[derive(Debug, Default)]
struct Packets(Vec<i64>);

impl Packets {
    fn least(&self) -> i64 {
        self.0.iter().copied().min().unwrap()
    }

    fn most(&self) -> i64 {
        self.0.iter().copied().max().unwrap()
    }

    /// How many of a hundred are at most so far off.
    fn within(&self, packets: i64) -> usize {
        self.0.iter().filter(|off| off.abs() <= packets).count() * 100 / self.0.len()
    }

    fn counted(&self) -> String {
        let count = |off| self.0.iter().filter(|other| **other == off).count();
        let all = (self.least()..=self.most()).map(|off| (off, count(off))).filter(|(_, count)| *count > 0);
        all.map(|(off, count)| format!("{off:+}: {count}")).collect::<Vec<_>>().join(", ")
    }
}

impl Figures {
    fn of(title: &str, samples: &[Sample], law: G711) -> Figures {
        let mut figures = Figures::default();
        for sample in samples {
            for phase in PHASES {
                let mut audio = vec![0; phase];
                audio.extend(&sample.audio);
                figures.add(sample, phase, &edges(&on_the_wire(&audio, law)));
            }
        }
        println!(
            "{title}: {} utterances; packets off at the onset {}; at the end {}; {} missed",
            figures.onset.0.len(),
            figures.onset.counted(),
            figures.end.counted(),
            figures.missed
        );
        figures
    }

    fn add(&mut self, sample: &Sample, phase: usize, found: &[(i64, i64)]) {
        for label in &sample.utterances {
            let (start, end) = packets_of(label, phase);
            // The utterance that was found has its middle within the label.
            match found.iter().find(|(first, last)| (start..=end).contains(&((first + last) / 2))) {
                Some((first, last)) => {
                    self.onset.0.push(first - start);
                    self.end.0.push(last - end);
                }
                None => {
                    println!("  missed in {}: {:?}", sample.name, label.text);
                    self.missed += 1;
                }
            }
        }
    }
}

/// The first and last packet of a label.
fn packets_of(label: &Label, phase: usize) -> (i64, i64) {
    (((label.start + phase) / PACKET) as i64, ((label.end - 1 + phase) / PACKET) as i64)
}

fn on_the_wire(audio: &[i16], law: G711) -> Vec<i16> {
    let (mut octets, mut decoded) = (vec![0; audio.len()], vec![0; audio.len()]);
    law.encode(audio, &mut octets);
    law.decode(&octets, &mut decoded);
    decoded
}

/// The first and last packets of all utterances, found as a call finds them: voice activity says that somebody spoke,
/// the levels say where. An end of 1 s, so that an utterance is not cut within.
fn edges(audio: &[i16]) -> Vec<(i64, i64)> {
    let config = EndpointConfig { end_after: std::time::Duration::from_secs(1), ..EndpointConfig::default() };
    let (mut vad, mut endpointer) = (VoiceActivity::new(), Endpointer::new(config));
    let mut edges = SpeechEdges::new();
    let mut found = Vec::new();
    for (frame, narrow) in frames(audio).zip(audio.chunks_exact(PACKET)) {
        let number = |frame: &Frame| i64::from(frame.rtp_timestamp) / PACKET as i64;
        edges.push(packet_level(narrow), Some(number(&frame)));
        match endpointer.push(&frame, &vad.push(&frame)) {
            Some(EndpointEvent::SpeechStarted { first_voiced }) => {
                let back = (frame.rtp_timestamp - first_voiced.rtp_timestamp) as usize / PACKET + 1;
                edges.begin_utterance(back);
            }
            Some(EndpointEvent::SpeechEnded { .. }) => {
                found.push((edges.onset().unwrap(), edges.end().unwrap()));
            }
            Some(EndpointEvent::SpeechConfirmed { .. } | EndpointEvent::SpeechRejected { .. }) | None => {}
        }
    }
    found
}
