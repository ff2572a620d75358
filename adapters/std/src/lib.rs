//! MQTT client on blocking std sockets and threads
