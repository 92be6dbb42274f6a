//! A folder packed to be handed to a sandbox: bounded, and no symbolic link in it is followed.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// How much of a repository is taken, in bytes.
const BYTES: u64 = 64 << 20;
/// How many files and folders.
const FILES: usize = 5000;
/// How many levels of folders.
const DEPTH: usize = 24;

/// What no lab needs of a repository, and what is not taken.
const LEFT_OUT: [&str; 1] = [".git"];

/// How many links are followed, in thought, from one to the next.
const LINKS: usize = 40;

/// A packed folder.
#[derive(Debug, Default)]
pub struct Packed {
    /// A tar archive of its files.
    pub archive: Vec<u8>,
    /// The symbolic links that lead out of it, with what they say.
    pub leaving: Vec<(String, String)>,
    /// What is neither a file, a folder nor a link, and was left out.
    pub strange: Vec<String>,
    files: BTreeMap<String, (usize, usize)>,
    links: BTreeMap<String, String>,
}

impl Packed {
    /// The text of a file, by its path in the folder.
    pub fn text(&self, path: &str) -> Option<String> {
        let (start, end) = *self.files.get(path)?;
        Some(String::from_utf8_lossy(&self.archive[start..end]).into_owned())
    }

    /// The same of what whoever opens that path in the folder reads, where links are followed.
    pub fn text_behind(&self, path: &str) -> Option<String> {
        self.text(&leads(&self.links, path)?)
    }
}

/// Why a folder was not packed.
#[derive(Debug, thiserror::Error)]
pub enum NotPacked {
    /// There is more of it than is taken; the first thing that is too much.
    #[error("{0}")]
    TooMuch(&'static str),
    /// It could not be read.
    #[error(transparent)]
    Broken(#[from] io::Error),
}

/// Packs `folder`.
pub async fn pack(folder: &Path) -> Result<Packed, NotPacked> {
    let folder = folder.to_owned();
    let packed = tokio::task::spawn_blocking(move || pack_now(&folder)).await;
    packed.unwrap_or_else(|error| Err(io::Error::other(error).into()))
}

fn pack_now(folder: &Path) -> Result<Packed, NotPacked> {
    let mut packing = Packing {
        archive: tar::Builder::new(Vec::new()),
        packed: Packed::default(),
        links: BTreeMap::new(),
        entries: 0,
    };
    packing.folder(&folder.canonicalize()?, "", 0)?;
    let Packing { archive, mut packed, links, .. } = packing;
    packed.archive = archive.into_inner()?;
    let leaving = links.iter().filter(|(path, _)| leads(&links, path).is_none());
    packed.leaving = leaving.map(|(path, target)| (path.clone(), target.clone())).collect();
    packed.links = links;
    Ok(packed)
}

struct Packing {
    archive: tar::Builder<Vec<u8>>,
    packed: Packed,
    links: BTreeMap<String, String>,
    entries: usize,
}

impl Packing {
    fn folder(&mut self, folder: &Path, below: &str, depth: usize) -> Result<(), NotPacked> {
        if depth > DEPTH {
            return Err(NotPacked::TooMuch("24 levels of folders"));
        }
        let room = FILES.saturating_sub(self.entries) + 1;
        let mut names: Vec<PathBuf> =
            std::fs::read_dir(folder)?.take(room + 1).map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
        names.sort();
        for path in names {
            let Some(name) = path.file_name().map(|name| name.to_string_lossy().into_owned()) else { continue };
            if LEFT_OUT.contains(&name.as_str()) {
                continue;
            }
            self.entries += 1;
            if self.entries > FILES {
                return Err(NotPacked::TooMuch("5000 files"));
            }
            let there = if below.is_empty() { name } else { format!("{below}/{name}") };
            self.entry(&path, &there, depth)?;
        }
        Ok(())
    }

    fn entry(&mut self, path: &Path, there: &str, depth: usize) -> Result<(), NotPacked> {
        let meta = std::fs::symlink_metadata(path)?;
        let mut header = tar::Header::new_gnu();
        header.set_mtime(0);
        header.set_mode(mode(&meta));
        header.set_size(0);
        if meta.is_dir() {
            header.set_entry_type(tar::EntryType::Directory);
            self.archive.append_data(&mut header, there, io::empty())?;
            self.folder(path, there, depth + 1)?;
        } else if meta.is_symlink() {
            let target = std::fs::read_link(path)?;
            header.set_entry_type(tar::EntryType::Symlink);
            self.archive.append_link(&mut header, there, &target)?;
            self.links.insert(there.to_owned(), target.to_string_lossy().into_owned());
        } else if meta.is_file() {
            self.file(path, there, header)?;
        } else {
            self.packed.strange.push(there.to_owned());
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, there: &str, mut header: tar::Header) -> Result<(), NotPacked> {
        let file = opened(path)?;
        let size = file.metadata()?.len();
        if self.archive.get_ref().len() as u64 + size > BYTES {
            return Err(NotPacked::TooMuch("64 MiB"));
        }
        let mut bytes = Vec::new();
        file.take(BYTES).read_to_end(&mut bytes)?;
        if self.archive.get_ref().len() as u64 + bytes.len() as u64 > BYTES {
            return Err(NotPacked::TooMuch("64 MiB"));
        }
        header.set_size(bytes.len() as u64);
        self.archive.append_data(&mut header, there, bytes.as_slice())?;
        let start = self.archive.get_ref().len() - bytes.len().div_ceil(512) * 512;
        self.packed.files.insert(there.to_owned(), (start, start + bytes.len()));
        Ok(())
    }
}

/// Opens a file that may be something else by now: no link is followed, and no pipe is waited for.
#[cfg(unix)]
fn opened(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;

    use rustix::fs::OFlags;
    let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY;
    std::fs::OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)
}

/// Where that cannot be promised, nothing is opened.
#[cfg(not(unix))]
fn opened(_: &Path) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Who may do what with a file.
#[cfg(unix)]
fn mode(about: &Metadata) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(&about.permissions()) & 0o777
}

/// What a file is given where it has no modes.
#[cfg(not(unix))]
fn mode(about: &Metadata) -> u32 {
    if about.is_dir() { 0o755 } else { 0o644 }
}

/// Where `path` leads in the folder that `links` are all the links of; none if out of it. A ring leads to itself.
fn leads(links: &BTreeMap<String, String>, path: &str) -> Option<String> {
    let parts = |path: &str| -> Vec<String> {
        path.split('/').rev().filter(|part| !part.is_empty() && *part != ".").map(str::to_owned).collect()
    };
    let (mut at, mut ahead) = (Vec::new(), parts(path));
    let mut followed = 0;
    while let Some(part) = ahead.pop() {
        if part == ".." {
            at.pop()?;
            continue;
        }
        at.push(part);
        if let Some(target) = links.get(&at.join("/")) {
            at.pop();
            followed += 1;
            if followed > LINKS {
                return Some(path.to_owned());
            }
            if target.starts_with('/') {
                return None;
            }
            ahead.extend(parts(target));
        }
    }
    Some(at.join("/"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_link_leads_out_if_any_part_of_its_way_does() {
        let links: BTreeMap<String, String> = [
            ("a", "b/c"),
            ("up", "../x"),
            ("abs", "/etc/passwd"),
            ("here", "."),
            ("sly", "here/here/../.."),
            ("d/in", "../e"),
            ("ring", "ring"),
            ("by", "up/y"),
            ("d/deep", "../../x"),
        ]
        .map(|(path, target)| (path.to_owned(), target.to_owned()))
        .into();
        let out: Vec<&str> = links.keys().map(String::as_str).filter(|path| leads(&links, path).is_none()).collect();
        assert_eq!(out, ["abs", "by", "d/deep", "sly", "up"]);
        for (path, to) in [("a", "b/c"), ("here/a", "b/c"), ("d/in/./x", "e/x"), ("ring", "ring"), ("d/../b", "b")] {
            assert_eq!(leads(&links, path).as_deref(), Some(to));
        }
    }

    #[test]
    fn a_folder_is_packed_without_following_anything_out_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(path(".git/objects")).unwrap();
        std::fs::create_dir_all(path("web")).unwrap();
        std::fs::write(path("web/a.txt"), "hello").unwrap();
        std::fs::write(path("compose.yaml"), "x".repeat(513)).unwrap();
        symlink("/etc/hostname", path("web/out")).unwrap();
        symlink("a.txt", path("web/in")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, path("pipe"), rustix::fs::FileType::Fifo, 0o644.into(), 0).unwrap();
        let packed = pack_now(folder.path()).unwrap();
        assert_eq!(packed.text("web/a.txt").as_deref(), Some("hello"));
        assert_eq!(packed.text("compose.yaml"), Some("x".repeat(513)));
        assert_eq!(packed.text("web/out"), None);
        assert_eq!(packed.text("web/in"), None);
        assert_eq!(packed.text_behind("web/in").as_deref(), Some("hello"));
        assert_eq!(packed.text_behind("web/a.txt").as_deref(), Some("hello"));
        assert_eq!(packed.text_behind("web/out"), None);
        assert_eq!(packed.leaving, [("web/out".to_owned(), "/etc/hostname".to_owned())]);
        assert_eq!(packed.strange, ["pipe"]);
        let mut archive = tar::Archive::new(&packed.archive[..]);
        let names: Vec<String> =
            archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect();
        assert_eq!(names, ["compose.yaml", "web", "web/a.txt", "web/in", "web/out"]);
    }

    #[test]
    fn a_folder_is_packed_within_bounds() {
        let folder = tempfile::tempdir().unwrap();
        let sparse = File::create(folder.path().join("huge")).unwrap();
        sparse.set_len(1 << 40).unwrap();
        assert!(matches!(pack_now(folder.path()), Err(NotPacked::TooMuch("64 MiB"))));
        std::fs::remove_file(folder.path().join("huge")).unwrap();
        let deep = folder.path().join("d/".repeat(30));
        std::fs::create_dir_all(deep).unwrap();
        assert!(matches!(pack_now(folder.path()), Err(NotPacked::TooMuch("24 levels of folders"))));
        std::fs::remove_dir_all(folder.path().join("d")).unwrap();
        for n in 0..=FILES {
            std::fs::write(folder.path().join(n.to_string()), "").unwrap();
        }
        assert!(matches!(pack_now(folder.path()), Err(NotPacked::TooMuch("5000 files"))));
        assert!(matches!(pack_now(&folder.path().join("nowhere")), Err(NotPacked::Broken(_))));
    }
}
