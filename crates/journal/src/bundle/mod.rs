//! The call bundle: one pcapng file per call that Wireshark opens as it is, and that holds every input besides.
//!
//! [`Writer`] writes it while the call runs, [`Reader`] gives it back item by item, [`Bundle`] as a whole,
//! [`seal`] keeps it encrypted, and [`pack`] makes it smaller when the call is over. The layout is in `BUNDLE.md` beside this crate's manifest. It must not know what a step
//! means.

mod block;
mod custom;
mod hash;
mod item;
mod meta;
mod open;
pub mod pack;
mod packet;
mod reader;
mod record;
pub mod seal;
mod varint;
mod wire;
mod writer;

pub use custom::ENTERPRISE;
pub use hash::{BlobHash, PayloadHash};
pub use item::{
    Item, OutputBody, Problem, RecordedBlob, RecordedOutput, RecordedPacket, RecordedStep, StepBody, Unknown,
};
pub use meta::{Amount, End, Meta, Sizes, VERSION};
pub use open::{Bundle, OpenError, Verdict};
pub use packet::{Direction, Keep, Packet, PacketKind, StepHead, around, rtp_header_length};
pub use reader::Reader;
pub use writer::{WriteError, Writer};
