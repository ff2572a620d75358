//! The program, as people run it: processes over loopback. On Unix, for its signals and the texts of its errors.
#![cfg(unix)]
#![allow(clippy::disallowed_methods, reason = "readers of pipes wait")]

mod access;
mod bad_input;
mod broker;
mod config;
mod demo;
mod directory;
mod passwd;
mod process;
mod publish;
mod scripted;
mod subscribe;
