//! Reconciliations and their queues, under the names that dashboards for controller-runtime know.
//!
//! The queue itself is kube's. What goes into it is noted here until its turn comes, so depth and waiting time are true
//! for all that has changed or was asked for; what comes back by its own timer is seen when its turn comes. The keys are
//! hashes, for there may be a hundred thousand.

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicU64},
    time::Instant,
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

use super::shown::Shown;

type Seconds = Gauge<f64, AtomicU64>;

/// The queues of all kinds.
#[derive(Clone, Debug)]
pub struct Workqueues {
    results: Family<ResultLabels, Counter>,
    errors: Family<ControllerLabels, Counter>,
    panics: Family<ControllerLabels, Counter>,
    reconcile_seconds: Family<ControllerLabels, Histogram>,
    adds: Family<QueueLabels, Counter>,
    retries: Family<QueueLabels, Counter>,
    queue_seconds: Family<QueueLabels, Histogram>,
    work_seconds: Family<QueueLabels, Histogram>,
    queues: Arc<Mutex<BTreeMap<&'static str, Arc<Workqueue>>>>,
}

/// The queue of one kind, in however many namespaces.
#[derive(Debug)]
pub struct Workqueue {
    controller: &'static str,
    hasher: RandomState,
    state: Mutex<State>,
    metrics: Workqueues,
}

#[derive(Debug, Default)]
struct State {
    /// What is queued, and since when.
    queued: HashMap<u64, Instant>,
    /// What is being worked on, and since when.
    work: HashMap<u64, Instant>,
    capacity: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    controller: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ControllerLabels {
    controller: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QueueLabels {
    controller: &'static str,
    name: &'static str,
}

/// How a reconciliation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reconciled {
    /// Nothing is to be done until something changes.
    Done,
    /// It is looked at again after a while.
    Again,
    /// It has failed, and is tried again after a while.
    Failed,
    /// The same, by a bug.
    Panicked,
}

fn buckets() -> Histogram {
    Histogram::new([0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0, 300.0, 1000.0])
}

impl Default for Workqueues {
    fn default() -> Self {
        let histogram = buckets as fn() -> Histogram;
        Self {
            results: Family::default(),
            errors: Family::default(),
            panics: Family::default(),
            reconcile_seconds: Family::new_with_constructor(histogram),
            adds: Family::default(),
            retries: Family::default(),
            queue_seconds: Family::new_with_constructor(histogram),
            work_seconds: Family::new_with_constructor(histogram),
            queues: Arc::default(),
        }
    }
}

impl Workqueues {
    pub(super) fn register(&self, registry: &mut Registry) {
        let this = self.clone();
        registry.register(
            "controller_runtime_reconcile",
            "Reconciliations, by controller and result: success, requeue_after, error",
            this.results,
        );
        registry.register("controller_runtime_reconcile_errors", "Reconciliations that failed", this.errors);
        registry.register("controller_runtime_reconcile_panics", "Reconciliations that met a bug", this.panics);
        registry.register_with_unit(
            "controller_runtime_reconcile_time",
            "How long a reconciliation takes",
            Unit::Seconds,
            this.reconcile_seconds,
        );
        registry.register("workqueue_adds", "Objects that were put into the queue", this.adds);
        registry.register("workqueue_retries", "Objects that were put back, to be looked at later", this.retries);
        registry.register_with_unit(
            "workqueue_queue_duration",
            "How long objects were queued before they were worked on",
            Unit::Seconds,
            this.queue_seconds,
        );
        registry.register_with_unit(
            "workqueue_work_duration",
            "How long it takes to work on an object",
            Unit::Seconds,
            this.work_seconds,
        );
        registry.register_collector(Box::new(self.clone()));
    }

    /// The queue of a controller, for another `workers` workers.
    pub fn queue(&self, controller: &'static str, workers: u16) -> Arc<Workqueue> {
        let (labels, queue) = (ControllerLabels { controller }, QueueLabels { controller, name: controller });
        // What has never happened is 0, not absent.
        drop(self.errors.get_or_create(&labels));
        drop(self.panics.get_or_create(&labels));
        drop(self.adds.get_or_create(&queue));
        drop(self.retries.get_or_create(&queue));
        for result in ["success", "requeue_after", "error"] {
            drop(self.results.get_or_create(&ResultLabels { controller, result }));
        }
        let new = || {
            let metrics = Self { queues: Arc::default(), ..self.clone() };
            Arc::new(Workqueue { controller, hasher: RandomState::new(), state: Mutex::default(), metrics })
        };
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let queue = Arc::clone(queues.entry(controller).or_insert_with(new));
        queue.state().capacity += i64::from(workers);
        queue
    }
}

impl Workqueue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn labels(&self) -> QueueLabels {
        QueueLabels { controller: self.controller, name: self.controller }
    }

    fn key(&self, namespace: Option<&str>, name: &str) -> u64 {
        self.hasher.hash_one((namespace, name))
    }

    /// An object is to be looked at.
    pub fn added(&self, namespace: Option<&str>, name: &str) {
        let key = self.key(namespace, name);
        if let Entry::Vacant(place) = self.state().queued.entry(key) {
            place.insert(Instant::now());
            self.metrics.adds.get_or_create(&self.labels()).inc();
        }
    }

    /// An object whose turn has come is no more.
    pub fn gone(&self, namespace: Option<&str>, name: &str) {
        let key = self.key(namespace, name);
        self.state().take(key);
    }

    /// An object's turn has come.
    pub fn begun(self: &Arc<Self>, namespace: Option<&str>, name: &str) -> Work {
        let (key, labels, now) = (self.key(namespace, name), self.labels(), Instant::now());
        let mut state = self.state();
        let since = state.take(key);
        state.work.insert(key, now);
        drop(state);
        match since {
            Some(since) => self.metrics.queue_seconds.get_or_create(&labels).observe((now - since).as_secs_f64()),
            None => {
                self.metrics.adds.get_or_create(&labels).inc(); // by its own timer
            }
        }
        Work { queue: Arc::clone(self), key, began: now }
    }
}

impl State {
    fn take(&mut self, key: u64) -> Option<Instant> {
        let since = self.queued.remove(&key);
        if self.queued.is_empty() {
            self.queued.shrink_to(1024); // a first list is long, and never comes again
        }
        since
    }
}

/// An object is being worked on, until this is dropped.
pub struct Work {
    queue: Arc<Workqueue>,
    key: u64,
    began: Instant,
}

impl Work {
    /// How it ended.
    pub fn ended(self, how: Reconciled) {
        let (metrics, controller) = (&self.queue.metrics, self.queue.controller);
        let labels = ControllerLabels { controller };
        let result = match how {
            Reconciled::Done => "success",
            Reconciled::Again => "requeue_after",
            Reconciled::Failed | Reconciled::Panicked => "error",
        };
        metrics.results.get_or_create(&ResultLabels { controller, result }).inc();
        metrics.reconcile_seconds.get_or_create(&labels).observe(self.began.elapsed().as_secs_f64());
        if result == "error" {
            metrics.errors.get_or_create(&labels).inc();
        }
        if how == Reconciled::Panicked {
            metrics.panics.get_or_create(&labels).inc();
        }
        if how != Reconciled::Done {
            metrics.retries.get_or_create(&self.queue.labels()).inc();
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.queue.state().work.remove(&self.key);
        let worked = self.began.elapsed().as_secs_f64();
        self.queue.metrics.work_seconds.get_or_create(&self.queue.labels()).observe(worked);
    }
}

impl Collector for Workqueues {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let (depth, unfinished, longest) =
            (Family::<QueueLabels, Gauge>::default(), Family::<_, Seconds>::default(), Family::<_, Seconds>::default());
        let (active, capacity) = (Family::<ControllerLabels, Gauge>::default(), Family::<_, Gauge>::default());
        for queue in self.queues.lock().unwrap_or_else(PoisonError::into_inner).values() {
            let (labels, now, state) = (queue.labels(), Instant::now(), queue.state());
            depth.get_or_create(&labels).set(state.queued.len().try_into().unwrap_or(i64::MAX));
            let ages = || state.work.values().map(|began| now.saturating_duration_since(*began).as_secs_f64());
            unfinished.get_or_create(&labels).set(ages().sum());
            longest.get_or_create(&labels).set(ages().fold(0.0, f64::max));
            let labels = ControllerLabels { controller: queue.controller };
            active.get_or_create(&labels).set(state.work.len().try_into().unwrap_or(i64::MAX));
            capacity.get_or_create(&labels).set(state.capacity);
        }
        let mut show = |name: &str, help: &str, unit: Option<&Unit>, family: &dyn Shown| {
            family.show(&mut encoder, name, help, unit)
        };
        show("workqueue_depth", "Objects that have changed or were asked for, and wait for a worker", None, &depth)?;
        show(
            "workqueue_unfinished_work",
            "How long present work has taken, in sum",
            Some(&Unit::Seconds),
            &unfinished,
        )?;
        show("workqueue_longest_running_processor", "The longest of it", Some(&Unit::Seconds), &longest)?;
        show("controller_runtime_active_workers", "Reconciliations at this moment", None, &active)?;
        show("controller_runtime_max_concurrent_reconciles", "How many there may be", None, &capacity)
    }
}
