//! MQTT 3.1, 3.1.1 and 5.0 packets: a strict codec without std, without an allocator, without a copy
