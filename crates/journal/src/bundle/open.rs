//! A whole bundle in memory.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use offhook_time::{Half, Step, StepSink};

use super::{
    BlobHash, End, Item, Meta, Problem, Reader, RecordedOutput, RecordedPacket, RecordedStep, Sizes,
};
use crate::{Damage, Ending, StepLog};

/// A bundle, read as far as it goes.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// What the call was run with.
    pub meta: Meta,
    /// Everything but the Meta, in the order in which it was written.
    pub items: Vec<Item>,
    /// The blobs by their names.
    pub blobs: BTreeMap<BlobHash, Arc<[u8]>>,
    /// What the bytes are spent on.
    pub sizes: Sizes,
    /// How far it could be read.
    pub ending: Ending,
    problems: Vec<Problem>,
}

/// There is no Meta block, so there is nothing to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The file ends before the Meta block does.
    #[error("the file ends after {0} bytes, before it says which call it is")]
    Cut(u64),
    /// It is damaged, or something else than a bundle.
    #[error("not a readable bundle: {0}")]
    Damaged(#[from] Damage),
}

/// What [`Bundle::verify`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How far the bundle could be read.
    pub ending: Ending,
    /// What does not fit together, the first hundred.
    pub problems: Vec<Problem>,
}

impl Verdict {
    /// Whether the bundle is finished and whole.
    pub fn is_sound(&self) -> bool {
        self.ending == Ending::Complete && self.problems.is_empty()
    }
}

impl Bundle {
    /// Reads a bundle. One that is cut or damaged later is read up to there.
    pub fn open(input: impl Read) -> Result<Bundle, OpenError> {
        let mut reader = Reader::new(input);
        let mut meta = None;
        let mut items = Vec::new();
        for item in &mut reader {
            if let Item::Meta(found) = item { meta = Some(*found) } else { items.push(item) }
        }
        let ending = reader.ending().unwrap_or(Ending::Complete);
        let Some(meta) = meta else { return Err(without_meta(ending)) };
        let (sizes, problems) = (*reader.sizes(), reader.problems().to_vec());
        Ok(Bundle { meta, items, blobs: reader.blobs().clone(), sizes, ending, problems })
    }

    /// The steps of one half, in the order of handling.
    pub fn steps(&self, half: Half) -> impl Iterator<Item = &RecordedStep> {
        self.items.iter().filter_map(Item::as_step).filter(move |step| step.head.half == half)
    }

    /// The packets.
    pub fn packets(&self) -> impl Iterator<Item = &RecordedPacket> {
        self.items.iter().filter_map(Item::as_packet)
    }

    /// The outputs of one half.
    pub fn outputs(&self, half: Half) -> impl Iterator<Item = &RecordedOutput> {
        self.items.iter().filter_map(Item::as_output).filter(move |output| output.head.half == half)
    }

    /// What the writer counted, where it finished.
    pub fn end(&self) -> Option<&End> {
        if let Some(Item::End(end)) = self.items.last() { Some(end) } else { None }
    }

    /// The steps of both halves as a log with their payloads in full.
    pub fn step_log(&self) -> StepLog {
        let mut log = StepLog::new();
        for RecordedStep { head, body } in self.items.iter().filter_map(Item::as_step) {
            let payload = body.payload();
            log.record(Step { sequence: head.sequence, half: head.half, now: head.now, payload: &payload });
        }
        log
    }

    /// Whether it is whole: blobs and running hash, the order of blocks, steps without gaps, what the End block counts.
    pub fn verify(&self) -> Verdict {
        Verdict { ending: self.ending, problems: self.problems.clone() }
    }
}

fn without_meta(ending: Ending) -> OpenError {
    match ending {
        Ending::Cut { at } => OpenError::Cut(at),
        Ending::Damaged { why, .. } => OpenError::Damaged(why),
        Ending::Complete => OpenError::Damaged(Damage::NotABundle),
    }
}
