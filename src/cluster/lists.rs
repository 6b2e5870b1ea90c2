//! What a list that has been read to its end does not hold is gone. Told by counting lists rather than by keeping names.

use std::collections::HashMap;

/// Counts the lists that have begun.
#[derive(Debug, Default)]
pub struct Lists {
    begun: u32,
    last: HashMap<Option<String>, u32>,
}

impl Lists {
    /// A list of a namespace (`None`: of all) begins.
    pub fn begin(&mut self, namespace: Option<&str>) {
        self.begun += 1;
        self.last.insert(namespace.map(Into::into), self.begun);
    }

    /// To be kept with what is seen now.
    pub fn now(&self) -> u32 {
        self.begun
    }

    /// Says, once a list of a namespace (`None`: of all) is complete, what it did not hold: by namespace, and when it
    /// was last seen.
    pub fn missed(&self, namespace: Option<&str>) -> impl Fn(&str, u32) -> bool + use<> {
        let namespace = namespace.map(str::to_owned);
        let since = self.last.get(&namespace).copied().unwrap_or_default();
        move |of, seen| namespace.as_ref().is_none_or(|n| n == of) && seen < since
    }
}
