//! Identifiers of devices: their kinds, forms and check digits (contract section 10), and the ones that the
//! platform mints.

use std::fmt;

use crate::thingspace::wire::DeviceId;

/// The kinds of identifier that the eUICC calls take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// The SIM as a card, minted by the platform for a consumer eSIM.
    Iccid,
    /// The modem.
    Imei,
    /// The eUICC chip.
    Eid,
    /// The phone number, minted at each activation.
    Mdn,
}

impl Kind {
    /// All kinds, in the order in which callbacks list them.
    pub const ALL: [Self; 4] = [Self::Iccid, Self::Imei, Self::Eid, Self::Mdn];

    /// Reads a kind in any case; `None` for kinds that no eUICC device has.
    #[must_use]
    pub fn parse(kind: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.name().eq_ignore_ascii_case(kind))
    }

    /// As it stands on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Iccid => "iccid",
            Self::Imei => "imei",
            Self::Eid => "eid",
            Self::Mdn => "mdn",
        }
    }

    /// Whether `id` has the form of this kind; `check_digits` also recomputes the check digits.
    #[must_use]
    pub fn admits(self, id: &str, check_digits: bool) -> bool {
        let lengths = match self {
            Self::Iccid => 19..=20,
            Self::Imei => 15..=16,
            Self::Eid => 32..=32,
            Self::Mdn => 10..=10,
        };
        let form = lengths.contains(&id.len()) && id.bytes().all(|b| b.is_ascii_digit());
        form && (!check_digits
            || match self {
                Self::Iccid => luhn(id),
                // Sixteen digits are an IMEISV, which has no check digit.
                Self::Imei => id.len() == 16 || luhn(id),
                Self::Eid => mod_97(id) == 1,
                Self::Mdn => true,
            })
    }
}

/// The identifiers of one device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ids([Option<String>; 4]);

impl Ids {
    /// The identifier of a kind.
    #[must_use]
    pub fn get(&self, kind: Kind) -> Option<&str> {
        self.0[kind as usize].as_deref()
    }

    /// Sets or removes the identifier of a kind.
    pub fn set(&mut self, kind: Kind, id: Option<String>) {
        self.0[kind as usize] = id;
    }

    /// All that are known, in the order of [`Kind::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (Kind, &str)> {
        Kind::ALL.into_iter().filter_map(|kind| Some((kind, self.get(kind)?)))
    }

    /// Whether one of the identifiers is `id`.
    #[must_use]
    pub fn contains(&self, id: &str) -> bool {
        self.iter().any(|(_, own)| own == id)
    }

    /// As they stand on the wire.
    #[must_use]
    pub fn to_wire(&self) -> Vec<DeviceId> {
        self.iter().map(|(kind, id)| DeviceId { kind: kind.name().into(), id: id.into() }).collect()
    }
}

impl fmt::Display for Ids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (kind, id)) in self.iter().enumerate() {
            write!(f, "{}{} {id}", if n == 0 { "" } else { ", " }, kind.name())?;
        }
        Ok(())
    }
}

/// Mints phone numbers and ICCIDs from counters, so that a run can be repeated number by number.
#[derive(Debug, Default)]
pub struct Mint {
    mdns: u64,
    iccids: u64,
}

impl Mint {
    /// The next phone number: ten digits, never given twice.
    pub fn mdn(&mut self) -> String {
        self.mdns += 1;
        // Area codes start with 2 to 9, so ten digits always.
        format!("{}", 5_550_000_000 + self.mdns)
    }

    /// The next ICCID: twenty digits with a Luhn check digit.
    pub fn iccid(&mut self) -> String {
        self.iccids += 1;
        let body = format!("8914800000{:09}", self.iccids);
        let check = (10 - luhn_sum(&format!("{body}0")) % 10) % 10;
        format!("{body}{check}")
    }
}

fn luhn(digits: &str) -> bool {
    luhn_sum(digits).is_multiple_of(10)
}

fn luhn_sum(digits: &str) -> u32 {
    let doubled = |d: u32| if d > 4 { 2 * d - 9 } else { 2 * d };
    let from_the_right = digits.bytes().rev().map(|b| u32::from(b - b'0')).enumerate();
    from_the_right.map(|(n, d)| if n % 2 == 1 { doubled(d) } else { d }).sum()
}

fn mod_97(digits: &str) -> u32 {
    digits.bytes().fold(0, |rest, b| (rest * 10 + u32::from(b - b'0')) % 97)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_digits_follow_the_contracts_vectors() {
        assert!(Kind::Imei.admits("490154203237518", true));
        assert!(!Kind::Imei.admits("490154203237519", true));
        assert!(Kind::Imei.admits("490154203237519", false));
        assert!(Kind::Eid.admits("89034011560010000000000000000121", true));
        assert!(Kind::Eid.admits("89044011112233441122334411223321", true));
        assert!(!Kind::Eid.admits("89044011112233441122334411223322", true));
        assert!(Kind::Iccid.admits("89141390780800784259", true));
    }

    #[test]
    fn forms_are_digits_of_the_right_length() {
        assert!(!Kind::Eid.admits("8903401156001000000000000000012", false));
        assert!(!Kind::Imei.admits("49015420323751a", false));
        assert!(Kind::Mdn.admits("5550000001", true));
        assert_eq!(Kind::parse("IMEI"), Some(Kind::Imei));
        assert_eq!(Kind::parse("esn"), None);
    }

    #[test]
    fn minted_numbers_are_valid_and_differ() {
        let mut mint = Mint::default();
        let (one, two) = (mint.iccid(), mint.iccid());
        assert_eq!(one, "89148000000000000019");
        assert!(Kind::Iccid.admits(&one, true) && Kind::Iccid.admits(&two, true));
        assert_ne!(one, two);
        assert_eq!((mint.mdn().as_str(), mint.mdn().as_str()), ("5550000001", "5550000002"));
    }
}
