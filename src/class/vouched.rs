//! Who vouches for evidence that a student handed in: the signature beside it, held against the key that the roster
//! names. It says whose key it was, never that the evidence is true, and changes no mark.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::class::roster::Entry;
use crate::class::summary::{Flag, FlagKind};
use crate::signature::{Signed, Wrong, fingerprint};
use crate::text::Text;

/// What the signature of evidence came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Vouched {
    /// Whose it is.
    pub by: By,
    /// The fingerprint of the key that made it, `SHA256:…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// Whose a signature is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// The key's that the roster names for the student.
    Student,
    /// Another key's than that.
    AnotherKey,
    /// A key's, where the roster names none.
    SomeKey,
    /// It is none of this evidence.
    Wrong,
    /// There is none, and the roster names a key.
    Nobody,
}

impl By {
    /// The word in `class.json` and `marks.csv`.
    pub fn word(self) -> &'static str {
        match self {
            By::Student => "student",
            By::AnotherKey => "another_key",
            By::SomeKey => "some_key",
            By::Wrong => "wrong",
            By::Nobody => "nobody",
        }
    }
}

/// Who vouches for what `entry` handed in; none where there is neither a signature nor a key to expect one of.
pub fn vouched(entry: &Entry, signature: Option<&Result<Signed, Wrong>>) -> Option<Vouched> {
    let own = entry.key.as_deref().and_then(fingerprint);
    let by = match (signature, &own) {
        (None, None) => return None,
        (None, Some(_)) => By::Nobody,
        (Some(Err(_)), _) => By::Wrong,
        (Some(Ok(_)), None) => By::SomeKey,
        (Some(Ok(signed)), Some(own)) if signed.fingerprint == *own => By::Student,
        (Some(Ok(_)), Some(_)) => By::AnotherKey,
    };
    let key = signature.and_then(|signature| Some(signature.as_ref().ok()?.fingerprint.clone()));
    Some(Vouched { by, key })
}

impl Vouched {
    /// What a teacher should know of it.
    pub fn flag(&self) -> Option<Flag> {
        let key = self.key.as_deref().unwrap_or_default();
        let why = match self.by {
            By::Student | By::SomeKey => return None,
            By::AnotherKey => Text::new(
                format!("la evidencia está firmada con otra clave que la de la lista: {key}"),
                format!("the evidence is signed with another key than the roster's: {key}"),
            ),
            By::Wrong => Text::new(
                "la firma que acompaña a la evidencia no es de ese archivo",
                "the signature beside the evidence is not one of that file",
            ),
            By::Nobody => Text::new(
                "la evidencia no está firmada, y la lista tiene una clave de quien la entregó",
                "the evidence is not signed, and the roster has a key of whoever handed it in",
            ),
        };
        Some(Flag { kind: FlagKind::Signature, why })
    }
}
