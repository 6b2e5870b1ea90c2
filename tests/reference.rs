//! The reference pages are what the code says.

use crate::support::repository;

#[path = "../docs/generate/api.rs"]
mod api;
#[path = "../docs/generate/cli.rs"]
mod cli;

#[test]
fn the_reference_in_docs_says_what_the_types_and_flags_say() {
    for (file, written) in [("docs/reference.md", api::markdown().unwrap()), ("docs/cli.md", cli::markdown())] {
        let checked_in = std::fs::read_to_string(repository(file)).unwrap();
        assert!(checked_in == written, "{file} is out of date: run `make generate`");
    }
}

#[test]
fn every_flag_of_a_process_can_be_given_by_environment_and_is_explained() {
    let page = cli::markdown();
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `--")).collect();
    assert!(rows.len() > 15, "{page}");
    for row in rows.iter().filter(|row| row.split('|').count() == 6) {
        assert!(row.contains("| `EUICC_") && row.split('|').nth(4).is_some_and(|what| what.len() > 12), "{row}");
    }
}
