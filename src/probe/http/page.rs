//! What a page says of itself and where an answer leads: the little of HTML and of URLs that probes need, read
//! tolerantly and never executed.

use hyper::Uri;
use hyper::http::uri::Authority;

/// How much of a title is read, in characters.
const TITLE: usize = 2000;

/// The text of the first `<title>`, blanks made one and the commonest entities read.
pub fn title(html: &str) -> Option<String> {
    let start = find(html, "<title", |rest| rest.starts_with(|c: char| c == '>' || c.is_ascii_whitespace()))?;
    let text = &html[start..];
    let text = &text[text.find('>')? + 1..];
    let end = find(text, "</title", |_| true)? - "</title".len();
    let text: String = text[..end].chars().take(TITLE).collect();
    Some(plain(&text).split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The end of the first `word` (in lower case) whatever its case, after which `fits` holds.
fn find(text: &str, word: &str, fits: impl Fn(&str) -> bool) -> Option<usize> {
    let ends = text.match_indices('<').map(|(at, _)| at + word.len());
    ends.filter(|end| text.is_char_boundary(*end)).find(|end| {
        let begun = text.get(end - word.len()..*end).is_some_and(|found| found.eq_ignore_ascii_case(word));
        begun && fits(&text[*end..])
    })
}

fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        plain += &rest[..at];
        rest = &rest[at..];
        let known = rest.char_indices().take(12).find(|(_, c)| *c == ';').and_then(|(end, _)| {
            let name = &rest[1..end];
            let number = name.strip_prefix('#').and_then(|number| match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok(),
                None => number.parse().ok(),
            });
            let c = match name {
                "amp" => Some('&'),
                "lt" => Some('<'),
                "gt" => Some('>'),
                "quot" => Some('"'),
                "apos" => Some('\''),
                "nbsp" => Some(' '),
                _ => number.and_then(char::from_u32),
            };
            c.map(|c| (c, end + 1))
        });
        let (c, length) = known.unwrap_or(('&', 1));
        plain.push(c);
        rest = &rest[length..];
    }
    plain + rest
}

/// Where a `Location` leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lead {
    /// The path there, with its query.
    pub path: String,
    /// Whether it stays with whoever was asked.
    pub inside: bool,
}

/// Where `location` leads from `path` of a server that was asked as one of `hosts` (`HOST:PORT`, in clear); none when
/// it makes no sense.
pub fn lead<H: AsRef<str>>(location: &str, path: &str, hosts: &[H]) -> Option<Lead> {
    let location = location.trim();
    let location = location.split('#').next().unwrap_or_default();
    let inside = |scheme: Option<&str>, authority: &Authority| {
        let port = authority.port_u16().unwrap_or(if scheme == Some("https") { 443 } else { 80 });
        let meant = format!("{}:{port}", authority.host());
        scheme.is_none_or(|scheme| scheme == "http") && hosts.iter().any(|host| with_port(host.as_ref()) == meant)
    };
    let (rest, inside) = if let Some(bare) = location.strip_prefix("//") {
        let end = bare.find(['/', '?']).unwrap_or(bare.len());
        (&bare[end..], inside(None, &bare[..end].parse().ok()?))
    } else if let Some((scheme, bare)) = location.split_once("://").filter(|(scheme, _)| is_scheme(scheme)) {
        let scheme = scheme.to_ascii_lowercase();
        let end = bare.find(['/', '?']).unwrap_or(bare.len());
        (&bare[end..], inside(Some(&scheme), &bare[..end].parse().ok()?))
    } else if location.split_once(':').is_some_and(|(scheme, _)| is_scheme(scheme)) {
        return None;
    } else {
        (location, true)
    };
    let own = path.split('?').next().unwrap_or_default();
    let path = match rest.as_bytes().first() {
        Some(b'/') => rest.to_owned(),
        None if location.is_empty() => path.to_owned(),
        None => "/".to_owned(),
        Some(b'?') if location.starts_with('?') => format!("{own}{rest}"),
        Some(b'?') => format!("/{rest}"),
        Some(_) => below(own, rest),
    };
    path.parse::<Uri>().ok()?;
    Some(Lead { path, inside })
}

fn with_port(host: &str) -> String {
    let bracketed = host.ends_with(']');
    match host.rsplit_once(':') {
        Some((_, port)) if !bracketed && port.bytes().all(|byte| byte.is_ascii_digit()) => host.to_owned(),
        _ => format!("{host}:80"),
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

/// A relative path from the folder of `own`.
fn below(own: &str, rest: &str) -> String {
    let (relative, query) = rest.split_at(rest.find('?').unwrap_or(rest.len()));
    let folder = &own[..own.rfind('/').unwrap_or(0)];
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    let mut ends_open = true;
    for part in relative.split('/') {
        ends_open = matches!(part, "" | "." | "..");
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    let end = if ends_open && !parts.is_empty() { "/" } else { "" };
    format!("/{}{end}{query}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_title_is_read_as_a_person_sees_it() {
        for (html, seen) in [
            ("<html><head><title>pgAdmin 4</title>", Some("pgAdmin 4")),
            ("<TITLE lang=es>\n Bienvenida\n a &lt;casa&gt; &amp; m&aacute;s&#33;&#x41; </Title>", {
                Some("Bienvenida a <casa> & m&aacute;s!A")
            }),
            ("<titles>x</titles><title>y</title>", Some("y")),
            ("<title></title>", Some("")),
            ("<title>never ends", None),
            ("<title", None),
            ("", None),
            ("<title>& &; &#; &#x110000; &verylongname;</title>", Some("& &; &#; &#x110000; &verylongname;")),
        ] {
            assert_eq!(title(html).as_deref(), seen, "{html}");
        }
        assert_eq!(title(&format!("<title>{}</title>", "ñ".repeat(5000))).unwrap().chars().count(), TITLE);
    }

    #[test]
    fn a_location_leads_somewhere_inside_or_elsewhere() {
        let hosts = ["localhost:8081", "127.0.0.1:8081", "site.test"];
        for (location, leads) in [
            ("/core/install.php", Some(("/core/install.php", true))),
            ("/a?b=c#d", Some(("/a?b=c", true))),
            ("", Some(("/here/page?q", true))),
            ("other", Some(("/here/other", true))),
            ("../up/", Some(("/up/", true))),
            ("../../..", Some(("/", true))),
            ("?x", Some(("/here/page?x", true))),
            ("http://localhost:8081/x", Some(("/x", true))),
            ("HTTP://127.0.0.1:8081", Some(("/", true))),
            ("http://site.test/x", Some(("/x", true))),
            ("http://site.test?x", Some(("/?x", true))),
            ("//site.test/x", Some(("/x", true))),
            // What nginx makes of a redirect behind a published port.
            ("http://127.0.0.1/new", Some(("/new", false))),
            ("http://localhost:8082/x", Some(("/x", false))),
            ("https://site.test/x", Some(("/x", false))),
            ("https://localhost:8081/x", Some(("/x", false))),
            ("//evil.test/x", Some(("/x", false))),
            ("http://localhost:8081@evil.test/x", Some(("/x", false))),
            ("mailto:a@b", None),
            ("javascript:alert(1)", None),
            ("/a b", None),
            ("http://[::1/x", None),
        ] {
            let seen = lead(location, "/here/page?q", &hosts);
            let seen = seen.as_ref().map(|lead| (lead.path.as_str(), lead.inside));
            assert_eq!(seen, leads, "{location}");
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_them(text in "(<title|</title>|&|#|;|/|:|\\?|\\.|.|\\n){0,60}") {
            title(&text);
            if let Some(lead) = lead(&text, "/a/b", &["h:1"]) {
                prop_assert!(lead.path.starts_with('/'));
            }
        }
    }
}
