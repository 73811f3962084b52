//! Things in the order they were made, each found by any of its names at once.

use std::collections::HashMap;

/// A simulator that runs for ever must not take all memory; this is far more than a soak makes.
const MOST: usize = 200_000;

pub(super) struct Shelf<T> {
    things: Vec<T>,
    places: HashMap<String, usize>,
}

impl<T> Shelf<T> {
    pub fn new() -> Self {
        Self { things: Vec::new(), places: HashMap::new() }
    }

    pub fn is_full(&self) -> bool {
        self.things.len() >= MOST
    }

    pub fn put(&mut self, name: &str, thing: T) {
        self.places.insert(name.to_owned(), self.things.len());
        self.things.push(thing);
    }

    /// A second name, like that of a refund for its payment.
    pub fn also_called(&mut self, name: &str, second: &str) {
        if let Some(place) = self.places.get(name) {
            self.places.insert(second.to_owned(), *place);
        }
    }

    pub fn find(&self, name: &str) -> Option<&T> {
        self.places.get(name).map(|place| &self.things[*place])
    }

    pub fn find_mut(&mut self, name: &str) -> Option<&mut T> {
        self.places.get(name).map(|place| &mut self.things[*place])
    }

    pub fn newest_first(&self) -> impl Iterator<Item = &T> {
        self.things.iter().rev()
    }

    /// What was made before the thing of this name, the newest first.
    pub fn older_than(&self, name: Option<&str>) -> impl Iterator<Item = &T> {
        let end = match name {
            Some(name) => self.places.get(name).copied().unwrap_or(0),
            None => self.things.len(),
        };
        self.things[..end].iter().rev()
    }
}
