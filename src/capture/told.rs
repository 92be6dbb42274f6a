//! What a machine says, let into a lab: short, plain to see, and nobody's secret.

use crate::evidence::secrets::{looks_secret, masked};
use crate::tame::tame;

/// How long a name or a path in a lab may be.
const LONG: usize = 120;

/// `text` where it may stand in a lab; whoever writes labs sees it as it is, and no reference or mark-up hides in it.
pub fn told(text: &str) -> Option<&str> {
    let is_plain = !text.is_empty() && text.trim() == text && !text.contains('`') && !text.contains("${");
    let is_harmless = is_plain && tame(text, LONG) == text;
    (is_harmless && masked(text) == text && !looks_secret(text)).then_some(text)
}

/// A name that Docker would have taken, where it may stand in a lab: nothing in it means anything to a shell or a probe.
pub fn name(text: &str) -> Option<&str> {
    let is_of_a_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    told(text).filter(|text| begins && text.chars().all(is_of_a_name))
}

/// The image `written` as a regular expression: from any registry that has it, whatever its digest. None where it is
/// called by an id alone, which another build of it would not have.
pub fn image(written: &str) -> Option<(String, String)> {
    let told = told(written)?;
    let (named, _) = told.split_once('@').unwrap_or((told, ""));
    let is_an_id = named.len() >= 12 && named.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_of_an_image = |c: char| c.is_ascii_alphanumeric() || "_.-/:".contains(c);
    if named.is_empty()
        || is_an_id
        || named == "sha256"
        || named.starts_with("sha256:")
        || !named.chars().all(is_of_an_image)
    {
        return None;
    }
    let bare = match named.split_once('/') {
        Some((registry, rest)) if registry.contains(['.', ':']) || registry == "localhost" => rest,
        _ => named,
    };
    let bare = bare.strip_prefix("library/").unwrap_or(bare);
    let untagged = bare.strip_suffix(":latest").unwrap_or(bare);
    let is_tagged = untagged.rsplit('/').next().is_some_and(|last| last.contains(':'));
    let latest = if is_tagged { "" } else { "(:latest)?" };
    // Outside of brackets a hyphen is nothing but itself, and reads better so.
    let escaped = regex::escape(untagged).replace("\\-", "-");
    Some((untagged.to_owned(), format!("(^|/){escaped}{latest}(@|$)")))
}

/// What is called `text`, as an id of a lab: lower-case letters, digits, `-`.
pub fn id(text: &str) -> String {
    let mut id = String::new();
    for c in text.chars().map(|c| c.to_ascii_lowercase()) {
        match c {
            'a'..='z' | '0'..='9' => id.push(c),
            _ if id.is_empty() || id.ends_with('-') => {}
            _ => id.push('-'),
        }
    }
    let id: String = id.chars().take(40).collect();
    let id = id.trim_matches('-');
    match id.starts_with(|c: char| c.is_ascii_lowercase()) {
        _ if looks_secret(id) => "n".to_owned(),
        true => id.to_owned(),
        false => format!("n{id}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_something_is_not_let_in() {
        for text in ["web", "/usr/share/nginx/html", "/home/ana/Práctica 1", "a: b", "- x", "'", "{{x}}", "#"] {
            assert_eq!(told(text), Some(text));
        }
        let long = "x".repeat(LONG + 1);
        let token = format!("ghp_{}", "a".repeat(36));
        for text in [
            "",
            " x",
            "a\nb",
            "\u{1b}[31m",
            "\u{202e}x",
            "a`b",
            "${password}",
            "$${x}",
            "PASSWORD=hunter2",
            &long,
            &token,
        ] {
            assert_eq!(told(text), None, "{text:?}");
        }
        assert_eq!(
            ["ams", "p-web-1", "a.b_c", "9"].map(name),
            [Some("ams"), Some("p-web-1"), Some("a.b_c"), Some("9")]
        );
        assert_eq!([":80", "-v", "a b", "a/b", "a;b", "ñ", "$(x)", "AKIAABCDEFGHIJKLMNOP"].map(name), [None; 8]);
    }

    #[test]
    fn an_image_is_meant_whatever_registry_and_digest_it_comes_by() {
        let pattern = |written| image(written).map(|(_, pattern)| regex::Regex::new(&pattern).unwrap());
        for (written, meant, others) in [
            (
                "nginx",
                &["nginx", "nginx:latest", "docker.io/library/nginx:latest@sha256:ab"][..],
                &["nginx:1", "mynginx"][..],
            ),
            (
                "postgres:14.1-alpine",
                &["postgres:14.1-alpine", "x.org/postgres:14.1-alpine"],
                &["postgres:14x1-alpine", "postgres"],
            ),
            ("localhost:5000/team/web@sha256:ab", &["team/web", "team/web:latest"], &["web", "team/web:2"]),
        ] {
            let pattern = pattern(written).unwrap();
            assert!(meant.iter().all(|image| pattern.is_match(image)), "{written}");
            assert!(!others.iter().any(|image| pattern.is_match(image)), "{written}");
        }
        for written in ["sha256:0123456789abcdef", "0123456789ab", "", "a b", "@sha256:ab", "x\n"] {
            assert_eq!(image(written), None, "{written:?}");
        }
    }

    #[test]
    fn anything_makes_an_id() {
        let ids = ["web_server", "p-web-1", "/usr/share/nginx", "9x", "..", "Ñandú"].map(id);
        assert_eq!(ids, ["web-server", "p-web-1", "usr-share-nginx", "n9x", "n", "and"]);
    }
}
