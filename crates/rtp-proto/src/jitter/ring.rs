//! Where packets wait: 64 places by sequence number, their payloads in one block of memory.

use offhook_time::Time;

use crate::{PayloadType, RtpHeader, RtpTimestamp, SequenceNumber};

/// Places. The longest wait of 120 ms is twelve packets of 10 ms; the rest is room for bursts.
pub(super) const PLACES: u64 = 64;

/// Octets for payloads, used in turn: one second of G.711, eight times the longest wait. A power of two, so that
/// positions may wrap.
const STORE: usize = 8 * 1024;

/// The longest payload that fits a datagram of an Ethernet line.
pub(super) const MAX_PAYLOAD: usize = 1_472;

/// A packet that waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub sequence: u64,
    pub timestamp: i64,
    pub samples: u32,
    pub payload_type: PayloadType,
    pub marker: bool,
    pub arrived_at: Time,
    start: u32,
    len: u16,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Free,
    Waiting(Waiting),
    /// The packet came, and nothing of it is to be played: an event, or audio that came too late.
    Spent {
        sequence: u64,
        why: Spent,
    },
}

/// Why there is nothing to play of a packet that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spent {
    Event,
    Late,
}

impl Place {
    fn sequence(&self) -> Option<u64> {
        match self {
            Place::Free => None,
            Place::Waiting(waiting) => Some(waiting.sequence),
            Place::Spent { sequence, .. } => Some(*sequence),
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Ring {
    places: Box<[Place; PLACES as usize]>,
    store: Box<[u8; STORE]>,
    /// Where the next payload goes; grows without end, taken modulo the store.
    head: u32,
    occupied: u32,
}

/// What to remember of a packet besides its payload.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub sequence: u64,
    pub timestamp: i64,
    pub samples: u32,
    pub payload_type: PayloadType,
    pub marker: bool,
    pub arrived_at: Time,
}

impl Arrival {
    pub fn new(header: &RtpHeader, sequence: u64, timestamp: i64, samples: u32, arrived_at: Time) -> Self {
        let RtpHeader { marker, payload_type, .. } = *header;
        Arrival { sequence, timestamp, samples, payload_type, marker, arrived_at }
    }
}

impl Ring {
    pub fn new() -> Self {
        Ring {
            places: Box::new([Place::Free; PLACES as usize]),
            store: Box::new([0; STORE]),
            head: 0,
            occupied: 0,
        }
    }

    /// How many packets wait to be played.
    pub fn waiting(&self) -> u32 {
        self.places.iter().filter(|place| matches!(place, Place::Waiting(_))).count() as u32
    }

    pub fn clear(&mut self) {
        self.places.fill(Place::Free);
        self.occupied = 0;
    }

    /// Stores a packet. Its place must be free.
    pub fn put(&mut self, arrival: Arrival, payload: &[u8]) {
        let len = payload.len().min(MAX_PAYLOAD);
        let at = self.head as usize % STORE;
        // A payload does not straddle the end of the store.
        let skipped = if at + len > STORE { STORE - at } else { 0 };
        let start = self.head.wrapping_add(skipped as u32);
        let at = start as usize % STORE;
        self.store[at..at + len].copy_from_slice(&payload[..len]);
        self.head = start.wrapping_add(len as u32);
        let Arrival { sequence, timestamp, samples, payload_type, marker, arrived_at } = arrival;
        self.set(Place::Waiting(Waiting {
            sequence,
            timestamp,
            samples,
            payload_type,
            marker,
            arrived_at,
            start,
            len: len as u16,
        }));
    }

    /// Notes that `sequence` came and is not to be played.
    pub fn spend(&mut self, sequence: u64, why: Spent) {
        self.set(Place::Spent { sequence, why });
    }

    /// Frees the place of `sequence` if it is spent.
    pub fn take_spent(&mut self, sequence: u64) -> Option<Spent> {
        match *self.place(sequence) {
            Place::Spent { sequence: there, why } if there == sequence => {
                self.free(sequence);
                Some(why)
            }
            Place::Spent { .. } | Place::Free | Place::Waiting(_) => None,
        }
    }

    /// The first packet from `sequence` on that waits to be played.
    pub fn first_from(&self, sequence: u64) -> Option<&Waiting> {
        if self.occupied == 0 {
            return None;
        }
        (sequence..sequence + PLACES).find_map(|at| match self.place(at) {
            Place::Waiting(waiting) if waiting.sequence == at => Some(waiting),
            Place::Free | Place::Spent { .. } | Place::Waiting(_) => None,
        })
    }

    /// Frees the place of `sequence`; answers whether a packet waited there, `None` where it never came.
    pub fn free(&mut self, sequence: u64) -> Option<bool> {
        let place = &mut self.places[(sequence % PLACES) as usize];
        if place.sequence() != Some(sequence) {
            return None;
        }
        let waited = matches!(place, Place::Waiting(_));
        *place = Place::Free;
        self.occupied -= 1;
        Some(waited)
    }

    /// The payload of a packet that waits; `None` where later ones have overwritten it.
    pub fn payload(&self, waiting: &Waiting) -> Option<&[u8]> {
        let at = waiting.start as usize % STORE;
        let intact = self.head.wrapping_sub(waiting.start) as usize <= STORE;
        intact.then(|| &self.store[at..at + usize::from(waiting.len)])
    }

    fn set(&mut self, place: Place) {
        let Some(sequence) = place.sequence() else { return };
        let there = &mut self.places[(sequence % PLACES) as usize];
        if matches!(there, Place::Free) {
            self.occupied += 1;
        }
        *there = place;
    }

    fn place(&self, sequence: u64) -> &Place {
        &self.places[(sequence % PLACES) as usize]
    }
}

impl Waiting {
    pub fn wire_sequence(&self) -> SequenceNumber {
        SequenceNumber(self.sequence as u16)
    }

    pub fn wire_timestamp(&self) -> RtpTimestamp {
        RtpTimestamp(self.timestamp as u32)
    }
}
