//! Several sources in one order: that of time.

use std::collections::VecDeque;

use offhook_audio::AudioChunk;
use offhook_time::Time;

use super::record::Record;

/// Records of one source, oldest first.
#[derive(Debug, Default)]
pub(super) struct Source<B> {
    buffers: VecDeque<Buffer<B>>,
}

#[derive(Debug)]
struct Buffer<B> {
    held: B,
    at: usize,
}

/// What holds records.
pub(super) trait Holds {
    /// The records.
    fn bytes(&self) -> &[u8];

    /// Audio that they share.
    fn speech(&self) -> &[AudioChunk];
}

impl<B: Holds> Source<B> {
    pub(super) fn new() -> Self {
        Source { buffers: VecDeque::new() }
    }

    pub(super) fn push(&mut self, held: B) {
        self.buffers.push_back(Buffer { held, at: 0 });
    }

    /// The moment of its next turn; `None` where it has no record.
    pub(super) fn next_tick(&self) -> Option<Time> {
        // A chunk begins with a turn, and is left at one.
        let buffer = self.buffers.front()?;
        match Record::read(buffer.held.bytes().get(buffer.at..)?)? {
            (Record::Tick(at), _) => Some(at),
            _ => Some(Time::ZERO),
        }
    }

    /// Gives every record of the next turn to `take`, and buffers that are read to the end to `done`.
    pub(super) fn take_turn(
        &mut self,
        mut take: impl FnMut(&Record<'_>, &[AudioChunk], Time),
        done: impl FnOnce(B),
    ) {
        let Some(buffer) = self.buffers.front_mut() else { return };
        let bytes = buffer.held.bytes();
        let mut rest = bytes.get(buffer.at..).unwrap_or_default();
        let mut tick = None;
        while let Some((record, after)) = Record::read(rest) {
            match (record, tick) {
                (Record::Tick(at), None) => tick = Some(at),
                (Record::Tick(_), Some(_)) => break,
                (record, tick) => take(&record, buffer.held.speech(), tick.unwrap_or(Time::ZERO)),
            }
            rest = after;
        }
        buffer.at = bytes.len() - rest.len();
        if Record::read(rest).is_none()
            && let Some(buffer) = self.buffers.pop_front()
        {
            done(buffer.held);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Holds for Vec<u8> {
        fn bytes(&self) -> &[u8] {
            self
        }

        fn speech(&self) -> &[AudioChunk] {
            &[]
        }
    }

    fn buffer(turns: &[(u64, &[u64])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (millis, calls) in turns {
            Record::Tick(Time::from_millis(*millis)).append(&mut bytes);
            calls.iter().for_each(|call| Record::Closed { call: *call }.append(&mut bytes));
        }
        bytes
    }

    #[test]
    fn a_source_gives_turn_after_turn_and_its_buffers_back() {
        let mut source = Source::new();
        source.push(buffer(&[(1, &[10, 11]), (2, &[12])]));
        source.push(buffer(&[(2, &[13])]));
        let (mut seen, mut given_back) = (Vec::new(), 0);

        while let Some(at) = source.next_tick() {
            let mut turn = Vec::new();
            source.take_turn(
                |record, _, tick| {
                    assert_eq!(tick, at);
                    if let Record::Closed { call } = record {
                        turn.push(*call);
                    }
                },
                |_| given_back += 1,
            );
            seen.push((at.as_millis(), turn));
        }

        assert_eq!(seen, [(1, vec![10, 11]), (2, vec![12]), (2, vec![13])]);
        assert_eq!(given_back, 2);
    }
}
