//! A provider's objects in the order of their creation, each found by its id and its aliases.

use std::collections::HashMap;

/// More than a soak test creates. A simulator that runs for weeks must not use up the memory.
const CAPACITY: usize = 200_000;

pub(super) struct Records<T> {
    records: Vec<T>,
    /// Ids and aliases, with the index of the record.
    index: HashMap<String, usize>,
}

impl<T> Records<T> {
    pub fn new() -> Self {
        Self { records: Vec::new(), index: HashMap::new() }
    }

    pub fn is_full(&self) -> bool {
        self.records.len() >= CAPACITY
    }

    pub fn insert(&mut self, id: &str, record: T) {
        self.index.insert(id.to_owned(), self.records.len());
        self.records.push(record);
    }

    /// Makes the record of `id` also found by `alias`, like a payment by the id of its refund.
    pub fn add_alias(&mut self, id: &str, alias: &str) {
        if let Some(index) = self.index.get(id) {
            self.index.insert(alias.to_owned(), *index);
        }
    }

    pub fn get(&self, id: &str) -> Option<&T> {
        self.index.get(id).map(|index| &self.records[*index])
    }

    pub fn get_mut(&mut self, id: &str) -> Option<&mut T> {
        self.index.get(id).map(|index| &mut self.records[*index])
    }

    pub fn newest_first(&self) -> impl Iterator<Item = &T> {
        self.records.iter().rev()
    }

    /// The records that were created before that of `id`, the newest first. Without an id, all.
    pub fn older_than(&self, id: Option<&str>) -> impl Iterator<Item = &T> {
        let end = match id {
            Some(id) => self.index.get(id).copied().unwrap_or(0),
            None => self.records.len(),
        };
        self.records[..end].iter().rev()
    }
}
