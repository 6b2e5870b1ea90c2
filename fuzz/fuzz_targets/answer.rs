//! Anything that ThingSpace, or whoever answers in its place, sends back.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| euicc_operator::fuzz::answer(data));
