//! The profile actions (contract section 5) and the table of states that admits them (section 11).

use serde::{Deserialize, Serialize};

/// The state of a line (contract section 8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// Known to Verizon, never activated.
    #[default]
    #[serde(rename = "pre-active")]
    PreActive,
    /// In service and billed.
    #[serde(rename = "active")]
    Active,
    /// Out of service.
    #[serde(rename = "deactive")]
    Deactive,
    /// Out of service and still billed.
    #[serde(rename = "suspend")]
    Suspend,
    /// On the way to active.
    #[serde(rename = "pending activation")]
    PendingActivation,
    /// On the way to deactive.
    #[serde(rename = "pending deactivation")]
    PendingDeactivation,
    /// On the way to suspend.
    #[serde(rename = "pending suspend")]
    PendingSuspend,
    /// On the way back to active.
    #[serde(rename = "pending resume")]
    PendingResume,
}

impl State {
    /// As the device list writes it: lower case.
    #[must_use]
    pub const fn listed(self) -> &'static str {
        match self {
            Self::PreActive => "pre-active",
            Self::Active => "active",
            Self::Deactive => "deactive",
            Self::Suspend => "suspend",
            Self::PendingActivation => "pending activation",
            Self::PendingDeactivation => "pending deactivation",
            Self::PendingSuspend => "pending suspend",
            Self::PendingResume => "pending resume",
        }
    }

    /// As callbacks write it.
    #[must_use]
    pub const fn reported(self) -> &'static str {
        match self {
            Self::PreActive => "Pre-active",
            Self::Active => "Active",
            Self::Deactive => "Deactive",
            Self::Suspend => "Suspend",
            Self::PendingActivation => "Pending activation",
            Self::PendingDeactivation => "Pending deactivation",
            Self::PendingSuspend => "Pending suspend",
            Self::PendingResume => "Pending resume",
        }
    }
}

/// Whether an action may start from a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It starts.
    Starts,
    /// The request is accepted, and its callback says that it was not done.
    FailsLater(&'static str, &'static str),
    /// The request is refused.
    Refused,
}

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident = $path:literal,)*) => {
        /// A profile action; the path segment after `/devices/profile/actions/` names it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Action { $($(#[$doc])* $name,)* }

        impl Action {
            /// Reads the path segment.
            #[must_use]
            pub fn parse(segment: &str) -> Option<Self> {
                match segment { $($path => Some(Self::$name),)* _ => None }
            }

            /// The path segment.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $path,)* }
            }
        }
    };
}

actions! {
    /// Starts the line.
    Activate = "activate",
    /// Starts the line and enables its profile.
    ActivateEnable = "activate_enable",
    /// Ends the line and frees its number.
    Deactivate = "deactivate",
    /// Enables the profile on the card.
    Enable = "enable",
    /// Disables the profile on the card.
    Disable = "disable",
    /// Removes a profile.
    Delete = "delete",
    /// Downloads and enables.
    DownloadEnable = "download_enable",
    /// Downloads and leaves disabled.
    DownloadDisable = "download_disable",
    /// Downloads.
    Download = "download",
    /// Names the fallback profile.
    SetFallback = "setfallbackattribute",
    /// Suspends a profile.
    ProfileSuspend = "profile_suspend",
    /// Resumes a profile.
    ProfileResume = "profile_resume",
    /// Suspends the device.
    DeviceSuspend = "device_suspend",
    /// Resumes the device.
    DeviceResume = "device_resume",
    /// Starts a consumer eSIM's line again.
    RenewActivationCode = "renew_activation_code",
}

impl Action {
    /// Whether a line comes to life.
    #[must_use]
    pub const fn activates(self) -> bool {
        matches!(self, Self::Activate | Self::ActivateEnable | Self::RenewActivationCode)
    }

    /// Whether it counts to the actions of a line and day (contract section 11).
    #[must_use]
    pub const fn provisions(self) -> bool {
        self.passing().is_some()
    }

    /// The state of the line while the action runs, for actions that change it.
    #[must_use]
    pub const fn passing(self) -> Option<State> {
        match self {
            Self::Activate | Self::ActivateEnable | Self::RenewActivationCode => Some(State::PendingActivation),
            Self::Deactivate => Some(State::PendingDeactivation),
            Self::ProfileSuspend | Self::DeviceSuspend => Some(State::PendingSuspend),
            Self::ProfileResume | Self::DeviceResume => Some(State::PendingResume),
            _ => None,
        }
    }

    /// The state of the line once the action is done.
    #[must_use]
    pub const fn reaches(self) -> State {
        match self {
            Self::Deactivate => State::Deactive,
            Self::ProfileSuspend | Self::DeviceSuspend => State::Suspend,
            _ => State::Active,
        }
    }

    /// The profile status once the action is done; `None` leaves it.
    #[must_use]
    pub const fn profile_status(self) -> Option<&'static str> {
        match self {
            Self::Activate | Self::ActivateEnable | Self::Enable | Self::RenewActivationCode => Some("ENABLE"),
            Self::Deactivate | Self::Disable => Some("DISABLE"),
            Self::DownloadEnable => Some("DOWNLOAD_ENABLE"),
            Self::DownloadDisable | Self::Download => Some("DOWNLOAD_DISABLE"),
            Self::Delete => Some("DELETE"),
            _ => None,
        }
    }

    /// The table of contract section 11.
    #[must_use]
    pub const fn admission(self, from: State) -> Admission {
        use Admission::{FailsLater, Refused, Starts};
        match (self, from) {
            (
                _,
                State::PendingActivation | State::PendingDeactivation | State::PendingSuspend | State::PendingResume,
            ) => Refused,
            (Self::Activate | Self::ActivateEnable | Self::RenewActivationCode, State::PreActive | State::Deactive) => {
                Starts
            }
            (Self::Activate | Self::ActivateEnable | Self::RenewActivationCode, State::Active) => {
                FailsLater("REQUEST_FAILED.DeviceAlreadyActive", "REQUEST_FAILED. Device is already active")
            }
            (Self::Activate | Self::ActivateEnable | Self::RenewActivationCode, _) => Refused,
            (Self::ProfileSuspend | Self::DeviceSuspend, State::Suspend) => {
                FailsLater("INPUT_INVALID.DeviceState.Invalid", "Profile is already suspended")
            }
            (Self::ProfileResume | Self::DeviceResume, State::Active) => {
                FailsLater("INPUT_INVALID.DeviceState.Invalid", "Profile is already resumed")
            }
            (Self::Delete, State::Active | State::Suspend) => {
                FailsLater("INPUT_INVALID.DeviceState.Invalid", "A lead profile cannot be deleted")
            }
            (Self::Deactivate, State::Active | State::Suspend)
            | (Self::ProfileResume | Self::DeviceResume, State::Suspend)
            | (_, State::Active) => Starts,
            _ => Refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case(State::PreActive, [true, false, false, false])]
    #[case(State::Active, [false, true, true, false])]
    #[case(State::Deactive, [true, false, false, false])]
    #[case(State::Suspend, [false, true, false, true])]
    #[case(State::PendingActivation, [false; 4])]
    #[case(State::PendingDeactivation, [false; 4])]
    fn actions_start_as_the_table_of_section_11_says(#[case] from: State, #[case] starts: [bool; 4]) {
        let actions = [Action::Activate, Action::Deactivate, Action::DeviceSuspend, Action::DeviceResume];
        assert_eq!(actions.map(|action| action.admission(from) == Admission::Starts), starts);
    }

    #[test]
    fn activating_an_active_line_fails_by_callback() {
        assert!(
            matches!(Action::Activate.admission(State::Active), Admission::FailsLater(code, _) if code.ends_with("DeviceAlreadyActive"))
        );
    }
}
