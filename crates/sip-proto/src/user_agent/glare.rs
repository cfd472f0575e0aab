//! When both sides change the session at once.

use std::time::Duration;

use offhook_time::Randomness;

use crate::dialog::Role;

/// How long to wait after a 491 before a re-INVITE is tried again (RFC 3261 §14.1): the side that made the Call-ID
/// waits 2.1 to 4 s, the other 0 to 2 s, both in steps of 10 ms.
pub fn glare_pause(role: Role, randomness: &mut Randomness) -> Duration {
    let steps = match role {
        Role::Uac => 210 + randomness.below(191),
        Role::Uas => randomness.below(201),
    };
    Duration::from_millis(10 * steps)
}

#[cfg(test)]
mod tests {
    use offhook_time::Seed;

    use super::*;

    #[test]
    fn the_two_sides_never_wait_equally_long() {
        let mut randomness = Randomness::new(Seed::from_number(3));

        for _ in 0..1_000 {
            let ours = glare_pause(Role::Uac, &mut randomness).as_millis();
            let theirs = glare_pause(Role::Uas, &mut randomness).as_millis();
            assert!((2_100..=4_000).contains(&ours) && theirs <= 2_000, "{ours} {theirs}");
        }
    }
}
