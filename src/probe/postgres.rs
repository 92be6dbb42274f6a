//! A PostgreSQL server as its clients meet it: whether it speaks, lets this user in, where it keeps its data and
//! what a query answers. It asks in transactions that cannot write.

mod wire;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config, Error, NoTls, SimpleQueryMessage, SimpleQueryRow};

use crate::evidence::{Facts, Unobserved};
use crate::probe::{
    ADDRESS_FACT, CONNECTION_FACT, CONNECTION_WORDS, Context, Dialled, NAMESPACE_FACT, Probe, Sheet, Thing, quote,
    shell_host,
};
use crate::vantage::Endpoint;
use crate::vm::{Bounded, ByteStream, Meter};

use wire::{Greeting, Said, clip, greet, is_backend};

/// How much is read of one connection. Nothing the parser keeps can be larger.
const MAX_READ: u64 = 4 << 20;

/// How many rows and columns are kept, and how long a cell and a column's name may be.
const MAX_ROWS: usize = 1000;
const MAX_COLUMNS: usize = 100;
const CELL: usize = 4096;
const COLUMN_NAME: usize = 128;

/// Logs into a PostgreSQL server, and asks it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Postgres {
    /// Whom: `localhost:PORT`, `outward:PORT`, `container/NAME:PORT` or `HOST:PORT`.
    pub to: Endpoint,
    /// The role to log in as; `postgres` unless said otherwise.
    #[serde(default = "postgres")]
    pub user: String,
    /// Its password, as the course tells it.
    pub password: String,
    /// The database; `postgres` unless said otherwise.
    #[serde(default = "postgres")]
    pub database: String,
    /// A query to ask. It cannot write, and is given up a little before the patience of the check is over.
    #[serde(default)]
    pub query: Option<String>,
}

fn postgres() -> String {
    "postgres".to_owned()
}

#[async_trait]
impl Probe for Postgres {
    const NAME: &'static str = "postgres";
    const FACTS: &'static [(&'static str, &'static str)] = &[
        CONNECTION_FACT,
        ADDRESS_FACT,
        NAMESPACE_FACT,
        (
            "speaks",
            "`postgres`, `silent`, `closed` (hung up without a byte: nobody listens behind the port), `other`, or null",
        ),
        (
            "login",
            "`accepted`, `rejected` (who, from where or with what password), `tls_required` (labrun comes in clear), \
             `starting`, `error`, `silent`, or null",
        ),
        ("sqlstate", "the code of the error that ended the login, or null"),
        ("message", "the words of that error, or null"),
        ("server_version", "e.g. `14.23`, or null"),
        ("data_directory", "where the server keeps its data, or null; told to superusers only"),
        ("system_identifier", "the number given to the data when it was initialized, as text, or null"),
        ("initialized_at", "when the data was initialized, RFC 3339 in UTC, or null"),
        ("database", "the database logged into, or null"),
        (
            "rows",
            "the rows of the query's last result: a list of objects from column to text or null; a second column of \
             one name is `name_2`",
        ),
        ("query_error", "why the query gave no rows: {sqlstate, message}, or null"),
        ("truncated", "the names of facts that are cut because there was too much"),
    ];
    const WORDS: &'static [(&'static str, &'static [&'static str])] = &[
        CONNECTION_WORDS,
        ("speaks", &["postgres", "silent", "closed", "other"]),
        ("login", &["accepted", "rejected", "tls_required", "starting", "error", "silent"]),
    ];
    const NOTHING_REACHED: Option<&'static str> = Some(
        r#"{"connection":"timed_out","address":null,"speaks":null,"login":null,"sqlstate":null,"message":null,
            "server_version":null,"data_directory":null,"system_identifier":null,"initialized_at":null,
            "database":null,"rows":null,"query_error":null,"truncated":[]}"#,
    );

    fn things(&self) -> Vec<Thing> {
        vec![Thing::Endpoint(self.to.clone())]
    }

    async fn observe(&self, cx: &Context<'_>) -> Result<Facts, Unobserved> {
        let mut talk = Talk::default();
        match cx.dial(&self.to).await? {
            Dialled::Not(facts) => talk.connection = facts,
            Dialled::Connected { stream, facts, .. } => {
                talk.connection = facts;
                match cx.patiently(self.talk(cx, stream, &mut talk)).await? {
                    Some(ended) => ended?,
                    None => talk.fell_silent(self.query.is_some()),
                }
            }
        }
        Ok(talk.facts())
    }

    fn command(&self) -> String {
        format!(
            "PGPASSWORD={} psql -h {} -p {} -U {} -d {} -X -At -c {}",
            quote(&self.password),
            shell_host(&self.to.host),
            self.to.port,
            quote(&self.user),
            quote(&self.database),
            quote(self.query.as_deref().unwrap_or("SHOW data_directory"))
        )
    }
}

/// What came of one conversation, as far as it got.
#[derive(Default)]
struct Talk {
    connection: Facts,
    /// What came since the login began.
    meter: Option<Arc<Meter>>,
    speaks: Option<&'static str>,
    login: Option<&'static str>,
    error: Option<Said>,
    server_version: Option<String>,
    data_directory: Option<String>,
    system_identifier: Option<String>,
    database: Option<String>,
    rows: Option<Vec<Value>>,
    rows_cut: bool,
    query_error: Option<Said>,
}

impl Postgres {
    async fn talk(&self, cx: &Context<'_>, mut stream: Box<dyn ByteStream>, talk: &mut Talk) -> Result<(), Unobserved> {
        let mut has_tls = false;
        match greet(&mut stream, &mut talk.speaks).await {
            Greeting::GoOn => {}
            Greeting::StartAgain => match cx.dial(&self.to).await? {
                Dialled::Connected { stream: again, .. } => (stream, has_tls) = (again, true),
                Dialled::Not(facts) => {
                    talk.connection = facts;
                    return Ok(());
                }
            },
            Greeting::Refused(said) => {
                talk.refused(said);
                return Ok(());
            }
            Greeting::Over => return Ok(()),
        }
        let stream = Bounded::new(stream, MAX_READ);
        let meter = stream.meter();
        talk.meter = Some(meter.clone());
        let (client, mut connection) = match self.config(cx.patience).connect_raw(stream, NoTls).await {
            Ok(connected) => connected,
            Err(error) => {
                talk.login_failed(&error);
                // Nothing to do with the password: pg_hba.conf has no line for whoever comes in clear.
                if has_tls && talk.error.as_ref().is_some_and(|said| said.sqlstate.as_deref() == Some("28000")) {
                    talk.login = Some("tls_required");
                }
                return Ok(());
            }
        };
        talk.speaks = Some("postgres");
        talk.login = Some("accepted");
        let version = connection.parameter("server_version").unwrap_or_default();
        talk.server_version = version.split_whitespace().next().map(|word| clip(word, 100).0.to_owned());
        // The connection is driven here and not in a task of its own, so that it ends with the probe.
        {
            let mut asking = pin!(self.ask(&client, talk));
            tokio::select! {
                biased;
                () = &mut asking => return Ok(()),
                _ = &mut connection => {}
            }
            // All that came has come: what waits for more gets an error at once.
            drop(connection);
            asking.await;
        }
        if meter.read() > MAX_READ && talk.query_error.take().is_some() {
            talk.rows_cut = true;
        }
        Ok(())
    }

    fn config(&self, patience: Duration) -> Config {
        let mut config = Config::new();
        // The server gives up before the probe does, and says so.
        let timeout = (patience.as_millis() * 4 / 5).max(1);
        config
            .user(&self.user)
            .password(&self.password)
            .dbname(&self.database)
            .application_name("labrun")
            .ssl_mode(SslMode::Disable)
            .options(format!("-c default_transaction_read_only=on -c statement_timeout={timeout}"));
        config
    }

    async fn ask(&self, client: &Client, talk: &mut Talk) {
        // Asked at once, and answered in order: the server may be far away.
        let (database, data_directory, identifier) = futures_util::join!(
            one_value(client, "SELECT current_database()"),
            one_value(client, "SHOW data_directory"),
            one_value(client, "SELECT system_identifier FROM pg_control_system()"),
        );
        (talk.database, talk.data_directory) = (database, data_directory);
        talk.system_identifier = identifier.filter(|number| number.parse::<i64>().is_ok());
        let Some(query) = &self.query else { return };
        talk.rows = Some(Vec::new());
        if let Err(error) = take_rows(client, query, talk).await {
            talk.query_error = Some(Said::of(&error));
        }
    }
}

/// The first cell of what `query` answers, if it answers.
async fn one_value(client: &Client, query: &str) -> Option<String> {
    let mut answers = pin!(client.simple_query_raw(query).await.ok()?);
    let mut value = None;
    while let Some(answer) = answers.next().await {
        if let (SimpleQueryMessage::Row(row), None) = (answer.ok()?, &value) {
            value = row.try_get(0).ok().flatten().map(|text| clip(text, CELL).0.to_owned());
        }
    }
    value
}

async fn take_rows(client: &Client, query: &str, talk: &mut Talk) -> Result<(), Error> {
    let mut answers = pin!(client.simple_query_raw(query).await?);
    let mut names = Vec::new();
    while let Some(answer) = answers.next().await {
        match answer {
            Ok(SimpleQueryMessage::RowDescription(columns)) => {
                talk.rows = Some(Vec::new());
                names = column_names(columns.iter().map(|column| column.name()));
                talk.rows_cut = columns.len() > MAX_COLUMNS;
            }
            Ok(SimpleQueryMessage::Row(row)) => {
                let rows = talk.rows.get_or_insert_default();
                if rows.len() == MAX_ROWS {
                    talk.rows_cut = true;
                    return Ok(());
                }
                let (row, cut) = row_fact(&row, &names);
                rows.push(row);
                talk.rows_cut |= cut;
            }
            Ok(_) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The names of the columns that are kept, each made different from those before it.
fn column_names<'c>(columns: impl Iterator<Item = &'c str>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for column in columns.take(MAX_COLUMNS) {
        let plain = clip(column, COLUMN_NAME).0;
        let mut name = plain.to_owned();
        for n in 2.. {
            if !names.contains(&name) {
                break;
            }
            name = format!("{plain}_{n}");
        }
        names.push(name);
    }
    names
}

fn row_fact(row: &SimpleQueryRow, names: &[String]) -> (Value, bool) {
    let mut cut = false;
    let cells = names.iter().enumerate().map(|(i, name)| {
        // A database without an encoding (SQL_ASCII) may hold what is no text.
        let cell = match row.try_get(i) {
            Ok(text) => text.map(|text| clip(text, CELL)),
            Err(_) => Some(("\u{fffd}", false)),
        };
        cut |= cell.is_some_and(|(_, cut)| cut);
        (name.clone(), json!(cell.map(|(text, _)| text)))
    });
    let cells: Map<String, Value> = cells.collect();
    (Value::Object(cells), cut)
}

impl Talk {
    fn login_failed(&mut self, error: &Error) {
        self.speaks = Some(if self.meter.as_ref().is_some_and(|meter| is_backend(&meter.first())) {
            "postgres"
        } else {
            "other"
        });
        self.refused(Said::of(error));
    }

    fn refused(&mut self, said: Said) {
        self.login = Some(match said.sqlstate.as_deref() {
            Some("57P03") => "starting",
            Some(code) if code.starts_with("28") => "rejected",
            _ => "error",
        });
        self.error = Some(said);
    }

    /// Says of whatever is still open that it was not answered in time.
    fn fell_silent(&mut self, asked: bool) {
        if self.login.is_some() {
            if asked && self.query_error.is_none() {
                self.query_error = Some(Said::new(None, "no answer in time"));
            }
            return;
        }
        let first = self.meter.as_ref().map(|meter| meter.first()).unwrap_or_default();
        if is_backend(&first) {
            self.speaks = Some("postgres");
            self.login = Some("silent");
        } else if self.speaks.is_none() {
            self.speaks = Some(if first.is_empty() { "silent" } else { "other" });
        }
    }

    fn facts(self) -> Facts {
        let initialized = self.system_identifier.as_deref().and_then(|number| number.parse::<i64>().ok());
        // The upper half of the identifier is the time in seconds at which it was made up.
        let initialized = initialized.and_then(|number| Timestamp::from_second((number as u64 >> 32) as i64).ok());
        let error = self.error.as_ref();
        let mut sheet = Sheet::of(self.connection);
        sheet.fact("speaks", self.speaks);
        sheet.fact("login", self.login);
        sheet.fact("sqlstate", error.and_then(|said| said.sqlstate.as_deref()));
        sheet.fact("message", error.map(|said| &said.message));
        sheet.fact("server_version", self.server_version);
        sheet.fact("data_directory", self.data_directory);
        sheet.fact("system_identifier", self.system_identifier);
        sheet.fact("initialized_at", initialized.map(|time| time.to_string()));
        sheet.fact("database", self.database);
        let answered = self.query_error.is_none();
        sheet.fact("rows", self.rows.filter(|_| answered));
        sheet.fact("query_error", self.query_error.as_ref().map(Said::fact));
        if self.rows_cut {
            sheet.is_cut("rows");
        }
        sheet.done()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;
    use crate::probe::testing::{look, server};

    /// A message of the server: its letter, its length, its body.
    fn message(letter: u8, body: &[u8]) -> Vec<u8> {
        [&[letter], &(body.len() as u32 + 4).to_be_bytes()[..], body].concat()
    }

    fn error(code: &str, words: &str) -> Vec<u8> {
        message(b'E', format!("SFATAL\0VFATAL\0C{code}\0M{words}\0\0").as_bytes())
    }

    fn accepted() -> Vec<u8> {
        let version = message(b'S', b"server_version\x0014.23 (Debian 14.23-1)\0");
        [message(b'R', &[0, 0, 0, 0]), version, ready()].concat()
    }

    fn ready() -> Vec<u8> {
        message(b'Z', b"I")
    }

    fn described(columns: &[&str]) -> Vec<u8> {
        let mut body = (columns.len() as u16).to_be_bytes().to_vec();
        for name in columns {
            body.extend_from_slice(name.as_bytes());
            body.extend_from_slice(&[0; 19]);
        }
        message(b'T', &body)
    }

    fn row(cells: &[Option<&[u8]>]) -> Vec<u8> {
        let mut body = (cells.len() as u16).to_be_bytes().to_vec();
        for cell in cells {
            body.extend_from_slice(&cell.map_or(-1, |cell| cell.len() as i32).to_be_bytes());
            body.extend_from_slice(cell.unwrap_or_default());
        }
        message(b'D', &body)
    }

    fn one(column: &str, value: &str) -> Vec<u8> {
        [described(&[column]), row(&[Some(value.as_bytes())]), message(b'C', b"SELECT 1\0"), ready()].concat()
    }

    async fn heard(stream: &mut TcpStream) -> Vec<u8> {
        let mut buf = vec![0; 4096];
        let n = stream.read(&mut buf).await.unwrap_or(0);
        buf.truncate(n);
        buf
    }

    /// One message of the client, several of which may come together; its length ends its head.
    async fn heard_one(stream: &mut TcpStream, head: usize) {
        let mut bytes = vec![0; head];
        if stream.read_exact(&mut bytes).await.is_ok() {
            let length = u32::from_be_bytes(bytes[head - 4..].try_into().unwrap());
            let _ = stream.read_exact(&mut vec![0; length as usize - 4]).await;
        }
    }

    /// Refuses TLS, then answers each message of the client with the next of `answers`; then keeps silent.
    async fn says(answers: Vec<Vec<u8>>) -> u16 {
        server(move |mut stream| {
            let answers = answers.clone();
            async move {
                heard(&mut stream).await;
                let _ = stream.write_all(b"N").await;
                for (n, answer) in answers.into_iter().enumerate() {
                    // The first has no letter before its length.
                    heard_one(&mut stream, if n == 0 { 4 } else { 5 }).await;
                    let _ = stream.write_all(&answer).await;
                }
                heard(&mut stream).await;
                std::future::pending::<()>().await;
            }
        })
        .await
    }

    async fn seen(port: u16, query: Option<&str>) -> Facts {
        let start = Instant::now();
        let args = json!({"to": format!("localhost:{port}"), "password": "password", "query": query});
        let facts = look("postgres", args).await.unwrap();
        assert!(start.elapsed() < Duration::from_secs(5), "the patience of a test is one second");
        facts
    }

    fn identity() -> Vec<Vec<u8>> {
        vec![
            accepted(),
            one("current_database", "postgres"),
            one("data_directory", "/var/lib/postgresql/data"),
            one("system_identifier", "7575757575757575757"),
        ]
    }

    #[tokio::test]
    async fn a_login_tells_who_the_server_is_and_what_the_query_answers() {
        let rows = [
            described(&["name", "name", "n"]),
            row(&[Some(b"ana"), Some(&[0xf1]), None]),
            message(b'C', b"SELECT 1\0"),
            ready(),
        ];
        let answers = [identity(), vec![rows.concat()]].concat();
        let facts = seen(says(answers).await, Some("SELECT 1")).await;
        assert_eq!(facts["login"], "accepted");
        assert_eq!(facts["speaks"], "postgres");
        assert_eq!(facts["server_version"], "14.23");
        assert_eq!(facts["data_directory"], "/var/lib/postgresql/data");
        assert_eq!(facts["initialized_at"], "2025-11-23T03:28:32Z");
        assert_eq!(facts["rows"], json!([{"name": "ana", "name_2": "\u{fffd}", "n": null}]));
        assert_eq!(facts["query_error"], Value::Null);
        assert_eq!(facts["truncated"], json!([]));
    }

    #[tokio::test]
    async fn every_fact_of_the_contract_is_there_whatever_happened() {
        let mut names: Vec<&str> =
            Postgres::FACTS.iter().map(|(name, _)| *name).filter(|name| *name != "namespace").collect();
        names.sort();
        let closed = server(|_| async {}).await;
        for facts in [seen(says(identity()).await, None).await, seen(closed, Some("x")).await, seen(1, None).await] {
            let mut reported: Vec<&String> = facts.keys().collect();
            reported.sort();
            assert_eq!(reported, names);
        }
    }

    #[tokio::test]
    async fn a_refusal_says_which() {
        for (code, login) in [
            ("28P01", "rejected"),
            ("28000", "rejected"),
            ("57P03", "starting"),
            ("3D000", "error"),
            ("53300", "error"),
        ] {
            let facts = seen(says(vec![error(code, "no")]).await, None).await;
            assert_eq!((&facts["login"], &facts["sqlstate"]), (&json!(login), &json!(code)));
            assert_eq!((&facts["speaks"], &facts["message"]), (&json!("postgres"), &json!("no")));
        }
    }

    #[tokio::test]
    async fn a_server_that_refuses_at_the_greeting_is_still_one() {
        let facts = seen(
            server(|mut stream| async move {
                heard(&mut stream).await;
                let _ = stream.write_all(&error("53300", "too many clients")).await;
                std::future::pending::<()>().await;
            })
            .await,
            None,
        )
        .await;
        assert_eq!((&facts["speaks"], &facts["sqlstate"]), (&json!("postgres"), &json!("53300")));
        let facts = seen(
            server(|mut stream| async move {
                heard(&mut stream).await;
                let _ = stream.write_all(b"Ecould not fork new process for connection\n\0").await;
            })
            .await,
            None,
        )
        .await;
        assert_eq!(facts["message"], "could not fork new process for connection");
    }

    #[tokio::test]
    async fn one_that_wants_tls_is_dialled_again_in_clear() {
        let first = Arc::new(std::sync::atomic::AtomicBool::new(true));
        let port = server(move |mut stream| {
            let first = first.clone();
            async move {
                heard(&mut stream).await;
                let again = !first.swap(false, std::sync::atomic::Ordering::SeqCst);
                let _ = stream.write_all(if again { &[] } else { b"S" }).await;
                if again {
                    let _ = stream.write_all(&error("28P01", "no")).await;
                }
            }
        });
        assert_eq!(seen(port.await, None).await["login"], "rejected");
    }

    #[tokio::test]
    async fn silence_and_other_protocols_are_told_apart() {
        let silent = server(|mut stream| async move {
            while !heard(&mut stream).await.is_empty() {}
            std::future::pending::<()>().await;
        });
        let facts = seen(silent.await, None).await;
        assert_eq!((&facts["speaks"], &facts["login"]), (&json!("silent"), &Value::Null));
        let other = server(|mut stream| async move {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        });
        assert_eq!(seen(other.await, None).await["speaks"], "other");
        let ssh = server(|mut stream| async move {
            let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").await;
            heard(&mut stream).await;
        });
        let facts = seen(ssh.await, None).await;
        assert_eq!((&facts["speaks"], &facts["login"]), (&json!("other"), &Value::Null));
        assert_eq!(seen(server(|_| async {}).await, None).await["speaks"], "closed");
        // One letter does not make a database.
        assert_eq!(seen(says(vec![]).await, None).await["speaks"], "silent");
        assert_eq!(seen(says(vec![b"NNNNNNNNNNNNNNNN".to_vec()]).await, None).await["speaks"], "other");
        let drip = server(|mut stream| async move {
            heard(&mut stream).await;
            for byte in b"E\0\0\x10\0SFATAL" {
                let _ = stream.write_all(&[*byte]).await;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        assert_eq!(seen(drip.await, None).await["speaks"], "other");
    }

    #[tokio::test]
    async fn hanging_after_each_step_is_a_fact_in_bounded_time() {
        // At the password, at the first question, at the last.
        let facts = seen(says(vec![message(b'R', &[0, 0, 0, 3])]).await, Some("SELECT 1")).await;
        assert_eq!((&facts["speaks"], &facts["login"]), (&json!("postgres"), &json!("silent")));
        let facts = seen(says(vec![accepted()]).await, Some("SELECT 1")).await;
        assert_eq!((&facts["login"], &facts["data_directory"]), (&json!("accepted"), &Value::Null));
        let facts = seen(says(identity()).await, Some("SELECT pg_sleep(1000)")).await;
        assert_eq!(facts["query_error"], json!({"sqlstate": null, "message": "no answer in time"}));
        assert_eq!(facts["rows"], Value::Null);
    }

    #[tokio::test]
    async fn garbage_after_the_login_is_an_error_of_the_query() {
        let answers = [identity(), vec![b"T\xff\xff\xff\xff garbage".to_vec()]].concat();
        let facts = seen(says(answers).await, Some("SELECT 1")).await;
        assert_eq!(facts["login"], "accepted");
        assert_ne!(facts["query_error"], Value::Null);
    }

    #[tokio::test]
    async fn a_query_that_the_server_refuses_is_a_fact() {
        let answers = [identity(), vec![[error("42P01", "no such table"), ready()].concat()]].concat();
        let facts = seen(says(answers).await, Some("SELECT 1 FROM x")).await;
        assert_eq!(facts["query_error"], json!({"sqlstate": "42P01", "message": "no such table"}));
    }

    #[tokio::test]
    async fn endless_answers_are_cut_and_said_to_be() {
        // Rows for ever, of two sizes: the number of rows ends the one, the number of bytes the other.
        for size in [10, 1 << 20] {
            let start = [identity(), vec![described(&["x"])]].concat();
            let port = server(move |mut stream| {
                let start = start.clone();
                async move {
                    heard(&mut stream).await;
                    let _ = stream.write_all(b"N").await;
                    for (n, answer) in start.into_iter().enumerate() {
                        heard_one(&mut stream, if n == 0 { 4 } else { 5 }).await;
                        let _ = stream.write_all(&answer).await;
                    }
                    let row = row(&[Some(&vec![b'x'; size])]);
                    while stream.write_all(&row).await.is_ok() {}
                }
            });
            let facts = seen(port.await, Some("SELECT 1")).await;
            assert_eq!((&facts["truncated"], &facts["query_error"]), (&json!(["rows"]), &Value::Null));
            let rows = facts["rows"].as_array().unwrap();
            assert!((1..=MAX_ROWS).contains(&rows.len()));
            assert!(rows.iter().all(|row| row["x"].as_str().unwrap().len() <= CELL));
        }
    }

    #[test]
    fn names_of_columns_are_clipped_and_made_different() {
        let long = "x".repeat(1000);
        let names = column_names([long.as_str(), &long, "a", "a_2", "a"].into_iter());
        assert_eq!(names[0].len(), COLUMN_NAME);
        assert_eq!(names[2..], ["a", "a_2", "a_3"]);
        assert!(names[0] != names[1]);
    }

    #[test]
    fn the_command_is_one_a_student_can_paste() {
        let args = json!({"to": "container/ams:5432", "password": "it's", "query": "SELECT 1"});
        let probe: Postgres = serde_json::from_value(args).unwrap();
        assert_eq!(
            probe.command(),
            "PGPASSWORD='it'\\''s' psql -h $(docker inspect -f '{{range .NetworkSettings.Networks}}{{println .IPAddress}}\
             {{end}}' ams | head -n1) -p 5432 -U postgres -d postgres -X -At -c 'SELECT 1'"
        );
    }
}
