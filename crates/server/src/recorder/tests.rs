//! The recorder's thread, with taps that are played by the test.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use offhook_audio::AudioChunk;
use offhook_call_control::{
    AnswerPolicy, CallControl, CallSettings, Input, Limits, Output, Role, StartedBy, media_settings,
};
use offhook_call_media::{Arrival, JitterPreference, LegId, LineCodec, MediaSource, TurnPolicy};
use offhook_engine_api::UtteranceId;
use offhook_journal::Ending;
use offhook_journal::bundle::seal::SealedReader;
use offhook_journal::bundle::{Bundle, Direction, Keep, PacketKind, Problem};
use offhook_replay::{CallHead, Origin};
use offhook_time::{Half, Seed, Step, Time, WallClock};

use super::{BundleFiles, ControlTap, MediaTap, Opening, Recorder, RecorderStats, Sip, bundle_path};
use crate::clock::Clock;

/// Longer than anything takes that does not hang.
const PATIENCE: Duration = Duration::from_secs(30);

const OURS: ([u8; 4], u16) = ([127, 0, 0, 1], 20_000);
const THEIRS: ([u8; 4], u16) = ([127, 0, 0, 1], 40_000);

#[test]
fn a_call_is_written_as_it_went_and_ends_with_its_end() {
    let stage = Stage::new(None, 8);
    let (steps, told) = stage.echo_call(1);
    stage.close(1);

    let path = stage.path();
    let stats = Arc::clone(&stage.stats);
    stage.until(|| (stats.open.load(Ordering::Relaxed) == 0 && path.exists()).then_some(()));
    let bundle = Bundle::open(std::fs::File::open(&path).unwrap()).unwrap();

    assert!(bundle.verify().is_sound(), "{:?}", bundle.verify());
    assert_eq!(bundle.steps(Half::Media).count() as u64, steps);
    assert_eq!(bundle.steps(Half::Control).count(), 1);
    assert_eq!(bundle.outputs(Half::Control).count(), told);
    assert_eq!(CallHead::from_meta(&bundle.meta).unwrap().control.call_id, "call-1");
    let sip: Vec<_> = bundle.packets().filter(|packet| packet.kind == PacketKind::SipUdp).collect();
    assert_eq!(sip.len(), 2, "the request that began it, and what was answered");
    assert_eq!(sip[0].direction, Direction::Inbound);
    let sent = bundle.packets().filter(|packet| {
        (packet.kind, packet.direction) == (PacketKind::Rtp, Direction::Outbound)
            && packet.original_length == 172
            && packet.bytes.len() == 12
            && packet.payload_hash.is_some()
    });
    assert_eq!(sent.count(), 50);
    assert_eq!(stats.dropped.load(Ordering::Relaxed), 0);
    let written = std::fs::metadata(&path).unwrap().len();
    assert_eq!(stats.bytes.load(Ordering::Relaxed), written);
    assert_eq!(stats.packets.load(Ordering::Relaxed), bundle.packets().count() as u64);
    stage.recorder.stop();
}

#[test]
fn file_and_folder_are_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let stage = Stage::new(None, 8);
    stage.echo_call(1);
    let path = stage.path();
    until(|| path.exists().then_some(()));

    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;

    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    stage.recorder.stop();
}

#[test]
fn a_sealed_bundle_is_read_with_its_key_and_shows_nothing_without() {
    let key = [7; 32];
    let stage = Stage::new(Some(key), 8);
    stage.echo_call(1);
    stage.close(1);
    let path = stage.path();
    let _ended = stage.end();

    let bytes = std::fs::read(&path).unwrap();
    let bundle = Bundle::open(SealedReader::open(bytes.as_slice(), &key).unwrap()).unwrap();

    assert!(bundle.verify().is_sound());
    assert!(!bytes.windows(6).any(|window| window == b"call-1"));
}

#[test]
fn what_a_running_call_did_is_in_the_file_within_a_second() {
    let stage = Stage::new(None, 8);
    let (steps, _) = stage.echo_call(1);
    let path = stage.path();

    let bundle = stage.until(|| {
        let bundle = Bundle::open(std::fs::File::open(&path).ok()?).ok()?;
        (bundle.steps(Half::Media).count() as u64 == steps).then_some(bundle)
    });

    // It was played faster than it lasted.
    let last = bundle.steps(Half::Media).map(|step| step.head.now).max().unwrap();
    let took = Clock.now().since(last);
    assert!(took < Duration::from_millis(1500), "{took:?}");
    assert!(matches!(bundle.verify().ending, Ending::Cut { .. }) && bundle.verify().problems.is_empty());
    stage.recorder.stop();
}

#[test]
fn where_the_recorder_stands_still_records_are_dropped_counted_and_seen_in_the_bundle() {
    let stage = Stage::new(None, 2);
    let (steps, _) = stage.echo_call(1);
    let path = stage.path();
    until(|| path.exists().then_some(()));
    stage.control.begin_tick(Clock.now());
    stage.control.stall(400);
    std::thread::sleep(Duration::from_millis(500));

    // Half a MiB is all that there is room for.
    let mut dropped = 0;
    for number in 0..4000 {
        let now = Clock.now();
        stage.media.begin_tick(now);
        let payload = [3; 300];
        let step = Step { sequence: steps + number, half: Half::Media, now, payload: &payload };
        dropped += u64::from(!stage.media.step(1, step));
    }
    stage.until(|| {
        let step = Step { sequence: steps + 4000, half: Half::Media, now: Clock.now(), payload: &[2] };
        stage.media.step(1, step).then_some(())
    });
    stage.close(1);
    let ended = stage.end();

    assert!(dropped > 1000, "{dropped}");
    assert!(ended.stats.dropped.load(Ordering::Relaxed) >= dropped);
    let bundle = Bundle::open(std::fs::File::open(&path).unwrap()).unwrap();
    assert_eq!(bundle.verify().ending, Ending::Complete);
    let problems = bundle.verify().problems;
    assert!(
        problems.iter().any(|problem| matches!(problem, Problem::Sequence { half: Half::Media, .. })),
        "{problems:?}"
    );
}

#[test]
fn equal_speech_is_stored_once() {
    let stage = Stage::new(None, 8);
    stage.open(1);
    let audio = AudioChunk { sample_rate: 16_000, samples: (0..16_000).collect() };
    for number in 0..5 {
        let now = Clock.now();
        stage.media.begin_tick(now);
        stage.media.speech(1, number, UtteranceId(number as u32), &audio, now);
    }
    stage.close(1);
    let path = stage.path();
    let _ended = stage.end();

    let bundle = Bundle::open(std::fs::File::open(&path).unwrap()).unwrap();

    assert!(bundle.verify().is_sound(), "{:?}", bundle.verify());
    assert_eq!((bundle.steps(Half::Media).count(), bundle.blobs.len()), (5, 1));
    assert_eq!(bundle.blobs.values().next().unwrap().len(), 32_000);
}

#[test]
fn a_bundle_that_cannot_be_begun_costs_a_count_and_nothing_else() {
    let stage = Stage::new(None, 8);
    let blocked = stage.folder.path().join("bundles");
    std::fs::write(&blocked, "no folder").unwrap();

    stage.echo_call(1);
    stage.close(1);
    let stats = stage.end().stats;

    assert_eq!(stats.failed.load(Ordering::Relaxed), 1);
    assert_eq!(stats.open.load(Ordering::Relaxed), 0);
}

struct Stage {
    folder: tempfile::TempDir,
    recorder: Recorder,
    control: ControlTap,
    media: MediaTap,
    stats: Arc<RecorderStats>,
    opened_at: Time,
}

impl Stage {
    fn new(key: Option<[u8; 32]>, chunks: usize) -> Stage {
        let folder = tempfile::tempdir().unwrap();
        let stats = Arc::new(RecorderStats::default());
        let files = BundleFiles::new(folder.path().to_owned(), key, Arc::clone(&stats));
        let recorder = Recorder::start_with(files, Origin::default(), Arc::clone(&stats), 1, chunks).unwrap();
        let (control, media) = (recorder.tap.clone(), recorder.media_tap(0).unwrap());
        Stage { folder, recorder, control, media, stats, opened_at: Clock.now() }
    }

    fn path(&self) -> PathBuf {
        let started = Clock.wall(0).unix_ms(self.opened_at);
        bundle_path(self.folder.path(), "call-1", started)
    }

    fn open(&self, call: u64) -> CallControl {
        let settings = CallSettings {
            call_id: format!("call-{call}"),
            seed: Seed::from_number(call),
            wall: WallClock { unix_ms_at_zero: Clock.wall(0).unix_ms_at_zero, utc_offset_seconds: 0 },
            role: Role::Echo,
            bot_name: "echo".to_owned(),
            started_by: StartedBy::Api { target: "sip:a@127.0.0.1".to_owned(), caller: "b".to_owned() },
            answer: AnswerPolicy::Immediately,
            local_rtp: OURS.into(),
            local_contact: ([127, 0, 0, 1], 5060).into(),
            codecs: vec![LineCodec::Pcmu],
            ptime_ms: 20,
            turn_policy: TurnPolicy::default(),
            limits: Limits::default(),
            outbound: Arc::default(),
            trunk: None,
            transfer_targets: Default::default(),
            bot_config: Default::default(),
            has_recognizer: false,
            user_agent: "offhook".to_owned(),
        };
        let source = MediaSource::Learn { signalling: [127, 0, 0, 1].into() };
        let media = media_settings(&settings, source, JitterPreference::Delay);
        let opening = Opening {
            call,
            settings: settings.clone(),
            media: media.clone(),
            opened_at: self.opened_at,
            egress: Keep::Header,
        };
        self.control.open(opening);
        CallControl::new(settings)
    }

    /// Dials, and a second of RTP goes in and comes out. Answers how many steps the media half took and how many
    /// outputs the control half gave.
    fn echo_call(&self, call: u64) -> (u64, usize) {
        self.control.begin_tick(self.opened_at);
        let message = |id: &str| format!("INVITE sip:a@b SIP/2.0\r\nCall-ID: {id}\r\n\r\n");
        let sip = |inbound, id: &str| {
            let text = message(id);
            let (local, remote) = (([127, 0, 0, 1], 5060).into(), ([127, 0, 0, 1], 5061).into());
            self.control.sip(&Sip { inbound, connection: None, local, remote, bytes: text.as_bytes() });
        };
        sip(true, "the-call");
        sip(true, "another");
        let mut control = self.open(call);
        self.control.call_id(call, "the-call");
        sip(false, "the-call");
        let mut steps = self.control.steps(call);
        control.handle_recorded(Input::Dial, &mut steps, self.opened_at);
        let mut told = 0;
        while let Some(output) = control.poll_output() {
            assert!(self.control.output(call, 0, &output, self.opened_at));
            told += usize::from(!matches!(output, Output::Media(_)));
        }
        let from: SocketAddr = THEIRS.into();
        let mut packet = [0xFF; 172];
        packet[..12].copy_from_slice(&[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]);
        for number in 0..50_u16 {
            let now = self.opened_at + Duration::from_millis(20) * u32::from(number);
            self.media.begin_tick(now);
            packet[2..4].copy_from_slice(&number.to_be_bytes());
            let arrival = Arrival { leg: LegId::CALLER, source: from, arrived_at: now };
            assert!(self.media.datagram(call, u64::from(number), false, arrival, &packet, now));
            assert!(self.media.sent(call, LegId::CALLER, false, from, &packet));
        }
        (50, told)
    }

    fn close(&self, call: u64) {
        let now = Clock.now();
        self.control.begin_tick(now);
        self.control.closed(call);
        self.media.begin_tick(now);
        self.media.closed(call);
    }

    /// Waits as the worker does, turn after turn.
    #[track_caller]
    fn until<T>(&self, mut look: impl FnMut() -> Option<T>) -> T {
        until(|| {
            self.media.begin_tick(Clock.now());
            look()
        })
    }

    /// The worker ends, then the recorder.
    fn end(self) -> Ended {
        let Stage { folder, recorder, media, stats, .. } = self;
        drop(media);
        recorder.stop();
        Ended { stats, _folder: folder }
    }
}

struct Ended {
    stats: Arc<RecorderStats>,
    _folder: tempfile::TempDir,
}

#[track_caller]
fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "it never came");
        std::thread::sleep(Duration::from_millis(5));
    }
}
