//! The simulator's one clock: real time, run faster by a factor and moved forward on request. Everything that
//! waits asks it, so a test turns a day into an instant.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::watch;

/// Real time × scale + what was advanced.
pub struct Clock {
    epoch: Timestamp,
    started: Instant,
    scale: f64,
    advanced: watch::Sender<Duration>,
}

impl Clock {
    /// A clock that starts now and runs `scale` times faster than real time.
    #[must_use]
    pub fn new(scale: f64) -> Self {
        Self { epoch: Timestamp::now(), started: Instant::now(), scale, advanced: watch::Sender::new(Duration::ZERO) }
    }

    /// The simulated time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let elapsed = scaled(self.started.elapsed(), self.scale) + *self.advanced.borrow();
        later(self.epoch, elapsed)
    }

    /// Moves the clock forward and wakes whoever waits.
    pub fn advance(&self, by: Duration) {
        self.advanced.send_modify(|advanced| *advanced = advanced.saturating_add(by));
    }

    /// Waits until the simulated time `due`.
    pub async fn sleep_until(&self, due: Timestamp) {
        let mut advanced = self.advanced.subscribe();
        loop {
            let left = between(self.now(), due);
            if left.is_zero() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(self.real(left)) => {}
                // The sender lives as long as the clock itself, so this only ends with an advance.
                _ = advanced.changed() => {}
            }
        }
    }

    /// Waits for a simulated duration.
    pub async fn sleep(&self, duration: Duration) {
        self.sleep_until(later(self.now(), duration)).await;
    }

    /// How long a simulated duration takes in real time, for what a client will measure with its own clock.
    #[must_use]
    pub fn real(&self, simulated: Duration) -> Duration {
        scaled(simulated, 1.0 / self.scale)
    }
}

/// `at` + `duration`, or the end of time.
#[must_use]
pub fn later(at: Timestamp, duration: Duration) -> Timestamp {
    at.saturating_add(duration).unwrap_or(Timestamp::MAX)
}

/// From `from` to `to`, zero when that is in the past.
#[must_use]
pub fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

fn scaled(duration: Duration, factor: f64) -> Duration {
    Duration::try_from_secs_f64(duration.as_secs_f64() * factor).unwrap_or(Duration::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn advancing_wakes_who_sleeps() {
        let clock = std::sync::Arc::new(Clock::new(1.0));
        let due = later(clock.now(), Duration::from_secs(86_400));
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep_until(due).await }
        });
        clock.advance(Duration::from_secs(86_400));
        sleeper.await.unwrap();
        assert!(clock.now() >= due);
    }

    #[test]
    fn runs_faster_by_its_scale() {
        let clock = Clock::new(1000.0);
        assert_eq!(clock.real(Duration::from_secs(5)), Duration::from_millis(5));
    }
}
