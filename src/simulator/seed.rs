//! What the simulator starts with: a file, or a small fleet that shows every kind of end.

use std::{fs, io, path::Path};

use serde::Deserialize;
use serde_json::Value;

use super::{
    faults::spec::Spec,
    world::{accounts::AccountSeed, lines::DeviceSeed},
};

/// Accounts, devices and faults.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Seed {
    /// The accounts; when none is given, the two default ones.
    pub accounts: Vec<AccountSeed>,
    /// The devices in stock.
    pub devices: Vec<DeviceSeed>,
    /// Faults, as strings or objects.
    pub faults: Vec<Value>,
}

/// The accounts that every seed has unless it names its own.
const ACCOUNTS: [&str; 2] = ["0000123456-00001", "0000123456-00002"];

/// A pre-active device of the default fleet that ThingSpace refuses by callback: DeviceNotFound.
pub const REFUSED_LATER: &str = "89049032000000000000000000000454";
/// A device of the default fleet that ThingSpace refuses at once: it is in the second account.
pub const REFUSED_AT_ONCE: &str = "89049032000000000000000000000551";
/// A device of the default fleet that is active already: DeviceAlreadyActive by callback.
pub const ALREADY_ACTIVE: &str = "89049032000000000000000000000648";
/// A device of the default fleet that cannot be reached at first: WARNING, then success a minute later.
pub const WARNED_FIRST: &str = "89049032000000000000000000000745";
/// A device of the default fleet whose line starts and whose address is refused.
pub const ADDRESS_REFUSED: &str = "89049032000000000000000000000842";

impl Seed {
    /// Reads a file, or makes the default fleet.
    pub fn load(file: Option<&Path>) -> io::Result<Self> {
        let mut seed = match file {
            None => Self::fleet(),
            Some(file) => {
                let text = fs::read_to_string(file)?;
                let bad = |error| {
                    io::Error::new(io::ErrorKind::InvalidData, format!("The seed file cannot be read: {error}."))
                };
                // JSON is YAML, so one reader is enough.
                serde_yaml_ng::from_str(&text).map_err(bad)?
            }
        };
        if seed.accounts.is_empty() {
            let account = |name: &str| AccountSeed { account_name: name.to_owned(), ..AccountSeed::default() };
            seed.accounts = ACCOUNTS.map(account).to_vec();
        }
        Ok(seed)
    }

    /// The faults, read.
    pub fn faults(&self) -> Result<Vec<Spec>, String> {
        self.faults.iter().map(Spec::try_from).collect()
    }

    fn fleet() -> Self {
        let device = |account: usize, eid: &str, imei: &str, state: &str| {
            let active = state == "active";
            serde_json::json!({
                "accountName": ACCOUNTS[account],
                "deviceIds": [{"kind": "eid", "id": eid}, {"kind": "imei", "id": imei}],
                "state": state,
                "servicePlan": active.then_some("HybridESim"),
                "carrierName": active.then_some("Verizon Wireless"),
                "profileStatus": active.then_some("ENABLE"),
            })
        };
        let devices = Value::Array(vec![
            device(0, "89049032000000000000000000000163", "353900100000011", "pre-active"),
            device(0, "89049032000000000000000000000260", "353900100000029", "pre-active"),
            device(0, "89049032000000000000000000000357", "353900100000037", "pre-active"),
            device(0, REFUSED_LATER, "353900100000045", "pre-active"),
            device(1, REFUSED_AT_ONCE, "353900100000052", "pre-active"),
            device(0, ALREADY_ACTIVE, "353900100000060", "active"),
            device(0, WARNED_FIRST, "353900100000078", "pre-active"),
            device(0, ADDRESS_REFUSED, "353900100000086", "pre-active"),
        ]);
        let faults = vec![
            format!("callback:error=REQUEST_FAILED.DeviceNotFound,action=activate,device={REFUSED_LATER}").into(),
            format!("callback:warning,device={WARNED_FIRST}").into(),
            format!("callback:address-failed,device={ADDRESS_REFUSED}").into(),
        ];
        Self { accounts: Vec::new(), devices: serde_json::from_value(devices).unwrap_or_default(), faults }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::identifiers::Kind, *};

    #[test]
    fn the_default_fleet_is_valid_to_the_last_digit() {
        let seed = Seed::load(None).unwrap();
        assert_eq!((seed.accounts.len(), seed.devices.len()), (2, 8));
        assert_eq!(seed.faults().unwrap().len(), 3);
        for device_id in seed.devices.iter().flat_map(|device| &device.device_ids) {
            assert!(Kind::parse(&device_id.kind).unwrap().admits(&device_id.id, true), "{}", device_id.id);
        }
    }

    #[test]
    fn a_file_may_be_yaml() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = "accounts: [{accountName: 0000999999-00001}]\n\
                    devices:\n- accountName: 0000999999-00001\n  deviceIds: [{kind: imei, id: '490154203237518'}]\n\
                    faults: ['activate:hang,count=1', {operation: callback, lost: true}]\n";
        fs::write(file.path(), text).unwrap();
        let seed = Seed::load(Some(file.path())).unwrap();
        assert_eq!(seed.accounts[0].service_plans[0].code, "HybridESim");
        assert_eq!((seed.devices.len(), seed.faults().unwrap().len()), (1, 2));
    }
}
