//! The machines that worlds are played on: each a disposable container that lives as long as its holder's standard
//! input is open, so that it goes however labrun goes.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::selftest::outside::Door;
use crate::vm::process::{self, in_a_group};
use crate::vm::{Command, End, Output};
use crate::worlds::User;

/// How long a machine may take until it says that it is ready.
const START: Duration = Duration::from_secs(60);

/// How long a machine may take to go after its lifeline is closed.
const GOING: Duration = Duration::from_secs(5);

/// How long putting labrun into a machine may take, or asking its engine something.
const ERRAND: Duration = Duration::from_secs(60);

/// How much of what a script prints is kept, and how much of what a holder says.
pub(super) const MAX_PRINTED: usize = 64 << 10;

/// How large a report may be.
const MAX_REPORT: usize = 16 << 20;

/// Where labrun lies in a machine.
const LABRUN: &str = "/usr/local/bin/labrun";

/// Where the labs lie in a machine.
const SHARE: &str = "/usr/local/share/labrun";

/// A way of making machines.
#[derive(Debug, Clone)]
pub struct Maker {
    /// As whoever asked for it wrote it.
    pub written: String,
    argv: Vec<String>,
}

impl Maker {
    /// Machines that are containers of `image`, whose PID 1 keeps the contract of docs/selftest.md.
    pub fn image(image: &str) -> Maker {
        let argv = ["docker", "run", "-i", "--rm", "--privileged", "--label", "labrun=selftest", image];
        Maker { written: image.to_owned(), argv: argv.map(str::to_owned).to_vec() }
    }

    /// Machines that are made and held by a command line for the shell.
    pub fn command(line: &str) -> Maker {
        Maker { written: line.to_owned(), argv: ["sh", "-c", line].map(str::to_owned).to_vec() }
    }
}

/// What is put into every machine, and the environment in which the docker client runs.
#[derive(Debug)]
pub struct Kit {
    /// The labrun that looks.
    pub labrun: std::path::PathBuf,
    /// The one that looks from outside, which runs here.
    pub here: std::path::PathBuf,
    /// A folder with the folders `labs` and `checks`.
    pub share: tempfile::TempDir,
    /// The environment of everything that is run here.
    pub env: Vec<(String, String)>,
}

/// A machine that is ready. When it is dropped its lifeline closes, and it goes by itself.
pub struct Machine<'k> {
    kit: &'k Kit,
    /// By what name the docker client knows it.
    pub(super) id: String,
    holder: Child,
    lifeline: Option<ChildStdin>,
    /// The way in from outside, once somebody has looked from there.
    door: OnceCell<Door>,
    /// Open as long as the holder may write.
    _stdout: BufReader<ChildStdout>,
}

impl Machine<'_> {
    /// Starts a machine and puts labrun into it, or says why that failed.
    pub async fn start<'k>(maker: &Maker, kit: &'k Kit) -> Result<Machine<'k>, String> {
        let (program, args) = maker.argv.split_first().expect("a maker has a program");
        let mut holder = tokio::process::Command::new(program);
        // What the terminal sends is for labrun, which closes the lifeline.
        in_a_group(&mut holder);
        let mut holder = holder
            .args(args)
            .env_clear()
            .envs(kit.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("`{program}` cannot be started: {error}"))?;
        let lifeline = holder.stdin.take();
        let mut said = holder.stderr.take().map(heed);
        let mut stdout = BufReader::new(holder.stdout.take().expect("it is piped"));
        let mut line = String::new();
        let ready = timeout(START, (&mut stdout).take(MAX_PRINTED as u64).read_line(&mut line)).await;
        let mut words = line.split_whitespace();
        let (Ok(Ok(_)), Some("ready"), Some(_), Some(id)) = (ready, words.next(), words.next(), words.next()) else {
            drop(lifeline);
            let _ = timeout(GOING, holder.wait()).await;
            let said = match &mut said {
                Some(task) => timeout(GOING, task).await.ok().and_then(Result::ok).unwrap_or_default(),
                None => String::new(),
            };
            let line = line.trim_end();
            return Err(format!("it did not say `ready NAME ID` but `{line}`\n{said}").trim_end().to_owned());
        };
        let machine = Machine { kit, id: id.to_owned(), holder, lifeline, door: OnceCell::new(), _stdout: stdout };
        machine.furnish().await?;
        Ok(machine)
    }

    async fn furnish(&self) -> Result<(), String> {
        let to = |path: &str| format!("{}:{path}", self.id);
        self.copy(&self.kit.labrun, &to(LABRUN)).await?;
        self.copy(&self.kit.share.path().join("."), &to(SHARE)).await?;
        // The copies have the modes of what was copied, which are this user's business.
        let open = format!("chmod -R a+rX {SHARE} && chmod a+rx {LABRUN}");
        match self.bash(User::Root, &open, MAX_PRINTED, ERRAND).await? {
            Output { end: End::Exited(0), .. } => Ok(()),
            done => Err(format!("what is put into it cannot be opened: {}", printed(&done))),
        }
    }

    async fn copy(&self, from: &Path, to: &str) -> Result<(), String> {
        let from = from.to_str().ok_or("a path that is no UTF-8")?;
        let done = self.docker(&["cp", from, to], MAX_PRINTED, ERRAND).await?;
        match done.end {
            End::Exited(0) => Ok(()),
            _ => Err(format!("`{from}` cannot be put into it: {}", printed(&done))),
        }
    }

    /// The version of the machine's engine, if the machine is one on which labrun can look.
    pub async fn engine(&self) -> Result<String, String> {
        let runs = self.bash(User::Student, "labrun --version", MAX_PRINTED, ERRAND).await?;
        if runs.end != End::Exited(0) {
            return Err(format!("labrun does not run in it: {}", printed(&runs)));
        }
        let asked =
            self.bash(User::Student, "docker version --format '{{.Server.Version}}'", MAX_PRINTED, ERRAND).await?;
        match asked.end {
            End::Exited(0) => Ok(String::from_utf8_lossy(&asked.stdout).trim().to_owned()),
            _ => Err(format!("its engine does not answer the student: {}", printed(&asked))),
        }
    }

    /// Runs a student's script.
    pub async fn script(&self, script: &str, patience: Duration) -> Result<Output, String> {
        self.bash(User::Student, &format!("set -eu -o pipefail\n{script}"), MAX_PRINTED, patience).await
    }

    /// Looks at labs, with these options of `labrun check`; gives what it prints, a report if all is well.
    pub async fn check(
        &self,
        labs: &[String],
        options: &[String],
        user: User,
        patience: Duration,
    ) -> Result<Output, String> {
        if user == User::Outside {
            let door = self.door.get_or_try_init(|| Door::open(self)).await?;
            let command = door.check(self.kit, labs, options, MAX_REPORT);
            return process::run(&command, &self.kit.env, patience).await.map_err(|broken| broken.why.en);
        }
        let words = ["labrun", "check", &format!("--labs={SHARE}/labs"), "--format=json", "--lang=en"];
        let words = words.map(str::to_owned);
        let line: Vec<String> = words.iter().chain(labs).chain(options).map(|word| quoted(word)).collect();
        self.bash(user, &line.join(" "), MAX_REPORT, patience).await
    }

    pub(super) async fn bash(
        &self,
        user: User,
        script: &str,
        max_bytes: usize,
        patience: Duration,
    ) -> Result<Output, String> {
        let (name, home) = match user {
            User::Student | User::Outside => ("linux-user", "/home/linux-user"),
            User::Root => ("root", "/root"),
        };
        let mut args = vec!["exec".to_owned(), "--user".to_owned(), name.to_owned()];
        args.extend(["--workdir".to_owned(), "/home/linux-user".to_owned()]);
        for (variable, value) in [
            ("HOME", home),
            ("USER", name),
            ("LOGNAME", name),
            ("SHELL", "/bin/bash"),
            ("LANG", "C.UTF-8"),
            ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/games:/usr/local/games"),
        ] {
            args.extend(["--env".to_owned(), format!("{variable}={value}")]);
        }
        args.extend([&self.id, "bash", "-c", script].map(str::to_owned));
        self.docker(&args.iter().map(String::as_str).collect::<Vec<_>>(), max_bytes, patience).await
    }

    pub(super) async fn docker(&self, args: &[&str], max_bytes: usize, patience: Duration) -> Result<Output, String> {
        let argv = ["docker"].iter().chain(args).map(|word| (*word).to_owned()).collect();
        let command = Command { argv, env: Vec::new(), max_bytes };
        let output = process::run(&command, &self.kit.env, patience).await.map_err(|broken| broken.why.en)?;
        match output.end {
            End::NotFound => Err("there is no docker client here".to_owned()),
            _ => Ok(output),
        }
    }

    /// Lets the machine go and waits until it is gone.
    pub async fn close(mut self) {
        drop(self.lifeline.take());
        if timeout(GOING, self.holder.wait()).await.is_err() {
            let _ = self.holder.kill().await;
            let _ = self.docker(&["rm", "--force", "--volumes", &self.id], MAX_PRINTED, ERRAND).await;
        }
    }
}

/// Reads what a holder says to its end, keeping the beginning.
fn heed(mut stderr: tokio::process::ChildStderr) -> JoinHandle<String> {
    tokio::spawn(async move {
        let (mut kept, mut chunk) = (Vec::new(), [0; 4096]);
        while let Ok(n @ 1..) = stderr.read(&mut chunk).await {
            kept.extend_from_slice(&chunk[..n.min(MAX_PRINTED - kept.len())]);
        }
        String::from_utf8_lossy(&kept).into_owned()
    })
}

/// What a program printed, for people.
pub fn printed(output: &Output) -> String {
    let all = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).trim_end().to_owned());
    all.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n")
}

/// A word that the shell takes as it stands.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_stays_one_word_whatever_is_in_it() {
        assert_eq!(quoted("lab1"), "'lab1'");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
    }
}
