//! What can be set from the command line; every flag has an environment variable with the prefix `SIM_`.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};

use super::{
    errors::ErrorCodes,
    faults::spec::{Spec, parse_duration},
    validate::Rules,
    world::{Policy, accounts::Duplicate},
};

/// How often a callback is tried (contract section 6.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Retries {
    /// Four tries, five minutes apart.
    #[default]
    Documented,
    /// One more try 1.3 seconds after a failure, or after 4 seconds of silence while the first still runs.
    Observed,
    /// One try.
    None,
}

/// What becomes of a callback that nobody listens for (contract section 6.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum NoListener {
    /// It is lost.
    #[default]
    Drop,
    /// It is kept for support to send.
    Archive,
}

/// When an activation of an active line is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum AlreadyActive {
    /// By callback, as documented.
    #[default]
    Callback,
    /// At once.
    Reply,
}

/// The simulator's settings.
#[derive(Args, Clone, Debug)]
pub struct Config {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, env = "SIM_LISTEN", default_value = "127.0.0.1:8480")]
    pub listen: SocketAddr,
    /// Accounts, devices and faults to start with, YAML or JSON; without it a small fleet
    #[arg(long, env = "SIM_SEED", value_name = "FILE")]
    pub seed: Option<PathBuf>,
    /// Time runs so many times faster
    #[arg(long, env = "SIM_TIME_SCALE", default_value = "1", value_parser = scale)]
    pub time_scale: f64,
    /// A fault to inject, see below; repeat the flag or separate with `;`
    #[arg(long, env = "SIM_FAULT", value_name = "SPEC", value_delimiter = ';')]
    pub fault: Vec<Spec>,
    /// Activate requests a minute before 429; 0 for no limit, the platform's is 100
    #[arg(long, env = "SIM_ACTIVATE_PER_MINUTE", default_value_t = 100)]
    pub activate_per_minute: u32,
    /// Provisioning actions a line takes in 24 hours; 0 for no limit
    #[arg(long, env = "SIM_ACTIONS_PER_DAY", default_value_t = 5)]
    pub actions_per_day: usize,
    /// Most devices in one request
    #[arg(long, env = "SIM_MAX_DEVICES", default_value_t = 100)]
    pub max_devices: usize,
    /// Refuse devices that are not in stock rather than take them in
    #[arg(long, env = "SIM_STRICT_STOCK")]
    pub strict_stock: bool,
    /// Refuse identifiers with wrong check digits
    #[arg(long, env = "SIM_CHECK_DIGITS")]
    pub check_digits: bool,
    /// From an accepted request to its outcome
    #[arg(long, env = "SIM_ACTIVATION_TIME", default_value = "5s", value_parser = parse_duration)]
    pub activation_time: Duration,
    /// Life of a bearer token
    #[arg(long, env = "SIM_TOKEN_LIFE", default_value = "3600s", value_parser = parse_duration)]
    pub token_life: Duration,
    /// Life of a session without use
    #[arg(long, env = "SIM_SESSION_IDLE", default_value = "20m", value_parser = parse_duration)]
    pub session_idle: Duration,
    /// A login ends the user's other sessions
    #[arg(long, env = "SIM_SINGLE_SESSION")]
    pub single_session: bool,
    /// How often a callback is tried
    #[arg(long, env = "SIM_CALLBACK_RETRIES", value_enum, default_value_t)]
    pub callback_retries: Retries,
    /// What becomes of a callback without a listener
    #[arg(long, env = "SIM_NO_LISTENER", value_enum, default_value_t)]
    pub no_listener: NoListener,
    /// What a second registration of a service does
    #[arg(long, env = "SIM_DUPLICATE_REGISTRATION", value_enum, default_value_t)]
    pub duplicate_registration: Duplicate,
    /// Accept listeners on every port, not only on those that ThingSpace allows
    #[arg(long, env = "SIM_ANY_CALLBACK_PORT")]
    pub any_callback_port: bool,
    /// How an activation of an active line is refused
    #[arg(long, env = "SIM_ALREADY_ACTIVE", value_enum, default_value_t)]
    pub already_active: AlreadyActive,
    /// How errorCode is written
    #[arg(long, env = "SIM_ERROR_CODES", value_enum, default_value_t)]
    pub error_codes: ErrorCodes,
    /// OAuth key
    #[arg(long, env = "SIM_CLIENT_ID", default_value = "sim-key")]
    pub client_id: String,
    /// OAuth secret
    #[arg(long, env = "SIM_CLIENT_SECRET", default_value = "sim-secret", hide_env_values = true)]
    pub client_secret: String,
    /// UWS user
    #[arg(long, env = "SIM_USERNAME", default_value = "sim-user")]
    pub username: String,
    /// UWS password
    #[arg(long, env = "SIM_PASSWORD", default_value = "sim-pass", hide_env_values = true)]
    pub password: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8480)),
            seed: None,
            time_scale: 1.0,
            fault: Vec::new(),
            activate_per_minute: 100,
            actions_per_day: 5,
            max_devices: 100,
            strict_stock: false,
            check_digits: false,
            activation_time: Duration::from_secs(5),
            token_life: Duration::from_secs(3600),
            session_idle: Duration::from_secs(20 * 60),
            single_session: false,
            callback_retries: Retries::default(),
            no_listener: NoListener::default(),
            duplicate_registration: Duplicate::default(),
            any_callback_port: false,
            already_active: AlreadyActive::default(),
            error_codes: ErrorCodes::default(),
            client_id: "sim-key".into(),
            client_secret: "sim-secret".into(),
            username: "sim-user".into(),
            password: "sim-pass".into(),
        }
    }
}

impl Config {
    /// What the world needs of it.
    #[must_use]
    pub const fn policy(&self) -> Policy {
        Policy {
            rules: Rules { max_devices: self.max_devices, check_digits: self.check_digits },
            strict_stock: self.strict_stock,
            refuse_active: matches!(self.already_active, AlreadyActive::Reply),
            actions_per_day: self.actions_per_day,
        }
    }
}

fn scale(text: &str) -> Result<f64, String> {
    let scale = text.parse::<f64>().ok().filter(|scale| scale.is_finite() && *scale > 0.0);
    scale.ok_or_else(|| "The time scale is not a positive number.".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        config: Config,
    }

    #[test]
    fn the_command_lines_defaults_are_the_codes_own() {
        let parsed = Line::parse_from(["thingspace-simulator"]).config;
        assert_eq!(format!("{parsed:?}"), format!("{:?}", Config::default()));
    }

    #[test]
    fn faults_may_be_given_many_times() {
        let line = ["thingspace-simulator", "--fault", "activate:status=503,after", "--fault", "callback:lost"];
        assert_eq!(Line::parse_from(line).config.fault.len(), 2);
    }
}
