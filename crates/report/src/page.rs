//! The page around the data.

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::base64;

const BASE_CSS: &str = include_str!("../assets/base.css");
const BASE_JS: &str = include_str!("../assets/base.js");

/// What a kind of page brings.
pub(crate) struct Kind {
    /// The name under which its script finds itself.
    pub name: &'static str,
    /// Its style sheet, after the common one.
    pub css: &'static str,
    /// Its scripts, after the common one, in this order.
    pub js: &'static [&'static str],
}

/// The whole file.
pub(crate) fn page(kind: &Kind, title: &str, data: &impl Serialize) -> String {
    let style = [BASE_CSS, kind.css].concat();
    // One function around all: nothing of ours is a global that a name in the data could meet.
    let script = format!("(function () {{\n\"use strict\";\n{BASE_JS}\n{}\n}})();\n", kind.js.join("\n"));
    // Serializing our own types cannot fail: no map has keys that are not strings.
    let data = serde_json::to_string(data).unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"));
    let policy = format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        hash(&script),
        hash(&style)
    );
    let title = text(title);
    let name = kind.name;
    let data = data_block(&data);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>{title}</title>\n<style>{style}</style>\n</head>\n\
         <body data-kind=\"{name}\">\n<div id=\"app\"><p class=\"loading\">Opening {title} …</p>\n\
         <noscript><p>This report draws itself with the script inside this file; please allow it to run.</p></noscript></div>\n\
         <script type=\"application/json\" id=\"data\">{data}</script>\n<script>{script}</script>\n</body>\n</html>\n"
    )
}

/// Text between tags or in a quoted attribute.
pub(crate) fn text(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    for character in raw.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Not allowed in HTML at all.
            '\0' => out.push('\u{FFFD}'),
            other => out.push(other),
        }
    }
    out
}

/// JSON for a script element: no tag, comment or entity can begin in it. Outside of its strings JSON has none of these
/// characters, inside them the escapes mean the same.
fn data_block(json: &str) -> String {
    let mut out = String::with_capacity(json.len() + 64);
    for character in json.chars() {
        match character {
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '&' => out.push_str("\\u0026"),
            '\u{2028}' => out.push_str("\\u2028"),
            '\u{2029}' => out.push_str("\\u2029"),
            other => out.push(other),
        }
    }
    out
}

fn hash(content: &str) -> String {
    base64::encode(&Sha256::digest(content.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_tag_or_entity_survives_in_the_data() {
        let hostile =
            serde_json::json!({ "a": "</script><script>alert(1)</script><!-- & \u{2028}" }).to_string();

        let block = data_block(&hostile);

        assert!(!block.contains(['<', '>', '&', '\u{2028}']), "{block}");
        let read: serde_json::Value = serde_json::from_str(&block).unwrap();
        assert_eq!(read["a"], "</script><script>alert(1)</script><!-- & \u{2028}");
    }

    #[test]
    fn a_title_with_quotes_and_tags_is_text() {
        assert_eq!(text("<b>\"it's\" & \0"), "&lt;b&gt;&quot;it&#39;s&quot; &amp; \u{FFFD}");
    }

    #[test]
    fn our_own_assets_hold_no_end_of_their_element() {
        for asset in [BASE_CSS, BASE_JS] {
            assert!(!asset.to_lowercase().contains("</s") && !asset.contains("<!--"));
        }
    }
}
