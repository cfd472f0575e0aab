//! RTCP (RFC 3550 §6): reports in and out, and when they are due.
//!
//! [`RtcpSession`] is the machine of one stream; [`ReceptionStatistics`] counts what its reports say.

mod packet;
mod schedule;
mod session;
mod statistics;

pub use packet::{
    Compound, NtpTimestamp, ReportBlock, RtcpPacket, SenderInfo, write_bye, write_report,
    write_source_description,
};
pub use schedule::ReportSchedule;
pub use session::{Cname, Heard, RtcpConfig, RtcpSession};
pub use statistics::ReceptionStatistics;
