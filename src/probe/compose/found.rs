//! Where compose files lie: what containers say they were made from, else the usual names in the student's home and
//! one folder below it.

use std::time::Instant;

use crate::engine::{ComposeLabels, Listed, Resolution, clean_path};
use crate::evidence::{Cause, Unobserved};
use crate::probe::Context;
use crate::probe::compose::{Compose, Tool};
use crate::vm::{Command, FileError};

/// The names that compose looks for, those that it prefers first.
const USUAL: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];

/// How many folders are looked into, and how many names in each.
const FOLDERS: usize = 200;
const NAMES: usize = 2000;

/// What one `docker compose` command is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Project {
    /// Its folder.
    pub folder: String,
    /// Its files by their paths; compose finds them itself when there is but one, of a usual name.
    files: Vec<String>,
    /// How it was found.
    pub by: &'static str,
    /// Whether compose is to be told the files.
    told: bool,
}

impl Project {
    /// The project in `folder`, whose file has a usual name.
    pub fn named(folder: &str, file: &str) -> Project {
        let file = clean_path(&format!("{folder}/{file}"));
        Project { folder: clean_path(folder), files: vec![file], by: "name", told: false }
    }

    /// The path of its first file.
    pub fn path(&self) -> &str {
        self.files.first().map_or("", String::as_str)
    }

    /// A command of compose's about this project, up to its sub-command. It runs in the project's folder, where
    /// compose finds what belongs to it by itself: an override file, an `.env`.
    pub fn call(&self, tool: &Tool) -> Vec<String> {
        let mut argv: Vec<String> = ["sh", "-c", "cd \"$0\" && exec \"$@\""].map(str::to_owned).to_vec();
        argv.push(self.folder.clone());
        argv.extend(tool.argv.iter().cloned());
        if self.told {
            argv.extend(["--project-directory".to_owned(), self.folder.clone()]);
            argv.extend(self.files.iter().flat_map(|file| ["-f".to_owned(), file.clone()]));
        }
        argv
    }
}

/// The projects that `asked` may mean.
pub async fn projects(cx: &Context<'_>, asked: &Compose) -> Result<Vec<Project>, Unobserved> {
    if let Some(path) = &asked.path {
        return at(cx, path).await;
    }
    let containers = cx.engine.containers().await?;
    let made: Vec<&Listed> = match &asked.container {
        None => containers.iter().collect(),
        Some(name) => match cx.engine.container(name).await? {
            Resolution::One(one) => containers.iter().filter(|listed| listed.id == one.id).collect(),
            Resolution::None | Resolution::Several(_) => Vec::new(),
        },
    };
    // What runs is meant before what an earlier lab left behind.
    for up in [true, false] {
        let mut found = Vec::new();
        for labels in made.iter().filter(|one| one.up == up).filter_map(|one| one.compose.as_ref()) {
            if !found.iter().any(|(known, _)| *known == labels) {
                found.push((labels, made_from(cx, labels).await?));
            }
        }
        let found = found.into_iter().filter_map(|(labels, project)| Some((labels.project.as_str(), project?)));
        let mut found = as_they_are_now(found.collect());
        found.sort();
        found.dedup_by(|a, b| a.files == b.files);
        if !found.is_empty() {
            return Ok(found);
        }
    }
    in_homes(cx).await
}

/// Without those that are an earlier state of another: the same project in the same folder, before it gained a file. What
/// was made before that says so for as long as it is not made anew.
fn as_they_are_now(found: Vec<(&str, Project)>) -> Vec<Project> {
    let is_earlier = |(name, one): &(&str, Project), (other, now): &(&str, Project)| {
        let is_the_same = name == other && one.folder == now.folder;
        is_the_same && one.files.len() < now.files.len() && one.files.iter().all(|file| now.files.contains(file))
    };
    let stays: Vec<bool> = found.iter().map(|one| !found.iter().any(|now| is_earlier(one, now))).collect();
    found.into_iter().zip(stays).filter_map(|((_, project), stays)| stays.then_some(project)).collect()
}

/// What lies at a path that somebody told: a file, or a folder with one.
async fn at(cx: &Context<'_>, path: &str) -> Result<Vec<Project>, Unobserved> {
    let path = match path.strip_prefix("~/") {
        Some(rest) => format!("{}/{rest}", home(cx).await?),
        None if path == "~" => home(cx).await?,
        None => path.to_owned(),
    };
    let path = clean_path(&path);
    if let Some(project) = in_folder(cx, &path).await? {
        return Ok(vec![Project { by: "path", ..project }]);
    }
    let (folder, _) = path.rsplit_once('/').unwrap_or_default();
    let folder = if folder.is_empty() { "/" } else { folder };
    let there = is_file(cx, &path).await?;
    Ok(there
        .then(|| Project { folder: folder.to_owned(), files: vec![path.clone()], by: "path", told: true })
        .into_iter()
        .collect())
}

/// The project that a container says it was made from, if its files are still there. Compose v2 notes absolute
/// paths, v1 those that it was called with.
async fn made_from(cx: &Context<'_>, labels: &ComposeLabels) -> Result<Option<Project>, Unobserved> {
    let folder = clean_path(&labels.working_dir);
    let mut files = Vec::new();
    for written in labels.config_files.split(',').filter(|file| !file.is_empty()).take(FOLDERS) {
        let (_, name) = written.rsplit_once('/').unwrap_or(("", written));
        let by_folder = [clean_path(&format!("{folder}/{written}")), clean_path(&format!("{folder}/{name}"))];
        let places = if written.starts_with('/') { vec![clean_path(written)] } else { by_folder.to_vec() };
        let mut there = None;
        for place in places {
            if is_file(cx, &place).await? {
                there = Some(place);
                break;
            }
        }
        match there {
            Some(file) => files.push(file),
            None => return Ok(None),
        }
    }
    Ok((!files.is_empty()).then_some(Project { folder, files, by: "containers", told: true }))
}

/// Files of the usual names in the student's home, and one folder below. Root looks into everybody's.
async fn in_homes(cx: &Context<'_>) -> Result<Vec<Project>, Unobserved> {
    let home = home(cx).await?;
    let mut folders = vec![home.clone()];
    if home == "/root" {
        folders.extend(children(cx, "/home").await?);
    }
    let mut found = Vec::new();
    for folder in folders {
        found.extend(in_folder(cx, &folder).await?);
        for child in children(cx, &folder).await? {
            found.extend(in_folder(cx, &child).await?);
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// The student's home directory, as a command of theirs is told.
async fn home(cx: &Context<'_>) -> Result<String, Unobserved> {
    let argv = ["printenv", "HOME"].map(str::to_owned).to_vec();
    let left = cx.deadline.saturating_duration_since(Instant::now());
    let said = cx.vm.run(&Command { argv, env: Vec::new(), max_bytes: 4096 }, cx.patience.min(left)).await?;
    Ok(clean_path(String::from_utf8_lossy(&said.stdout).trim()))
}

/// The folders in a folder that are not hidden.
async fn children(cx: &Context<'_>, folder: &str) -> Result<Vec<String>, Unobserved> {
    let mut names = names(cx, folder).await?;
    names.retain(|name| !name.starts_with('.'));
    names.sort();
    Ok(names.into_iter().take(FOLDERS).map(|name| format!("{}/{name}", folder.trim_end_matches('/'))).collect())
}

async fn in_folder(cx: &Context<'_>, folder: &str) -> Result<Option<Project>, Unobserved> {
    let names = names(cx, folder).await?;
    let usual = USUAL.iter().find(|usual| names.iter().any(|name| name == *usual));
    Ok(usual.map(|name| Project::named(folder, name)))
}

/// The names in a folder; none where there is no folder, or none that may be looked into.
async fn names(cx: &Context<'_>, folder: &str) -> Result<Vec<String>, Unobserved> {
    match cx.vm.list_directory(folder, NAMES).await {
        Ok(names) => Ok(names),
        Err(FileError::Broken(why)) => Err(unreadable(folder, &why)),
        Err(FileError::NotFound | FileError::Denied | FileError::WrongKind) => Ok(Vec::new()),
    }
}

async fn is_file(cx: &Context<'_>, path: &str) -> Result<bool, Unobserved> {
    match cx.vm.stat(path).await {
        Ok(stat) => Ok(stat.resolved.is_some()),
        Err(FileError::Broken(why)) => Err(unreadable(path, &why)),
        Err(FileError::NotFound | FileError::WrongKind) => Ok(false),
        // Only a command of the student's can tell, which is what reads it.
        Err(FileError::Denied) => Ok(true),
    }
}

fn unreadable(path: &str, why: &str) -> Unobserved {
    Unobserved::new(
        Cause::Path,
        format!("no se pudo mirar en {path}: {why}"),
        format!("{path} could not be looked at: {why}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_that_gained_a_file_is_one_and_different_files_are_several() {
        let project = |name: &'static str, folder: &str, files: &[&str]| {
            let files = files.iter().map(|file| format!("{folder}/{file}")).collect();
            (name, Project { folder: folder.to_owned(), files, by: "containers", told: true })
        };
        let now = |found: &[(&'static str, Project)]| {
            as_they_are_now(found.to_vec()).into_iter().map(|project| project.files.len()).collect::<Vec<_>>()
        };
        let before = project("lab4", "/a", &["docker-compose.yml"]);
        let both = project("lab4", "/a", &["docker-compose.yml", "docker-compose.override.yml"]);
        assert_eq!(now(&[before.clone(), both.clone()]), [2]);
        assert_eq!(now(&[both.clone(), before.clone()]), [2]);
        let third = project("lab4", "/a", &["docker-compose.yml", "docker-compose.override.yml", "c.yml"]);
        assert_eq!(now(&[before.clone(), both.clone(), third]), [3]);
        for other in [
            project("lab4", "/a", &["b.yml"]),
            project("lab4", "/a", &["docker-compose.yml"]),
            project("other", "/a", &["docker-compose.yml", "docker-compose.override.yml"]),
            project("lab4", "/b", &["docker-compose.yml", "docker-compose.override.yml"]),
        ] {
            assert_eq!(now(&[before.clone(), other]).len(), 2);
        }
        assert_eq!(now(&[both, project("lab4", "/a", &["docker-compose.yml", "b.yml"])]), [2, 2]);
    }
}
