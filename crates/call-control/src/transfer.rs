//! A transfer under way.

use offhook_conversation::TransferId;
use offhook_sip_proto::user_agent::ReferClient;

use crate::CommandId;

/// Who asked for a transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TransferredBy {
    Conversation(TransferId),
    Api(CommandId),
    Application,
}

/// A REFER and whom to tell how it ended.
#[derive(Debug)]
pub(crate) struct Transfer {
    pub refer: ReferClient,
    pub target: String,
    pub asked_by: TransferredBy,
    /// The peer took the REFER.
    pub accepted: bool,
}
