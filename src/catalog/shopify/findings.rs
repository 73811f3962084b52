//! The errors or warnings of a file, grouped by kind: the same error in a hundred thousand rows is one line.

use std::fmt;

use super::cells::Issue;

/// How many rows of each kind are listed; the others are only counted.
const MAX_EXAMPLES: usize = 3;

/// The issues of a file, grouped by kind, in the order of their first occurrence.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Findings(Vec<Finding>);

/// Issues of one kind: the same column and the same message.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    /// As the file spells it; empty for whole rows.
    column: String,
    message: String,
    rows: usize,
    /// The lines of the first ones, with what was found there.
    examples: Vec<(u64, String)>,
}

impl Findings {
    pub fn add(&mut self, line: u64, column: &str, issue: Issue) {
        let same = self.0.iter_mut().position(|finding| finding.column == column && finding.message == issue.message);
        let index = same.unwrap_or_else(|| {
            self.0.push(Finding { column: column.to_owned(), message: issue.message, rows: 0, examples: Vec::new() });
            self.0.len() - 1
        });
        let finding = &mut self.0[index];
        finding.rows += 1;
        if finding.examples.len() < MAX_EXAMPLES {
            finding.examples.push((line, issue.found));
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many issues there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.iter().map(|finding| finding.rows).sum()
    }
}

/// A line for each kind.
impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|finding| writeln!(f, "{finding}"))
    }
}

/// `column "Variant Price" is not a price; write it like 19.90: line 4 ("12,x"), line 9 ("abc") and 7 more`
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.column.is_empty() {
            write!(f, "column {:?} ", self.column)?;
        }
        let example = |(line, found): &(u64, String)| match found.as_str() {
            "" => format!("line {line}"),
            found => format!("line {line} ({found})"),
        };
        let examples: Vec<String> = self.examples.iter().map(example).collect();
        write!(f, "{}: {}", self.message, examples.join(", "))?;
        match self.rows - self.examples.len() {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_of_one_kind_are_one_line() {
        let mut findings = Findings::default();
        for (line, cell) in [(4, "12,x"), (9, "abc"), (12, "1,50"), (13, "-")] {
            findings.add(line, "Variant Price", Issue::with_cell(cell, "is not a price"));
        }
        findings.add(5, "", Issue::new("has another number of cells"));
        let expected = "column \"Variant Price\" is not a price: line 4 (\"12,x\"), line 9 (\"abc\"), line 12 (\"1,50\") and 1 more\n\
            has another number of cells: line 5\n";
        assert_eq!((findings.to_string().as_str(), findings.count()), (expected, 5));
    }
}
