//! Finding one device and its past (contract 9.2 and 9.3).

use jiff::Timestamp;

use super::call::Call;
use super::client::Client;
use super::error::{CallError, NotSent};
use super::read::{self, is_one_of};
use super::wire::{DeviceId, DeviceListRequest, DeviceRecord, History, HistoryRequest};

/// Contract 12 #13.
const SEARCH_ORDER: [&str; 4] = ["iccid", "imei", "eid", "mdn"];
/// RFC 3339, as ThingSpace's samples have it.
const WHOLE_SECONDS: &str = "%Y-%m-%dT%H:%M:%SZ";
/// Codes for an identifier that cannot be looked for.
const UNFIT: [&str; 2] = ["INPUT_INVALID.Device.Kind.Invalid", "INPUT_INVALID.Device.Identifier.Invalid"];

impl Client {
    /// What ThingSpace knows of the device with these identifiers (contract 9.2): looked for by ICCID, then IMEI,
    /// EID and MDN (contract 12 #13). `None`: it is not in this account.
    pub async fn find_device(&self, account: &str, ids: &[DeviceId]) -> Result<Option<DeviceRecord>, CallError> {
        let mut ids: Vec<&DeviceId> = ids.iter().collect();
        let rank = |id: &DeviceId| SEARCH_ORDER.iter().position(|kind| id.kind.eq_ignore_ascii_case(kind));
        ids.sort_by_key(|id| rank(id).unwrap_or(SEARCH_ORDER.len()));
        let mut unfit = Some(NotSent::Request("there is no identifier to look for".into()).into());
        for id in &ids {
            match self.find_by(account, id).await {
                Ok(Some(record)) if !contradicts(&record, &ids) => return Ok(Some(record)),
                Ok(_) => unfit = None,
                // ThingSpace does not look for every kind of identifier: one that it looks for decides.
                Err(error) if is_one_of(&error, &UNFIT) => unfit = unfit.and(Some(error)),
                Err(error) => return Err(error),
            }
        }
        unfit.map_or(Ok(None), Err)
    }

    /// What was done to a device, failed attempts included (contract 9.3): nothing to one that ThingSpace does not
    /// know.
    pub async fn history(
        &self,
        device: &DeviceId,
        earliest: Timestamp,
        latest: Timestamp,
    ) -> Result<History, CallError> {
        let request = HistoryRequest {
            device_id: device.clone(),
            earliest: earliest.strftime(WHOLE_SECONDS).to_string(),
            latest: latest.strftime(WHOLE_SECONDS).to_string(),
        };
        let path = ["v1", "devices", "history", "actions", "list"];
        self.auth.call("history", Call::post(&path, &request)?, read::history).await
    }

    async fn find_by(&self, account: &str, id: &DeviceId) -> Result<Option<DeviceRecord>, CallError> {
        let request = DeviceListRequest { account_name: Some(account.to_owned()), device_id: Some(id.clone()) };
        let path = ["v1", "devices", "actions", "list"];
        let list = self.auth.call("find_device", Call::post(&path, &request)?, read::devices).await?;
        let named = |record: &DeviceRecord| record.device_ids.iter().any(|known| same(known, id));
        let mut devices = list.devices;
        match devices.len() {
            0 | 1 => Ok(devices.pop()),
            _ => Ok(devices.into_iter().find(named)),
        }
    }
}

fn same(one: &DeviceId, other: &DeviceId) -> bool {
    one.kind.eq_ignore_ascii_case(&other.kind) && one.id == other.id
}

/// Whether a record is certainly another device's: it shares kinds of identifiers with ours, but no identifier.
fn contradicts(record: &DeviceRecord, ids: &[&DeviceId]) -> bool {
    let shares_kind = |known: &DeviceId| ids.iter().any(|id| id.kind.eq_ignore_ascii_case(&known.kind));
    let shares_id = |known: &DeviceId| ids.iter().any(|id| same(id, known));
    record.device_ids.iter().any(shares_kind) && !record.device_ids.iter().any(shares_id)
}
