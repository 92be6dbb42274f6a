//! What looks like a secret, and is kept out of facts where they are made. What the course itself tells (its parameters)
//! is no secret; nothing here can know a secret that is not named like one. Pure.

use std::sync::LazyLock;

use regex::{Captures, Regex};

/// What stands in the place of a secret.
pub const MASK: &str = "…";

/// `postgres://user:secret@host`.
static IN_ADDRESS: LazyLock<Regex> =
    LazyLock::new(|| pattern(r#"([A-Za-z][A-Za-z0-9+.-]*://[^\s/:@'"]*:)[^\s/@'"]+@"#));

/// The name of something that whoever gives it keeps to himself.
const NAME: &str = r"(?P<name>[\w.-]*(?i:password|passwd|passphrase|secret|token|credential|api[_-]?key|access[_-]?key|private[_-]?key|[_-]pwd)[\w.-]*)";
const VALUE: &str = r#"(?P<value>"[^"]*"|'[^']*'|[^\s'",;&|]+)"#;

/// `NAME=value`, `--name=value`, `"name": "value"`.
static ASSIGNED: LazyLock<Regex> = LazyLock::new(|| pattern(&format!(r#"{NAME}(?:\s*=\s*|["']?\s*:\s*){VALUE}"#)));

/// `--name value`.
static OPTION: LazyLock<Regex> = LazyLock::new(|| pattern(&format!(r"--?{NAME}\s+{VALUE}")));

/// `--name` alone, its value being the next word.
static OPTION_ALONE: LazyLock<Regex> = LazyLock::new(|| pattern(&format!(r"^--?{NAME}$")));

static ABOUT: LazyLock<Regex> = LazyLock::new(|| pattern("(?i)(?:file|path|dir|command|method)$"));

/// What is a secret by its looks, whoever wrote it: keys, and tokens that their issuers mark.
pub static BY_LOOKS: LazyLock<Regex> = LazyLock::new(|| {
    let looks = [
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
        r"\bgh[pousr]_[A-Za-z0-9]{36,}",
        r"\bgithub_pat_\w{22,}",
        r"\bglpat-[\w-]{20,}",
        r"\bdckr_pat_[\w-]{20,}",
        r"\bxox[abprs]-[\w-]{10,}",
        r"\bAKIA[0-9A-Z]{16}\b",
        r"\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{5,}",
    ];
    pattern(&looks.join("|"))
});

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a constant pattern")
}

/// Whether something of this name is kept to himself by whoever gives it.
pub fn is_secret(name: &str) -> bool {
    static WHOLE: LazyLock<Regex> = LazyLock::new(|| pattern(&format!("^{NAME}$")));
    WHOLE.is_match(name) && !is_about_a_secret(name)
}

/// Whether something in `text` looks like a key or a token that somebody has issued.
pub fn looks_secret(text: &str) -> bool {
    BY_LOOKS.is_match(text)
}

/// Whether a name is that of a secret's place or kind, not of the secret.
fn is_about_a_secret(name: &str) -> bool {
    ABOUT.is_match(name)
}

/// `text` with [`MASK`] in the place of what looks like a secret in it.
pub fn masked(text: &str) -> String {
    let text = IN_ADDRESS.replace_all(text, format!("${{1}}{MASK}@"));
    let mask = |found: &Captures| {
        let (whole, value) = (&found[0], &found["value"]);
        match is_about_a_secret(&found["name"]) || value.starts_with('-') {
            true => whole.to_owned(),
            false => format!("{}{MASK}", &whole[..whole.len() - value.len()]),
        }
    };
    OPTION.replace_all(&ASSIGNED.replace_all(&text, mask), mask).into_owned()
}

/// The words of a command line with [`MASK`] in the place of what looks like a secret among them.
pub fn masked_words(words: &[String]) -> Vec<String> {
    let program = words.first().map_or("", |word| word.rsplit('/').next().unwrap_or_default());
    let mut before = "";
    let mut masked_words = Vec::with_capacity(words.len());
    for word in words {
        let option = OPTION_ALONE.captures(before).is_some_and(|found| !is_about_a_secret(&found["name"]));
        let follows = option && !word.starts_with('-');
        let short = ["mysql", "mariadb"].iter().any(|kind| program.starts_with(kind));
        masked_words.push(match word.as_str() {
            _ if follows || (program == "sshpass" && before == "-p") => MASK.to_owned(),
            word if short && word.starts_with("-p") && word.len() > 2 => format!("-p{MASK}"),
            word if program == "curl" && ["-u", "--user", "--proxy-user"].contains(&before) => {
                word.split_once(':').map_or_else(|| word.to_owned(), |(user, _)| format!("{user}:{MASK}"))
            }
            word => masked(word),
        });
        before = word;
    }
    masked_words
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_named_like_a_secret_is_masked_wherever_it_stands() {
        for (text, shown) in [
            ("PGPASSWORD=hunter2 psql -h x", "PGPASSWORD=… psql -h x"),
            ("export DB_PASSWORD='two words'; run", "export DB_PASSWORD=…; run"),
            ("exec: \"--api-key=abc\": not found", "exec: \"--api-key=…\": not found"),
            ("sh -c 'tool --password hunter2 --port 5'", "sh -c 'tool --password … --port 5'"),
            ("postgres://ams:hunter2@db:5432/x?y=z", "postgres://ams:…@db:5432/x?y=z"),
            ("{\"db_password\": \"hunter2\", \"port\": 5}", "{\"db_password\": …, \"port\": 5}"),
            ("AWS_SECRET_ACCESS_KEY=hunter2", "AWS_SECRET_ACCESS_KEY=…"),
            ("MYSQL_PWD=hunter2,A=b", "MYSQL_PWD=…,A=b"),
        ] {
            assert_eq!(masked(text), shown);
        }
    }

    #[test]
    fn what_is_not_is_left_as_it_was() {
        for text in [
            "sleep 500",
            "postgres -c shared_buffers=128MB",
            "POSTGRES_PASSWORD_FILE=/run/secrets/db",
            "POSTGRES_HOST_AUTH_METHOD=trust",
            "password authentication failed for user \"ams\"",
            "the password is missing",
            "--password --verbose",
            "http://db:5432/x",
            "git@host:team/repo.git",
            "",
        ] {
            assert_eq!(masked(text), text);
        }
    }

    #[test]
    fn the_words_of_a_command_keep_their_places() {
        for (words, shown) in [
            (&["mysqldump", "-uroot", "-phunter2", "ams"][..], &["mysqldump", "-uroot", "-p…", "ams"][..]),
            (&["/usr/bin/tool", "--token", "hunter2", "x"], &["/usr/bin/tool", "--token", "…", "x"]),
            (&["tool", "--token", "--x"], &["tool", "--token", "--x"]),
            (&["curl", "-u", "ana:hunter2", "http://x"], &["curl", "-u", "ana:…", "http://x"]),
            (&["sshpass", "-p", "hunter2", "ssh", "x"], &["sshpass", "-p", "…", "ssh", "x"]),
            (&["docker", "run", "-p", "80:80", "-ePASSWORD=x"], &["docker", "run", "-p", "80:80", "-ePASSWORD=…"]),
            (&["sh", "-c", "PASSWORD=x exec run"], &["sh", "-c", "PASSWORD=… exec run"]),
            (&["psql", "-p", "5432"], &["psql", "-p", "5432"]),
            (&[], &[]),
        ] {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(masked_words(&words), shown);
        }
    }

    proptest! {
        #[test]
        fn a_value_under_a_secret_name_never_stays(name in "[A-Z_]{0,5}(PASSWORD|TOKEN|SECRET)", value in "[a-z0-9]{6,30}") {
            for text in [format!("{name}={value}"), format!("--{name} {value}"), format!("run {name}='{value}' x")] {
                prop_assert!(!masked(&text).contains(&value), "{}", masked(&text));
            }
        }

        #[test]
        fn any_text_is_masked_to_something(text: String, words: Vec<String>) {
            masked(&text);
            prop_assert_eq!(masked_words(&words).len(), words.len());
        }
    }
}
