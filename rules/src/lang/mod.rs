//! The rule language: the part of PromQL that rules may use, and what we add to it.
//!
//! | Module | Holds |
//! |---|---|
//! | [`ast`] | the checked expression tree |
//! | [`matcher`] | label matchers |
//! | [`query`] | an expression with its text: what it reads, when it must be looked at again |
//!
//! Everything outside the subset is refused by name and position, never ignored. What we add: the functions
//! `local_hour()`, `local_day_of_week()` and `sun_elevation()`; a set operator with one of them on one side
//! holds for every series, as if `on()` were written.
pub mod ast;
mod check;
pub mod duration;
pub mod error;
mod format;
mod functions;
mod lexer;
pub mod matcher;
mod pairing;
mod parse_selector;
pub mod parser;
pub mod query;
mod quoted;
pub(crate) mod suggest;
pub mod vocabulary;

pub use check::WINDOW_MS_MAX;
pub use lexer::EXPR_LEN_MAX;
pub(crate) use pairing::same_shape;
