//! Both sides as audio on one time line.

use std::path::Path;
use std::time::Duration;

use offhook_time::Time;

use crate::CallerError;
use crate::call::report::Recordings;
use crate::wav::{self, RATE};

/// What was said and heard on one leg, both from `started` on.
#[derive(Debug)]
pub(crate) struct Tracks {
    /// When both begin.
    pub started: Time,
    /// What we sent.
    pub caller: Vec<i16>,
    /// What we received.
    pub far: Vec<i16>,
}

/// Further than this from where its timestamp puts it, a packet begins a new stretch: the sender's clock jumped.
const FAR_OFF: i64 = RATE as i64 / 8;

/// Puts received packets where their timestamps say, so that jitter is not in the recording; the first one of a
/// stretch lies where it arrived.
#[derive(Debug)]
pub(crate) struct FarTrack {
    started: Time,
    samples: Vec<i16>,
    anchor: Option<Anchor>,
}

#[derive(Clone, Copy, Debug)]
struct Anchor {
    ssrc: u32,
    timestamp: u32,
    position: i64,
}

impl FarTrack {
    /// An empty track.
    pub fn new(started: Time) -> Self {
        FarTrack { started, samples: Vec::new(), anchor: None }
    }

    /// A packet that arrived at `arrived`.
    pub fn push(&mut self, samples: &[i16], ssrc: u32, timestamp: u32, arrived: Time) {
        let by_arrival = samples_in(arrived.since(self.started)) as i64;
        let by_timestamp = self
            .anchor
            .filter(|anchor| anchor.ssrc == ssrc)
            .map(|anchor| anchor.position + i64::from(timestamp.wrapping_sub(anchor.timestamp) as i32))
            .filter(|position| (position - by_arrival).abs() <= FAR_OFF);
        let position = by_timestamp.unwrap_or_else(|| {
            self.anchor = Some(Anchor { ssrc, timestamp, position: by_arrival });
            by_arrival
        });
        let begin = usize::try_from(position).unwrap_or(0);
        let end = begin + samples.len();
        if self.samples.len() < end {
            self.samples.resize(end, 0);
        }
        self.samples[begin..end].copy_from_slice(samples);
    }

    /// The track.
    pub fn into_samples(self) -> Vec<i16> {
        self.samples
    }
}

/// Writes the legs of a call, one after or over the other as they were in time. `None` where there are none.
pub(crate) fn write(folder: &Path, legs: &[Tracks]) -> Result<Option<Recordings>, CallerError> {
    let Some(began) = legs.iter().map(|leg| leg.started).min() else { return Ok(None) };
    std::fs::create_dir_all(folder).map_err(CallerError::io("creating the folder for the recordings"))?;
    let (mut caller, mut far) = (Vec::new(), Vec::new());
    for leg in legs {
        let offset = samples_in(leg.started.since(began));
        mix(&mut caller, &leg.caller, offset);
        mix(&mut far, &leg.far, offset);
    }
    let recordings = Recordings {
        both: folder.join("both.wav"),
        caller: folder.join("caller.wav"),
        far: folder.join("far.wav"),
    };
    wav::write(&recordings.both, &[&caller, &far])?;
    wav::write(&recordings.caller, &[&caller])?;
    wav::write(&recordings.far, &[&far])?;
    Ok(Some(recordings))
}

fn mix(track: &mut Vec<i16>, samples: &[i16], offset: usize) {
    if track.len() < offset + samples.len() {
        track.resize(offset + samples.len(), 0);
    }
    for (sum, sample) in track[offset..].iter_mut().zip(samples) {
        *sum = sum.saturating_add(*sample);
    }
}

fn samples_in(duration: Duration) -> usize {
    (duration.as_nanos() * u128::from(RATE) / 1_000_000_000) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    const STARTED: Time = Time::from_millis(1000);

    #[test]
    fn jitter_does_not_move_audio_but_loss_leaves_its_place_empty() {
        let mut track = FarTrack::new(STARTED);

        track.push(&[1; 160], 7, 1000, Time::from_millis(1020));
        track.push(&[2; 160], 7, 1160, Time::from_millis(1055));
        track.push(&[4; 160], 7, 1480, Time::from_millis(1081));
        let samples = track.into_samples();

        assert_eq!(samples.len(), 160 * 5);
        assert_eq!([samples[159], samples[160], samples[320], samples[480], samples[640]], [0, 1, 2, 0, 4]);
    }

    #[test]
    fn a_timestamp_that_jumps_goes_on_where_it_arrived() {
        let mut track = FarTrack::new(STARTED);

        track.push(&[1; 160], 7, 1000, Time::from_millis(1000));
        track.push(&[2; 160], 7, 4_000_000_000, Time::from_millis(1040));

        assert_eq!(track.into_samples().len(), 480);
    }

    #[test]
    fn two_legs_lie_on_one_time_line() {
        let folder = tempfile::tempdir().unwrap();
        let leg = |started, sample| Tracks { started, caller: vec![sample; 80], far: vec![-sample; 80] };

        let written =
            write(folder.path(), &[leg(STARTED, 5), leg(Time::from_millis(1020), 7)]).unwrap().unwrap();

        let caller = wav::read(&written.caller).unwrap();
        assert_eq!((caller.len(), caller[0], caller[100], caller[160]), (240, 5, 0, 7));
    }
}
