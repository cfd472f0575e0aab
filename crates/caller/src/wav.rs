//! WAV in (any rate, made 8 kHz mono) and out.

use std::f64::consts::PI;
use std::path::Path;

use crate::CallerError;

/// Samples per second of everything we say and hear.
pub const RATE: u32 = 8_000;
/// Samples of one packet: 20 ms.
pub const FRAME: usize = 160;

/// Reads a WAV as 8 kHz mono. Channels are averaged, other rates resampled.
pub fn read(path: &Path) -> Result<Vec<i16>, CallerError> {
    read_by(path, |channels| channels.iter().sum::<f64>() / channels.len() as f64)
}

/// Reads the left channel of a WAV, or its only one, as 8 kHz: recorders of call centres put the caller there.
pub fn read_left(path: &Path) -> Result<Vec<i16>, CallerError> {
    read_by(path, |channels| channels.first().copied().unwrap_or(0.0))
}

fn read_by(path: &Path, mono: impl Fn(&[f64]) -> f64) -> Result<Vec<i16>, CallerError> {
    let failed = |reason: String| CallerError::Wav { path: path.to_owned(), reason };
    let mut reader = hound::WavReader::open(path).map_err(|error| failed(error.to_string()))?;
    let spec = reader.spec();
    if spec.channels == 0 || spec.sample_rate < 4_000 {
        return Err(failed(format!("{} channels at {} Hz", spec.channels, spec.sample_rate)));
    }
    let interleaved: Result<Vec<f64>, hound::Error> = match spec.sample_format {
        hound::SampleFormat::Float => {
            reader.samples::<f32>().map(|s| s.map(|s| f64::from(s) * 32_768.0)).collect()
        }
        hound::SampleFormat::Int => {
            let scale = 32_768.0 / 2f64.powi(i32::from(spec.bits_per_sample) - 1);
            reader.samples::<i32>().map(|s| s.map(|s| f64::from(s) * scale)).collect()
        }
    };
    let interleaved = interleaved.map_err(|error| failed(error.to_string()))?;
    let channels = usize::from(spec.channels);
    let mono: Vec<f64> = interleaved.chunks_exact(channels).map(mono).collect();
    if mono.is_empty() {
        return Err(failed("no samples".to_owned()));
    }
    Ok(resample(&mono, spec.sample_rate, RATE))
}

/// Writes 16-bit samples at 8 kHz; several channels are interleaved, the shorter ones filled with silence.
pub fn write(path: &Path, channels: &[&[i16]]) -> Result<(), CallerError> {
    let failed = |error: hound::Error| CallerError::Wav { path: path.to_owned(), reason: error.to_string() };
    let spec = hound::WavSpec {
        channels: channels.len() as u16,
        sample_rate: RATE,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).map_err(failed)?;
    let longest = channels.iter().map(|samples| samples.len()).max().unwrap_or(0);
    for at in 0..longest {
        for samples in channels {
            writer.write_sample(samples.get(at).copied().unwrap_or(0)).map_err(failed)?;
        }
    }
    writer.finalize().map_err(failed)
}

/// Zero crossings of the sinc on each side: 16 put the aliases of a telephone band below the noise of µ-law.
const HALF: f64 = 16.0;

/// Windowed-sinc interpolation; offline, so plain rather than quick. Equal rates only round.
pub fn resample(samples: &[f64], from: u32, to: u32) -> Vec<i16> {
    let clip = |value: f64| value.round().clamp(-32_768.0, 32_767.0) as i16;
    if from == to {
        return samples.iter().map(|sample| clip(*sample)).collect();
    }
    let step = f64::from(from) / f64::from(to);
    // Cut below the lower of the two Nyquist frequencies, with room for the filter's slope.
    let cut = 0.94 * (1.0 / step).min(1.0);
    let reach = HALF / cut;
    let length = (samples.len() as f64 / step).floor() as usize;
    (0..length)
        .map(|index| {
            let centre = index as f64 * step;
            let first = (centre - reach).ceil().max(0.0) as usize;
            let last = ((centre + reach).floor() as usize).min(samples.len() - 1);
            let (mut sum, mut weight) = (0.0, 0.0);
            for (at, sample) in samples.iter().enumerate().take(last + 1).skip(first) {
                let distance = at as f64 - centre;
                let tap = sinc(distance * cut) * hann(distance / reach);
                sum += sample * tap;
                weight += tap;
            }
            clip(if weight == 0.0 { 0.0 } else { sum / weight })
        })
        .collect()
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

fn hann(x: f64) -> f64 {
    0.5 + 0.5 * (PI * x).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate: u32, hertz: f64, seconds: f64) -> Vec<f64> {
        (0..(f64::from(rate) * seconds) as usize)
            .map(|n| 10_000.0 * (2.0 * PI * hertz * n as f64 / f64::from(rate)).sin())
            .collect()
    }

    #[test]
    fn a_tone_keeps_its_shape_when_its_rate_is_halved() {
        let resampled = resample(&tone(16_000, 1_000.0, 0.5), 16_000, 8_000);

        let expected = tone(8_000, 1_000.0, 0.5);
        assert_eq!(resampled.len(), expected.len());
        for at in 100..expected.len() - 100 {
            assert!((f64::from(resampled[at]) - expected[at]).abs() < 60.0, "sample {at}");
        }
    }

    #[test]
    fn what_the_telephone_cannot_carry_is_removed_not_folded() {
        let resampled = resample(&tone(44_100, 6_000.0, 0.5), 44_100, 8_000);

        let loudest = resampled[200..resampled.len() - 200].iter().map(|s| s.abs()).max().unwrap();
        assert!(loudest < 60, "{loudest}");
    }

    #[test]
    fn a_stereo_file_at_16_khz_is_read_as_mono_at_8_khz() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stereo.wav");
        let spec = hound::WavSpec {
            channels: 2,
            sample_rate: 16_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(&path, spec).unwrap();
        for _ in 0..1600 {
            writer.write_sample(1000i16).unwrap();
            writer.write_sample(3000i16).unwrap();
        }
        writer.finalize().unwrap();

        let samples = read(&path).unwrap();

        assert_eq!(samples.len(), 800);
        assert!((samples[400] - 2000).abs() <= 2);
    }

    #[test]
    fn a_recording_has_both_sides_at_full_length() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("both.wav");

        write(&path, &[&[1, 2, 3], &[4]]).unwrap();

        let mut reader = hound::WavReader::open(&path).unwrap();
        let samples: Vec<i16> = reader.samples::<i16>().map(Result::unwrap).collect();
        assert_eq!(samples, [1, 4, 2, 0, 3, 0]);
    }

    #[test]
    fn a_file_that_is_no_wav_is_named_in_the_error() {
        let error = read(Path::new("Cargo.toml")).unwrap_err().to_string();

        assert!(error.starts_with("Cargo.toml: "), "{error}");
    }
}
