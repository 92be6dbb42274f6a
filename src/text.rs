//! Text in the languages of the product: Spanish first, English equal.
//! Everything a person reads in a report is a [`Text`]; the renderer picks the language, nobody before it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A language a report can be read in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Lang {
    /// Spanish, the language of the course and the default.
    #[default]
    Es,
    /// English.
    En,
}

impl Lang {
    /// Picks the language of a POSIX locale name such as `en_GB.UTF-8`; Spanish when it names neither.
    pub fn of_locale(locale: &str) -> Lang {
        match locale.split(['_', '.', '-', '@']).next() {
            Some("en") => Lang::En,
            _ => Lang::Es,
        }
    }

    /// The BCP 47 tag, as HTML's `lang` attribute wants it.
    pub fn tag(self) -> &'static str {
        match self {
            Lang::Es => "es",
            Lang::En => "en",
        }
    }
}

/// One thing said in every language.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// Spanish.
    pub es: String,
    /// English.
    pub en: String,
}

impl Text {
    /// Says `es` in Spanish and `en` in English.
    pub fn new(es: impl Into<String>, en: impl Into<String>) -> Text {
        Text { es: es.into(), en: en.into() }
    }

    /// Something that reads the same in every language: a name, a number, a quotation.
    pub fn same(both: impl Into<String>) -> Text {
        let both = both.into();
        Text { es: both.clone(), en: both }
    }

    /// The words in `lang`.
    pub fn get(&self, lang: Lang) -> &str {
        match lang {
            Lang::Es => &self.es,
            Lang::En => &self.en,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_locale_decides_and_spanish_is_the_default() {
        assert_eq!(Lang::of_locale("en_GB.UTF-8"), Lang::En);
        assert_eq!(Lang::of_locale("es_AR.UTF-8"), Lang::Es);
        assert_eq!(Lang::of_locale("C.UTF-8"), Lang::Es);
        assert_eq!(Lang::of_locale(""), Lang::Es);
    }
}
