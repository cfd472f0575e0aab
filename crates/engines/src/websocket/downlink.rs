//! From the application's messages to frames for the line.

use std::collections::VecDeque;
use std::sync::Arc;

use crossbeam_queue::ArrayQueue;
use offhook_audio::{Frame, MAX_FRAME_SAMPLES};
use tokio_tungstenite::tungstenite::Bytes;

use super::Framing;
use super::framing::Header;

/// Re-cuts messages of any length to frames of 20 ms and hands them to the line's ring as it has room.
#[derive(Debug)]
pub(super) struct Downlink {
    framing: Framing,
    sample_rate: u32,
    ring: Arc<ArrayQueue<Frame>>,
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    /// The message that is being cut.
    header: Header,
    /// Samples of it that are cut already.
    cut: u32,
    partial: [u8; MAX_FRAME_SAMPLES * 2],
    partial_len: usize,
    /// Frames ever put into the ring.
    pushed: u64,
    /// Frames taken back out of it by `clear`.
    cleared: u64,
    marks: VecDeque<(String, u64)>,
    credit: Option<u64>,
}

#[derive(Debug)]
enum Waiting {
    /// A header opens a message in framing `offhook`.
    Header(Header),
    Audio(Bytes),
    Mark(String),
}

/// The binary message is not of the framing in use.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadAudio;

impl Downlink {
    pub(super) fn new(framing: Framing, sample_rate: u32, ring: Arc<ArrayQueue<Frame>>) -> Self {
        Downlink {
            framing,
            sample_rate,
            ring,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            header: Header::default(),
            cut: 0,
            partial: [0; MAX_FRAME_SAMPLES * 2],
            partial_len: 0,
            pushed: 0,
            cleared: 0,
            marks: VecDeque::new(),
            credit: None,
        }
    }

    /// Takes a binary message.
    pub(super) fn take(&mut self, message: Bytes) -> Result<(), BadAudio> {
        let audio = match self.framing {
            Framing::Raw => message,
            Framing::Offhook => {
                let (header, length) = Header::decode(&message).ok_or(BadAudio)?;
                self.waiting.push_back(Waiting::Header(header));
                message.slice(length..)
            }
        };
        self.waiting_bytes += audio.len();
        self.waiting.push_back(Waiting::Audio(audio));
        Ok(())
    }

    /// Remembers a mark behind all audio so far.
    pub(super) fn mark(&mut self, name: String) {
        self.waiting.push_back(Waiting::Mark(name));
    }

    /// Hands over what fits. True where the ring got something.
    pub(super) fn pump(&mut self) -> bool {
        let before = self.pushed;
        let frame_bytes = self.frame_bytes();
        while !self.ring.is_full() {
            match self.waiting.front_mut() {
                None => break,
                Some(Waiting::Header(header)) => {
                    (self.header, self.cut) = (*header, 0);
                    self.waiting.pop_front();
                }
                Some(Waiting::Mark(name)) => {
                    let name = std::mem::take(name);
                    self.waiting.pop_front();
                    self.fill_up();
                    self.marks.push_back((name, self.pushed));
                }
                Some(Waiting::Audio(audio)) => {
                    let wanted = frame_bytes - self.partial_len;
                    let piece = audio.split_to(wanted.min(audio.len()));
                    let emptied = audio.is_empty();
                    self.waiting_bytes -= piece.len();
                    self.partial[self.partial_len..self.partial_len + piece.len()].copy_from_slice(&piece);
                    self.partial_len += piece.len();
                    if emptied {
                        self.waiting.pop_front();
                    }
                    if self.partial_len == frame_bytes {
                        self.push_frame();
                    }
                }
            }
        }
        self.pushed != before
    }

    /// Withdraws what the line has not taken; the names of the marks that will never be reached otherwise.
    pub(super) fn clear(&mut self) -> Vec<String> {
        while self.ring.pop().is_some() {
            self.cleared += 1;
        }
        self.partial_len = 0;
        self.waiting_bytes = 0;
        let waiting = self.waiting.drain(..).filter_map(|waiting| match waiting {
            Waiting::Mark(name) => Some(name),
            Waiting::Header(_) | Waiting::Audio(_) => None,
        });
        self.marks.drain(..).map(|(name, _)| name).chain(waiting).collect()
    }

    /// The next mark whose audio has left, where the line says it handled `played` frames in all.
    pub(super) fn reached_mark(&mut self, played: u64) -> Option<String> {
        let (_, position) = self.marks.front()?;
        if *position > played + self.cleared {
            return None;
        }
        self.marks.pop_front().map(|(name, _)| name)
    }

    /// The application counts frames from here on.
    pub(super) fn use_credit(&mut self) {
        let taken = self.pushed + (self.waiting_bytes / self.frame_bytes()) as u64;
        self.credit.get_or_insert(taken);
    }

    /// How many more frames may be granted now: the room in the ring that is not promised yet. Small grants wait.
    pub(super) fn grant(&mut self) -> Option<u32> {
        let granted = self.credit?;
        let limit = self.pushed - self.ring.len() as u64 + self.ring.capacity() as u64;
        let grant = limit.saturating_sub(granted);
        if grant < (self.ring.capacity() as u64 / 4).max(1) {
            return None;
        }
        self.credit = Some(granted + grant);
        Some(grant as u32)
    }

    /// Bytes of audio that wait for room in the ring.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    /// Whether time alone can bring work: room in the ring, a mark, a grant.
    pub(super) fn needs_time(&self) -> bool {
        !self.waiting.is_empty() || !self.marks.is_empty() || self.credit.is_some()
    }

    fn frame_bytes(&self) -> usize {
        (self.sample_rate / 50) as usize * 2
    }

    /// A mark ends a sentence: its last, shorter frame is filled with silence.
    fn fill_up(&mut self) {
        if self.partial_len > 0 {
            let frame_bytes = self.frame_bytes();
            self.partial[self.partial_len..frame_bytes].fill(0);
            self.push_frame();
        }
    }

    fn push_frame(&mut self) {
        let samples = self.frame_bytes() / 2;
        let mut frame = Frame::silence(self.sample_rate);
        for (sample, bytes) in frame.samples_mut().iter_mut().zip(self.partial.chunks_exact(2)) {
            *sample = i16::from_le_bytes([bytes[0], bytes[1]]);
        }
        frame.rtp_timestamp = self.header.rtp_timestamp.wrapping_add(self.cut);
        frame.arrived_at = self.header.arrived_at;
        frame.flags = self.header.flags;
        self.partial_len = 0;
        self.cut = self.cut.wrapping_add(samples as u32);
        // Only the hub fills the ring, and it had room.
        let _ = self.ring.push(frame);
        self.pushed += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::super::framing;
    use super::*;

    #[test]
    fn messages_of_any_length_become_frames_and_no_sample_is_lost() {
        let ring = Arc::new(ArrayQueue::new(100));
        let mut downlink = Downlink::new(Framing::Raw, 8_000, ring.clone());
        let samples: Vec<i16> = (0..1600).collect();
        let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();

        for piece in bytes.chunks(77) {
            downlink.take(Bytes::copy_from_slice(piece)).unwrap();
            downlink.pump();
        }

        let heard: Vec<i16> =
            std::iter::from_fn(|| ring.pop()).flat_map(|frame| frame.samples().to_vec()).collect();
        assert_eq!(heard, samples);
    }

    #[test]
    fn an_offhook_frame_comes_back_with_its_header() {
        let ring = Arc::new(ArrayQueue::new(4));
        let mut downlink = Downlink::new(Framing::Offhook, 16_000, ring.clone());
        let mut frame = Frame::from_samples(&[7; 320]);
        frame.rtp_timestamp = 4711;
        frame.flags.concealed = true;

        downlink.take(framing::encode(Framing::Offhook, 3, &frame).into()).unwrap();
        assert!(downlink.pump());

        let back = ring.pop().unwrap();
        assert_eq!((back.samples(), back.rtp_timestamp, back.flags), (&[7; 320][..], 4711, frame.flags));
        assert_eq!(downlink.take(Bytes::from_static(b"short")), Err(BadAudio));
    }

    #[test]
    fn a_mark_is_reached_when_the_audio_before_it_was_played() {
        let ring = Arc::new(ArrayQueue::new(4));
        let mut downlink = Downlink::new(Framing::Raw, 8_000, ring.clone());
        downlink.take(Bytes::from(vec![1; 320 * 5 + 10])).unwrap();
        downlink.mark("done".into());

        downlink.pump();
        assert_eq!(downlink.reached_mark(4), None, "two frames still wait for room");
        while ring.pop().is_some() {}
        downlink.pump();

        assert_eq!(downlink.reached_mark(5), None);
        assert_eq!(downlink.reached_mark(6).as_deref(), Some("done"));
        assert!(!downlink.needs_time());
    }

    #[test]
    fn a_clear_withdraws_audio_and_gives_back_the_marks() {
        let ring = Arc::new(ArrayQueue::new(4));
        let mut downlink = Downlink::new(Framing::Raw, 8_000, ring.clone());
        downlink.take(Bytes::from(vec![1; 320 * 3])).unwrap();
        downlink.mark("first".into());
        downlink.take(Bytes::from(vec![1; 320 * 9])).unwrap();
        downlink.mark("second".into());
        downlink.pump();
        ring.pop();

        let marks = downlink.clear();
        downlink.take(Bytes::from(vec![1; 320])).unwrap();
        downlink.mark("third".into());
        downlink.pump();

        assert_eq!(marks, ["first", "second"]);
        assert_eq!((ring.len(), downlink.waiting_bytes()), (1, 0));
        assert_eq!(downlink.reached_mark(1), None);
        assert_eq!(downlink.reached_mark(2).as_deref(), Some("third"));
    }

    #[test]
    fn an_application_that_sends_what_it_was_granted_never_overfills_the_ring() {
        let ring = Arc::new(ArrayQueue::new(24));
        let mut downlink = Downlink::new(Framing::Raw, 8_000, ring.clone());
        assert_eq!(downlink.grant(), None, "nobody asked");
        downlink.use_credit();
        let mut sent = 0;

        for tick in 0..200 {
            if let Some(frames) = downlink.grant() {
                downlink.take(Bytes::from(vec![1; 320 * frames as usize])).unwrap();
                sent += frames;
            }
            downlink.pump();
            assert_eq!(downlink.waiting_bytes(), 0, "more was granted than fits");
            assert!(ring.pop().is_some(), "the line ran dry at tick {tick}");
        }

        assert!((200..=224).contains(&sent), "{sent}");
    }
}
