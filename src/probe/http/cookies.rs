//! Cookies for as long as one sequence lasts. All go to the one server that set them, whatever their paths and dates
//! say: a sequence is over within seconds.

use std::collections::BTreeMap;

use hyper::header::{HeaderMap, SET_COOKIE};

/// How many cookies are kept, and how long a name and a value may be together, in bytes.
const KEPT: usize = 50;
const LONG: usize = 4096;

/// The cookies of one sequence.
#[derive(Debug, Default)]
pub struct Jar(BTreeMap<String, String>);

impl Jar {
    /// Takes what an answer sets, and drops what it takes back.
    pub fn take(&mut self, headers: &HeaderMap) {
        for cookie in headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok()) {
            let mut parts = cookie.split(';').map(str::trim);
            let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else { continue };
            let ended = parts.any(|part| {
                let (key, value) = part.split_once('=').unwrap_or((part, ""));
                key.eq_ignore_ascii_case("max-age") && value.trim().parse::<i64>().is_ok_and(|age| age <= 0)
            });
            let (name, value) = (name.trim(), value.trim());
            if value.is_empty() || ended {
                self.0.remove(name);
            } else if name.len() + value.len() <= LONG && (self.0.len() < KEPT || self.0.contains_key(name)) {
                self.0.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// The line to send, if there is anything to send.
    pub fn line(&self) -> Option<String> {
        let pairs: Vec<String> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        Some(pairs.join("; ")).filter(|line| !line.is_empty())
    }

    /// Names and values.
    pub fn cookies(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn take(jar: &mut Jar, lines: &[&str]) {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(SET_COOKIE, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        jar.take(&headers);
    }

    #[test]
    fn what_is_set_is_sent_until_it_is_taken_back() {
        let mut jar = Jar::default();
        assert_eq!(jar.line(), None);
        take(&mut jar, &["pga4_session=a!b=; HttpOnly; Path=/; SameSite=Lax", "lang=en", "nonsense", "\u{e9}=\u{e9}"]);
        assert_eq!(jar.line().as_deref(), Some("lang=en; pga4_session=a!b="));
        take(&mut jar, &["lang=; Path=/", "pga4_session=c; Max-Age=0"]);
        assert_eq!(jar.line(), None);
    }

    #[test]
    fn a_jar_is_bounded() {
        let mut jar = Jar::default();
        let many: Vec<String> = (0..200).map(|i| format!("c{i}=v")).collect();
        take(&mut jar, &many.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(jar.cookies().count(), KEPT);
        let mut jar = Jar::default();
        take(&mut jar, &[&format!("a={}", "x".repeat(5000))]);
        assert_eq!(jar.line(), None);
    }
}
