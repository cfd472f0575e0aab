//! What is wrong with a bot file, where, and what to do about it.

use std::fmt;

use serde::Serialize;

/// One mistake in a bot file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BotError {
    /// The file's name as the caller of `parse` gave it.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
    /// The source line.
    pub source: String,
}

impl fmt::Display for BotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)?;
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        writeln!(f, "{margin} |")?;
        writeln!(f, "{number} | {}", self.source)?;
        // A Chinese character takes two columns of a terminal.
        let before = self.source.chars().take(self.column.saturating_sub(1));
        let width: usize = before.map(|c| if c >= '\u{2e80}' { 2 } else { 1 }).sum();
        writeln!(f, "{margin} | {}^", " ".repeat(width))?;
        write!(f, "{margin} = {}", self.remedy)
    }
}

impl std::error::Error for BotError {}

/// All mistakes that could be found in one pass; never empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BotErrors(pub Vec<BotError>);

impl fmt::Display for BotErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                write!(f, "\n\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for BotErrors {}
