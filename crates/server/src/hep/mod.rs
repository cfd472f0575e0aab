//! Copies of SIP messages for Homer and what else speaks HEPv3 (the Homer Encapsulation Protocol) over UDP.
//!
//! Control copies each message into a bounded queue ([`HepTap`]); the thread `hep` cuts streams into messages, blanks what
//! nobody else shall read (`conceal`), and sends one datagram for each (`packet`). Nobody waits for it: where it is behind,
//! messages are dropped and counted. Homer is never asked whether it got them; UDP does not tell.
//!
//! Start with [`Hep::start`].

mod conceal;
mod packet;
mod tap;
mod thread;

pub use packet::{Captured, Sender, encode, keep_alive};
pub use tap::{HepStats, HepTap};
pub use thread::Hep;
pub(crate) use thread::connect;
