"""paho-mqtt against a broker: with_paho.py PORT. Prints a line for each thing that works; exit status 1 if one does not."""
import queue
import sys
import time

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

PORT = int(sys.argv[1])
PATIENCE = 10
failed = 0


class Peer:
    """A client on its own thread, and queues of what it was told."""

    def __init__(self, version, name, clean=True, expiry=0, will=None, connect=True):
        self.v5 = version == mqtt.MQTTv5
        self.messages, self.acks, self.ended = queue.Queue(), queue.Queue(), queue.Queue()
        self.present = queue.Queue()
        kind = {} if self.v5 else {"clean_session": clean}
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=name, protocol=version, **kind)
        self.client.on_message = lambda c, u, m: self.messages.put(m)
        self.client.on_connect = lambda c, u, f, code, p: self.present.put((f.session_present, code, p))
        self.client.on_subscribe = lambda c, u, mid, codes, p: self.acks.put((mid, codes))
        self.client.on_unsubscribe = lambda c, u, mid, codes, p: self.acks.put((mid, codes))
        self.client.on_disconnect = lambda c, u, f, code, p: self.ended.put(code)
        if will:
            self.client.will_set(**will)
        more = {}
        if self.v5:
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = expiry
            more = {"clean_start": clean, "properties": properties}
        self.client.connect("127.0.0.1", PORT, keepalive=30, **more)
        self.client.loop_start()
        self.session_present, self.code, self.connack = self.present.get(timeout=PATIENCE)
        assert not self.code.is_failure, self.code

    def subscribe(self, *args, **more):
        _, mid = self.client.subscribe(*args, **more)
        while True:
            got, codes = self.acks.get(timeout=PATIENCE)
            if got == mid:
                return [code.value for code in codes]

    def publish(self, topic, payload, qos=0, retain=False, properties=None):
        info = self.client.publish(topic, payload, qos, retain, properties)
        info.wait_for_publish(PATIENCE)
        assert info.is_published()

    def take(self):
        return self.messages.get(timeout=PATIENCE)

    def quiet(self, seconds=0.3):
        try:
            extra = self.messages.get(timeout=seconds)
        except queue.Empty:
            return
        raise AssertionError(f"more came: {extra.topic} {extra.payload}")

    def leave(self):
        self.client.disconnect()
        self.client.loop_stop()

    def drop(self):
        """The link is lost, without a DISCONNECT."""
        self.client.loop_stop()
        self.client.socket().close()


def check(name, what):
    global failed
    try:
        what()
        print(f"  ok      {name}")
    except Exception as error:  # whatever it is, it is a failure of this line
        failed += 1
        print(f"  FAILED  {name}: {type(error).__name__} {error}")


def both(version, label):
    t = f"paho/{label}"

    def qos(level):
        def run():
            sub, pub = Peer(version, f"{t}s{level}"), Peer(version, f"{t}p{level}")
            assert sub.subscribe(f"{t}/q/#", level) == [level]
            for n in range(20):
                pub.publish(f"{t}/q/{n}", f"m{n}", level)
            for n in range(20):
                got = sub.take()
                assert (got.topic, got.payload, got.qos) == (f"{t}/q/{n}", f"m{n}".encode(), level)
            sub.quiet()
            big = bytes(range(256)) * 2000
            pub.publish(f"{t}/q/big", big, level)
            assert sub.take().payload == big
            sub.client.unsubscribe(f"{t}/q/#")
            sub.acks.get(timeout=PATIENCE)
            pub.publish(f"{t}/q/late", "late", level)
            sub.quiet()
            sub.leave(), pub.leave()
        return run

    def retained():
        pub = Peer(version, t + "p")
        pub.publish(f"{t}/kept", "kept", 1, True)
        sub = Peer(version, t + "s")
        sub.subscribe(f"{t}/kept", 1)
        got = sub.take()
        assert got.retain and got.payload == b"kept"
        pub.publish(f"{t}/kept", None, 1, True)
        assert sub.take().payload == b""
        late = Peer(version, t + "l")
        late.subscribe(f"{t}/kept", 1)
        late.quiet()
        sub.leave(), pub.leave(), late.leave()

    def will():
        watcher = Peer(version, t + "w")
        watcher.subscribe(f"{t}/will", 1)
        doomed = Peer(version, t + "d", will={"topic": f"{t}/will", "payload": "gone", "qos": 1})
        doomed.drop()
        assert watcher.take().payload == b"gone"
        orderly = Peer(version, t + "o", will={"topic": f"{t}/will", "payload": "gone", "qos": 1})
        orderly.leave()
        watcher.quiet()
        watcher.leave()

    def session():
        name = t + "sess"
        first = Peer(version, name, clean=False, expiry=300)
        assert not first.session_present
        first.subscribe(f"{t}/sess/#", 2)
        first.leave()
        pub = Peer(version, t + "p")
        for level in (1, 2):
            pub.publish(f"{t}/sess/{level}", f"away {level}", level)
        again = Peer(version, name, clean=False, expiry=300)
        assert again.session_present
        got = {again.take().payload, again.take().payload}
        assert got == {b"away 1", b"away 2"}, got
        again.quiet()
        again.leave()
        clean = Peer(version, name, clean=True)
        assert not clean.session_present
        pub.publish(f"{t}/sess/1", "nobody", 1)
        clean.quiet()
        clean.leave(), pub.leave()

    def takeover():
        old = Peer(version, t + "twice")
        new = Peer(version, t + "twice")
        assert old.ended.get(timeout=PATIENCE) is not None
        old.client.loop_stop()
        new.leave()

    for level in (0, 1, 2):
        check(f"paho-mqtt {label} QoS {level}, order, 512 kB, unsubscribe", qos(level))
    check(f"paho-mqtt {label} retained, deleted", retained)
    check(f"paho-mqtt {label} will", will)
    check(f"paho-mqtt {label} session resumed", session)
    check(f"paho-mqtt {label} taken over", takeover)


def only_5():
    v5, t = mqtt.MQTTv5, "paho/five"

    def identifiers():
        sub, pub = Peer(v5, t + "s"), Peer(v5, t + "p")
        for filter, number in ((f"{t}/+", 7), (f"{t}/#", 9)):
            properties = Properties(PacketTypes.SUBSCRIBE)
            properties.SubscriptionIdentifier = number
            sub.subscribe(filter, options=SubscribeOptions(qos=1), properties=properties)
        pub.publish(f"{t}/x", "m", 1)
        found = sorted(getattr(sub.take().properties, "SubscriptionIdentifier", []))
        if found != [7, 9]:  # or one copy for each
            found = sorted(found + sub.take().properties.SubscriptionIdentifier)
        assert found == [7, 9], found
        sub.leave(), pub.leave()

    def shared():
        members, pub = [Peer(v5, f"{t}m{n}") for n in (1, 2)], Peer(v5, t + "p")
        for member in members:
            assert member.subscribe(f"$share/group/{t}/jobs", 1) == [1]
        for n in range(40):
            pub.publish(f"{t}/jobs", f"{n}", 1)
        time.sleep(0.5)
        got = [[m.payload for m in list(member.messages.queue)] for member in members]
        assert sorted(int(p) for each in got for p in each) == list(range(40)), got
        assert all(got), "each has had some"
        for peer in [*members, pub]:
            peer.leave()

    def properties():
        sub, pub = Peer(v5, t + "s"), Peer(v5, t + "p")
        sub.subscribe(f"{t}/props", 1)
        sent = Properties(PacketTypes.PUBLISH)
        sent.PayloadFormatIndicator = 1
        sent.MessageExpiryInterval = 60
        sent.ContentType = "text/plain"
        sent.ResponseTopic = f"{t}/answers"
        sent.CorrelationData = b"\x00\x01"
        sent.UserProperty = [("a", "1"), ("b", "2"), ("a", "3")]
        pub.publish(f"{t}/props", "m", 1, properties=sent)
        got = sub.take().properties
        for name in ("PayloadFormatIndicator", "ContentType", "ResponseTopic", "CorrelationData", "UserProperty"):
            assert getattr(got, name) == getattr(sent, name), name
        assert 0 < got.MessageExpiryInterval <= 60
        sub.leave(), pub.leave()

    def options():
        peer, other = Peer(v5, t + "o"), Peer(v5, t + "p")
        peer.subscribe(f"{t}/own", options=SubscribeOptions(qos=1, noLocal=True))
        peer.publish(f"{t}/own", "mine", 1)
        peer.quiet()
        other.publish(f"{t}/own", "yours", 1)
        assert peer.take().payload == b"yours"
        other.publish(f"{t}/flag", "r", 1, True)
        peer.subscribe(f"{t}/flag", options=SubscribeOptions(qos=1, retainAsPublished=True, retainHandling=2))
        peer.quiet()
        other.publish(f"{t}/flag", "r", 1, True)
        assert peer.take().retain
        other.publish(f"{t}/flag", None, 1, True)
        peer.leave(), other.leave()

    def alias():
        sub, pub = Peer(v5, t + "s"), Peer(v5, t + "p")
        assert pub.connack.TopicAliasMaximum >= 1
        sub.subscribe(f"{t}/alias", 1)
        first, then = Properties(PacketTypes.PUBLISH), Properties(PacketTypes.PUBLISH)
        first.TopicAlias = then.TopicAlias = 1
        pub.publish(f"{t}/alias", "1", 1, properties=first)
        pub.publish("", "2", 1, properties=then)
        assert [(m.topic, m.payload) for m in (sub.take(), sub.take())] == [(f"{t}/alias", b"1"), (f"{t}/alias", b"2")]
        sub.leave(), pub.leave()

    check("paho-mqtt 5.0 subscription identifiers", identifiers)
    check("paho-mqtt 5.0 shared subscription", shared)
    check("paho-mqtt 5.0 properties of a message", properties)
    check("paho-mqtt 5.0 No Local, Retain As Published, Retain Handling", options)
    check("paho-mqtt 5.0 topic alias", alias)


both(mqtt.MQTTv311, "3.1.1")
both(mqtt.MQTTv5, "5.0")
only_5()
sys.exit(1 if failed else 0)
