//! MQTT client on futures-io streams: smol and async-std
