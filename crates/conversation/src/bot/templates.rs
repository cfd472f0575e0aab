//! Templates and expressions: minijinja with fuel, and the filters that make text speakable.

use std::collections::BTreeMap;

use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value};

use super::walk::Template;
use super::{money, spoken};
use crate::Language;

/// Steps of the template machine that one prompt may take: a long prompt needs some hundred.
const FUEL: u64 = 20_000;

/// Text longer than this is no prompt; half an hour of speech.
const LONGEST: usize = 32 * 1024;

/// Names that templates may use beside slots and variables.
pub(crate) const GIVEN: [&str; 6] = ["call", "config", "turn", "answer", "transfer", "time"];

/// What templates see.
pub(crate) type Scope = BTreeMap<String, Value>;

/// Renders the templates of one bot.
#[derive(Debug)]
pub(crate) struct Templates {
    environment: Environment<'static>,
}

impl Templates {
    pub(crate) fn new(language: Language) -> Self {
        let mut environment = Environment::new();
        environment.set_fuel(Some(FUEL));
        environment.set_debug(true);
        // A field that a service left out is empty, not the end of the call.
        environment.set_undefined_behavior(UndefinedBehavior::Chainable);
        environment.set_auto_escape_callback(|name| match name {
            URL => AutoEscape::Custom(URL.into()),
            _ => AutoEscape::None,
        });
        environment.set_formatter(|out, state, value| {
            let text =
                if value.is_none() || value.is_undefined() { String::new() } else { value.to_string() };
            let in_url = matches!(state.auto_escape(), AutoEscape::Custom(_)) && !value.is_safe();
            let text = if in_url { percent_encode(&text) } else { text };
            out.write_str(&text).map_err(|_| Error::from(ErrorKind::WriteFailure))
        });
        environment.add_filter("digits", move |value: Value| {
            speakable(&value, |text| spoken::digits(text, language))
        });
        environment
            .add_filter("spell", move |value: Value| speakable(&value, |text| spoken::spell(text, language)));
        environment.add_filter("number", move |value: Value| {
            speakable(&value, |text| spoken::number(text, language))
        });
        environment.add_filter("money", move |value: Value, currency: Option<String>| {
            let currency = currency.as_deref().unwrap_or(money::usual(language));
            money::money(&plain(&value), currency, language).ok_or_else(|| {
                let known: Vec<&str> = money::codes().collect();
                let what = format!("{UNKNOWN_CURRENCY} `{currency}`; known are: {}", known.join(", "));
                Error::new(ErrorKind::InvalidOperation, what)
            })
        });
        environment
            .add_filter("date", move |value: Value| speakable(&value, |text| spoken::date(text, language)));
        // Neither helps to say something, and both print what the caller must not hear.
        environment.remove_global("debug");
        Templates { environment }
    }

    /// A prompt: blanks and line ends become single spaces.
    pub(crate) fn speech(&self, source: &str, scope: &Scope) -> Result<String, Error> {
        let text = self.render("speech", source, scope)?;
        Ok(text.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// A header, a body: as it is.
    pub(crate) fn text(&self, source: &str, scope: &Scope) -> Result<String, Error> {
        self.render("text", source, scope)
    }

    /// A URL: what is inserted is percent-encoded.
    pub(crate) fn url(&self, source: &str, scope: &Scope) -> Result<String, Error> {
        self.render(URL, source, scope).map(|url| url.trim().to_owned())
    }

    /// The value of an expression.
    pub(crate) fn value(&self, expression: &str, scope: &Scope) -> Result<Value, Error> {
        self.environment.compile_expression(expression)?.eval(scope)
    }

    /// Whether a condition holds.
    pub(crate) fn holds(&self, condition: &str, scope: &Scope) -> Result<bool, Error> {
        Ok(self.value(condition, scope)?.is_true())
    }

    /// The undeclared names of a template, sorted; `config.order_service` for one below `config`.
    pub(crate) fn names_in_template(&self, source: &str) -> Result<Vec<String>, Error> {
        let template = self.environment.template_from_named_str("check", source)?;
        Ok(sorted(template.undeclared_variables(true)))
    }

    /// The undeclared names of an expression, sorted.
    pub(crate) fn names_in_expression(&self, source: &str) -> Result<Vec<String>, Error> {
        Ok(sorted(self.environment.compile_expression(source)?.undeclared_variables(true)))
    }

    /// Whether templates may call this without declaring it.
    pub(crate) fn is_function(&self, name: &str) -> bool {
        self.environment.globals().any(|(global, _)| global == name)
    }

    /// Whether there is such a filter. The library says so only when one is used.
    pub(crate) fn is_filter(&self, name: &str) -> bool {
        match self.environment.compile_expression_owned(format!("'' | {name}")) {
            Ok(expression) => {
                expression.eval(()).err().is_none_or(|error| error.kind() != ErrorKind::UnknownFilter)
            }
            Err(error) => error.kind() != ErrorKind::UnknownFilter,
        }
    }

    /// What is wrong with how a filter is used, as far as that shows without any value.
    pub(crate) fn misuse(&self, kind: Template, source: &str) -> Option<String> {
        let nothing = Scope::new();
        let error = match kind {
            Template::Text => self.text(source, &nothing).err(),
            Template::Expression => self.value(source, &nothing).err(),
        }?;
        if error.kind() == ErrorKind::TooManyArguments {
            return Some("it takes fewer arguments".to_owned());
        }
        if error.kind() == ErrorKind::MissingArgument {
            return Some("it takes more arguments".to_owned());
        }
        error.detail().filter(|detail| detail.starts_with(UNKNOWN_CURRENCY)).map(str::to_owned)
    }

    fn render(&self, name: &str, source: &str, scope: &Scope) -> Result<String, Error> {
        let text = self.environment.template_from_named_str(name, source)?.render(scope)?;
        if text.len() > LONGEST {
            return Err(Error::new(ErrorKind::OutOfFuel, "the text is longer than anybody listens to"));
        }
        Ok(text)
    }
}

const URL: &str = "url";
const UNKNOWN_CURRENCY: &str = "there is no currency";

fn sorted(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut names: Vec<String> = names.into_iter().collect();
    names.sort();
    names
}

/// A masked value stays what it is: there is nothing in it to be spoken otherwise.
fn speakable(value: &Value, spoken: impl FnOnce(&str) -> String) -> String {
    let text = plain(value);
    let is_masked = !text.is_empty() && text.chars().all(|c| c == crate::MASKED_KEY);
    if is_masked { text } else { spoken(&text) }
}

fn plain(value: &Value) -> String {
    if value.is_none() || value.is_undefined() { String::new() } else { value.to_string() }
}

/// RFC 3986 §2.3: everything but the unreserved characters is encoded.
fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> Scope {
        Scope::from([
            ("name".to_owned(), Value::from("a/b?c")),
            ("base".to_owned(), Value::from_safe_string("http://host:1/x".to_owned())),
        ])
    }

    #[test]
    fn what_a_url_inserts_is_encoded_but_the_configured_base_is_not() {
        let templates = Templates::new(Language::English);

        let url = templates.url("{{ base }}/orders/{{ name }}", &scope()).unwrap();

        assert_eq!(url, "http://host:1/x/orders/a%2Fb%3Fc");
    }

    #[test]
    fn an_endless_template_runs_out_of_fuel() {
        let templates = Templates::new(Language::English);

        let error = templates.speech(
            "{% for i in range(9999) %}{% for j in range(9999) %}x{% endfor %}{% endfor %}",
            &scope(),
        );

        assert_eq!(error.unwrap_err().kind(), ErrorKind::OutOfFuel);
    }

    #[test]
    fn speech_has_single_blanks() {
        let templates = Templates::new(Language::English);

        assert_eq!(
            templates.speech("  Hello\n  {{ missing.field }} {{ 12 | digits }} ", &scope()).unwrap(),
            "Hello one two"
        );
    }

    #[test]
    fn unknown_filters_are_told_from_known_ones() {
        let templates = Templates::new(Language::English);

        assert!(
            templates.is_filter("digits") && templates.is_filter("upper") && templates.is_filter("default")
        );
        assert!(!templates.is_filter("digitz"));
    }
}
