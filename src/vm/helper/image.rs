//! The image that helpers are made of: labrun's own binary and what it is linked with, packed here and given to the
//! engine, so that no registry is asked. Its tag is a digest of that, so it is packed once per version of labrun.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use bollard::Docker;
use bollard::body_try_stream;
use bollard::errors::Error;
use bollard::query_parameters::{CreateImageOptions, ListImagesOptions, RemoveImageOptions};
use bytes::Bytes;
use futures_util::StreamExt;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use crate::vm::helper::container::LABEL;

/// The name of the image, without its tag.
const REPOSITORY: &str = "labrun-helper";

/// Where the binary lies in the image, and where its libraries do.
pub const PROGRAM: &str = "/labrun";
pub const LIBRARIES: &str = "/lib/labrun";

/// How much is packed at most.
const MAX_BYTES: u64 = 512 << 20;

/// What goes into the image: a path here, its path there.
struct Part {
    from: PathBuf,
    to: String,
}

/// What an image is made of, and its full name.
pub struct Image {
    /// `labrun-helper:` and a digest.
    pub name: String,
    parts: Vec<Part>,
}

impl Image {
    /// The image of this very program.
    pub async fn of_this_program() -> io::Result<Image> {
        let work = || {
            let parts = parts()?;
            Ok(Image { name: format!("{REPOSITORY}:{}", digest(&parts)?), parts })
        };
        tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
    }

    /// The image of the static `program`.
    pub async fn of(program: &Path) -> io::Result<Image> {
        let program = program.to_owned();
        let work = move || {
            if let Some(loader) = loader(&mut File::open(&program)?)? {
                return Err(io::Error::other(format!("it needs {loader}")));
            }
            let parts = vec![Part { from: program, to: PROGRAM[1..].to_owned() }];
            Ok(Image { name: format!("{REPOSITORY}:{}", digest(&parts)?), parts })
        };
        tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
    }

    /// Gives the image to the engine, unless it has it.
    pub async fn provide(&self, docker: &Docker) -> Result<(), Error> {
        match docker.inspect_image(&self.name).await {
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => self.load(docker).await,
            known => known.map(drop),
        }
    }

    /// Gives the image to the engine.
    pub async fn load(&self, docker: &Docker) -> Result<(), Error> {
        let (repository, tag) = self.name.split_once(':').unwrap_or((&self.name, "latest"));
        let options = CreateImageOptions {
            from_src: Some("-".to_owned()),
            repo: Some(repository.to_owned()),
            tag: Some(tag.to_owned()),
            changes: vec![format!("LABEL {LABEL}=image")],
            ..Default::default()
        };
        let (to, packed) = mpsc::channel(4);
        let parts: Vec<(PathBuf, String)> =
            self.parts.iter().map(|part| (part.from.clone(), part.to.clone())).collect();
        tokio::task::spawn_blocking(move || {
            let mut pieces = Pieces { to, piece: Vec::new() };
            let packed = pack(&parts, &mut pieces).and_then(|()| pieces.flush());
            if let Err(error) = packed {
                // The engine gives up on an archive that breaks off, and says so.
                let _ = pieces.to.blocking_send(Err(error));
            }
        });
        let body = futures_util::stream::unfold(packed, |mut packed| async { Some((packed.recv().await?, packed)) });
        let mut said = std::pin::pin!(docker.create_image(Some(options), Some(body_try_stream(body)), None));
        while let Some(step) = said.next().await {
            step?;
        }
        Ok(())
    }

    /// Removes the images of other versions that no container uses. That one is left is no harm.
    pub async fn remove_others(&self, docker: &Docker) {
        let filters = [("label".to_owned(), vec![format!("{LABEL}=image")])].into();
        let options = ListImagesOptions { filters: Some(filters), ..Default::default() };
        for image in docker.list_images(Some(options)).await.unwrap_or_default() {
            if !image.repo_tags.contains(&self.name) {
                let _ = docker.remove_image(&image.id, None::<RemoveImageOptions>, None).await;
            }
        }
    }
}

/// What this program is made of: itself, and where it is linked dynamically its loader and libraries.
fn parts() -> io::Result<Vec<Part>> {
    let program = PathBuf::from("/proc/self/exe");
    let mut parts = vec![Part { from: program.clone(), to: PROGRAM[1..].to_owned() }];
    let Some(loader) = loader(&mut File::open(&program)?)? else { return Ok(parts) };
    parts.push(Part { from: PathBuf::from(&loader), to: loader.trim_start_matches('/').to_owned() });
    let itself = std::fs::read_link(&program)?;
    let maps = BufReader::new(File::open("/proc/self/maps")?.take(4 << 20));
    let mut libraries: Vec<PathBuf> = maps.lines().map_while(Result::ok).filter_map(|line| mapped(&line)).collect();
    libraries.sort();
    libraries.dedup();
    for from in libraries {
        let Some(name) = from.file_name().and_then(|name| name.to_str()) else { continue };
        if from != itself && !same_file(&from, Path::new(&loader)) {
            let to = format!("{}/{name}", &LIBRARIES[1..]);
            parts.push(Part { from, to });
        }
    }
    Ok(parts)
}

fn same_file(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// The file that a line of `/proc/PID/maps` runs code from.
fn mapped(line: &str) -> Option<PathBuf> {
    let mut words = line.splitn(6, ' ');
    let runs = words.nth(1)?.contains('x');
    let path = words.nth(3)?.trim_start();
    (runs && path.starts_with('/')).then(|| PathBuf::from(path))
}

/// The program that an ELF file names to load it (`PT_INTERP`); none in a static one.
fn loader(elf: &mut (impl Read + Seek)) -> io::Result<Option<String>> {
    let strange = || io::Error::other("this program's own file is no 64-bit little-endian ELF");
    let mut head = [0; 64];
    elf.read_exact(&mut head)?;
    if head[..6] != *b"\x7fELF\x02\x01" {
        return Err(strange());
    }
    let number = |bytes: &[u8]| bytes.iter().rev().fold(0_u64, |all, byte| all << 8 | u64::from(*byte));
    let (table, size, count) = (number(&head[32..40]), number(&head[54..56]), number(&head[56..58]));
    for n in 0..count.min(100) {
        let mut entry = [0; 56];
        elf.seek(SeekFrom::Start(table + n * size))?;
        elf.read_exact(&mut entry)?;
        if number(&entry[..4]) == 3 {
            let mut path = vec![0; number(&entry[32..40]).min(4096) as usize];
            elf.seek(SeekFrom::Start(number(&entry[8..16])))?;
            elf.read_exact(&mut path)?;
            let path = path.split(|byte| *byte == 0).next().unwrap_or_default();
            return String::from_utf8(path.to_vec()).map(Some).map_err(|_| strange());
        }
    }
    Ok(None)
}

/// The first half of a SHA-256 over names and contents, in hex.
fn digest(parts: &[Part]) -> io::Result<String> {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.to.as_bytes());
        hash.update(b"\0");
        io::copy(&mut File::open(&part.from)?.take(MAX_BYTES), &mut Hashed(&mut hash))?;
    }
    Ok(hash.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect())
}

struct Hashed<'a>(&'a mut Sha256);

impl Write for Hashed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes the archive.
fn pack(parts: &[(PathBuf, String)], to: &mut impl Write) -> io::Result<()> {
    let mut archive = tar::Builder::new(to);
    for (from, name) in parts {
        let file = File::open(from)?;
        let size = file.metadata()?.len();
        if size > MAX_BYTES {
            return Err(io::Error::other("this program's own file is too large to be packed"));
        }
        let mut header = tar::Header::new_gnu();
        header.set_size(size);
        header.set_mode(0o755);
        header.set_mtime(0);
        archive.append_data(&mut header, name, file.take(size))?;
    }
    archive.finish()
}

/// Hands what is written on in pieces.
struct Pieces {
    to: mpsc::Sender<io::Result<Bytes>>,
    piece: Vec<u8>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= 256 << 10 {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let piece = Bytes::from(std::mem::take(&mut self.piece));
        self.to.blocking_send(Ok(piece)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn this_program_is_packed_with_all_it_takes_to_run_it() {
        let parts = parts().unwrap();
        assert_eq!(parts[0].to, "labrun");
        if let Some(loader) = loader(&mut File::open("/proc/self/exe").unwrap()).unwrap() {
            assert!(parts.iter().any(|part| format!("/{}", part.to) == loader));
            assert!(parts.iter().any(|part| part.to.starts_with("lib/labrun/libc.")));
        }
        assert_eq!(digest(&parts).unwrap().len(), 32);
        let (mut archive, small) = (Vec::new(), (PathBuf::from("/proc/self/exe"), "x".to_owned()));
        pack(std::slice::from_ref(&small), &mut archive).unwrap();
        let mut archive = tar::Archive::new(&archive[..]);
        let entry = archive.entries().unwrap().next().unwrap().unwrap();
        assert_eq!((entry.path().unwrap().to_str(), entry.header().mode().unwrap()), (Some("x"), 0o755));
    }

    #[test]
    fn what_is_no_program_of_this_kind_is_refused() {
        for bytes in [vec![], b"#!/bin/sh\n".to_vec(), [b"\x7fELF\x01\x01".to_vec(), vec![0; 90]].concat()] {
            assert!(loader(&mut Cursor::new(bytes)).is_err());
        }
        let mut bare = [b"\x7fELF\x02\x01".to_vec(), vec![0; 90]].concat();
        assert_eq!(loader(&mut Cursor::new(&bare)).unwrap(), None);
        bare[56] = 9;
        bare[54] = 56;
        bare[32] = 64;
        assert!(loader(&mut Cursor::new(&bare[..64])).is_err());
    }

    #[test]
    fn only_files_that_code_runs_from_are_libraries() {
        let line = "7f0-7f1 r-xp 00000000 fe:00 123                        /usr/lib/libc.so.6";
        assert_eq!(mapped(line), Some(PathBuf::from("/usr/lib/libc.so.6")));
        assert_eq!(mapped(&line.replace("r-xp", "r--p")), None);
        assert_eq!(mapped("7ff-800 r-xp 00000000 00:00 0                          [vdso]"), None);
        assert_eq!(mapped(""), None);
    }
}
