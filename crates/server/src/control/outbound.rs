//! Where the API may call.

use std::net::IpAddr;

use offhook_call_control::{OutboundRefusal, Refusal};
use offhook_sip_proto::message::Uri;

use super::handle::Dial;
use super::run::Control;

impl Control {
    /// Whether a call may go there, a SIP URI whose host is an allowed address: that address, and the trunk.
    pub(super) fn check_dial(&self, dial: &Dial) -> Result<(IpAddr, Option<usize>), Refusal> {
        let to = dial.to.as_str();
        let wrong = || Refusal::bad_argument(format!("'{to}' is not sip:USER@ADDRESS"));
        let uri: Uri = to.parse().map_err(|_| wrong())?;
        let host = uri.as_sip().ok_or_else(wrong)?.host.to_string();
        let bare = host.trim_matches(['[', ']']);
        let address: IpAddr = bare.parse().map_err(|_| {
            let what = format!("host '{bare}' is a name: write its address, names are not resolved yet");
            Refusal::bad_argument(what)
        })?;
        let checked = self.config.outbound.check_uri(&uri, dial.trunk.as_deref());
        let trunk = checked.map_err(|why| match why {
            OutboundRefusal::NoSuchTrunk(_) => Refusal::bad_argument(why.to_string()),
            OutboundRefusal::NotSip(_)
            | OutboundRefusal::Address(_)
            | OutboundRefusal::Detour(_)
            | OutboundRefusal::Host(_)
            | OutboundRefusal::OtherTrunk { .. } => Refusal::not_allowed(why.to_string()),
        })?;
        let index =
            trunk.and_then(|trunk| self.config.trunks.iter().position(|known| known.name == trunk.name));
        Ok((address, index))
    }
}
