//! What is kept outside of a call so that its peer can be told when the call is lost.

use serde::{Deserialize, Serialize};

use crate::message::{Method, Request, header};

use super::{Dialog, DialogId, Phase};

/// Plain data from which a BYE can be built after a panic. Take a new one whenever the dialog changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Obituary(Dialog);

impl Obituary {
    pub(super) fn new(dialog: Dialog) -> Self {
        Obituary(dialog)
    }

    /// Which dialog.
    pub fn dialog(&self) -> &DialogId {
        self.0.id()
    }

    /// The BYE with `reason` as its Reason header (RFC 3326); `None` where the dialog was over or may not be ended by
    /// a BYE: RFC 3261 §15 lets the called side send none before its 2xx.
    pub fn bye(&self, reason: &str) -> Option<Request> {
        let mut dialog = self.0.clone();
        if dialog.phase() != Phase::Confirmed {
            return None;
        }
        // Requests that were sent after this was taken used the next numbers.
        dialog.local_cseq += MARGIN;
        let mut bye = dialog.request(Method::Bye);
        bye.headers.push(header::REASON, reason);
        Some(bye)
    }
}

/// More requests than a call can send between two obituaries.
const MARGIN: u32 = 100;
