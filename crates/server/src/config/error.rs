//! What can be wrong with a configuration, each as one line that names the key, the value, where
//! it came from, and what to do.

use std::fmt;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// A line of the config file.
    File {
        /// The file as it was named on the command line.
        path: String,
        /// Line number, counted from 1.
        line: usize,
    },
    /// An environment variable of this name.
    Environment(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File { path, line } => write!(f, "{path} line {line}"),
            Origin::Environment(variable) => write!(f, "environment variable {variable}"),
        }
    }
}

/// One thing wrong with the configuration. Always the operator's to mend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The file cannot be read.
    #[error("cannot read the config file {path}: {reason}; check --config")]
    Unreadable {
        /// The file as it was named.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// The file is not TOML.
    #[error("{path} line {line}: not valid TOML: {reason}")]
    Syntax {
        /// The file as it was named.
        path: String,
        /// Line number, counted from 1.
        line: usize,
        /// What the parser said, in one line.
        reason: String,
    },
    /// A key or section that does not exist.
    #[error("unknown {what} {name} ({origin}){}", hint(.nearest))]
    Unknown {
        /// `"key"` or `"section"`.
        what: &'static str,
        /// The name as given.
        name: String,
        /// Where it stands.
        origin: Origin,
        /// What was probably meant, spelled as it must be written there.
        nearest: Option<String>,
    },
    /// A value its key does not take.
    #[error("{key} = {value} ({origin}): must be {allowed}; {remedy}")]
    BadValue {
        /// The key's full name.
        key: &'static str,
        /// The value as given, or a stand-in for a secret.
        value: String,
        /// Where it was set.
        origin: Origin,
        /// What is allowed.
        allowed: String,
        /// What to do.
        remedy: String,
    },
    /// Two keys that do not fit together.
    #[error("{keys}: {reason}; {remedy}")]
    Conflict {
        /// The keys with their values.
        keys: String,
        /// Why they do not fit.
        reason: &'static str,
        /// What to do.
        remedy: &'static str,
    },
}

fn hint(nearest: &Option<String>) -> String {
    match nearest {
        Some(name) => format!("; did you mean {name}?"),
        None => "; `tally check-config --defaults` lists every key".into(),
    }
}

/// Everything wrong with a configuration: never empty; one line for each problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "config: {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
