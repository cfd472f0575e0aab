//! Addresses of the command line: what is right, and what to write where one is wrong.

use std::net::{IpAddr, SocketAddr};

/// An address and a port to listen on.
///
/// # Errors
/// A sentence that says what would be right.
pub fn listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        let example = "write an IP address and a port, for example 192.0.2.10:5060";
        let host = text.rsplit_once(':').map_or(text, |(host, _)| host);
        if is_name(host) {
            format!("'{host}' is a name: {example}")
        } else {
            format!("'{text}' is not ADDRESS:PORT: {example}")
        }
    })
}

/// An address that peers can send to.
///
/// # Errors
/// A sentence that says what would be right.
pub fn advertised(text: &str) -> Result<IpAddr, String> {
    let example = "write an IP address, for example 192.0.2.10";
    let Ok(address) = text.parse::<IpAddr>() else {
        let what = if is_name(text) { "a name" } else { "no IP address" };
        return Err(format!("'{text}' is {what}: {example}"));
    };
    if address.is_unspecified() || address.is_multicast() {
        return Err(format!("{address} is nobody's address: {example}"));
    }
    Ok(address)
}

/// Whether it is to be a host's name rather than an address with a slip in it.
fn is_name(text: &str) -> bool {
    !text.contains(':') && text.chars().any(|c| c.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::cli::Cli;

    /// What the program says to `serve` with these options.
    fn told(args: &[&str]) -> String {
        let parsed = Cli::try_parse_from(["offhook", "serve"].iter().chain(args));
        parsed.map_or_else(|error| error.to_string(), |_| "taken".to_owned())
    }

    #[test]
    fn a_wrong_address_is_told_with_one_that_would_be_right() {
        for (args, expected) in [
            (
                ["--advertise", "0.0.0.0"],
                "0.0.0.0 is nobody's address: write an IP address, for example 192.0.2.10",
            ),
            (["--advertise", "::"], ":: is nobody's address"),
            (["--advertise", "224.0.0.1"], "224.0.0.1 is nobody's address"),
            (
                ["--advertise", "pbx.example.com"],
                "'pbx.example.com' is a name: write an IP address, for example 192.0.2.10",
            ),
            (["--advertise", "192.0.2.300"], "'192.0.2.300' is no IP address: write an IP address"),
            (
                ["--sip", "localhost:5060"],
                "'localhost' is a name: write an IP address and a port, for example 192.0.2.10:5060",
            ),
            (["--sip", "5060"], "'5060' is not ADDRESS:PORT: write an IP address and a port"),
            (["--api", "localhost:8080"], "'localhost' is a name: write an IP address"),
            (["--advertise", "192.0.2.10"], "taken"),
            (["--advertise", "2001:db8::1"], "taken"),
            (["--sip", "[::]:5060"], "taken"),
        ] {
            let said = told(&args);
            assert!(said.contains(expected), "{args:?}: {said}");
        }
    }
}
