//! `labrun submit`: a check whose evidence carries the teacher's code, and what is to be done with it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::cli::Check;
use crate::error::Error;
use crate::probe::Stop;
use crate::run::check::check;
use crate::run::signed::beside;
use crate::run::{Environment, say};
use crate::text::{Lang, Text};

/// Where the evidence goes unless `--evidence` says otherwise.
const NAME: &str = "submission.json";

/// Checks, writes the evidence and says what to hand in.
pub async fn submit(mut args: Check, environment: &Environment, stop: &Stop) -> Result<ExitCode, Error> {
    let Some(challenge) = args.challenge.clone() else {
        return Err(Error::Usage("submit needs `--challenge CODE`: the code that your teacher published".to_owned()));
    };
    let evidence = args.evidence.get_or_insert_with(|| PathBuf::from(NAME)).clone();
    let (lang, signed) = (args.report.lang.unwrap_or(environment.lang), args.sign.is_some());
    let code = check(args, environment, stop).await?;
    for line in told(&evidence, signed, &challenge).get(lang).lines() {
        say(line);
    }
    Ok(code)
}

/// What to upload, what is in it and what is not.
fn told(evidence: &Path, signed: bool, challenge: &str) -> Text {
    let file = evidence.display();
    let (and_es, and_en) = match signed {
        true => (format!(" y {}", beside(evidence).display()), format!(" and {}", beside(evidence).display())),
        false => Default::default(),
    };
    let say = |lang: Lang, upload: &str| match lang {
        Lang::Es => format!(
            "labrun: entregá {upload}, sin cambiarle nada\n\
             \x20 contiene: lo que esta corrida vio de la máquina (contenedores, redes, procesos, lo que contestan sus\n\
             \x20   servicios), tus respuestas de labrun.yaml, quién sos si lo dijiste, el código {challenge}, la hora, y una\n\
             \x20   cadena que muestra si algo se cambió\n\
             \x20 no contiene: valores de variables de entorno, el contenido de tus archivos, registros (logs) de contenedores,\n\
             \x20   ni lo que se llame como una clave (docs/evidence.md)"
        ),
        Lang::En => format!(
            "labrun: hand in {upload}, and change nothing in it\n\
             \x20 it contains: what this run saw of the machine (containers, networks, processes, what its services answer),\n\
             \x20   your answers of labrun.yaml, who you are if you said so, the code {challenge}, the time, and a chain that\n\
             \x20   shows whether anything was changed\n\
             \x20 it does not contain: values of environment variables, what your files say, logs of containers, or what is\n\
             \x20   named like a password (docs/evidence.md)"
        ),
    };
    Text::new(say(Lang::Es, &format!("{file}{and_es}")), say(Lang::En, &format!("{file}{and_en}")))
}
