//! Clients and the server joined, on a virtual clock.

mod duplex;
mod guarantees;
mod keep_alive;
