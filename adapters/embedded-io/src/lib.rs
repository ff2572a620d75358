//! MQTT client on embedded-io and embedded-io-async, without std and without an allocator
