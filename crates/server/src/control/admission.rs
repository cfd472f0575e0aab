//! Who is let in, and by which bot.

use offhook_call_control::{AnswerPolicy, EndCause, Role};
use offhook_sip_proto::endpoint::Peer;
use offhook_sip_proto::message::{Request, StatusCode};

use super::inbox::BEHIND;
use super::run::Control;
use super::slots::Slots;
use crate::config::RouteRule;

/// A call that may come in.
pub(super) struct Admitted {
    pub bot: String,
    pub role: Role,
    pub route: Option<usize>,
    pub answer: AnswerPolicy,
    /// Index of the trunk it comes by.
    pub trunk: Option<usize>,
}

/// A call that may not.
pub(super) struct Refused {
    pub status: StatusCode,
    /// The cause of its record, where a limit or a missing engine refuses it.
    pub cause: Option<EndCause>,
    pub trunk: Option<usize>,
    pub bot: String,
}

impl Refused {
    /// Something that every call needs is used up.
    pub fn unavailable(trunk: Option<usize>) -> Self {
        Refused { status: StatusCode::SERVICE_UNAVAILABLE, cause: None, trunk, bot: String::new() }
    }
}

impl Control {
    /// Whether new calls are taken at all; else the status to refuse with.
    pub(super) fn can_take_calls(&self) -> Result<(), StatusCode> {
        self.refuses().map_or(Ok(()), |_| Err(StatusCode::SERVICE_UNAVAILABLE))
    }

    /// Why new calls are refused now, for people; `None` where they are taken.
    pub(super) fn refuses(&self) -> Option<&'static str> {
        if self.draining.is_some() {
            Some("draining: running calls finish, new ones are refused")
        } else if self.config.max_calls.is_some_and(|most| self.calls.len() >= most) {
            Some("full: limits.calls are running")
        } else if self.slots.iter().all(Slots::is_full) {
            Some("full: the media workers have no more places")
        } else if self.ports.available() == 0 {
            Some("full: no RTP port is free")
        } else if !self.media_is_healthy {
            Some("media: ticks come later than limits.tick_lateness_ms")
        } else if self.handle.waiting() >= BEHIND {
            Some("control: too many messages wait")
        } else {
            self.storage.trouble()
        }
    }

    /// Which bot a request is for. The host part is not compared; there is no default bot.
    pub(super) fn admit(&self, request: &Request, peer: &Peer) -> Result<Admitted, Refused> {
        let trunk = self.config.trunk_at(peer.remote.ip());
        let refused = |status| Refused { status, cause: None, trunk, bot: String::new() };
        let mut admitted = self.route(request).ok_or_else(|| refused(StatusCode::NOT_FOUND))?;
        self.can_take_calls().map_err(refused)?;
        if matches!(admitted.role, Role::Bridge(_)) && self.config.bridge.is_none() {
            return Err(refused(StatusCode::TEMPORARILY_UNAVAILABLE));
        }
        let limits = self.check_trunk(trunk).and_then(|()| self.check_route(admitted.route));
        let engines =
            || if self.lacks_engines(&admitted.role) { Err(EndCause::EngineUnavailable) } else { Ok(()) };
        if let Err(cause) = limits.and_then(|()| engines()) {
            let status = StatusCode::new(cause.row().status).unwrap_or(StatusCode::TEMPORARILY_UNAVAILABLE);
            return Err(Refused { status, cause: Some(cause), trunk, bot: admitted.bot });
        }
        admitted.trunk = trunk;
        Ok(admitted)
    }

    /// Whether the trunk may have one more call. Both directions count.
    pub(super) fn check_trunk(&self, trunk: Option<usize>) -> Result<(), EndCause> {
        let limit = trunk.and_then(|index| self.config.trunks.get(index)).and_then(|trunk| trunk.calls);
        match limit {
            Some(limit) if self.calls_of_trunk(trunk) >= limit => Err(EndCause::TrunkFull),
            Some(_) | None => Ok(()),
        }
    }

    /// Calls of a trunk that have not ended.
    pub(super) fn calls_of_trunk(&self, trunk: Option<usize>) -> usize {
        self.calls.values().filter(|call| call.trunk == trunk && !call.ended).count()
    }

    fn check_route(&self, route: Option<usize>) -> Result<(), EndCause> {
        let limit = route.and_then(|index| self.config.routes.get(index)).and_then(|route| route.calls);
        let running = || self.calls.values().filter(|call| call.route == route && !call.ended).count();
        match limit {
            Some(limit) if running() >= limit => Err(EndCause::RouteFull),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether a bot needs an engine that the configuration names and that is not there.
    pub(super) fn lacks_engines(&self, role: &Role) -> bool {
        match role {
            Role::Bot(bot) => self.engines.are_missing_for(bot),
            Role::Echo | Role::Bridge(_) => false,
        }
    }

    fn route(&self, request: &Request) -> Option<Admitted> {
        let user = request.uri.user().unwrap_or_default();
        let found = self.config.routes.iter().position(|rule| matches(rule, &user, request));
        let (bot, answer) = match found {
            Some(index) => (self.config.routes[index].bot.clone(), self.config.routes[index].answer),
            None => (user, AnswerPolicy::Immediately),
        };
        let role = self.bots.role(&bot)?;
        Some(Admitted { bot, role, route: found, answer, trunk: None })
    }

    /// OPTIONS follows the same rule as INVITE; without a user it asks for the server itself.
    pub(super) fn answer_options(&self, request: &Request) -> StatusCode {
        let has_user = request.uri.user().is_some_and(|user| !user.is_empty());
        if has_user && self.route(request).is_none() {
            return StatusCode::NOT_FOUND;
        }
        self.can_take_calls().map_or_else(|status| status, |()| StatusCode::OK)
    }
}

/// Whether every condition of the rule holds.
fn matches(rule: &RouteRule, user: &str, request: &Request) -> bool {
    let user_fits = rule.user.as_deref().is_none_or(|pattern| fits(pattern, user));
    let did_fits = rule.did.as_deref().is_none_or(|pattern| number_fits(pattern, user));
    let header_fits = rule.header.as_ref().is_none_or(|(name, pattern)| {
        request
            .headers
            .lines(name)
            .any(|value| std::str::from_utf8(value).is_ok_and(|value| fits(pattern, value.trim())))
    });
    user_fits && did_fits && header_fits
}

/// A final `*` stands for anything.
fn fits(pattern: &str, value: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => value.starts_with(prefix),
        None => value == pattern,
    }
}

/// `x` stands for a digit, a final `*` for anything; what people write between digits is not compared.
fn number_fits(pattern: &str, number: &str) -> bool {
    let digits: String = number.chars().filter(|c| !matches!(c, '-' | '.' | '(' | ')' | ' ')).collect();
    let (pattern, open) = pattern.strip_suffix('*').map_or((pattern, false), |prefix| (prefix, true));
    let mut rest = digits.chars();
    for wanted in pattern.chars() {
        let Some(digit) = rest.next() else { return false };
        let same = if wanted.eq_ignore_ascii_case(&'x') { digit.is_ascii_digit() } else { digit == wanted };
        if !same {
            return false;
        }
    }
    open || rest.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared_by_their_digits() {
        let table = [
            ("+4930xxxx", "+49301234", true),
            ("+4930xxxx", "+493012345", false),
            ("+4930*", "+493012345", true),
            ("400*", "400-820-8820", true),
            ("95xxx", "95a12", false),
        ];

        for (pattern, number, expected) in table {
            assert_eq!(number_fits(pattern, number), expected, "{pattern} {number}");
        }
    }

    #[test]
    fn a_star_at_the_end_stands_for_anything() {
        assert!(fits("sales*", "sales-north") && fits("sales", "sales") && !fits("sales", "sales-north"));
    }
}
