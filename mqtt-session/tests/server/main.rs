//! The server, driven with raw packets and a clock that is told the time.
#![cfg(feature = "server")]

mod net;

mod aliasing;
mod chaos;
mod conn;
mod connecting;
mod deciding;
mod driving;
mod durable;
mod durable_chaos;
mod edges;
mod ending;
mod fairness;
mod limits;
mod local;
mod managing;
mod observing;
mod offers;
mod pools;
mod publishing;
mod rates;
mod resuming;
mod retaining;
mod strictness;
mod subscribing;
mod takeover;
mod versions;
mod withheld;
