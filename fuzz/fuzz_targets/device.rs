#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tower_refresh_fuzz::checks::device::check(data));
