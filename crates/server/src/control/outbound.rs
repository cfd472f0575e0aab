//! Where the API may call.

use offhook_call_control::Refusal;
use offhook_sip_proto::message::Uri;

use super::run::Control;

impl Control {
    /// Whether a call may go to `to`: a SIP URI whose host is an allowed address.
    pub(super) fn check_dial(&self, to: &str) -> Result<(), Refusal> {
        let wrong = || Refusal::bad_argument(format!("'{to}' is not sip:USER@ADDRESS"));
        let uri: Uri = to.parse().map_err(|_| wrong())?;
        let host = uri.as_sip().ok_or_else(wrong)?.host.to_string();
        let bare = host.trim_matches(['[', ']']);
        if bare.parse::<std::net::IpAddr>().is_err() {
            return Err(Refusal::bad_argument(format!(
                "host '{bare}' is a name: write its address, names are not resolved yet"
            )));
        }
        self.config
            .outbound()
            .check_uri(&uri, None)
            .map(|_| ())
            .map_err(|why| Refusal::not_allowed(why.to_string()))
    }
}
