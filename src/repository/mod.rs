//! What a student's repository may ask for before anything in it is run: a policy on its compose file. Pure.

mod images;
mod resolved;
mod written;

use crate::text::Text;

pub use images::images;
pub use resolved::resolved;
pub use written::{other_files, written};

/// The names that compose looks for, those that it prefers first.
pub const USUAL: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];

/// Something that a repository asks for and that no lab needs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refusal {
    /// The file that asks for it, by its path in the repository.
    pub file: String,
    /// The part of the file: `web` for a service, `volumes.data` for something else; empty for the file as a whole.
    pub part: String,
    /// The word there.
    pub key: String,
    /// What is wrong with it, a sentence's end: `gives …`.
    pub why: Why,
}

/// Why something is refused.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// It gives a container power over the machine.
    Power,
    /// It shares something of the machine with a container.
    Shared(String),
    /// It leads out of the repository.
    LeavesRepository(String),
    /// It fetches from elsewhere.
    Fetches(String),
    /// A path that is made of variables cannot be told beforehand.
    Variable(String),
    /// It has compose read other files, which labrun has not.
    OtherFiles,
    /// labrun does not know it.
    Unknown,
    /// There is more of it than a lab needs.
    TooMuch(String),
    /// It cannot be read.
    Unreadable,
}

impl Refusal {
    /// The refusal, in one sentence of each language.
    pub fn text(&self) -> Text {
        let Refusal { file, part, key, why } = self;
        let (es, en) = match why {
            Why::Power => (
                "le da al contenedor poder sobre la máquina, y ningún laboratorio lo necesita".to_owned(),
                "gives the container power over the machine, which no lab needs".to_owned(),
            ),
            Why::Shared(what) => (
                format!(
                    "comparte algo de la máquina misma con el contenedor (`{what}`), y ningún laboratorio lo necesita"
                ),
                format!("shares something of the machine itself with the container (`{what}`), which no lab needs"),
            ),
            Why::LeavesRepository(path) => {
                (format!("lleva afuera del repositorio (`{path}`)"), format!("leads out of the repository (`{path}`)"))
            }
            Why::Fetches(from) => (
                format!("trae algo de otra parte (`{from}`), y donde se levanta no hay red"),
                format!("fetches something from elsewhere (`{from}`), and there is no network where it is brought up"),
            ),
            Why::Variable(path) => (
                format!(
                    "es una ruta hecha con variables (`{path}`), que no se puede conocer de antemano: escribila entera"
                ),
                format!("is a path made of variables (`{path}`), which cannot be known beforehand: write it out"),
            ),
            Why::OtherFiles => (
                "hace que compose lea otros archivos que el archivo de compose del repositorio, y labrun no los leyó"
                    .to_owned(),
                "makes compose read other files than the repository's compose file, which labrun has not read"
                    .to_owned(),
            ),
            Why::Unknown => (
                "no es de lo que usan los laboratorios, y labrun no levanta lo que no conoce".to_owned(),
                "is not among what labs use, and labrun does not bring up what it does not know".to_owned(),
            ),
            Why::TooMuch(most) => (
                format!("es más de lo que necesita un laboratorio (a lo sumo {most})"),
                format!("is more than a lab needs (at most {most})"),
            ),
            Why::Unreadable => ("no se puede leer como YAML".to_owned(), "cannot be read as YAML".to_owned()),
        };
        let place = match part.as_str() {
            "" => format!("`{file}`"),
            part => format!("`{file}`, `{part}`"),
        };
        Text::new(format!("{place}: `{key}` {es}"), format!("{place}: `{key}` {en}"))
    }
}

/// Where a path that is written in `folder` of the repository leads, both below its root (`""`); none if out of it.
pub fn inside(folder: &str, path: &str) -> Option<String> {
    if path.starts_with(['/', '~', '\\']) {
        return None;
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Whether it is an address to fetch something from.
pub fn is_remote(path: &str) -> bool {
    path.contains("://") || path.starts_with("git@") || path.starts_with("github.com/") || path.ends_with(".git")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_inside_only_if_no_part_of_it_leads_out() {
        for (folder, path, leads) in [
            ("", "./web", Some("web")),
            ("a/b", "../c", Some("a/c")),
            ("a", "../..", None),
            ("", "a/../../a", None),
            ("", "/etc", None),
            ("", "~/x", None),
            ("", ".", Some("")),
        ] {
            assert_eq!(inside(folder, path).as_deref(), leads, "{folder} {path}");
        }
    }

    #[test]
    fn a_refusal_names_the_file_the_part_the_key_and_why() {
        let refusal = Refusal {
            file: "docker-compose.yml".to_owned(),
            part: "web".to_owned(),
            key: "privileged".to_owned(),
            why: Why::Power,
        };
        let text = refusal.text();
        assert!(
            text.en.starts_with("`docker-compose.yml`, `web`: `privileged` gives the container power"),
            "{}",
            text.en
        );
        assert!(text.es.starts_with("`docker-compose.yml`, `web`: `privileged` le da"), "{}", text.es);
    }
}
