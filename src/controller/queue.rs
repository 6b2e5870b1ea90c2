//! Who is next: oldest first within a namespace, namespaces in turn, so that nobody's ten thousand starve another's one.

use std::{collections::BTreeMap, time::Instant};

use jiff::Timestamp;

/// A waiting activation: by age, then by name.
type Place = (Timestamp, String);

/// Activations that wait for their turn.
#[derive(Debug, Default)]
pub struct Queue {
    /// With the moment when each came.
    namespaces: BTreeMap<String, BTreeMap<Place, Instant>>,
    last_served: Option<String>,
    len: usize,
}

impl Queue {
    /// Takes a place; taking it twice is taking it once.
    pub fn push(&mut self, namespace: &str, created: Timestamp, name: &str) {
        let places = self.namespaces.entry(namespace.into()).or_default();
        let before = places.len();
        places.entry((created, name.into())).or_insert_with(Instant::now);
        self.len += places.len() - before;
    }

    /// The next one, and since when it has waited: of the namespace after the one served last, its oldest.
    pub fn pop(&mut self) -> Option<((String, String), Instant)> {
        let after = self.last_served.as_ref().and_then(|last| {
            self.namespaces.range::<String, _>((std::ops::Bound::Excluded(last), std::ops::Bound::Unbounded)).next()
        });
        let namespace = after.or_else(|| self.namespaces.iter().next())?.0.clone();
        let places = self.namespaces.get_mut(&namespace)?;
        let ((_, name), since) = places.pop_first()?;
        if places.is_empty() {
            self.namespaces.remove(&namespace);
        }
        self.len -= 1;
        self.last_served = Some(namespace.clone());
        Some(((namespace, name), since))
    }

    /// How many are served before this one, from 0, if nobody else comes: namespaces take turns.
    pub fn place(&self, namespace: &str, created: Timestamp, name: &str) -> usize {
        let Some(own) = self.namespaces.get(namespace) else { return self.len };
        let place = (created, name.to_owned());
        // Whoever came last, as most do, need not be counted.
        let before = if own.last_key_value().is_some_and(|(last, _)| *last == place) {
            own.len() - 1
        } else {
            own.range(..place).count()
        };
        let others = self.namespaces.iter().filter(|(other, _)| *other != namespace);
        before + others.map(|(_, places)| places.len().min(before + 1)).sum::<usize>()
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.len
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_oldest_of_each_namespace_comes_first_and_namespaces_take_turns() {
        let mut queue = Queue::default();
        for i in 0..3 {
            queue.push("big", at(i), &format!("b{i}"));
        }
        queue.push("small", at(9), "s9");
        queue.push("big", at(0), "b0");
        assert_eq!(queue.len(), 4);
        assert_eq!(queue.place("big", at(0), "b0"), 1, "small may be served first");
        assert_eq!(queue.place("big", at(2), "b2"), 3);
        assert_eq!(queue.place("small", at(9), "s9"), 1);
        let order: Vec<_> = std::iter::from_fn(|| queue.pop()).map(|((_, name), _)| name).collect();
        assert_eq!(order, ["b0", "s9", "b1", "b2"]);
        assert_eq!(queue.len(), 0);
    }
}
