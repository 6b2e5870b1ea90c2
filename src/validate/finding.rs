//! What was found, and where.

use serde::Serialize;

/// A place in a file; lines and columns count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The API server would refuse it, or something would be lost without a word.
    Error,
    /// The API server would take it, but it is probably a mistake.
    Warning,
}

impl Level {
    /// The word that CI systems and editors know.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// Something about one field of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// How bad it is.
    pub level: Level,
    /// The field's path, as the API server writes it; empty for the manifest as a whole.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
    /// The API server does not try the CEL rules while something like this stands.
    pub blocks_rules: bool,
}

impl Issue {
    /// An error.
    pub fn error(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { level: Level::Error, field: field.into(), message: message.into(), blocks_rules: false }
    }

    /// An error that keeps the CEL rules from being tried.
    pub fn blocking(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { blocks_rules: true, ..Self::error(field, message) }
    }

    /// A warning.
    pub fn warning(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { level: Level::Warning, ..Self::error(field, message) }
    }
}

/// An issue in its file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The file as it was named on the command line, or below a folder that was.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    /// How bad it is.
    pub level: Level,
    /// KIND NAMESPACE/NAME, as far as they are known.
    pub resource: String,
    /// The field's path; empty for the manifest as a whole.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

impl Finding {
    /// The field and what is wrong with it, as the API server says it.
    pub fn sentence(&self) -> String {
        match self.field.as_str() {
            "" => self.message.clone(),
            field => format!("{field}: {}", self.message),
        }
    }
}
