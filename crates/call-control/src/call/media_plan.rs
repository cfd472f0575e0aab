//! What the media half of a call is opened with: who hears whom follows from the role.

use offhook_call_media::{JitterPreference, LegId, LegSettings, MediaSettings, MediaSource, Port, Route};
use offhook_time::Randomness;

use crate::{CallSettings, Role};

/// The settings of the media half for a call: both halves of a simulation and the server use this one.
pub fn media_settings(
    settings: &CallSettings,
    source: MediaSource,
    jitter: JitterPreference,
) -> MediaSettings {
    let caller = Port::Leg(LegId::CALLER);
    let (routes, application_rate, listen, speech_rates) = match &settings.role {
        Role::Echo => (vec![Route::new(caller, caller)], None, true, Vec::new()),
        Role::Bridge(bridge) => {
            let routes = vec![Route::new(caller, Port::Application), Route::new(Port::Application, caller)];
            (routes, Some(bridge.sample_rate), false, Vec::new())
        }
        Role::Bot(_) => {
            let routes = vec![Route::new(Port::Bot, caller), Route::new(caller, Port::Recognizer)];
            (routes, None, true, vec![16_000, 22_050])
        }
    };
    // Not the control half's own sequence: what media draws must not move what control draws.
    let mut randomness = Randomness::new(settings.seed);
    let seed = randomness.fork();
    MediaSettings {
        seed,
        policy: settings.turn_policy,
        legs: vec![LegSettings { leg: LegId::CALLER, stream: None, source }],
        routes,
        application_rate,
        listen,
        speech_rates,
        jitter,
        wall: settings.wall,
        ..MediaSettings::default()
    }
}
