//! Waiting for a condition, with a deadline.

use std::{fmt::Debug, time::Duration};

/// For what takes a moment: a start, a write, an answer.
pub const SHORT: Duration = Duration::from_secs(20);
/// For what takes many steps.
pub const LONG: Duration = Duration::from_secs(60);

/// What a look at the world says: there it is, or what is there instead.
pub trait Seen {
    /// What was waited for.
    type Value;
    /// The value, or the present state in words.
    fn seen(self) -> Result<Self::Value, String>;
}

impl<T> Seen for Option<T> {
    type Value = T;
    fn seen(self) -> Result<T, String> {
        self.ok_or_else(|| "nothing".into())
    }
}

impl<T, E: Debug> Seen for Result<T, E> {
    type Value = T;
    fn seen(self) -> Result<T, String> {
        self.map_err(|instead| format!("{instead:#?}"))
    }
}

impl Seen for bool {
    type Value = ();
    fn seen(self) -> Result<(), String> {
        self.then_some(()).seen()
    }
}

/// Looks until it sees what it waits for; panics after `within` with the sentence and what it saw last.
pub async fn eventually<S: Seen>(what: &str, within: Duration, mut look: impl AsyncFnMut() -> S) -> S::Value {
    let mut last = String::from("nothing");
    let watch = async {
        loop {
            match look().await.seen() {
                Ok(value) => return value,
                Err(instead) => last = instead,
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    match tokio::time::timeout(within, watch).await {
        Ok(value) => value,
        Err(_) => panic!("not within {within:?}: {what}\nlast seen: {last}"),
    }
}
