//! What the platform tells about lines and requests (contract section 9).

use jiff::Timestamp;
use serde::Deserialize;

use super::{
    super::{errors::Refusal, identifiers::Kind},
    Part, World,
    lines::Line,
};
use crate::thingspace::wire::{
    CarrierInformation, DeviceId, DeviceList, DeviceRecord, History, HistoryRequest, RequestStatus, SubRequest,
};

/// Most devices in one answer.
const PAGE: usize = 2000;

/// Kinds that the list takes and no eUICC device has.
const OTHER_KINDS: [&str; 3] = ["esn", "meid", "msisdn"];

/// Body of the device list, with everything that Verizon's description has.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ListQuery {
    account_name: Option<String>,
    device_id: Option<DeviceId>,
    filter: Option<Filter>,
    current_state: Option<String>,
    service_plan: Option<String>,
    group_name: Option<String>,
    earliest: Option<Timestamp>,
    latest: Option<Timestamp>,
    max_number_of_devices: Option<usize>,
    largest_device_id_seen: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Filter {
    device_identifier_filters: Vec<IdentifierFilter>,
}

#[derive(Clone, Debug, Deserialize)]
struct IdentifierFilter {
    kind: String,
    contains: Option<String>,
    #[serde(alias = "startsWith")]
    startswith: Option<String>,
    #[serde(alias = "endsWith")]
    endswith: Option<String>,
}

impl IdentifierFilter {
    fn admits(&self, line: &Line) -> bool {
        let id = Kind::parse(&self.kind).and_then(|kind| line.ids.get(kind));
        let holds = |wanted: &Option<String>, test: fn(&str, &str) -> bool| {
            wanted.as_ref().is_none_or(|wanted| id.is_some_and(|id| test(id, wanted)))
        };
        holds(&self.contains, |id, part| id.contains(part))
            && holds(&self.startswith, |id, part| id.starts_with(part))
            && holds(&self.endswith, |id, part| id.ends_with(part))
    }
}

impl ListQuery {
    fn admits(&self, line: &Line) -> bool {
        let same = |wanted: &Option<String>, own: Option<&str>| {
            wanted.as_ref().is_none_or(|wanted| own.is_some_and(|own| own.eq_ignore_ascii_case(wanted)))
        };
        same(&self.account_name, Some(&line.account))
            && same(&self.current_state, Some(line.state.listed()))
            && same(&self.service_plan, line.plan.as_deref())
            && same(&self.group_name, Some(&group(line)))
            && self.earliest.is_none_or(|earliest| line.created_at >= earliest)
            && self.latest.is_none_or(|latest| line.created_at <= latest)
            && self.filter.iter().flat_map(|f| &f.device_identifier_filters).all(|filter| filter.admits(line))
    }
}

impl World {
    /// Device information (contract section 9.2). A device that is not in the account gives an empty list.
    pub fn list(&self, query: &ListQuery) -> Result<DeviceList, Refusal> {
        if let Some(account) = &query.account_name {
            self.account(account)?;
        }
        if let Some(wanted) = &query.device_id {
            let line = self.named(wanted)?.filter(|line| query.admits(line));
            return Ok(DeviceList { has_more_data: false, devices: line.map(record).into_iter().collect() });
        }
        let seen = query.largest_device_id_seen.as_deref().and_then(|id| self.stock.find_any(id));
        let most = query.max_number_of_devices.unwrap_or(PAGE).clamp(1, PAGE);
        let mut found = self.stock.after(seen).filter(|line| query.admits(line));
        let devices: Vec<_> = found.by_ref().take(most).map(record).collect();
        Ok(DeviceList { has_more_data: found.next().is_some(), devices })
    }

    /// The provisioning history of a device (contract section 9.3).
    pub fn history(&self, query: &HistoryRequest) -> Result<History, Refusal> {
        let time = |text: &str| {
            text.parse::<Timestamp>().map_err(|_| Refusal::bad_value("earliest and latest are not RFC 3339 times."))
        };
        let (earliest, latest) = (time(&query.earliest)?, time(&query.latest)?);
        let line = self
            .named(&query.device_id)?
            .ok_or_else(|| Refusal::code("REQUEST_FAILED.DeviceNotFound", "The device was not found."))?;
        let within = |at: &Option<String>| {
            at.as_ref().and_then(|at| at.parse::<Timestamp>().ok()).is_some_and(|at| earliest <= at && at <= latest)
        };
        let provisioning_history = line.history.iter().filter(|entry| within(&entry.occurred_at)).cloned().collect();
        Ok(History { has_more_data: false, provisioning_history })
    }

    /// The status of a request (contract section 9.1); only version 2 tells of single devices.
    pub fn status(&self, account: &str, request_id: &str, version: u8) -> Result<RequestStatus, Refusal> {
        self.account(account)?;
        let request = self.requests.get(request_id).filter(|request| request.account == account).ok_or_else(|| {
            Refusal::code("REQUEST_FAILED.RequestNotFound", "The account has no request with this id.")
        })?;
        let status = if request.parts.iter().any(|part| part.done.is_none()) {
            "Pending"
        } else if request.parts.iter().all(|part| part.done == Some(true)) {
            "Success"
        } else {
            "Failed"
        };
        let sub_request = |part: &Part| SubRequest {
            ids: part.ids.to_wire(),
            status: part.done.map_or("Pending", |done| if done { "Success" } else { "Failed" }).to_owned(),
        };
        let sub_requests = if version == 1 { Vec::new() } else { request.parts.iter().map(sub_request).collect() };
        Ok(RequestStatus { request_id: request_id.to_owned(), status: status.to_owned(), sub_requests })
    }

    fn named(&self, device: &DeviceId) -> Result<Option<&Line>, Refusal> {
        let Some(kind) = Kind::parse(&device.kind) else {
            return if OTHER_KINDS.iter().any(|other| other.eq_ignore_ascii_case(&device.kind)) {
                Ok(None)
            } else {
                let message = format!("{} is not a kind of device.", device.kind);
                Err(Refusal::code("INPUT_INVALID.Device.Kind.Invalid", message))
            };
        };
        Ok(self.stock.find(kind, &device.id).map(|line| self.stock.line(line)))
    }
}

fn group(line: &Line) -> String {
    format!("Default: {}", line.account)
}

fn record(line: &Line) -> DeviceRecord {
    let (activated_at, activated_by) = line.activated.clone().unzip();
    let carrier = CarrierInformation {
        carrier_name: Some(line.carrier.clone().unwrap_or_else(|| "Verizon Wireless".to_owned())),
        service_plan: line.plan.clone(),
        state: Some(line.state.listed().to_owned()),
    };
    DeviceRecord {
        account_name: Some(line.account.clone()),
        device_ids: line.ids.to_wire(),
        carrier_informations: vec![carrier],
        connected: Some(false),
        created_at: Some(stamp(line.created_at)),
        ip_address: Some("0.0.0.0".to_owned()),
        group_names: vec![group(line)],
        last_activation_by: activated_by,
        last_activation_date: activated_at.map(stamp),
    }
}

/// RFC 3339 to the second, as ThingSpace writes times.
pub(super) fn stamp(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}
