//! What lies in a container, as the engine sees it from outside. Engines exist that cannot copy out of a container of
//! which a volume is mounted below a symbolic link, as under `/var/www/html` of Drupal's image (moby issues 52653 and
//! 53258: from 29.5 on, and 28 as Debian has it); there a shell in the container is asked instead.

use std::sync::Arc;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::exec::{CreateExecOptions, StartExecResults};
use bollard::query_parameters::{ContainerArchiveInfoOptions, DownloadFromContainerOptions};
use futures_util::StreamExt;

use crate::engine::{Engine, PathStat, broken, clean_path, in_short};
use crate::evidence::{Cause, Unobserved};

/// By what a shell of labrun's is known among the engine's events.
pub const MARK: &str = "labrun-look";

/// Says of a path its mode in hexadecimal and its size, then where it leads; `none` where nothing is there.
const STAT: &str = r#"
[ -e "$1" ] || [ -L "$1" ] || { echo none; exit; }
stat -c '%f %s' -- "$1" && { readlink -f -- "$1" || readlink -- "$1"; }"#;

/// Packs a path, the first bytes of it.
const PACK: &str = r#"cd -- "$(dirname -- "$1")" && tar -c -f - -- "$(basename -- "$1")" 2>/dev/null | head -c "$2""#;

/// How much is read of what `STAT` says.
const SAID: usize = 16 << 10;

impl Engine<'_> {
    /// What is at `path` in the container `id`, which need not run; none where nothing is.
    pub async fn stat(&self, id: &str, path: &str) -> Result<Option<Arc<PathStat>>, Unobserved> {
        let key = (id.to_owned(), path.to_owned());
        let cell = self.stats.lock().await.entry(key).or_default().clone();
        let stat = || async {
            let docker = self.docker().await?;
            let options = ContainerArchiveInfoOptions { path: path.to_owned() };
            match self.bounded(docker.get_container_archive_info(id, Some(options))).await? {
                Ok(stat) => Ok(Some(Arc::new(stat))),
                Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
                Err(error) => {
                    let said = self.ask_inside(id, &error, &[STAT, MARK, path], SAID).await?;
                    read(&said, path).map(|stat| stat.map(Arc::new)).ok_or_else(no_sense)
                }
            }
        };
        cell.get_or_init(stat).await.clone()
    }

    /// The first bytes, `max` and some, of the archive of a path in the container `id`; nobody packs the rest.
    pub async fn archive(&self, id: &str, path: &str, max: usize) -> Result<Vec<u8>, Unobserved> {
        let docker = self.docker().await?;
        let options = DownloadFromContainerOptions { path: path.to_owned() };
        let read = async {
            let mut stream = std::pin::pin!(docker.download_from_container(id, Some(options)));
            let mut bytes = Vec::new();
            while bytes.len() < max
                && let Some(some) = stream.next().await
            {
                bytes.extend_from_slice(&some?);
            }
            Ok::<_, Error>(bytes)
        };
        match self.bounded(read).await? {
            Ok(bytes) => Ok(bytes),
            Err(error) => self.ask_inside(id, &error, &[PACK, MARK, path, &max.to_string()], max).await,
        }
    }

    /// What a shell in the container prints, where `why` the engine cannot look from outside is its own fault.
    async fn ask_inside(&self, id: &str, why: &Error, script: &[&str], max: usize) -> Result<Vec<u8>, Unobserved> {
        if !matches!(why, Error::DockerResponseServerError { status_code: 500, .. }) {
            return Err(broken(why));
        }
        let docker = self.docker().await?;
        let printed = self.bounded(printed_inside(docker, id, script, max)).await?;
        printed.ok().flatten().ok_or_else(|| uncopied(why))
    }
}

/// What `sh -c script` prints in the container `id`; none where that went wrong, or is more than `max` bytes.
async fn printed_inside(docker: &Docker, id: &str, script: &[&str], max: usize) -> Result<Option<Vec<u8>>, Error> {
    let cmd = ["sh", "-c"].iter().chain(script).map(|word| (*word).to_owned()).collect();
    let options = CreateExecOptions {
        cmd: Some(cmd),
        user: Some("0".to_owned()),
        env: Some(vec!["LC_ALL=C".to_owned()]),
        attach_stdout: Some(true),
        ..Default::default()
    };
    let made = docker.create_exec(id, options).await?;
    let StartExecResults::Attached { mut output, .. } = docker.start_exec(&made.id, None).await? else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    while let Some(some) = output.next().await {
        if let LogOutput::StdOut { message } | LogOutput::Console { message } = some? {
            bytes.extend_from_slice(&message);
        }
        if bytes.len() > max {
            return Ok(None);
        }
    }
    let code = docker.inspect_exec(&made.id).await?.exit_code;
    Ok(code.is_none_or(|code| code == 0).then_some(bytes))
}

/// What `STAT` said of `path`; none where that makes no sense.
fn read(said: &[u8], path: &str) -> Option<Option<PathStat>> {
    if said == b"none\n" {
        return Some(None);
    }
    let said = std::str::from_utf8(said).ok()?;
    let (stat, leads) = said.strip_suffix('\n')?.split_once('\n')?;
    let (mode, size) = stat.split_once(' ')?;
    let mode = u32::from_str_radix(mode, 16).ok()?;
    let is_link = mode & 0o170_000 == 0o120_000;
    let from = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let leads = if leads.starts_with('/') { leads.to_owned() } else { format!("{from}/{leads}") };
    Some(Some(PathStat {
        name: path.rsplit('/').next().unwrap_or_default().to_owned(),
        size: size.parse().ok()?,
        file_mode: in_go(mode),
        modification_time: None,
        link_target: if is_link { clean_path(&leads) } else { String::new() },
    }))
}

/// A mode of Linux in the bits of the Go language, as the engine writes it (its package `io/fs`).
fn in_go(mode: u32) -> u32 {
    let kind = match mode & 0o170_000 {
        0o040_000 => 1 << 31,
        0o120_000 => 1 << 27,
        0o060_000 => 1 << 26,
        0o010_000 => 1 << 25,
        0o140_000 => 1 << 24,
        0o020_000 => (1 << 26) | (1 << 21),
        _ => 0,
    };
    let special = [(0o4000, 1 << 23), (0o2000, 1 << 22), (0o1000, 1 << 20)];
    let special = special.iter().filter(|(bit, _)| mode & bit != 0).map(|(_, go)| go);
    special.fold(kind | (mode & 0o777), |all, go| all | go)
}

fn uncopied(why: &Error) -> Unobserved {
    let why = in_short(why);
    Unobserved::new(
        Cause::Engine,
        format!(
            "el motor de Docker no puede ver los archivos de este contenedor (`docker cp` tampoco, en las versiones que \
             tienen ese error), y en él no hay un shell al que preguntarle; probá con otra versión de Docker: {why}"
        ),
        format!(
            "the Docker engine cannot see the files of this container (nor can `docker cp`, in the versions that have \
             this mistake), and there is no shell in it to ask; try another version of Docker: {why}"
        ),
    )
}

fn no_sense() -> Unobserved {
    Unobserved::new(
        Cause::Malformed,
        "no se entiende lo que el shell del contenedor dice de la ruta",
        "what the container's shell says of the path makes no sense",
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stat(said: &str, path: &str) -> Option<Option<(u32, i64, String)>> {
        read(said.as_bytes(), path).map(|stat| stat.map(|stat| (stat.file_mode, stat.size, stat.link_target)))
    }

    #[test]
    fn what_the_shell_says_is_what_the_engine_would() {
        // What engine 26.1 says of the same paths of Drupal's image, whose `/var/www/html` is a link.
        let (link, folder) = ((1 << 27) | 0o777, (1 << 31) | 0o755);
        assert_eq!(
            stat("a1ff 15\n/opt/drupal/web\n", "/var/www/html"),
            Some(Some((link, 15, "/opt/drupal/web".into())))
        );
        assert_eq!(stat("41ed 4096\n/opt\n", "/opt"), Some(Some((folder, 4096, String::new()))));
        assert_eq!(stat("43ff 4096\n/tmp\n", "/tmp"), Some(Some(((1 << 31) | (1 << 20) | 0o777, 4096, String::new()))));
        assert_eq!(stat("89ed 9\n/usr/bin/su\n", "/usr/bin/su"), Some(Some(((1 << 23) | 0o755, 9, String::new()))));
        assert_eq!(stat("a1ff 9\n../nowhere\n", "/a/b/c"), Some(Some((link, 9, "/a/nowhere".into()))));
        assert_eq!(stat("none\n", "/x"), Some(None));
    }

    #[test]
    fn what_makes_no_sense_says_nothing() {
        for said in ["", "\n", "none", "a1ff\n/x\n", "zz 4\n/x\n", "a1ff 4\n", "a1ff four\n/x\n", "a1ff 4\n/x"] {
            assert_eq!(stat(said, "/x"), None, "{said:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_is_said_makes_it_fail(said in any::<Vec<u8>>(), path in "(/[a-z.]{0,3}){0,4}") {
            let _ = read(&said, &path);
        }
    }
}
