//! A program run on the machine, never through a shell, and what it printed. The last resort: what it prints is a
//! tool's text for people, and differs from one version to the next.

use std::collections::BTreeMap;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::evidence::secrets::masked;
use crate::evidence::{Facts, Unobserved};
use crate::probe::{Again, Context, Probe, Sheet, quote};
use crate::vm::{self, End, Output};

/// How much of each of standard output and standard error is kept, in bytes.
const KEPT: usize = 64 << 10;

/// Runs a program.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// The program and its arguments, one by one; no shell reads them.
    pub run: Vec<String>,
    /// Environment variables to add.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

#[async_trait]
impl Probe for Command {
    const NAME: &'static str = "command";
    const FACTS: &'static [(&'static str, &'static str)] = &[
        ("found", "whether there is such a program"),
        ("exit_code", "its exit code, or null when it did not end by itself"),
        ("signal", "the signal that ended it, or null"),
        ("timed_out", "whether it was still running when the patience of the check was over, and was ended"),
        ("stdout", "what it printed, up to 64 KiB, or null when there is no such program"),
        ("stderr", "what it printed as errors, up to 64 KiB, or null when there is no such program"),
        ("truncated", "the names of facts that are cut because there was too much"),
    ];
    const AGAIN: Again = Again::Seldom;

    async fn observe(&self, cx: &Context<'_>) -> Result<Facts, Unobserved> {
        let command = vm::Command {
            argv: self.run.clone(),
            env: self.env.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            max_bytes: KEPT,
        };
        let left = cx.deadline.saturating_duration_since(std::time::Instant::now());
        let output = cx.vm.run(&command, cx.patience.min(left)).await?;
        // Ended by the end of the run, not by its own slowness.
        if output.end == End::TimedOut && left < cx.patience {
            return Err(Unobserved::out_of_time());
        }
        Ok(facts(&output))
    }

    fn command(&self) -> String {
        let env = self.env.iter().map(|(name, value)| format!("{}={}", quote(name), quote(value)));
        env.chain(self.run.iter().map(|word| quote(word))).collect::<Vec<_>>().join(" ")
    }
}

fn facts(output: &Output) -> Facts {
    let mut sheet = Sheet::default();
    let (exit_code, signal) = match output.end {
        End::Exited(code) => (Some(code), None),
        End::Killed(signal) => (None, Some(signal)),
        End::TimedOut | End::NotFound => (None, None),
    };
    sheet.fact("found", output.end != End::NotFound);
    sheet.fact("exit_code", exit_code);
    sheet.fact("signal", signal);
    sheet.fact("timed_out", output.end == End::TimedOut);
    for (name, bytes, cut) in
        [("stdout", &output.stdout, output.stdout_cut), ("stderr", &output.stderr, output.stderr_cut)]
    {
        // A program that never ran printed nothing, which is not the same as having nothing to say.
        sheet.fact(name, (output.end != End::NotFound).then(|| masked(&String::from_utf8_lossy(bytes))));
        if cut || output.end == End::TimedOut {
            sheet.is_cut(name);
        }
    }
    sheet.done()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use serde_json::{Value, json};

    use super::*;
    use crate::probe::testing::look;

    async fn seen(run: &[&str]) -> Facts {
        let start = Instant::now();
        let facts = look("command", json!({"run": run, "env": {"X": "y"}})).await.unwrap();
        assert!(start.elapsed() < Duration::from_secs(5), "the patience of a test is one second");
        facts
    }

    #[tokio::test]
    async fn a_command_ends_prints_and_is_given_a_small_environment() {
        let facts = seen(&["sh", "-c", "echo $X $LANG $PAGER; echo oh >&2; exit 3"]).await;
        assert_eq!((&facts["exit_code"], &facts["signal"]), (&json!(3), &Value::Null));
        assert_eq!((&facts["stdout"], &facts["stderr"]), (&json!("y C.UTF-8 cat\n"), &json!("oh\n")));
        assert_eq!(seen(&["sh", "-c", "kill -9 $$"]).await["signal"], 9);
        assert_eq!(seen(&["sh", "-c", "cat"]).await["exit_code"], 0);
    }

    #[tokio::test]
    async fn what_is_not_there_or_not_to_be_run_is_a_fact() {
        let facts = seen(&["no-such-program"]).await;
        assert_eq!((&facts["found"], &facts["exit_code"]), (&json!(false), &Value::Null));
        assert_eq!((&facts["stdout"], &facts["stderr"]), (&Value::Null, &Value::Null));
        assert_eq!(seen(&[]).await["found"], false);
        let facts = seen(&["/etc/passwd"]).await;
        assert_eq!((&facts["found"], &facts["exit_code"]), (&json!(true), &json!(126)));
    }

    #[tokio::test]
    async fn what_never_ends_is_ended() {
        let facts = seen(&["sleep", "1000"]).await;
        assert_eq!(
            (&facts["timed_out"], &facts["exit_code"], &facts["signal"]),
            (&json!(true), &Value::Null, &Value::Null)
        );
        assert_eq!(facts["truncated"], json!(["stdout", "stderr"]));
        // It ignores what it can, and has a child.
        assert_eq!(seen(&["sh", "-c", "trap '' TERM HUP; sleep 1000 & wait"]).await["timed_out"], true);
    }

    #[tokio::test]
    async fn what_prints_for_ever_is_cut_and_ended() {
        let facts = seen(&["yes"]).await;
        assert_eq!((&facts["timed_out"], &facts["truncated"]), (&json!(true), &json!(["stdout", "stderr"])));
        assert_eq!(facts["stdout"].as_str().unwrap().len(), KEPT);
        // A talkative one still ends by itself.
        let facts = seen(&["sh", "-c", "yes | head -c 500000"]).await;
        assert_eq!((&facts["exit_code"], &facts["truncated"]), (&json!(0), &json!(["stdout"])));
    }

    #[tokio::test]
    async fn what_a_command_leaves_behind_neither_holds_it_up_nor_lives_on() {
        let facts = seen(&["sh", "-c", "sleep 1000 & echo $!"]).await;
        assert_eq!((&facts["exit_code"], &facts["timed_out"]), (&json!(0), &json!(false)));
        let pid = facts["stdout"].as_str().unwrap().trim().to_owned();
        let gone = || {
            std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z ")).then_some(())
        };
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(gone().is_none(), "{pid} is still there");
        // One that fled from the group keeps the pipe, and is not waited for.
        let facts = seen(&["sh", "-c", "setsid sleep 2 & echo x"]).await;
        assert_eq!((&facts["exit_code"], &facts["stdout"]), (&json!(0), &json!("x\n")));
    }

    #[test]
    fn the_command_is_quoted_for_a_shell() {
        let args = json!({"run": ["docker", "ps", "--format", "{{.Names}}"], "env": {"A": "b c"}});
        let probe: Command = serde_json::from_value(args).unwrap();
        assert_eq!(Probe::command(&probe), "A='b c' docker ps --format '{{.Names}}'");
    }
}
