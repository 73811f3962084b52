//! What is to be told of a file, summed up: a hundred thousand rows with one fault between them are one line.

use std::fmt;

use super::cells::Wrong;

/// How many rows of a kind are named; the rest is counted.
const NAMED: usize = 3;

/// What was found in a file, by kind, in the order in which each was met first.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Findings(Vec<Finding>);

/// One kind: in which column, and what about it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    /// As the file spells it; empty when it is about whole rows.
    column: String,
    what: String,
    rows: usize,
    named: Vec<(u64, String)>,
}

impl Findings {
    pub fn note(&mut self, line: u64, column: &str, wrong: Wrong) {
        let known = self.0.iter_mut().position(|finding| finding.column == column && finding.what == wrong.what);
        let at = known.unwrap_or_else(|| {
            self.0.push(Finding { column: column.to_owned(), what: wrong.what, rows: 0, named: Vec::new() });
            self.0.len() - 1
        });
        let finding = &mut self.0[at];
        finding.rows += 1;
        if finding.named.len() < NAMED {
            finding.named.push((line, wrong.found));
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many rows and cells it was.
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
        let place = |(line, found): &(u64, String)| match found.as_str() {
            "" => format!("line {line}"),
            found => format!("line {line} ({found})"),
        };
        let places: Vec<String> = self.named.iter().map(place).collect();
        write!(f, "{}: {}", self.what, places.join(", "))?;
        match self.rows - self.named.len() {
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
            findings.note(line, "Variant Price", Wrong::cell(cell, "is not a price"));
        }
        findings.note(5, "", Wrong::of("has another number of cells"));
        let told = "column \"Variant Price\" is not a price: line 4 (\"12,x\"), line 9 (\"abc\"), line 12 (\"1,50\") and 1 more\n\
            has another number of cells: line 5\n";
        assert_eq!((findings.to_string().as_str(), findings.count()), (told, 5));
    }
}
