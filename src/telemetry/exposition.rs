//! The two text formats that Prometheus reads. OpenMetrics is what the metrics are written in; whoever does not ask for
//! it (curl, promtool, older scrapers) gets the classic format, in which a counter's `_total` belongs to its name.

/// Content type of OpenMetrics.
pub const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Content type of the classic format.
pub const CLASSIC: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Whether an `Accept` header asks for OpenMetrics.
pub fn wants_open_metrics(accept: Option<&str>) -> bool {
    accept.is_some_and(|accept| accept.split(',').any(|kind| kind.trim().starts_with("application/openmetrics-text")))
}

/// From OpenMetrics to the classic format.
pub fn classic(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    let mut lines = open_metrics.lines().peekable();
    while let Some(line) = lines.next() {
        let line = match line.strip_prefix("# ").map(|rest| rest.splitn(3, ' ').collect::<Vec<_>>()).as_deref() {
            Some(["HELP", name, help]) => {
                let counts = lines.peek().is_some_and(|next| *next == format!("# TYPE {name} counter"));
                format!("# HELP {name}{} {help}", if counts { "_total" } else { "" })
            }
            Some(["TYPE", name, "counter"]) => format!("# TYPE {name}_total counter"),
            Some(["UNIT", ..] | ["EOF"]) => continue,
            _ => line.to_owned(),
        };
        text.push_str(&line);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_has_its_total_in_its_name() {
        let open = "# HELP calls Calls.\n# TYPE calls counter\ncalls_total{to=\"x\"} 1\n\
                    # HELP wait_seconds Wait.\n# TYPE wait_seconds gauge\n# UNIT wait_seconds seconds\nwait_seconds 2.0\n# EOF\n";
        let classic = "# HELP calls_total Calls.\n# TYPE calls_total counter\ncalls_total{to=\"x\"} 1\n\
                       # HELP wait_seconds Wait.\n# TYPE wait_seconds gauge\nwait_seconds 2.0\n";
        assert_eq!(super::classic(open), classic);
    }

    #[test]
    fn prometheus_asks_for_open_metrics_and_curl_does_not() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        assert!(wants_open_metrics(Some(prometheus)));
        assert!(!wants_open_metrics(Some("*/*")) && !wants_open_metrics(None));
    }
}
