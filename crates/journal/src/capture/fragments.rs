//! IP fragments become whole again (RFC 791 §3.2, RFC 8200 §4.5).

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::ip::{Fragment, IpPacket};
use super::{Account, Unused};

/// Datagrams in parts at the same time; the oldest gives way.
const MOST: usize = 256;
/// Parts of one datagram: a full one of 64 KiB has 48 on Ethernet.
const MOST_PARTS: usize = 512;
/// No datagram is longer.
const LONGEST: usize = 65_535;

type Key = (IpAddr, IpAddr, u8, u32);

#[derive(Debug, Default)]
pub(super) struct Fragments {
    waiting: BTreeMap<Key, Parts>,
    /// Counts the datagrams begun: the age of each.
    begun: u64,
}

#[derive(Debug, Default)]
struct Parts {
    age: u64,
    /// By offset.
    parts: BTreeMap<usize, Vec<u8>>,
    /// All fragments counted, also those that came twice.
    count: u64,
    length: Option<usize>,
    /// What follows the fragment header of the first part.
    first: Option<u8>,
}

/// What a fragment led to.
#[derive(Debug)]
pub(super) enum Joined {
    Waiting,
    Whole { first: u8, payload: Vec<u8>, parts: u64 },
}

impl Fragments {
    pub(super) fn handle(
        &mut self,
        packet: &IpPacket<'_>,
        fragment: Fragment,
        account: &mut Account,
    ) -> Result<Joined, Unused> {
        let end = fragment.offset + packet.payload.len();
        if packet.payload.len() < packet.length || end > LONGEST {
            return Err(Unused::Fragment);
        }
        // RFC 8200 tells datagrams apart by the id alone; the protocol of later parts is said by all in IPv4 only.
        let protocol = if packet.source.is_ipv4() { packet.protocol } else { 0 };
        let key = (packet.source, packet.destination, protocol, fragment.id);
        let age = self.begun;
        let parts = self.waiting.entry(key).or_insert_with(|| Parts { age, ..Parts::default() });
        self.begun += 1;
        if parts.parts.len() == MOST_PARTS {
            return Err(Unused::Fragment);
        }
        parts.count += 1;
        if fragment.offset == 0 {
            parts.first = Some(packet.protocol);
        }
        if !fragment.more {
            parts.length = Some(end);
        }
        parts.parts.entry(fragment.offset).or_insert_with(|| packet.payload.to_vec());
        if let (Some(payload), Some(first)) = (parts.whole(), parts.first) {
            let parts = parts.count;
            self.waiting.remove(&key);
            return Ok(Joined::Whole { first, payload, parts });
        }
        if self.waiting.len() > MOST {
            self.forget_oldest(account);
        }
        Ok(Joined::Waiting)
    }

    /// Counts what never became whole.
    pub(super) fn finish(&mut self, account: &mut Account) {
        while !self.waiting.is_empty() {
            self.forget_oldest(account);
        }
    }

    fn forget_oldest(&mut self, account: &mut Account) {
        let oldest = self.waiting.iter().min_by_key(|(_, parts)| parts.age).map(|(key, _)| *key);
        if let Some(parts) = oldest.and_then(|key| self.waiting.remove(&key)) {
            (0..parts.count).for_each(|_| account.leave(Unused::Fragment));
        }
    }
}

impl Parts {
    fn whole(&self) -> Option<Vec<u8>> {
        let length = self.length?;
        let mut payload = Vec::new();
        for (offset, part) in &self.parts {
            // Parts may overlap; the first to come keeps its bytes.
            let known = payload.len().checked_sub(*offset)?;
            payload.extend_from_slice(part.get(known..).unwrap_or_default());
        }
        (payload.len() == length).then_some(payload)
    }
}
