//! Every control message fits the published schema, and what the schema allows is understood.

use serde_json::{Value, json};

use super::*;

#[test]
fn every_message_we_send_fits_the_schema_and_is_ignored_when_it_comes_back() {
    let metadata = json!({ "caller": "sip:alice@example.com" });
    let messages = [
        ToApplication::Start {
            version: 1,
            call_id: "7",
            framing: Framing::Raw.name(),
            sample_rate: 8_000,
            frame_ms: 20,
            metadata: &metadata,
        },
        ToApplication::Dtmf { digit: '#', duration_ms: 80 },
        ToApplication::Mark { name: "greeting", of: MarkOf::Application, cleared: false },
        ToApplication::Mark { name: "answered", of: MarkOf::Call, cleared: false },
        ToApplication::Credit { frames: 24 },
        ToApplication::Error { code: ErrorCode::BadControl, detail: "unknown type" },
        ToApplication::Error { code: ErrorCode::BadAudio, detail: "too short" },
        ToApplication::Stop { reason: "caller hung up" },
    ];
    let schema = schema();

    for message in &messages {
        let text = message.to_json();
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(fits(&schema["$defs"]["toApplication"], &value, &schema), Ok(()), "{text}");
        assert_eq!(FromApplication::parse(&text), Ok(None), "{text}");
    }
}

#[test]
fn every_example_of_the_schema_is_understood() {
    let schema = schema();
    let examples = schema["$defs"]["fromApplication"]["examples"].as_array().unwrap();

    for example in examples {
        assert_eq!(fits(&schema["$defs"]["fromApplication"], example, &schema), Ok(()), "{example}");
        let understood = FromApplication::parse(&example.to_string());
        assert!(matches!(understood, Ok(Some(_))), "{example}: {understood:?}");
    }
    let kinds = schema["$defs"]["fromApplication"]["oneOf"].as_array().unwrap().len();
    assert_eq!(kinds, 7, "one branch for each variant of FromApplication");
    assert!(examples.len() >= kinds);
}

#[test]
fn digits_of_the_application_are_one_to_thirty_two_keys() {
    let schema = schema();
    let longest = "9".repeat(32);
    for digits in ["0", "*", "#", "A", "D", "0123456789ABCD*#", &longest] {
        let message = json!({ "type": "dtmf", "digits": digits });
        assert_eq!(fits(&schema["$defs"]["fromApplication"], &message, &schema), Ok(()), "{message}");
        let understood = FromApplication::parse(&message.to_string());
        assert_eq!(understood, Ok(Some(FromApplication::Dtmf { digits: digits.to_owned() })));
    }
}

#[test]
fn what_does_not_fit_the_schema_is_refused() {
    let schema = schema();
    for message in [
        json!({ "type": "mark" }),
        json!({ "type": "transfer", "target": 7 }),
        json!({ "type": "sing" }),
        json!({ "type": "dtmf" }),
        json!({ "type": "dtmf", "digits": 5 }),
        json!({ "type": "dtmf", "digits": "" }),
        json!({ "type": "dtmf", "digits": "9".repeat(33) }),
        json!({ "type": "dtmf", "digits": "12a" }),
        json!({ "type": "dtmf", "digits": "12E" }),
        json!({ "type": "dtmf", "digits": "1 2" }),
        json!({ "type": "dtmf", "digits": "\u{0663}" }),
        json!({ "mark": "x" }),
        json!([]),
    ] {
        assert!(fits(&schema["$defs"]["fromApplication"], &message, &schema).is_err(), "{message}");
        assert!(FromApplication::parse(&message.to_string()).is_err(), "{message}");
    }
    assert!(FromApplication::parse("{").is_err());
}

fn schema() -> Value {
    serde_json::from_str(include_str!("control.schema.json")).unwrap()
}

/// The part of JSON Schema that `control.schema.json` uses; anything else in it fails the test.
fn fits(schema: &Value, value: &Value, root: &Value) -> Result<(), String> {
    for (keyword, rule) in schema.as_object().ok_or("a schema is an object")? {
        let good = match keyword.as_str() {
            "$ref" => {
                let pointer = rule.as_str().and_then(|path| path.strip_prefix('#')).ok_or("local $ref")?;
                fits(root.pointer(pointer).ok_or(format!("{pointer} is missing"))?, value, root)?;
                true
            }
            "type" => match rule.as_str() {
                Some("object") => value.is_object(),
                Some("string") => value.is_string(),
                Some("integer") => value.is_i64() || value.is_u64(),
                Some("boolean") => value.is_boolean(),
                other => return Err(format!("the test does not know type {other:?}")),
            },
            "const" => rule == value,
            "enum" => rule.as_array().is_some_and(|choices| choices.contains(value)),
            "minimum" => value.as_i64() >= rule.as_i64(),
            "pattern" => match rule.as_str() {
                Some("^[0-9A-D*#]{1,32}$") => value.as_str().is_some_and(|text| {
                    let keys = text.chars().filter(|key| "0123456789ABCD*#".contains(*key)).count();
                    (1..=32).contains(&keys) && keys == text.chars().count()
                }),
                other => return Err(format!("the test does not know pattern {other:?}")),
            },
            "maxLength" => value.as_str().is_some_and(|text| text.len() as u64 <= rule.as_u64().unwrap_or(0)),
            "required" => rule
                .as_array()
                .is_some_and(|names| names.iter().all(|name| value.get(name.as_str().unwrap()).is_some())),
            "properties" => {
                for (name, rule) in rule.as_object().ok_or("properties is an object")? {
                    if let Some(member) = value.get(name) {
                        fits(rule, member, root).map_err(|error| format!("{name}: {error}"))?;
                    }
                }
                true
            }
            "additionalProperties" => {
                let known = schema["properties"].as_object().ok_or("properties beside it")?;
                value.as_object().is_some_and(|members| members.keys().all(|name| known.contains_key(name)))
            }
            "oneOf" => {
                let branches = rule.as_array().ok_or("oneOf is a list")?;
                branches.iter().filter(|branch| fits(branch, value, root).is_ok()).count() == 1
            }
            "title" | "description" | "examples" => true,
            other => return Err(format!("the test does not know {other}")),
        };
        if !good {
            return Err(format!("{keyword} {rule} refuses {value}"));
        }
    }
    Ok(())
}
