//! Configuration: TOML in, checked settings out.
//!
//! Unknown keys are refused; a wrong value is named with its place and its remedy; secrets may be `env:NAME` or
//! `file:PATH`. Everything has a default, so no file is needed. Command-line options win over the file.

mod check;
mod file;
mod secret;

pub use check::{Config, ConfigError, RouteRule, RtpRange, TrunkConfig};
pub use file::{
    AddressSection, ApiSection, BotsSection, ConfigFile, EngineSection, LimitsSection, MediaSection,
    RouteSection, SipSection, StorageSection, TrunkSection,
};
pub use secret::Secret;
