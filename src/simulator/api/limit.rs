//! The limit of activate requests (contract section 11): counted in whole minutes of simulated time.

use std::time::Duration;

use jiff::Timestamp;

use super::super::clock::between;

/// Counts requests a minute.
#[derive(Debug)]
pub struct PerMinute {
    limit: u32,
    window: Timestamp,
    used: u32,
}

impl PerMinute {
    /// So many a minute; 0 for no limit.
    #[must_use]
    pub const fn new(limit: u32) -> Self {
        Self { limit, window: Timestamp::UNIX_EPOCH, used: 0 }
    }

    /// Whether one more is admitted.
    pub fn admit(&mut self, now: Timestamp) -> bool {
        if between(self.window, now) >= Duration::from_secs(60) {
            (self.window, self.used) = (now, 0);
        }
        let admitted = self.limit == 0 || self.used < self.limit;
        if admitted {
            self.used += 1;
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::{super::super::clock::later, *};

    #[test]
    fn a_new_minute_admits_again() {
        let mut limit = PerMinute::new(2);
        let now = Timestamp::now();
        assert_eq!([0, 1, 59, 60].map(|s| limit.admit(later(now, Duration::from_secs(s)))), [true, true, false, true]);
        assert!((0..1000).all(|_| PerMinute::new(0).admit(now)));
    }
}
