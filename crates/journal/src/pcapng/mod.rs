//! Blocks and options of pcapng, without their meaning: what the bundle and the reader of other people's captures share.
//!
//! Written by ourselves: `pcap-file` 2 hands custom blocks over as raw bytes, cannot say where a cut file ends, and
//! builds each block from owned parts, where the bundle encodes packets straight into one buffer.

mod interface;
mod read;
mod write;

pub(crate) use interface::Interface;
pub(crate) use read::{BlockReader, Head, Options, Order, fill};
pub(crate) use write::{begin_block, end_block, option, option_end, pad};

/// Section Header Block. Reads the same in both byte orders.
pub(crate) const SECTION: u32 = 0x0A0D_0D0A;
/// Interface Description Block.
pub(crate) const INTERFACE: u32 = 1;
/// Packet Block, obsolete but met in old captures.
pub(crate) const OLD_PACKET: u32 = 2;
/// Simple Packet Block.
pub(crate) const SIMPLE_PACKET: u32 = 3;
/// Enhanced Packet Block.
pub(crate) const PACKET: u32 = 6;
/// Custom Block that tools may copy.
pub(crate) const CUSTOM: u32 = 0x0000_0BAD;

/// Longer blocks are neither written nor read: it is Wireshark's own limit, so damage is told from data alike.
pub(crate) const LONGEST: usize = 16 << 20;
/// The byte order mark as the writer's own order shows it.
pub(crate) const ORDER_MARK: u32 = 0x1A2B_3C4D;

/// Option codes.
pub(crate) mod code {
    /// Ends a list of options.
    pub(crate) const END: u16 = 0;
    /// Custom binary option that tools may copy.
    pub(crate) const CUSTOM_BINARY: u16 = 2989;
    /// Section: the machine.
    pub(crate) const HARDWARE: u16 = 2;
    /// Section: the operating system.
    pub(crate) const OS: u16 = 3;
    /// Section: the program that wrote it.
    pub(crate) const APPLICATION: u16 = 4;
    /// Interface: its name.
    pub(crate) const NAME: u16 = 2;
    /// Interface: what it is.
    pub(crate) const DESCRIPTION: u16 = 3;
    /// Interface: what one tick of a time stamp is.
    pub(crate) const TIME_RESOLUTION: u16 = 9;
    /// Interface: seconds to add to each time stamp.
    pub(crate) const TIME_OFFSET: u16 = 14;
    /// Packet: direction and more.
    pub(crate) const FLAGS: u16 = 2;
}
