//! What a seed file and the admin API set, and what they see of it.

use jiff::Timestamp;

use super::{
    super::{
        actions::State,
        errors::Refusal,
        identifiers::{Ids, Kind},
        validate,
    },
    World,
    accounts::{Account, AccountSeed},
    lines::{DeviceSeed, Line},
};

impl World {
    /// Adds an account, or changes what it offers; its listeners stay.
    pub fn put_account(&mut self, seed: AccountSeed) {
        match self.accounts.get_mut(&seed.account_name) {
            Some(account) => account.offers = seed,
            None => drop(self.accounts.insert(seed.account_name.clone(), Account::new(seed))),
        }
    }

    /// All accounts, by name.
    #[must_use]
    pub fn accounts(&self) -> Vec<AccountSeed> {
        let mut accounts: Vec<_> = self.accounts.values().map(|account| account.offers.clone()).collect();
        accounts.sort_by(|a, b| a.account_name.cmp(&b.account_name));
        accounts
    }

    /// Adds a device, or changes the one that has its identifiers.
    pub fn put_device(&mut self, seed: DeviceSeed, by: &str, now: Timestamp) -> Result<(), Refusal> {
        self.account(&seed.account_name)?;
        let mut ids = Ids::default();
        for device_id in &seed.device_ids {
            let value = serde_json::json!({"kind": device_id.kind, "id": device_id.id});
            let (kind, id) = validate::identifier(&value, self.policy.rules.check_digits)?;
            ids.set(kind, Some(id));
        }
        if ids.iter().next().is_none() {
            return Err(Refusal::malformed("A device needs an identifier."));
        }
        let line = match self.stock.resolve(&ids)? {
            Some(line) => line,
            None => self.stock.add(Line::new(ids.clone(), &seed.account_name, now)),
        };
        self.stock.learn(line, &ids);
        if seed.state == State::Active && self.stock.line(line).ids.get(Kind::Mdn).is_none() {
            self.stock.mint(line);
        }
        let line = self.stock.line_mut(line);
        line.account = seed.account_name;
        (line.state, line.before) = (seed.state, seed.state);
        (line.plan, line.carrier, line.profile_status) = (seed.service_plan, seed.carrier_name, seed.profile_status);
        if seed.state == State::Active && line.activated.is_none() {
            line.activated = Some((now, by.to_owned()));
        }
        Ok(())
    }

    /// All devices, or the one that an identifier names.
    #[must_use]
    pub fn devices(&self, id: Option<&str>) -> Vec<DeviceSeed> {
        match id {
            Some(id) => self.stock.find_any(id).map(|line| self.stock.line(line).seed()).into_iter().collect(),
            None => self.stock.after(None).map(Line::seed).collect(),
        }
    }
}
