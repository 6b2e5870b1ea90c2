//! Where ThingSpace is: its two base addresses and whom to trust there (contract 1).

use reqwest::Certificate;
use reqwest::Url;

/// The bases of ThingSpace's paths, checked, and the certificates to trust besides the system's own.
#[derive(Clone, Debug)]
pub struct Endpoint {
    api: Url,
    oauth: Url,
    ca_bundle: Vec<Certificate>,
}

impl Endpoint {
    /// Checks both bases. Without `oauth` its base is `api` + `/ts/v1`; only `insecure` admits `http://`.
    pub fn new(api: &str, oauth: Option<&str>, insecure: bool) -> Result<Self, EndpointError> {
        let api = base("endpoint", api, insecure)?;
        let oauth = match oauth {
            Some(oauth) => base("OAuth endpoint", oauth, insecure)?,
            None => below(&api, &["ts", "v1"]),
        };
        Ok(Self { api, oauth, ca_bundle: Vec::new() })
    }

    /// Trusts the certificates in `pem` too.
    pub fn with_ca_bundle(mut self, pem: &[u8]) -> Result<Self, EndpointError> {
        let certificates = Certificate::from_pem_bundle(pem).map_err(|_| EndpointError::CaBundle)?;
        if certificates.is_empty() {
            return Err(EndpointError::CaBundle);
        }
        self.ca_bundle.extend(certificates);
        Ok(self)
    }

    /// The M2M base, for people.
    pub fn api(&self) -> &str {
        self.api.as_str()
    }

    /// The OAuth base, for people.
    pub fn oauth(&self) -> &str {
        self.oauth.as_str()
    }

    pub(super) fn m2m(&self, segments: &[&str]) -> Url {
        below(&below(&self.api, &["m2m"]), segments)
    }

    pub(super) fn oauth2(&self, action: &str) -> Url {
        below(&self.oauth, &["oauth2", action])
    }

    pub(super) fn ca_bundle(&self) -> &[Certificate] {
        &self.ca_bundle
    }

    /// Whether TLS is used at all: a plain endpoint must not fail for want of certificates on the system.
    pub(super) fn uses_tls(&self) -> bool {
        [&self.api, &self.oauth].iter().any(|url| url.scheme() == "https")
    }
}

/// Why an address cannot serve as an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Not an address at all.
    #[error("The {what} is not a URL such as https://thingspace.verizon.com/api")]
    NotAUrl {
        /// Which of the two.
        what: &'static str,
    },
    /// Neither `https` nor, where admitted, `http`.
    #[error("The {what} must begin with https://; plain http:// is only admitted for an insecure endpoint")]
    NotHttps {
        /// Which of the two.
        what: &'static str,
    },
    /// More than scheme, host, port and path.
    #[error("The {what} must not hold a user, a password, a query or a fragment")]
    Ornate {
        /// Which of the two.
        what: &'static str,
    },
    /// No certificate in the bundle, or a broken one.
    #[error("The CA bundle holds no readable PEM certificate")]
    CaBundle,
    /// TLS could not be set up, for example because the system has no certificates.
    #[error("The connection to ThingSpace could not be set up: {0}")]
    Setup(String),
}

fn base(what: &'static str, text: &str, insecure: bool) -> Result<Url, EndpointError> {
    let url = Url::parse(text.trim()).map_err(|_| EndpointError::NotAUrl { what })?;
    match url.scheme() {
        "https" => {}
        "http" if insecure => {}
        _ => return Err(EndpointError::NotHttps { what }),
    }
    let user = !url.username().is_empty() || url.password().is_some();
    if user || url.query().is_some() || url.fragment().is_some() {
        return Err(EndpointError::Ornate { what });
    }
    Ok(url)
}

/// `base` with more path segments, each percent-encoded.
fn below(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    // Only a URL without a host has no segments, and `base` lets none through.
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oauth_base_follows_from_the_endpoint() {
        let endpoint = Endpoint::new("https://thingspace.verizon.com/api/", None, false).unwrap();
        assert_eq!(endpoint.oauth2("token").as_str(), "https://thingspace.verizon.com/api/ts/v1/oauth2/token");
        assert_eq!(endpoint.m2m(&["v1", "a b/c"]).as_str(), "https://thingspace.verizon.com/api/m2m/v1/a%20b%2Fc");
    }

    #[test]
    fn plain_http_needs_to_be_admitted() {
        let refused = Endpoint::new("http://127.0.0.1:8480/api", None, false).unwrap_err();
        assert_eq!(refused, EndpointError::NotHttps { what: "endpoint" });
        assert!(Endpoint::new("http://127.0.0.1:8480/api", None, true).is_ok());
        let refused = Endpoint::new("https://a/api", Some("http://a/api/ts/v1"), false).unwrap_err();
        assert_eq!(refused, EndpointError::NotHttps { what: "OAuth endpoint" });
        assert!(Endpoint::new("ftp://a/api", None, true).is_err());
    }

    #[test]
    fn an_endpoint_is_an_address_and_nothing_else() {
        for text in ["https://u:p@a/api", "https://a/api?x=1", "https://a/api#x"] {
            assert_eq!(Endpoint::new(text, None, false).unwrap_err(), EndpointError::Ornate { what: "endpoint" });
        }
        assert!(Endpoint::new("thingspace.verizon.com", None, false).is_err());
    }

    #[test]
    fn a_ca_bundle_without_a_certificate_is_refused() {
        let endpoint = Endpoint::new("https://a/api", None, false).unwrap();
        assert_eq!(endpoint.with_ca_bundle(b"nothing").unwrap_err(), EndpointError::CaBundle);
    }
}
