//! How fast a connection sends: so many a minute, so many at the same time, and not while ThingSpace asks for a pause.

use std::{
    num::NonZeroU32,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use governor::{
    DefaultDirectRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};
use tokio::sync::Semaphore;

use crate::api::Limits;

const MINUTE: Duration = Duration::from_secs(60);
/// The part of the limit that is spread over the minute. With the burst, a tenth, that leaves a twentieth for requests
/// that were let go in one minute and reach ThingSpace in the next: three seconds' worth.
const STEADY: f64 = 0.85;

/// How fast a connection sends.
pub struct Pace {
    /// What was asked for.
    pub limits: Limits,
    /// One permit for each request that may be on its way.
    pub in_flight: Arc<Semaphore>,
    burst: u32,
    period: Duration,
    limiter: DefaultDirectRateLimiter,
    not_before: Mutex<Option<Instant>>,
    recalled: AtomicBool,
}

impl Pace {
    /// A burst of a tenth and most of the rest spread over the minute: no minute, wherever it begins, has more than the
    /// limit.
    pub fn new(limits: Limits) -> Self {
        let a_minute = u32::try_from(limits.activations_per_minute).unwrap_or(1).max(1);
        let burst = (a_minute / 10).max(1);
        let period = MINUTE.div_f64(f64::from(a_minute) * STEADY);
        let quota = Quota::with_period(period)
            .unwrap_or(Quota::per_minute(NonZeroU32::MIN))
            .allow_burst(NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN));
        Self {
            limits,
            in_flight: Arc::new(Semaphore::new(usize::try_from(limits.in_flight).unwrap_or(1).max(1))),
            burst,
            period,
            limiter: RateLimiter::direct(quota),
            not_before: Mutex::default(),
            recalled: AtomicBool::new(false),
        }
    }

    /// Tells it once of what was sent in the last minute, by another process or under other limits: a restart gives no
    /// new burst.
    pub fn recall(&self, sent: impl FnOnce() -> usize) {
        if self.recalled.swap(true, Ordering::AcqRel) {
            return;
        }
        let spent = u32::try_from(sent()).unwrap_or(u32::MAX).min(self.burst);
        if let Some(spent) = NonZeroU32::new(spent) {
            // Never more than the burst, so it cannot be refused but by a bucket that is empty already.
            let _ = self.limiter.check_n(spent);
        }
    }

    /// ThingSpace asked for a pause.
    pub fn pause(&self, duration: Duration) {
        let mut not_before = self.not_before.lock().unwrap_or_else(PoisonError::into_inner);
        let until = Instant::now() + duration;
        *not_before = Some(not_before.map_or(until, |old| old.max(until)));
    }

    /// How long the one in that place, from 0, waits for its turn: an estimate.
    pub fn expected(&self, place: usize) -> Duration {
        let behind = u32::try_from(place).unwrap_or(u32::MAX).saturating_sub(self.burst);
        let pause = self.pausing_until().map_or(Duration::ZERO, |until| until - Instant::now());
        pause + self.period.saturating_mul(behind)
    }

    /// Whether ThingSpace has asked to be left alone for now.
    pub fn is_pausing(&self) -> bool {
        self.pausing_until().is_some()
    }

    fn pausing_until(&self) -> Option<Instant> {
        let not_before = *self.not_before.lock().unwrap_or_else(PoisonError::into_inner);
        not_before.filter(|until| *until > Instant::now())
    }

    /// Returns when one more may be sent.
    pub async fn turn(&self) {
        loop {
            if let Some(until) = self.pausing_until() {
                tokio::time::sleep_until(until.into()).await;
                continue;
            }
            match self.limiter.check() {
                Ok(()) => return,
                Err(early) => tokio::time::sleep(early.wait_time_from(DefaultClock::default().now())).await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(activations_per_minute: i32) -> Pace {
        Pace::new(Limits { activations_per_minute, in_flight: 1 })
    }

    #[test]
    fn no_minute_has_more_than_its_limit() {
        for limit in (1..200).chain([600, 1000, 10_000]) {
            let pace = pace(limit);
            // A minute that begins with a full bucket, and holds what comes by the period, its own end excluded.
            let by_period = (MINUTE.as_nanos() - 1) / pace.period.as_nanos();
            assert!(u128::from(pace.burst) + by_period <= limit as u128, "{limit}");
        }
    }

    #[test]
    fn the_burst_is_not_given_again_after_a_restart() {
        let fresh = pace(100);
        assert!((0..10).all(|_| fresh.limiter.check().is_ok()));
        let after = pace(100);
        after.recall(|| 90);
        assert!(after.limiter.check().is_err());
        let partly = pace(100);
        partly.recall(|| 4);
        assert!((0..6).all(|_| partly.limiter.check().is_ok()) && partly.limiter.check().is_err());
    }

    #[test]
    fn the_wait_follows_from_place_limit_and_pause() {
        let pace = pace(60);
        assert_eq!(pace.expected(3), Duration::ZERO, "within the burst");
        assert!((69..=72).contains(&pace.expected(66).as_secs()), "{:?}", pace.expected(66));
        pace.pause(Duration::from_secs(100));
        assert!((99..=100).contains(&pace.expected(0).as_secs()));
    }
}
