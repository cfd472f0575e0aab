//! One call's bundle while it is written.

use std::net::SocketAddr;
use std::time::Duration;

use offhook_audio::AudioChunk;
use offhook_call_control::CallSettings;
use offhook_call_media::{MediaSettings, RecordedInput};
use offhook_journal::bundle::{Keep, Packet, StepHead, WriteError};
use offhook_replay::{CallHead, Origin, Recorder};
use offhook_time::{Half, Step, Time};

use super::RecorderStats;
use super::files::{BundleFile, BundleFiles};
use super::record::Record;

/// What was written is handed to the file this often. With what it waits before, a kill costs less than a second.
const FLUSH_EVERY: Duration = Duration::from_millis(600);

/// A call that begins.
#[derive(Debug)]
pub struct Opening {
    /// The call, as control numbers it.
    pub call: u64,
    /// What the control half is made of.
    pub settings: CallSettings,
    /// What the media half is made of.
    pub media: MediaSettings,
    /// When that is.
    pub opened_at: Time,
    /// How much is kept of what we send.
    pub egress: Keep,
}

/// A call's file and what is known of it.
#[derive(Debug)]
pub(super) struct OpenBundle {
    recorder: Recorder<BundleFile>,
    pub call_id: String,
    /// Its SIP Call-ID, once that is known.
    pub sip_call_id: Option<Vec<u8>>,
    flushed_at: Time,
    /// The next sequence of each half.
    expected: [u64; 2],
    /// Steps that never came.
    pub missing: u64,
    control_closed: bool,
    media_closed: bool,
}

/// Why a bundle cannot be begun.
#[derive(Debug, thiserror::Error)]
pub(super) enum BeginError {
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error("its settings have no JSON form: {0}")]
    Head(#[from] serde_json::Error),
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl OpenBundle {
    pub(super) fn begin(opening: Opening, files: &BundleFiles, origin: Origin) -> Result<Self, BeginError> {
        let Opening { settings, media, opened_at, egress, call: _ } = opening;
        let meta = CallHead::new(&settings, &media, opened_at).to_meta(origin)?;
        let file = files.create(&settings.call_id, settings.wall.unix_ms(opened_at))?;
        Ok(OpenBundle {
            recorder: Recorder::begin(file, &meta, settings.local_rtp, egress)?,
            call_id: settings.call_id,
            sip_call_id: None,
            flushed_at: opened_at,
            expected: [0; 2],
            missing: 0,
            control_closed: false,
            media_closed: false,
        })
    }

    /// Counts the steps that never came before this one.
    fn expect(&mut self, half: Half, sequence: u64) {
        let expected = &mut self.expected[half as usize];
        self.missing += sequence.saturating_sub(*expected);
        *expected = sequence + 1;
    }

    /// A record of this call from one of its halves, in the turn of `tick`; `speech` is what it may refer to.
    pub(super) fn record(
        &mut self,
        record: &Record<'_>,
        speech: &[AudioChunk],
        half: Half,
        tick: Time,
        stats: &RecorderStats,
    ) -> Result<(), WriteError> {
        match *record {
            Record::Step { sequence, now, payload, .. } => {
                self.expect(half, sequence);
                self.recorder.step(Step { sequence, half, now, payload })
            }
            Record::Datagram { sequence, now, rtcp, arrival, bytes, .. } => {
                self.expect(half, sequence);
                RecorderStats::add(&stats.packets, 1);
                self.recorder.datagram(sequence, &arrival, rtcp, bytes, now)
            }
            Record::Speech { sequence, now, utterance, index, .. } => {
                let Some(audio) = speech.get(index as usize) else { return Ok(()) };
                let samples = audio.samples.to_vec();
                let input = RecordedInput::Speech { utterance, sample_rate: audio.sample_rate, samples };
                // An input is plain data: encoding it into a growing buffer cannot fail.
                let payload = postcard::to_allocvec(&input).unwrap_or_default();
                self.expect(half, sequence);
                self.recorder.step(Step { sequence, half, now, payload: &payload })
            }
            Record::MaskedSpeech { sequence, now, utterance, sample_rate, samples, .. } => {
                let input =
                    RecordedInput::Speech { utterance, sample_rate, samples: vec![0; samples as usize] };
                let payload = postcard::to_allocvec(&input).unwrap_or_default();
                self.expect(half, sequence);
                self.recorder.step(Step { sequence, half, now, payload: &payload })
            }
            Record::Sent { leg, rtcp, to, bytes, .. } => {
                RecorderStats::add(&stats.packets, 1);
                self.recorder.sent(leg, rtcp, to, bytes, tick)
            }
            Record::Output { sequence, now, hashed, bytes, .. } => {
                let (head, writer) = (StepHead { half, sequence, now }, self.recorder.writer());
                if hashed { writer.output_hash(head, bytes) } else { writer.output(head, bytes) }
            }
            Record::Closed { .. } => {
                match half {
                    Half::Media => self.media_closed = true,
                    Half::Control => self.control_closed = true,
                }
                Ok(())
            }
            Record::Tick(_)
            | Record::Sip { .. }
            | Record::Disconnected { .. }
            | Record::CallId { .. }
            | Record::Stall { .. } => Ok(()),
        }
    }

    /// A SIP message of this call.
    pub(super) fn sip(&mut self, packet: &Packet<'_>) -> Result<(), WriteError> {
        self.recorder.sip(packet)
    }

    /// Whether both halves have said all.
    pub(super) fn is_over(&self) -> bool {
        self.control_closed && self.media_closed
    }

    /// Hands what waits to the file, every now and then.
    pub(super) fn flush_due(&mut self, now: Time) -> Result<(), WriteError> {
        if now.since(self.flushed_at) < FLUSH_EVERY {
            return Ok(());
        }
        self.flushed_at = now;
        self.recorder.writer().flush()
    }

    /// Writes the end.
    pub(super) fn finish(self) -> Result<(), WriteError> {
        let (file, _) = self.recorder.finish()?;
        file.finish()?;
        Ok(())
    }
}

/// Our address as the bundle shows it: a wildcard says nothing to who reads it.
pub(crate) fn shown(local: SocketAddr, remote: SocketAddr) -> SocketAddr {
    if local.ip().is_unspecified() && remote.ip().is_loopback() {
        SocketAddr::new(remote.ip(), local.port())
    } else {
        local
    }
}
