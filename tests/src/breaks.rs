//! `tests/breaks.toml`: what is done to EL2 so that somebody must notice.

use crate::script::Failure;
use crate::stage;
use serde::Deserialize;
use std::fs;

#[derive(Deserialize)]
struct Breaks {
    #[serde(rename = "break")]
    breaks: Vec<Break>,
}

/// One: `find` stands once in `file`, and is replaced.
#[derive(Deserialize)]
pub struct Break {
    /// Who must notice: `attack CLASS`, `interference NEIGHBOUR` or `scene NAME`, and further arguments.
    pub by: String,
    /// What it means.
    pub why: String,
    /// From the project's folder.
    pub file: String,
    find: String,
    replace: String,
}

impl Break {
    /// The file's text, broken.
    ///
    /// # Errors
    /// It is not there just once: the code has moved on.
    pub fn apply(&self, source: &str) -> Result<String, Failure> {
        if source.matches(&self.find).count() != 1 {
            return Err(Failure::early(format!("breaks.toml, {}: not there just once: {}", self.file, self.find)));
        }
        Ok(source.replace(&self.find, &self.replace))
    }
}

/// All of them.
///
/// # Errors
/// The file is not as it must be.
pub fn all() -> Result<Vec<Break>, Failure> {
    let text = fs::read_to_string(stage::root().join("tests/breaks.toml"))?;
    let breaks: Breaks = toml::from_str(&text).map_err(|error| Failure::early(error.to_string()))?;
    Ok(breaks.breaks)
}

/// All can be done to the sources as they are.
///
/// # Errors
/// One cannot.
pub fn fit() -> Result<(), Failure> {
    for one in all()? {
        one.apply(&fs::read_to_string(stage::root().join(&one.file))?)?;
    }
    Ok(())
}
