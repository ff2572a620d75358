#!/usr/bin/env python3
"""Drives paho-mqtt (2.x) for `mqtt-conformance client`: calls on standard input, events on standard output.

Usage: mqtt-conformance client -- python3 conformance/drivers/paho.py

Each line of standard input is a call in the notation of traces and is answered at once by `ok`, `ok TOKEN`,
`refused WHY` or `cannot WHY`; events are told as they happen. See `conformance/LIVE-CLIENTS.md`.
"""

import os
import re
import sys
import threading

# This file has the name of the library.
sys.path = [path for path in sys.path if os.path.abspath(path or ".") != os.path.dirname(os.path.abspath(__file__))]

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

# ------------------------------------------------------------------ the notation

TOKEN = re.compile(
    r'\s*(?:(?P<hex>x"[0-9a-f]*")|(?P<text>"(?:[^"\\]|\\.)*")|(?P<name>[A-Za-z_][A-Za-z0-9_-]*)'
    r"|(?P<number>0x[0-9a-fA-F]+|\d+)|(?P<sign>[=\[\](){}*]))"
)
ESCAPES = {"n": b"\n", "t": b"\t", '"': b'"', "\\": b"\\"}


def unquoted(text):
    """The bytes of a quoted text."""

    def one(match):
        word = match.group(1)
        if word[0] == "x":
            return bytes([int(word[1:], 16)])
        if word[0] == "u":
            return chr(int(word[2:-1], 16)).encode()
        return ESCAPES[word]

    return re.sub(
        rb"\\(x[0-9a-fA-F]{2}|u\{[0-9a-fA-F]+\}|.)",
        lambda match: one(re.match("(.*)", match.group(1).decode())),
        text[1:-1].encode(),
    )


def tokens(line):
    at = 0
    while at < len(line.rstrip()):
        match = TOKEN.match(line, at)
        if match is None:
            raise ValueError(f"what is `{line[at:]}`?")
        at = match.end()
        yield match.lastgroup, match.group(match.lastgroup)


class Reader:
    """A call: its word, its values without a name, and its fields in order."""

    def __init__(self, line):
        self.rest = list(tokens(line))
        self.word = self.take()[1]
        self.values, self.fields = self.list(None)

    def take(self):
        return self.rest.pop(0)

    def list(self, end):
        values, fields = [], []
        while self.rest and self.rest[0][1] != end:
            if len(self.rest) > 1 and self.rest[0][0] == "name" and self.rest[1] == ("sign", "="):
                name = self.take()[1]
                self.take()
                fields.append((name, self.value()))
            else:
                values.append(self.value())
        if end is not None:
            self.take()
        return values, fields

    def value(self):
        kind, text = self.take()
        if kind == "number":
            return int(text, 0)
        if kind in ("hex", "text"):
            value = bytes.fromhex(text[2:-1]) if kind == "hex" else unquoted(text)
            if len(self.rest) > 1 and self.rest[0] == ("sign", "*"):
                self.take()
                value *= self.value()
            return value
        if kind == "name":
            return text.encode()
        values, fields = self.list({"[": "]", "(": ")", "{": "}"}[text])
        if text == "{":
            return values, fields
        return tuple(values) if text == "(" else values


def written(value):
    """A value in the notation."""
    if isinstance(value, str):
        value = value.encode("utf-8", "surrogateescape")
    if isinstance(value, bytes):
        return f'x"{value.hex()}"'
    if isinstance(value, tuple):
        return "(" + " ".join(quoted(one) for one in value) + ")"
    if isinstance(value, list):
        return "[" + " ".join(written(one) for one in value) + "]"
    return str(int(value))


def quoted(text):
    plain = "".join(c if 32 <= ord(c) < 127 and c not in '"\\' else f"\\u{{{ord(c):x}}}" for c in text)
    return f'"{plain}"'


printing = threading.Lock()


def say(line):
    with printing:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def event(name, fields):
    # Text is text where the language asks for text, bytes where both may be.
    shown = [f"{key}={quoted(value) if isinstance(value, str) else written(value)}" for key, value in fields]
    say(" ".join(["event", name, *shown]))


# ------------------------------------------------------------------ properties

BY_NAME = {
    "payload_format_indicator": "PayloadFormatIndicator",
    "message_expiry_interval": "MessageExpiryInterval",
    "content_type": "ContentType",
    "response_topic": "ResponseTopic",
    "correlation_data": "CorrelationData",
    "subscription_identifier": "SubscriptionIdentifier",
    "session_expiry_interval": "SessionExpiryInterval",
    "assigned_client_identifier": "AssignedClientIdentifier",
    "server_keep_alive": "ServerKeepAlive",
    "authentication_method": "AuthenticationMethod",
    "authentication_data": "AuthenticationData",
    "request_problem_information": "RequestProblemInformation",
    "will_delay_interval": "WillDelayInterval",
    "request_response_information": "RequestResponseInformation",
    "response_information": "ResponseInformation",
    "server_reference": "ServerReference",
    "reason_string": "ReasonString",
    "receive_maximum": "ReceiveMaximum",
    "topic_alias_maximum": "TopicAliasMaximum",
    "topic_alias": "TopicAlias",
    "maximum_qos": "MaximumQoS",
    "retain_available": "RetainAvailable",
    "user_property": "UserProperty",
    "maximum_packet_size": "MaximumPacketSize",
    "wildcard_subscription_available": "WildcardSubscriptionAvailable",
    "subscription_identifier_available": "SubscriptionIdentifierAvailable",
    "shared_subscription_available": "SharedSubscriptionAvailable",
}
BINARY = {"correlation_data", "authentication_data"}


def properties(packet_type, fields):
    """The fields that are properties, as paho has them; None if there are none."""
    made = Properties(packet_type)
    for name, value in fields:
        if name not in BY_NAME:
            continue
        if isinstance(value, tuple):
            value = tuple(one.decode() for one in value)
        elif isinstance(value, bytes) and name not in BINARY:
            value = value.decode()
        setattr(made, BY_NAME[name], value)
    return None if made.isEmpty() else made


def told(found):
    """The properties of a packet that came, as fields."""
    fields = []
    for name, theirs in BY_NAME.items():
        if found is None or not hasattr(found, theirs):
            continue
        value = getattr(found, theirs)
        repeated = isinstance(value, list)
        fields.extend((name, one) for one in (value if repeated else [value]))
    return fields


# ------------------------------------------------------------------ the client

VERSIONS = {b"3.1": mqtt.MQTTv31, b"3.1.1": mqtt.MQTTv311, b"5": mqtt.MQTTv5}


class Refused(Exception):
    """The client does not do this, for it may not be done."""


class Cannot(Exception):
    """The client has nothing like this."""


class Driver:
    def __init__(self):
        self.client = None
        self.version = None
        self.serial = 0
        self.manual = False
        self.receive_maximum = None
        self.tokens = {}
        self.early = {}
        self.lock = threading.Lock()
        self.acks = {}

    # Completed is told under the token of the call, which may be known only after paho's thread has seen the answer.
    def token(self, mid):
        with self.lock:
            self.serial += 1
            token = self.serial
            fields = self.early.pop(mid, None)
            if fields is None:
                self.tokens[mid] = token
        return token, fields

    def completed(self, mid, fields):
        with self.lock:
            token = self.tokens.pop(mid, None)
            if token is None:
                self.early[mid] = fields
                return
        event("Completed", [("token", token), *fields])

    def is_5(self):
        return self.version == mqtt.MQTTv5

    def properties(self, packet_type, fields):
        return properties(packet_type, fields) if self.is_5() else None

    def checked(self, result):
        if result != mqtt.MQTT_ERR_SUCCESS:
            raise Refused(mqtt.error_string(result))

    def config(self, call):
        for name, value in call.fields:
            if name == "acknowledge":
                self.manual = value == b"manual"
            elif name == "receive_maximum":
                self.receive_maximum = value
            else:
                raise Cannot(name)

    def connect(self, call):
        fields = dict(call.fields)
        version = VERSIONS[fields["version"]]
        client_id = fields.get("client_id", b"").decode()
        clean = bool(fields.get("clean_start", 0))
        if self.client is None:
            self.make(version, client_id, clean)
        elif self.made_with != (version, client_id):
            raise Cannot("paho keeps one client identifier for the life of a client")
        client = self.client
        if not self.is_5() and client._clean_session != clean:
            raise Cannot("paho keeps Clean Session for the life of a client")
        if "user_name" in fields or "password" in fields:
            password = fields.get("password")
            # paho takes text alone.
            client.username_pw_set(fields.get("user_name", b"").decode(), password and password.decode())
        if "authentication_method" in fields:
            raise Cannot("paho has no enhanced authentication")
        if "will" in fields:
            _, will = fields["will"]
            given = dict(will)
            client.will_set(
                given.get("topic", b"").decode(),
                given.get("payload", b""),
                given.get("qos", 0),
                bool(given.get("retain", 0)),
                self.properties(PacketTypes.WILLMESSAGE, will),
            )
        list_of_fields = list(call.fields)
        if self.receive_maximum is not None and "receive_maximum" not in fields:
            list_of_fields.append(("receive_maximum", self.receive_maximum))
        more = {}
        if self.is_5():
            more = {
                "clean_start": clean,
                "properties": self.properties(PacketTypes.CONNECT, list_of_fields),
            }
        self.checked(
            client.connect(fields["host"].decode(), fields["port"], keepalive=fields.get("keep_alive", 0), **more)
        )
        threading.Thread(target=self.loop, args=(client,), daemon=True).start()

    def make(self, version, client_id, clean):
        self.version, self.made_with = version, (version, client_id)
        self.client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=None if version == mqtt.MQTTv5 else clean,
            protocol=version,
            manual_ack=self.manual,
            # The runner connects again when the trace does.
            reconnect_on_failure=False,
        )
        self.client.on_connect = self.on_connect
        self.client.on_message = self.on_message
        self.client.on_publish = self.on_publish
        self.client.on_subscribe = self.on_subscribe
        self.client.on_unsubscribe = self.on_unsubscribe
        self.client.on_disconnect = self.on_disconnect

    def loop(self, client):
        while client.loop(timeout=0.05) == mqtt.MQTT_ERR_SUCCESS:
            pass

    def publish(self, call):
        fields = dict(call.fields)
        client = self.ready()
        if client._sock is None:
            raise Cannot("offline, paho keeps messages in ways of its own")
        info = client.publish(
            fields.get("topic", b"").decode(),
            fields.get("payload", b""),
            fields.get("qos", 0),
            bool(fields.get("retain", 0)),
            self.properties(PacketTypes.PUBLISH, call.fields),
        )
        if info.rc != mqtt.MQTT_ERR_QUEUE_SIZE and info.rc != mqtt.MQTT_ERR_SUCCESS:
            raise Refused(mqtt.error_string(info.rc))
        return info.mid

    def subscribe(self, call):
        filters = []
        fields = dict(call.fields)
        if "filter" in fields:
            wanted = [([fields["filter"]], call.fields)]
        else:
            wanted = fields.get("filters", [])
        for values, options in wanted:
            given = dict(options)
            qos = given.get("qos", 0)
            if self.is_5():
                qos = SubscribeOptions(
                    qos,
                    noLocal=bool(given.get("no_local", 0)),
                    retainAsPublished=bool(given.get("retain_as_published", 0)),
                    retainHandling=given.get("retain_handling", 0),
                )
            filters.append((values[0].decode(), qos))
        result, mid = self.ready().subscribe(
            filters, properties=self.properties(PacketTypes.SUBSCRIBE, call.fields)
        )
        self.checked(result)
        return mid

    def unsubscribe(self, call):
        fields = dict(call.fields)
        filters = [fields["filter"]] if "filter" in fields else fields.get("filters", [])
        result, mid = self.ready().unsubscribe(
            [one.decode() for one in filters], properties=self.properties(PacketTypes.UNSUBSCRIBE, call.fields)
        )
        self.checked(result)
        return mid

    def ack(self, call):
        if call.fields:
            raise Cannot("paho acknowledges without a reason")
        mid, qos = self.acks.pop(call.values[0])
        self.checked(self.client.ack(mid, qos))

    def disconnect(self, call):
        fields = dict(call.fields)
        reason = None
        if self.is_5() and fields.get("code"):
            reason = ReasonCode(PacketTypes.DISCONNECT, identifier=fields["code"])
        self.checked(self.ready().disconnect(reason, self.properties(PacketTypes.DISCONNECT, call.fields)))

    def ready(self):
        if self.client is None:
            raise Cannot("paho has no client before it knows the version")
        return self.client

    # ---------------------------------------------------------- events

    def on_connect(self, client, userdata, flags, reason, found):
        if reason.is_failure:
            return
        event("Connected", [("session_present", flags.session_present), *told(found)])

    def on_message(self, client, userdata, message):
        try:
            topic = message.topic
        except UnicodeDecodeError:
            # An exception here would end paho's loop, and it is not to be this file that ends it.
            topic = message._topic
        fields = [
            ("topic", topic),
            ("qos", message.qos),
            ("dup", message.dup),
            ("retain", message.retain),
            *told(message.properties),
            ("payload", message.payload),
        ]
        if message.qos > 0:
            fields.append(("id", message.mid))
        if self.manual and message.qos > 0:
            with self.lock:
                self.serial += 1
                self.acks[self.serial] = (message.mid, message.qos)
                fields.append(("ack", self.serial))
        event("Message", fields)

    def on_publish(self, client, userdata, mid, reason, found):
        self.completed(mid, [("code", reason.value)])

    def on_subscribe(self, client, userdata, mid, reasons, found):
        self.completed(mid, [("codes", [reason.value for reason in reasons])])

    def on_unsubscribe(self, client, userdata, mid, reasons, found):
        self.completed(mid, [])

    def on_disconnect(self, client, userdata, flags, reason, found):
        event("Closed", [])


def main():
    driver = Driver()
    for line in sys.stdin:
        try:
            call = Reader(line)
            do = getattr(driver, call.word, None)
            if do is None or call.word not in CALLS:
                raise Cannot("paho has no such call")
            mid = do(call)
        except Cannot as why:
            say(f"cannot {why}")
        except Exception as why:  # whatever the library raises is its refusal
            say(f"refused {type(why).__name__}: {why}".replace("\n", " "))
        else:
            if mid is None:
                say("ok")
                continue
            token, fields = driver.token(mid)
            say(f"ok {token}")
            if fields is not None:
                event("Completed", [("token", token), *fields])


CALLS = {"config", "connect", "publish", "subscribe", "unsubscribe", "ack", "disconnect"}

if __name__ == "__main__":
    main()
