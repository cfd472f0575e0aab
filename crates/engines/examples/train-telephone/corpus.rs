//! Who says what.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::chance::Chance;

/// A voice, and how it is bent into another speaker. `warp` plays it faster and higher.
pub(crate) struct Voice {
    espeak: bool,
    name: &'static str,
    /// flite: duration stretch; espeak-ng: words per minute.
    pace: f32,
    /// flite: mean in hertz, 0 for its own; espeak-ng: 0 to 99.
    pitch: u32,
    warp: f32,
}

pub(crate) const fn flite(name: &'static str, pace: f32, pitch: u32, warp: f32) -> Voice {
    Voice { espeak: false, name, pace, pitch, warp }
}

pub(crate) const fn espeak(name: &'static str, pace: f32, pitch: u32, warp: f32) -> Voice {
    Voice { espeak: true, name, pace, pitch, warp }
}

/// Who teaches. Never here, because the tests judge by them: flite rms, kal, kal16; espeak-ng en-gb, en-gb-scotland
/// and the variants +f3, +f4, +m3, +m5.
pub(crate) const VOICES: [Voice; 25] = [
    flite("slt", 1.0, 0, 1.0),
    flite("slt", 1.1, 150, 0.9),
    flite("slt", 0.9, 230, 1.1),
    flite("slt", 1.0, 120, 0.84),
    flite("slt", 0.85, 190, 0.96),
    flite("slt", 1.2, 170, 1.04),
    flite("awb", 1.0, 0, 1.0),
    flite("awb", 1.0, 170, 1.12),
    flite("awb", 0.9, 100, 0.93),
    flite("awb", 1.0, 210, 1.22),
    flite("awb", 1.15, 110, 1.05),
    espeak("en-us", 155.0, 50, 1.0),
    espeak("en-us+f2", 165.0, 55, 1.0),
    espeak("en-us+m1", 145.0, 40, 1.0),
    espeak("en-gb-x-rp", 155.0, 50, 1.0),
    espeak("en-us+m7", 160.0, 50, 1.0),
    espeak("en-us+f5", 150.0, 50, 1.0),
    espeak("en-gb-x-gbclan+m2", 150.0, 50, 1.0),
    espeak("en-us+klatt2", 150.0, 50, 1.0),
    espeak("en-us+Andrea", 150.0, 50, 1.0),
    espeak("en-us+edward", 160.0, 50, 1.0),
    espeak("en-gb-x-rp+belinda", 155.0, 50, 1.0),
    espeak("en-us-nyc+m4", 160.0, 50, 1.0),
    espeak("en-us", 135.0, 35, 1.1),
    espeak("en-gb-x-rp+m6", 150.0, 45, 0.94),
];

/// Eight digits are said so many times by each voice.
const NUMBERS: usize = 25;
const DIGITS: [&str; 11] =
    ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "oh"];

/// Answers, wishes, and sentences about nothing in particular: the sounds of English.
const SENTENCES: &str = include_str!("sentences.txt");

/// What one voice says, the same in every run.
pub(crate) fn texts(chance: &mut Chance) -> Vec<String> {
    let mut texts: Vec<String> = SENTENCES.lines().map(str::to_owned).collect();
    texts.extend(DIGITS.map(str::to_owned));
    texts.extend((0..NUMBERS).map(|_| {
        let digits: Vec<&str> = (0..8).map(|_| DIGITS[chance.below(DIGITS.len())]).collect();
        digits.join(" ")
    }));
    texts
}

/// Speech at 16 kHz without the silence around it; the louder half of its samples has a root mean square of 1.
pub(crate) fn speak(voice: &Voice, text: &str, path: &Path) -> Vec<f32> {
    let mut command = Command::new(if voice.espeak { "espeak-ng" } else { "flite" });
    if voice.espeak {
        command.args(["-v", voice.name, "-s", &voice.pace.to_string(), "-p", &voice.pitch.to_string()]);
        command.arg("-w").arg(path).arg(text);
    } else {
        command.args(["-voice", voice.name, "--setf", &format!("duration_stretch={}", voice.pace)]);
        if voice.pitch > 0 {
            command.args(["--setf", &format!("int_f0_target_mean={}", voice.pitch)]);
        }
        command.args(["-t", text, "-o"]).arg(path);
    }
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    assert!(status.success(), "{command:?}");
    let mut reader = hound::WavReader::open(path).unwrap();
    let rate = f64::from(reader.spec().sample_rate) * f64::from(voice.warp);
    let samples: Vec<f32> = reader.samples::<i16>().map(|sample| f32::from(sample.unwrap())).collect();
    trimmed(&resampled(&samples, rate))
}

/// To 16 kHz by a windowed sinc.
fn resampled(samples: &[f32], rate: f64) -> Vec<f32> {
    const REACH: i64 = 16;
    let cut = (16_000.0 / rate).min(1.0) * 0.95;
    let count = (samples.len() as f64 * 16_000.0 / rate) as usize;
    (0..count)
        .map(|n| {
            let at = n as f64 * rate / 16_000.0;
            let nearest = at as i64;
            (nearest - REACH..=nearest + REACH)
                .filter_map(|k| {
                    let sample = samples.get(usize::try_from(k).ok()?)?;
                    let away = at - k as f64;
                    let turn = std::f64::consts::PI * away * cut;
                    let sinc = if turn.abs() < 1e-9 { 1.0 } else { turn.sin() / turn };
                    let window = 0.5 + 0.5 * (std::f64::consts::PI * away / (REACH + 1) as f64).cos();
                    Some(*sample * (sinc * window * cut) as f32)
                })
                .sum()
        })
        .collect()
}

fn trimmed(samples: &[f32]) -> Vec<f32> {
    let loudest = samples.iter().fold(0.0f32, |loudest, sample| loudest.max(sample.abs()));
    let loud = |sample: &f32| sample.abs() > loudest * 1.78e-3;
    let first = samples.iter().position(loud).unwrap_or(0).saturating_sub(800);
    let last = (samples.iter().rposition(loud).unwrap_or(0) + 800).min(samples.len());
    let kept = &samples[first..last];
    let mut squares: Vec<f32> = kept.iter().map(|sample| sample * sample).collect();
    squares.sort_by(f32::total_cmp);
    let loud = &squares[squares.len() / 2..];
    let level = (loud.iter().sum::<f32>() / loud.len().max(1) as f32).sqrt().max(1e-9);
    kept.iter().map(|sample| sample / level).collect()
}
