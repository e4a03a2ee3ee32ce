//! Second stage, value by value: a typed value becomes the kind its key takes, or a problem.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use toml::de::DeTable;
use tracing_subscriber::EnvFilter;

use super::error::{Origin, Problem};
use super::given::{Given, Typed};
use super::keys::{self, Key, Kind};
use super::webrtc::Secret;

/// What stands for a secret in anything that is shown.
const HIDDEN: &str = "\"(hidden)\"";

/// One key as the server runs with it, for showing to people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The key.
    pub key: &'static str,
    /// Its value as TOML; secrets are left out.
    pub shown: String,
    /// Who set it.
    pub origin: Origin,
}

/// Reads values by key, noting problems and what was resolved.
///
/// The readers give back the default when a value is bad: the problem is noted, and one run
/// through all keys finds all problems.
pub(super) struct Values {
    given: Given,
    pub(super) problems: Vec<Problem>,
    pub(super) resolved: Vec<Resolved>,
}

impl Values {
    pub(super) fn new(mut given: Given) -> Self {
        let problems = std::mem::take(&mut given.problems);
        Self { given, problems, resolved: Vec::new() }
    }

    pub(super) fn number(&mut self, name: &'static str) -> u64 {
        let key = key(name);
        let Kind::Number { min, max, .. } = key.kind else { unreachable!("{name}: not a number") };
        self.read(key, |typed| {
            let number = match typed {
                Typed::Number(number) => u64::try_from(*number).ok(),
                Typed::Bare(text) => text.trim().parse().ok(),
                Typed::Text(_) | Typed::List(_) | Typed::Other(_) => None,
            };
            number.filter(|number| (min..=max).contains(number))
        })
    }

    /// A number whose key's limits fit the type; a test runs every key's extremes through here.
    pub(super) fn number_u32(&mut self, name: &'static str) -> u32 {
        u32::try_from(self.number(name)).expect("the key's maximum fits 32 bits")
    }

    /// The same for sizes and counts.
    pub(super) fn size(&mut self, name: &'static str) -> usize {
        usize::try_from(self.number(name)).expect("the key's maximum fits the address space")
    }

    pub(super) fn seconds(&mut self, name: &'static str) -> Duration {
        Duration::from_secs(self.number(name))
    }

    pub(super) fn choice(&mut self, name: &'static str) -> &'static str {
        let key = key(name);
        let Kind::Choice(words) = key.kind else { unreachable!("{name}: not a choice") };
        self.read(key, |typed| {
            let text = text_of(typed)?;
            words.iter().copied().find(|word| *word == text)
        })
    }

    pub(super) fn address(&mut self, name: &'static str) -> SocketAddr {
        self.read(key(name), |typed| text_of(typed)?.parse().ok())
    }

    pub(super) fn address_or_off(&mut self, name: &'static str) -> Option<SocketAddr> {
        self.read(key(name), |typed| match text_of(typed)? {
            "" => Some(None),
            text => text.parse().ok().map(Some),
        })
    }

    pub(super) fn path(&mut self, name: &'static str) -> PathBuf {
        self.read(key(name), |typed| {
            text_of(typed).filter(|text| !text.is_empty()).map(PathBuf::from)
        })
    }

    pub(super) fn path_or_none(&mut self, name: &'static str) -> Option<PathBuf> {
        self.read(key(name), |typed| {
            text_of(typed).map(|text| (!text.is_empty()).then(|| PathBuf::from(text)))
        })
    }

    pub(super) fn web_address(&mut self, name: &'static str) -> Option<String> {
        self.read(key(name), |typed| match text_of(typed)? {
            "" => Some(None),
            text => web_address(text).map(Some),
        })
    }

    pub(super) fn database(&mut self, name: &'static str) -> Option<String> {
        self.read(key(name), |typed| match text_of(typed)? {
            "" => Some(None),
            text => {
                let file = text.strip_prefix("sqlite:").filter(|file| !file.is_empty());
                file.map(|_| Some(text.to_owned()))
            }
        })
    }

    pub(super) fn log_filter(&mut self, name: &'static str) -> String {
        self.read(key(name), |typed| {
            let text = text_of(typed).filter(|text| !text.trim().is_empty())?;
            EnvFilter::try_new(text).ok().map(|_| text.to_owned())
        })
    }

    /// A list, or text with commas, of what `parse` understands.
    pub(super) fn list<T>(
        &mut self,
        name: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Vec<T> {
        self.read(key(name), |typed| items_of(typed)?.into_iter().map(&parse).collect())
    }

    pub(super) fn secret_or_none(&mut self, name: &'static str) -> Option<Secret> {
        self.read(key(name), |typed| {
            text_of(typed).map(|text| (!text.is_empty()).then(|| Secret(text.to_owned())))
        })
    }

    fn read<T>(&mut self, key: &'static Key, parse: impl Fn(&Typed) -> Option<T>) -> T {
        let fallback = default_of(key);
        let given = self.given.find(key.name).cloned();
        let (typed, origin) = given.unwrap_or((fallback.clone(), Origin::Default));
        if let Some(value) = parse(&typed) {
            let shown =
                if origin == Origin::Default { key.default.into() } else { show(key, &typed) };
            self.resolved.push(Resolved { key: key.name, shown, origin });
            return value;
        }
        self.problems.push(bad_value(key, &typed, origin));
        parse(&fallback).expect("the defaults of KEYS are valid; a test holds it")
    }
}

fn key(name: &str) -> &'static Key {
    keys::find(name).expect("every key that is read stands in KEYS; a test reads them all")
}

fn text_of(typed: &Typed) -> Option<&str> {
    match typed {
        Typed::Text(text) | Typed::Bare(text) => Some(text),
        Typed::Number(_) | Typed::List(_) | Typed::Other(_) => None,
    }
}

/// The items of a list, or of text with commas.
fn items_of(typed: &Typed) -> Option<Vec<&str>> {
    match typed {
        Typed::List(items) => Some(items.iter().map(|item| item.trim()).collect()),
        Typed::Text(text) | Typed::Bare(text) if text.trim().is_empty() => Some(Vec::new()),
        Typed::Text(text) | Typed::Bare(text) => Some(text.split(',').map(str::trim).collect()),
        Typed::Number(_) | Typed::Other(_) => None,
    }
}

fn default_of(key: &Key) -> Typed {
    let line = format!("default = {}", key.default);
    let table = DeTable::parse(&line).expect("the defaults of KEYS are TOML; a test holds it");
    let value = table.get_ref().get("default").expect("the line has this one key");
    super::given::typed(value)
}

fn web_address(text: &str) -> Option<String> {
    let text = text.strip_suffix('/').unwrap_or(text);
    let uri: ::http::Uri = text.parse().ok()?;
    let known = matches!(uri.scheme_str(), Some("http" | "https"));
    let bare = uri.path() == "/" && uri.query().is_none();
    (known && bare && uri.host().is_some()).then(|| text.to_owned())
}

fn show(key: &Key, typed: &Typed) -> String {
    match typed {
        _ if key.secret => HIDDEN.into(),
        Typed::Text(text) => format!("{text:?}"),
        Typed::Number(number) => number.to_string(),
        Typed::Bare(text) if matches!(key.kind, Kind::Number { .. }) => text.clone(),
        Typed::Bare(text) => format!("{text:?}"),
        Typed::List(items) => format!("{items:?}"),
        Typed::Other(what) => format!("({what})"),
    }
}

fn bad_value(key: &'static Key, typed: &Typed, origin: Origin) -> Problem {
    let remedy = match (key.name, text_of(typed)) {
        ("store.url", Some(text)) if text.starts_with("postgres") => {
            "PostgreSQL is not supported by this version; use SQLite".into()
        }
        _ => format!("correct it, or remove it to get the default {}", key.default),
    };
    Problem::BadValue {
        key: key.name,
        value: show(key, typed),
        origin,
        allowed: key.kind.allowed(),
        remedy,
    }
}
