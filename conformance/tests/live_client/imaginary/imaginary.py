"""The library of the smallest driver in LIVE-CLIENTS.md: as much of MQTT 3.1.1 as its test wants, and no more."""

import socket
import struct
import threading


def text(value):
    return struct.pack("!H", len(value)) + value.encode()


class Client:
    def __init__(self):
        self.on_connected = self.on_message = self.on_published = self.on_closed = None
        self.link = None
        self.last = 0

    def connect(self, host, port, client_id, clean_session, keep_alive):
        self.link = socket.create_connection((host, port))
        self.send(0x10, text("MQTT") + bytes([4, clean_session << 1]) + struct.pack("!H", keep_alive) + text(client_id))
        threading.Thread(target=self.read, daemon=True).start()

    def publish(self, topic, payload, qos):
        if self.link is None:
            raise OSError("not connected")
        self.last += 1
        packet_id = struct.pack("!H", self.last) if qos else b""
        self.send(0x30 | qos << 1, text(topic) + packet_id + payload)
        return self.last

    def disconnect(self):
        self.send(0xE0, b"")
        self.link.shutdown(socket.SHUT_RDWR)

    def send(self, first, body):
        self.link.sendall(bytes([first, len(body)]) + body)

    def read(self):
        with self.link.makefile("rb") as link:
            while head := link.read(2):
                body = link.read(head[1])
                if head[0] == 0x20:
                    self.on_connected(body[0])
                elif head[0] == 0x30:
                    end = 2 + body[1]
                    self.on_message(body[2:end].decode(), 0, body[end:])
                elif head[0] == 0x40:
                    self.on_published(struct.unpack("!H", body)[0])
        self.on_closed()
