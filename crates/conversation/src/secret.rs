//! What is used and written down nowhere.

use std::fmt;

/// A value beside a message that must be acted upon and recorded nowhere: it is no part of the message's encoding, of
/// its printed form, or of what makes two messages equal. A recording read back has none.
#[derive(Clone)]
pub struct Secret<T>(Option<T>);

impl<T> Secret<T> {
    /// Hides `value`.
    pub fn new(value: T) -> Self {
        Secret(Some(value))
    }

    /// The value, where there is one: for the last hand that needs it, such as a synthesizer.
    pub fn reveal(&self) -> Option<&T> {
        self.0.as_ref()
    }

    /// The same, taken out.
    pub fn into_revealed(self) -> Option<T> {
        self.0
    }
}

impl<T> Default for Secret<T> {
    fn default() -> Self {
        Secret(None)
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Secret(…)" } else { "Secret" })
    }
}

impl<T> PartialEq for Secret<T> {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl<T> Eq for Secret<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_printed_and_makes_no_difference() {
        let secret = Secret::new("4111".to_owned());

        assert!(!format!("{secret:?}").contains('1'));
        assert_eq!(secret, Secret::default());
        assert_eq!(secret.reveal().map(String::as_str), Some("4111"));
    }
}
