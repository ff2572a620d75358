//! The behaviours that every adapter is tested for.
