//! What state ThingSpace says a line is in (contract 8).

use super::wire::DeviceRecord;

/// The states that matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineState {
    /// In service and billed.
    Active,
    /// An activation is under way.
    PendingActivation,
    /// Another change is under way: nothing else may be asked (contract 11).
    PendingOther,
    /// Was active once.
    Deactive,
    /// Never was active.
    PreActive,
    /// Billed without service.
    Suspended,
    /// Nothing that we know, or nothing at all.
    Other,
}

impl LineState {
    /// Reads one state, whatever its case and whatever stands between its words.
    pub fn parse(state: &str) -> Self {
        let letters: String = state.chars().filter(|c| c.is_alphanumeric()).map(|c| c.to_ascii_lowercase()).collect();
        match letters.as_str() {
            "active" | "activated" => Self::Active,
            "deactive" | "deactivated" => Self::Deactive,
            "preactive" | "preactivated" => Self::PreActive,
            "suspend" | "suspended" => Self::Suspended,
            "pendingactivation" | "pendingactive" | "pendingactivate" => Self::PendingActivation,
            pending if pending.starts_with("pending") => Self::PendingOther,
            _ => Self::Other,
        }
    }

    /// Whether a change is under way.
    pub fn is_pending(self) -> bool {
        matches!(self, Self::PendingActivation | Self::PendingOther)
    }
}

impl DeviceRecord {
    /// The line's state; with several carriers, the one that says most about billing.
    pub fn line_state(&self) -> LineState {
        let states: Vec<LineState> = self
            .carrier_informations
            .iter()
            .filter_map(|carrier| carrier.state.as_deref())
            .map(LineState::parse)
            .collect();
        [
            LineState::Active,
            LineState::PendingActivation,
            LineState::PendingOther,
            LineState::Suspended,
            LineState::Deactive,
            LineState::PreActive,
        ]
        .into_iter()
        .find(|state| states.contains(state))
        .unwrap_or(LineState::Other)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::thingspace::wire::CarrierInformation;

    #[rstest]
    #[case("active", LineState::Active)]
    #[case("ACTIVATED", LineState::Active)]
    #[case("Pending Activation", LineState::PendingActivation)]
    #[case("PENDING_ACTIVATION", LineState::PendingActivation)]
    #[case("pending deactivation", LineState::PendingOther)]
    #[case("Pending Resume", LineState::PendingOther)]
    #[case("pending pre-active", LineState::PendingOther)]
    #[case("Deactive", LineState::Deactive)]
    #[case("pre active", LineState::PreActive)]
    #[case("Pre-active", LineState::PreActive)]
    #[case("PRE_ACTIVE", LineState::PreActive)]
    #[case("Suspend", LineState::Suspended)]
    #[case("INVENTORY", LineState::Other)]
    #[case("", LineState::Other)]
    fn states_are_read_whatever_their_spelling(#[case] state: &str, #[case] expected: LineState) {
        assert_eq!(LineState::parse(state), expected);
    }

    #[test]
    fn an_active_line_outweighs_another_carriers_record() {
        let carrier = |state: &str| CarrierInformation { state: Some(state.into()), ..Default::default() };
        let mut record = DeviceRecord::default();
        assert_eq!(record.line_state(), LineState::Other);
        record.carrier_informations = vec![carrier("deactive"), carrier("active")];
        assert_eq!(record.line_state(), LineState::Active);
    }
}
