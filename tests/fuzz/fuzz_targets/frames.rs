//! Random bytes from a client: the decoder and the readers of message bodies.
#![no_main]
#![allow(dead_code, reason = "the proxy's two files are built without their users")]

#[path = "../../../crates/proxy/src/frame.rs"]
mod frame;
#[path = "../../../crates/proxy/src/message.rs"]
mod message;
#[path = "../src/frames.rs"]
mod frames;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| frames::check(bytes));
