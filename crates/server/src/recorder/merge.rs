//! Records of several sources, brought into order: call by call, and within a call by time.
//!
//! Call by call, because what is known of a call is then looked at once for many of its records: with hundreds of calls
//! most of the recorder's time would be spent on fetching it anew for each.

use std::collections::VecDeque;

use offhook_audio::AudioChunk;
use offhook_time::Time;

use super::record::Record;

/// Records of one source, oldest first.
#[derive(Debug)]
pub(super) struct Source<B> {
    buffers: VecDeque<Buffer<B>>,
}

#[derive(Debug)]
struct Buffer<B> {
    held: B,
    /// So far it has been looked through.
    at: usize,
}

/// What holds records.
pub(super) trait Holds {
    /// The records.
    fn bytes(&self) -> &[u8];

    /// Audio that they share.
    fn speech(&self) -> &[AudioChunk];
}

/// Where a record stands in its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    buffer: u32,
    offset: u32,
}

impl<B: Holds> Source<B> {
    pub(super) fn new() -> Self {
        Source { buffers: VecDeque::new() }
    }

    pub(super) fn push(&mut self, held: B) {
        self.buffers.push_back(Buffer { held, at: 0 });
    }

    /// Every record until `horizon` that was not given before: itself, where it stands, and in which turn it was made.
    pub(super) fn look_until(&mut self, horizon: Time, mut give: impl FnMut(&Record<'_>, Place, Time)) {
        for (number, buffer) in self.buffers.iter_mut().enumerate() {
            let bytes = buffer.held.bytes();
            let mut tick = Time::ZERO;
            while let Some((record, rest)) = Record::read(bytes.get(buffer.at..).unwrap_or_default()) {
                if let Record::Tick(at) = record {
                    if at > horizon {
                        return;
                    }
                    tick = at;
                } else {
                    let place = Place { buffer: number as u32, offset: buffer.at as u32 };
                    give(&record, place, tick);
                }
                buffer.at = bytes.len() - rest.len();
            }
            buffer.at = bytes.len();
        }
    }

    /// The record at a place that was given since the last [`forget`](Self::forget), and the audio beside it.
    pub(super) fn at(&self, place: Place) -> Option<(Record<'_>, &[AudioChunk])> {
        let held = &self.buffers.get(place.buffer as usize)?.held;
        let (record, _) = Record::read(held.bytes().get(place.offset as usize..)?)?;
        Some((record, held.speech()))
    }

    /// Hands the buffers that were looked through to `done`. A place that was given before is none any more.
    pub(super) fn forget(&mut self, mut done: impl FnMut(B)) {
        while let Some(buffer) = self.buffers.pop_front_if(|buffer| buffer.at == buffer.held.bytes().len()) {
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

    fn look(source: &mut Source<Vec<u8>>, millis: u64) -> Vec<(u64, u64)> {
        let mut places = Vec::new();
        source.look_until(Time::from_millis(millis), |record, place, tick| {
            assert!(matches!(record, Record::Closed { .. }));
            places.push((tick.as_millis(), place));
        });
        let call_at = |place| match source.at(place) {
            Some((Record::Closed { call }, _)) => call,
            found => panic!("{found:?}"),
        };
        places.into_iter().map(|(at, place)| (at, call_at(place))).collect()
    }

    #[test]
    fn a_source_gives_each_record_once_up_to_the_horizon_and_its_buffers_back_when_they_are_through() {
        let mut source = Source::new();
        source.push(buffer(&[(1, &[10, 11]), (2, &[12])]));
        source.push(buffer(&[(2, &[13]), (5, &[14])]));
        let mut given_back = 0;

        assert_eq!(look(&mut source, 0), []);
        assert_eq!(look(&mut source, 1), [(1, 10), (1, 11)]);
        source.forget(|_| given_back += 1);
        assert_eq!(given_back, 0);
        assert_eq!(look(&mut source, 4), [(2, 12), (2, 13)]);
        source.forget(|_| given_back += 1);
        assert_eq!(given_back, 1);
        assert_eq!(look(&mut source, 9), [(5, 14)]);
        assert_eq!(look(&mut source, 9), []);
        source.forget(|_| given_back += 1);
        assert_eq!(given_back, 2);
    }
}
