//! Deterministic MQTT session state machines: client, server connection and broker, without IO
