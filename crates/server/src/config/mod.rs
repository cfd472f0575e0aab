//! Configuration: TOML in, checked settings out.
//!
//! Unknown keys are refused; a wrong value is named with its place and its remedy; secrets may be `env:NAME` or
//! `file:PATH`. Everything has a default, so no file is needed. Command-line options win over the file.

mod bundle;
mod check;
#[cfg(test)]
mod check_tests;
mod file;
mod place;
mod route;
mod secret;
mod trace;
mod trunk;
mod value;

pub use bundle::BundleConfig;
pub use check::{Config, ConfigError, Line};
pub use file::{
    AddressSection, ApiSection, BotsSection, BundleSection, ConfigFile, EngineSection, HepSection,
    LimitsSection, MediaSection, RouteSection, SipSection, StorageSection, TraceSection, TrunkLimits,
    TrunkMedia, TrunkSection,
};
pub use route::RouteRule;
pub use secret::Secret;
pub use trace::{HepConfig, TraceConfig};
pub use trunk::TrunkConfig;
pub use value::{Nat, RtpRange};
