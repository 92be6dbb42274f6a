//! Why a machine cannot be reached over SSH, and what to do about it, in words for people.

use std::fmt::Display;
use std::path::Path;

use russh::keys::PublicKey;
use russh::{ChannelOpenFailure, MethodSet};

use crate::evidence::{Cause, Unobserved};
use crate::text::Text;
use crate::vm::ssh::config::Hop;
use crate::vm::ssh::known::{Opinion, fingerprint};
use crate::vm::ssh::session::NotOpened;

/// How much of somebody else's words is repeated.
const MAX_WORDS: usize = 200;

fn short(words: &dyn Display) -> String {
    words.to_string().chars().take(MAX_WORDS).collect()
}

/// The name has no address.
pub fn no_name(hop: &Hop, error: &dyn Display) -> Unobserved {
    let (host, why) = (&hop.host, short(error));
    Unobserved::new(
        Cause::Path,
        format!("no se encontró la dirección de `{host}` ({why}): ¿está bien escrito el nombre en --vm?"),
        format!("`{host}` has no address ({why}): is the name in --vm spelled right?"),
    )
}

/// Nobody answers there.
pub fn unreachable(hop: &Hop, error: &dyn Display) -> Unobserved {
    let (host, port, why) = (&hop.host, hop.port, short(error));
    Unobserved::new(
        Cause::Path,
        format!(
            "no se llega a {host}:{port} ({why}): ¿está prendida la VM, corre `sshd`, y es ése el puerto que lleva ahí?"
        ),
        format!("{host}:{port} cannot be reached ({why}): is the VM on, does `sshd` run, and is that the port to it?"),
    )
}

/// A machine on the way does not lead on.
pub fn not_through(via: &Hop, hop: &Hop, why: &NotOpened) -> Unobserved {
    let (via, host, port) = (&via.host, &hop.host, hop.port);
    let words = match why {
        NotOpened::Refused(ChannelOpenFailure::AdministrativelyProhibited, _) => {
            return Unobserved::new(
                Cause::Permission,
                format!("{via} no deja pasar hacia {host}:{port}: necesita `AllowTcpForwarding yes` en su sshd_config"),
                format!(
                    "{via} does not let through to {host}:{port}: it needs `AllowTcpForwarding yes` in its sshd_config"
                ),
            );
        }
        NotOpened::Refused(_, words) => short(words),
        NotOpened::Lost => "connection lost".to_owned(),
    };
    Unobserved::new(
        Cause::Path,
        format!("desde {via} no se llega a {host}:{port} ({words})"),
        format!("from {via}, {host}:{port} cannot be reached ({words})"),
    )
}

/// What answers there does not speak SSH, or not to the end.
pub fn no_ssh(hop: &Hop, error: &dyn Display) -> Unobserved {
    let (host, port, why) = (&hop.host, hop.port, short(error));
    Unobserved::new(
        Cause::Path,
        format!(
            "lo que responde en {host}:{port} no habla SSH como se espera ({why}): probá `ssh -v -p {port} {host}`"
        ),
        format!("what answers at {host}:{port} does not speak SSH as expected ({why}): try `ssh -v -p {port} {host}`"),
    )
}

/// A file of known hosts is there and cannot be used.
pub fn known_hosts(why: &str) -> Unobserved {
    Unobserved::new(
        Cause::Permission,
        format!("no se puede usar el archivo de máquinas conocidas: {why}"),
        format!("the file of known hosts cannot be used: {why}"),
    )
}

/// The key is not the one that the machine is known by.
pub fn stranger(hop: &Hop, opinion: &Opinion, shown: Option<&PublicKey>) -> Unobserved {
    let (host, port) = (&hop.host, hop.port);
    let shown = shown.map(|key| format!("{} {}", key.algorithm(), fingerprint(key))).unwrap_or_default();
    match opinion {
        Opinion::Changed(file, line) => {
            let (file, name) = (file.display(), bracketed(hop));
            Unobserved::new(
                Cause::Permission,
                format!(
                    "la clave de {host}:{port} ({shown}) no es la que está en {file}, línea {line}: puede ser otra \
                     máquina. Sólo si la VM se hizo de nuevo: `ssh-keygen -R '{name}' -f {file}`, y conectate otra vez"
                ),
                format!(
                    "the key of {host}:{port} ({shown}) is not the one in {file}, line {line}: it may be another \
                     machine. Only if the VM was made anew: `ssh-keygen -R '{name}' -f {file}`, and connect again"
                ),
            )
        }
        Opinion::Revoked(file) => {
            let file = file.display();
            Unobserved::new(
                Cause::Permission,
                format!("la clave de {host}:{port} ({shown}) está revocada en {file}"),
                format!("the key of {host}:{port} ({shown}) is revoked in {file}"),
            )
        }
        Opinion::New | Opinion::Same => Unobserved::new(
            Cause::Permission,
            format!(
                "nadie conoce todavía la clave de {host}:{port}: {shown}. Si en la VM \
                 `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` dice lo mismo, agregá --accept-new-host-key, o \
                 entrá una vez con `ssh`"
            ),
            format!(
                "the key of {host}:{port} is not known yet: {shown}. If in the VM \
                 `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` says the same, add --accept-new-host-key, or log in \
                 once with `ssh`"
            ),
        ),
    }
}

/// That the key of a machine was noted.
pub fn noted(hop: &Hop, key: &PublicKey, file: &Path) -> Text {
    let (host, port, file) = (&hop.host, hop.port, file.display());
    let shown = format!("{} {}", key.algorithm(), fingerprint(key));
    Text::new(
        format!("la clave de {host}:{port} es {shown}; queda anotada en {file}"),
        format!("the key of {host}:{port} is {shown}; it is noted in {file}"),
    )
}

fn bracketed(hop: &Hop) -> String {
    if hop.port == 22 { hop.known_as.clone() } else { format!("[{}]:{}", hop.known_as, hop.port) }
}

/// A file with a password cannot be used.
pub fn password_file(file: &Path, error: &dyn Display) -> Unobserved {
    let file = file.display();
    Unobserved::new(
        Cause::Permission,
        format!("no se puede leer la contraseña de {file}: {error}"),
        format!("the password cannot be read from {file}: {error}"),
    )
}

/// The machine lets nobody in with what there is.
pub fn not_let_in(hop: &Hop, takes: Option<&MethodSet>, notes: &[Text]) -> Unobserved {
    let (user, host, port) = (&hop.user, &hop.host, hop.port);
    let takes: Vec<String> =
        takes.iter().flat_map(|takes| takes.iter()).map(|method| <&str>::from(method).to_owned()).collect();
    let takes = if takes.is_empty() { "?".to_owned() } else { takes.join(", ") };
    let said = |pick: fn(&Text) -> &str| notes.iter().map(|note| format!("; {}", pick(note))).collect::<String>();
    let (es, en) = (said(|note| note.get(crate::text::Lang::Es)), said(|note| note.get(crate::text::Lang::En)));
    Unobserved::new(
        Cause::Permission,
        format!(
            "{host}:{port} no deja entrar a `{user}` (acepta: {takes}){es}: usá --identity CLAVE, --password-file \
             ARCHIVO, o una terminal donde labrun pueda preguntar"
        ),
        format!(
            "{host}:{port} does not let `{user}` in (it takes: {takes}){en}: use --identity KEY, --password-file FILE, \
             or a terminal at which labrun can ask"
        ),
    )
}

/// The connection was lost.
pub fn lost(host: &str) -> Unobserved {
    Unobserved::new(
        Cause::Path,
        format!("se perdió la conexión SSH con {host}: probá otra vez"),
        format!("the SSH connection to {host} was lost: try again"),
    )
}

/// No command can be run on the machine.
pub fn no_command(host: &str, why: &NotOpened) -> Unobserved {
    let words = match why {
        NotOpened::Lost => return lost(host),
        NotOpened::Refused(reason, words) => format!("{}: {}", reason.description(), short(words)),
    };
    Unobserved::new(
        Cause::Permission,
        format!(
            "{host} no deja correr nada por SSH ({words}): ¿qué dicen `MaxSessions` y `ForceCommand` en su sshd_config?"
        ),
        format!(
            "{host} lets nothing run over SSH ({words}): what do `MaxSessions` and `ForceCommand` in its sshd_config say?"
        ),
    )
}

/// The machine has no shell that labrun's files could be read with.
pub fn no_shell(host: &str, error: &dyn Display) -> Unobserved {
    let why = short(error);
    Unobserved::new(
        Cause::Unsupported,
        format!("en {host} no responde `sh` con `base64`, `head`, `readlink` y `stat` ({why})"),
        format!("on {host} no `sh` answers that has `base64`, `head`, `readlink` and `stat` ({why})"),
    )
}

/// The user may not use the machine's engine.
pub fn engine_denied(host: &str) -> Unobserved {
    Unobserved::new(
        Cause::Permission,
        format!(
            "en {host} tu usuario no puede usar el motor de Docker: agregalo allá al grupo docker con \
             `sudo usermod -aG docker $USER`"
        ),
        format!(
            "on {host} your user may not use the Docker engine: add it to the group docker there, \
             `sudo usermod -aG docker $USER`"
        ),
    )
}

/// No engine's socket is there.
pub fn no_engine(host: &str) -> Unobserved {
    Unobserved::new(
        Cause::Engine,
        format!("en {host} no hay ningún motor de Docker en marcha; arrancalo allá con `sudo systemctl start docker`"),
        format!("on {host} no Docker engine runs; start it there: `sudo systemctl start docker`"),
    )
}

/// The engine's socket is there, and neither forwarding nor a command leads to it.
pub fn engine_not_forwarded(host: &str) -> Unobserved {
    Unobserved::new(
        Cause::Engine,
        format!(
            "el motor de Docker de {host} no responde: o no está en marcha (`sudo systemctl start docker`), o su sshd \
             no deja llegar (`AllowStreamLocalForwarding yes` en /etc/ssh/sshd_config) y no hay cliente `docker` allá"
        ),
        format!(
            "the Docker engine of {host} does not answer: either it does not run (`sudo systemctl start docker`), or \
             its sshd does not lead to it (`AllowStreamLocalForwarding yes` in /etc/ssh/sshd_config) and there is no \
             `docker` client"
        ),
    )
}

/// The server forwards no TCP connection, and no helper can stand in for it.
pub fn nothing_forwarded(host: &str, why: &Unobserved) -> Unobserved {
    let (es, en) = (why.why.get(crate::text::Lang::Es), why.why.get(crate::text::Lang::En));
    Unobserved::new(
        Cause::Permission,
        format!(
            "el sshd de {host} no deja llegar a puertos de la VM: poné `AllowTcpForwarding yes` en \
             /etc/ssh/sshd_config y reinicialo con `sudo systemctl restart ssh` ({es})"
        ),
        format!(
            "the sshd of {host} does not lead to ports of the VM: put `AllowTcpForwarding yes` into \
             /etc/ssh/sshd_config and restart it, `sudo systemctl restart ssh` ({en})"
        ),
    )
}

/// The machine at the address from outside is not the one that was reached.
pub fn another_machine(host: &str, port: u16, reached: &str) -> Unobserved {
    Unobserved::new(
        Cause::Path,
        format!(
            "lo que responde en {host}:{port} no muestra la clave SSH de {reached}: --outside tiene que ser una dirección \
             de esa misma VM"
        ),
        format!(
            "what answers at {host}:{port} does not show the SSH key of {reached}: --outside must be an address of \
             that same VM"
        ),
    )
}
