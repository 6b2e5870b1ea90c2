//! ThingSpace as its contract describes it (section 13 of `docs/thingspace-contract.md`), with faults, a clock that
//! can be moved and a journal. Nothing in it is shared with the client but the wire models.
//!
//! Without a seed file it starts with the two accounts `0000123456-00001` and `0000123456-00002` and eight devices:
//!
//! | EID | account | what happens on activation |
//! |---|---|---|
//! | `89049032000000000000000000000163`, `…260`, `…357` | 00001 | success |
//! | `89049032000000000000000000000454` | 00001 | accepted, then refused by callback: `REQUEST_FAILED.DeviceNotFound` |
//! | `89049032000000000000000000000551` | 00002 | refused at once when asked for in 00001: `INPUT_INVALID.Device.Account.Invalid` |
//! | `89049032000000000000000000000648` | 00001 | active already: callback `REQUEST_FAILED.DeviceAlreadyActive` |
//! | `89049032000000000000000000000745` | 00001 | `WARNING`, success a minute later |
//! | `89049032000000000000000000000842` | 00001 | success, but the address could not be updated |
//!
//! Their IMEIs are 353900100000011, …029, …037, …045, …052, …060, …078 and …086. Any other well-formed device is
//! taken into stock when an activation first names it, and succeeds.

pub mod actions;
pub mod admin;
pub mod api;
pub mod auth;
pub mod callbacks;
pub mod clock;
pub mod config;
pub mod connection;
pub mod errors;
pub mod faults;
pub mod identifiers;
pub mod journal;
pub mod messages;
pub mod reply;
pub mod seed;
pub mod validate;
pub mod world;

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{net::TcpListener, sync::Semaphore, task::JoinHandle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::config::Config;
use self::{
    api::limit::PerMinute,
    auth::Auth,
    callbacks::Message,
    clock::Clock,
    connection::{ResetHandle, Resettable},
    errors::{ErrorCodes, Refusal},
    faults::{Faults, spec::Spec},
    journal::{Entry, Journal},
    messages::Report,
    seed::Seed,
    world::World,
};

/// How long requests in the middle may take once the simulator is told to stop.
const FAREWELL: Duration = Duration::from_secs(2);

/// Deliveries at a time.
const DELIVERIES: usize = 256;

/// Everything that requests, deliveries and the admin API share. Each lock is held for one step of memory, never
/// while something waits.
pub struct Shared {
    config: Config,
    clock: Clock,
    auth: Mutex<Auth>,
    world: Mutex<World>,
    faults: Mutex<Faults>,
    journal: Mutex<Journal>,
    activates: Mutex<PerMinute>,
    held: Mutex<Vec<Message>>,
    archive: Mutex<Vec<Arc<Report>>>,
    http: reqwest::Client,
    deliveries: Semaphore,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Shared {
    fn new(config: Config) -> io::Result<Arc<Self>> {
        // Only https listeners need it; another part of the process may have chosen one before, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .user_agent("Verizon's callback service")
            .http1_only()
            .http1_title_case_headers()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(io::Error::other)?;
        let seed = Seed::load(config.seed.as_deref())?;
        let clock = Clock::new(config.time_scale);
        let mut world = World::new(config.policy());
        seed.accounts.iter().for_each(|account| world.put_account(account.clone()));
        for device in seed.devices.clone() {
            world.put_device(device, &config.username, clock.now()).map_err(|refusal| {
                io::Error::new(io::ErrorKind::InvalidData, refusal.reply(ErrorCodes::Dotted).text())
            })?;
        }
        let mut faults = Faults::default();
        let seeded = seed.faults().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        // Faults of the command line come first: the first that matches strikes.
        for fault in config.fault.iter().cloned().chain(seeded) {
            faults.add(fault);
        }
        Ok(Arc::new(Self {
            auth: Mutex::new(Auth::new(&config)),
            activates: Mutex::new(PerMinute::new(config.activate_per_minute)),
            world: Mutex::new(world),
            faults: Mutex::new(faults),
            config,
            clock,
            journal: Mutex::default(),
            held: Mutex::default(),
            archive: Mutex::default(),
            http,
            deliveries: Semaphore::new(DELIVERIES),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }))
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move { stop.run_until_cancelled(task).await });
    }
}

/// Nothing panics while it holds one of our locks; if it did, the state would still be whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running simulator.
pub struct Simulator {
    shared: Arc<Shared>,
    address: SocketAddr,
    server: JoinHandle<io::Result<()>>,
}

impl Simulator {
    /// Starts to listen.
    pub async fn start(config: Config) -> io::Result<Self> {
        let listener = TcpListener::bind(config.listen).await?;
        let address = listener.local_addr()?;
        let shared = Shared::new(config)?;
        let router = admin::router().fallback(api::handle).with_state(shared.clone());
        let service = router.into_make_service_with_connect_info::<ResetHandle>();
        let stop = shared.stop.clone();
        let serving = axum::serve(Resettable(listener), service).with_graceful_shutdown(stop.cancelled_owned());
        Ok(Self { shared, address, server: tokio::spawn(async move { serving.await }) })
    }

    /// The bound address.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Scheme, host and port; ThingSpace stands under `/api`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.shared.clock.advance(by);
    }

    /// Sets a fault.
    pub fn fault(&self, spec: &str) -> Result<(), String> {
        lock(&self.shared.faults).add(spec.parse::<Spec>()?);
        Ok(())
    }

    /// The journal's entries that end in a path; all for the empty one.
    #[must_use]
    pub fn journal(&self, path: &str) -> Vec<Entry> {
        lock(&self.shared.journal).entries(&HashMap::from([("path".to_owned(), path.to_owned())]))
    }

    /// Stops: no new requests, a moment for those in the middle.
    pub async fn shutdown(self) -> io::Result<()> {
        self.shared.stop.cancel();
        self.shared.tasks.close();
        let end = async {
            self.shared.tasks.wait().await;
            self.server.await
        };
        // A connection that a client keeps open and idle must not hold us up.
        tokio::time::timeout(FAREWELL, end).await.map_or(Ok(()), |ended| ended.map_err(io::Error::other)?)
    }
}

/// A refusal in the form that the settings ask for.
fn refuse(sim: &Shared, refusal: &Refusal) -> reply::Reply {
    refusal.reply(sim.config.error_codes)
}
