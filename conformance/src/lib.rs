//! Packet traces that test any MQTT client, broker or codec
