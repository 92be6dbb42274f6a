//! The authored formats as JSON Schemas, for editors: made of the types that files are decoded into and of the tables
//! of probes and matchers, so that they cannot say anything else.

mod checks;
mod expectations;
mod forms;

use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Value, json};

use crate::class::roster::{self, ROSTER_FORMAT};
use crate::course::{self, COURSE_FORMAT};
use crate::lab::{CHECK_FORMAT, LAB_FORMAT, Lab, LibraryCheck};
use crate::worlds::{self, WORLDS_FORMAT};

/// A format that people write.
pub struct Authored {
    /// The word for it on the command line.
    pub name: &'static str,
    /// What a file of it says after `labrun:`.
    pub format: &'static str,
    make: fn(&Authored) -> Value,
}

/// All of them.
pub const AUTHORED: [Authored; 5] = [
    Authored { name: "lab", format: LAB_FORMAT, make: lab },
    Authored { name: "worlds", format: WORLDS_FORMAT, make: |this| this.plain(worlds::schema) },
    Authored { name: "course", format: COURSE_FORMAT, make: |this| this.plain(course::schema) },
    Authored { name: "roster", format: ROSTER_FORMAT, make: |this| this.titled(roster::schema(generator())) },
    Authored { name: "checks", format: CHECK_FORMAT, make: library_check },
];

impl Authored {
    /// The format called `name`.
    pub fn named(name: &str) -> Option<&'static Authored> {
        const { &AUTHORED }.iter().find(|authored| authored.name == name)
    }

    /// Its schema.
    pub fn schema(&self) -> Value {
        (self.make)(self)
    }

    /// Its schema as a file, keywords in the order in which people read them.
    pub fn text(&self) -> String {
        let schema: Result<Schema, _> = self.schema().try_into();
        let schema = schema.expect("a mapping is a schema");
        serde_json::to_string_pretty(&schema).expect("a schema is plain data") + "\n"
    }

    /// The schema of a file in which a key without a value is a mistake.
    fn plain(&self, schema: fn(SchemaGenerator) -> Schema) -> Value {
        let mut schema = self.titled(schema(generator()));
        forms::without_null(&mut schema);
        schema
    }

    fn titled(&self, schema: Schema) -> Value {
        let mut schema = schema.to_value();
        schema["title"] = json!(self.format);
        schema["properties"]["labrun"] = json!({"description": "the format of this file", "const": self.format});
        forms::tidy(&mut schema);
        schema
    }
}

fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12().into_generator()
}

fn lab(this: &Authored) -> Value {
    let mut generator = generator();
    let parts = checks::parts(&mut generator);
    let mut schema = this.titled(generator.into_root_schema_for::<Lab>());
    forms::without_null(&mut schema);
    checks::of_a_lab(&mut schema["$defs"]["Check"]);
    finish(schema, parts)
}

fn library_check(this: &Authored) -> Value {
    let mut generator = generator();
    let parts = checks::parts(&mut generator);
    let mut schema = this.titled(generator.into_root_schema_for::<LibraryCheck>());
    forms::without_null(&mut schema);
    checks::of_the_library(&mut schema["$defs"]["Check"]);
    finish(schema, parts)
}

/// Adds what is the same in labs and in the library.
fn finish(mut schema: Value, parts: Vec<(String, Value)>) -> Value {
    for (name, part) in parts {
        schema["$defs"][name] = part;
    }
    schema["$defs"]["Points"] = json!({"type": "number", "minimum": 0, "maximum": 10_000});
    for bound in ["Check", "Control", "Advice"] {
        checks::know_the_facts(&mut schema["$defs"][bound]);
    }
    forms::parametrised(&mut schema);
    for (name, part) in checks::unbound() {
        schema["$defs"][name] = part;
    }
    schema
}
