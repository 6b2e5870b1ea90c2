//! Anything that somebody posts to the callback sidecar.
#![no_main]

libfuzzer_sys::fuzz_target!(|body: &[u8]| euicc_operator::fuzz::callback(body));
