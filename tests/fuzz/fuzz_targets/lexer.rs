//! Random texts: our lexer against PostgreSQL's grammar.
#![no_main]

#[path = "../src/lexer.rs"]
mod lexer;

libfuzzer_sys::fuzz_target!(|text: &str| lexer::check(text));
