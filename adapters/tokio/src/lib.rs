//! MQTT client and server on tokio
