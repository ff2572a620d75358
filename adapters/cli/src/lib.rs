//! The mqtt program: broker, publisher, subscriber and demo
