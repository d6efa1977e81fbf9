//! The operations center from outside: the real binary, its ports, its command line and its files, and nothing else.
//!
//! Each file proves one promise or theme; `support` holds the clients and the city they talk to. Nothing here
//! sleeps to let something happen: conditions are polled with a deadline, and that something did *not* happen is
//! shown by a later message that did.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must stop where it stands")]
#![allow(clippy::print_stderr, reason = "what a test leaves out must be said")]

mod support;

mod acknowledged;
mod actions;
mod aggregates;
mod attacks_http;
mod attacks_mqtt;
mod audit;
mod city_app;
mod clocks;
mod durability;
mod earlier;
mod edge;
mod few_threads;
mod fields;
mod flood;
mod full_disk;
mod history;
mod hostile;
mod http;
mod issue;
mod ledger;
mod mqtt_door;
mod presence;
mod refusals;
mod reload;
mod repeats;
mod sealing;
mod session;
mod silence;
mod slow;
mod start;
mod starting;
mod stream;
mod time;
mod web_door;
