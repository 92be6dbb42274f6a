//! `labrun demo`: what was once seen on a real student's machine, judged here and now. It needs no machine, no engine and
//! no lab done; it looks at nothing and says so.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::cli::Demo;
use crate::error::Error;
use crate::judge::judge;
use crate::library::Library;
use crate::render::{FORMATS, Format, Options};
use crate::run::judged::{parse_evidence, plans_for};
use crate::run::{Environment, look, say, write_file, write_stdout};
use crate::text::Text;

/// What labrun recorded on a disposable student VM on which lab1 and lab2 were done with typical mistakes. Tests judge
/// the same file.
const RECORDED: &str = include_str!("../../tests/cases/replay/real-mistakes/evidence.json");
/// Where the page goes unless somebody says otherwise.
const PAGE: &str = "demo.html";

/// Judges what was recorded, and writes the report on screen and as a page.
pub fn demo(args: Demo, environment: &Environment) -> Result<ExitCode, Error> {
    let to_screen = look(environment);
    let options = Options {
        lang: args.lang.unwrap_or(environment.lang),
        color: to_screen.color,
        links: to_screen.links,
        width: to_screen.width,
        ..Options::default()
    };
    let (mut evidence, _) = parse_evidence("the recorded demo", RECORDED)?;
    // Whatever `./labs` holds: this was recorded for the labs of the binary, and is judged by them as they are now.
    let library = Library::built_in();
    let lab = |id: &String| Ok((id.clone(), library.lab(id)?.clone()));
    let given = evidence.labs.iter().map(|subject| lab(&subject.lab)).collect::<Result<Vec<_>, Error>>()?;
    let plans = plans_for(&evidence, Path::new(PAGE), &library, &given)?;
    evidence.remarks.insert(
        0,
        Text::new(
            "demostración: nadie miró esta máquina; esto se grabó en la VM de un estudiante que hizo lab1 y lab2 con errores \
             típicos",
            "a demonstration: nobody looked at this machine; this was recorded on the VM of a student who did lab1 and lab2 \
             with typical mistakes",
        ),
    );
    let report = judge(&plans, &evidence);
    write_stdout(&(FORMATS[0].render)(&report, &options))?;
    let page = args.output.unwrap_or_else(|| PathBuf::from(PAGE));
    let ending = page.extension().and_then(|ending| ending.to_str());
    let format = ending.and_then(Format::of_extension).unwrap_or(&FORMATS[0]);
    write_file(&page, &(format.render)(&report, &Options { color: false, links: false, ..options }))?;
    let shown = page.display();
    let told = Text::new(
        format!(
            "labrun: el mismo informe, como página: {shown}. Ahora un laboratorio: `labrun doctor`, `labrun show lab1`"
        ),
        format!("labrun: the same report as a page: {shown}. Now a lab: `labrun doctor`, `labrun show lab1`"),
    );
    say(told.get(options.lang));
    Ok(ExitCode::SUCCESS)
}
