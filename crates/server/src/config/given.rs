//! First stage: what was typed, in the file and in the environment, each value with its origin.
//!
//! Knows which keys exist, not what they mean: values are checked in the second stage.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{Origin, Problem};
use super::keys;

/// Start of the names of the environment variables that are ours.
const PREFIX: &str = "TALLY_";

/// A value as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Typed {
    /// A TOML string.
    Text(String),
    /// A TOML integer.
    Number(i64),
    /// A TOML list of strings.
    List(Vec<String>),
    /// The text of an environment variable: a string or a number, whichever the key takes.
    Bare(String),
    /// Anything else TOML knows, as its type's name.
    Other(&'static str),
}

/// Every key that was given, by its full name. A later source replaces an earlier one.
#[derive(Debug, Default)]
pub(super) struct Given {
    values: BTreeMap<&'static str, (Typed, Origin)>,
    pub(super) problems: Vec<Problem>,
}

impl Given {
    /// What was given for a key of [`keys::KEYS`].
    pub(super) fn find(&self, key: &str) -> Option<&(Typed, Origin)> {
        self.values.get(key)
    }

    /// Takes in a TOML file's text; `path` only names it in messages.
    pub(super) fn read_file(&mut self, path: &str, text: &str) {
        match DeTable::parse(text) {
            Ok(table) => self.read_table("", table.get_ref(), &File { path, text }),
            Err(error) => {
                let offset = error.span().map_or(0, |span| span.start);
                let line = line_of(text, offset);
                let reason = error.message().lines().collect::<Vec<_>>().join(", ");
                self.problems.push(Problem::Syntax { path: path.into(), line, reason });
            }
        }
    }

    fn read_table(&mut self, section: &str, table: &DeTable<'_>, file: &File<'_>) {
        for (name, value) in table {
            let full = match section {
                "" => name.get_ref().to_string(),
                _ => format!("{section}.{}", name.get_ref()),
            };
            let line = line_of(file.text, name.span().start);
            let origin = Origin::File { path: file.path.into(), line };
            match (value.get_ref(), keys::find(&full)) {
                (DeValue::Table(inner), None) if keys::is_section(&full) => {
                    self.read_table(&full, inner, file);
                }
                (_, Some(key)) => {
                    self.values.insert(key.name, (typed(value), origin));
                }
                (DeValue::Table(_), None) => self.unknown("section", full, origin),
                (_, None) => self.unknown("key", full, origin),
            }
        }
    }

    fn unknown(&mut self, what: &'static str, name: String, origin: Origin) {
        let nearest = match what {
            "section" => nearest_section(&name),
            _ => keys::nearest(&name),
        };
        let nearest = nearest.map(String::from);
        self.problems.push(Problem::Unknown { what, name, origin, nearest });
    }

    /// Takes in the environment: `TALLY_<SECTION>__<KEY>`.
    ///
    /// Variables without a double underscore are left alone (container platforms set such ones
    /// for every service), except those that are a key with its underscores mistyped.
    pub(super) fn read_environment(&mut self, variables: impl Iterator<Item = (String, String)>) {
        let mut ours: Vec<_> = variables.filter(|(name, _)| name.starts_with(PREFIX)).collect();
        ours.sort();
        for (variable, value) in ours {
            let origin = Origin::Environment(variable.clone());
            let name = variable[PREFIX.len()..].to_lowercase().replace("__", ".");
            match keys::find(&name) {
                Some(key) => {
                    self.values.insert(key.name, (Typed::Bare(value), origin));
                }
                None => {
                    let mistyped = keys::KEYS
                        .iter()
                        .find(|key| key.name.replace('.', "_") == name.replace('.', "_"))
                        .or_else(|| {
                            let near = name.contains('.').then(|| keys::nearest(&name))??;
                            keys::find(near)
                        });
                    if mistyped.is_some() || name.contains('.') {
                        let nearest = mistyped.map(keys::Key::variable);
                        let what = "key";
                        self.problems.push(Problem::Unknown { what, name, origin, nearest });
                    }
                }
            }
        }
    }
}

/// The file being read, for messages.
struct File<'a> {
    path: &'a str,
    text: &'a str,
}

pub(super) fn typed(value: &Spanned<DeValue<'_>>) -> Typed {
    match value.get_ref() {
        DeValue::String(text) => Typed::Text(text.to_string()),
        DeValue::Integer(digits) => match i64::from_str_radix(digits.as_str(), digits.radix()) {
            Ok(number) => Typed::Number(number),
            Err(_) => Typed::Other("number that is too large"),
        },
        DeValue::Float(_) => Typed::Other("number with a fraction"),
        DeValue::Boolean(_) => Typed::Other("boolean"),
        DeValue::Datetime(_) => Typed::Other("date"),
        DeValue::Array(items) => {
            let texts = items.iter().map(|item| item.get_ref().as_str().map(str::to_owned));
            texts.collect::<Option<_>>().map_or(Typed::Other("list"), Typed::List)
        }
        DeValue::Table(_) => Typed::Other("table"),
    }
}

fn nearest_section(name: &str) -> Option<&'static str> {
    keys::sections()
        .into_iter()
        .map(|section| (strsim::jaro_winkler(name, section), section))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(likeness, _)| *likeness >= keys::LIKENESS_MIN)
        .map(|(_, section)| section)
}

fn line_of(text: &str, offset: usize) -> usize {
    let before = &text.as_bytes()[..offset.min(text.len())];
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}
