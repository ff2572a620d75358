// MQTT.js against a broker: node with_mqttjs.js PORT, with `mqtt` in NODE_PATH. Prints a line for each thing that works; exit status 1
// if one does not.
'use strict'
const assert = require('assert')
const mqtt = require('mqtt')

const port = Number(process.argv[2])
const PATIENCE = 10000
let failed = 0

const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))

function within (promise, what) {
  let timer
  const late = new Promise((resolve, reject) => { timer = setTimeout(() => reject(new Error('no ' + what)), PATIENCE) })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

class Peer {
  static async connect (version, clientId, options = {}) {
    const peer = new Peer()
    peer.waiting = []
    peer.messages = []
    peer.client = mqtt.connect({ host: '127.0.0.1', port, protocolVersion: version, clientId, reconnectPeriod: 0, ...options })
    peer.client.on('message', (topic, payload, packet) => {
      const message = { topic, payload, packet }
      const next = peer.waiting.shift()
      if (next) next(message); else peer.messages.push(message)
    })
    peer.client.on('error', () => {})
    peer.closed = new Promise(resolve => peer.client.once('close', resolve))
    peer.connack = await within(new Promise(resolve => peer.client.once('connect', resolve)), 'CONNACK')
    return peer
  }

  take () {
    if (this.messages.length) return Promise.resolve(this.messages.shift())
    return within(new Promise(resolve => this.waiting.push(resolve)), 'message')
  }

  async quiet (ms = 300) {
    await sleep(ms)
    assert.deepStrictEqual(this.messages.map(m => m.topic), [], 'more came')
  }

  async subscribe (filter, options) {
    const granted = await within(this.client.subscribeAsync(filter, options), 'SUBACK')
    return granted.map(one => one.qos)
  }

  publish (topic, payload, options) { return within(this.client.publishAsync(topic, payload, options), 'acknowledgement') }
  leave () { return within(this.client.endAsync(), 'end') }
  drop () { this.client.stream.destroy() }
}

async function check (name, what) {
  try {
    await what()
    console.log('  ok      ' + name)
  } catch (error) {
    failed += 1
    console.log(`  FAILED  ${name}: ${error.message}`)
  }
}

async function both (version, label) {
  const t = 'js/' + label
  const kept = version === 5 ? { clean: false, properties: { sessionExpiryInterval: 300 } } : { clean: false }
  for (const qos of [0, 1, 2]) {
    await check(`MQTT.js ${label} QoS ${qos}, order, 512 kB, unsubscribe`, async () => {
      const [sub, pub] = [await Peer.connect(version, t + 's' + qos), await Peer.connect(version, t + 'p' + qos)]
      assert.deepStrictEqual(await sub.subscribe(t + '/q/#', { qos }), [qos])
      for (let n = 0; n < 20; n++) await pub.publish(`${t}/q/${n}`, 'm' + n, { qos })
      for (let n = 0; n < 20; n++) {
        const got = await sub.take()
        assert.deepStrictEqual([got.topic, got.payload.toString(), got.packet.qos], [`${t}/q/${n}`, 'm' + n, qos])
      }
      await sub.quiet()
      const big = Buffer.alloc(512000, 'x')
      await pub.publish(t + '/q/big', big, { qos })
      assert((await sub.take()).payload.equals(big))
      await within(sub.client.unsubscribeAsync(t + '/q/#'), 'UNSUBACK')
      await pub.publish(t + '/q/late', 'late', { qos })
      await sub.quiet()
      await sub.leave(); await pub.leave()
    })
  }
  await check(`MQTT.js ${label} retained, deleted`, async () => {
    const pub = await Peer.connect(version, t + 'p')
    await pub.publish(t + '/kept', 'kept', { qos: 1, retain: true })
    const sub = await Peer.connect(version, t + 's')
    await sub.subscribe(t + '/kept', { qos: 1 })
    const got = await sub.take()
    assert(got.packet.retain && got.payload.toString() === 'kept')
    await pub.publish(t + '/kept', '', { qos: 1, retain: true })
    assert.strictEqual((await sub.take()).payload.length, 0)
    const late = await Peer.connect(version, t + 'l')
    await late.subscribe(t + '/kept', { qos: 1 })
    await late.quiet()
    for (const peer of [sub, pub, late]) await peer.leave()
  })
  await check(`MQTT.js ${label} will`, async () => {
    const watcher = await Peer.connect(version, t + 'w')
    await watcher.subscribe(t + '/will', { qos: 1 })
    const will = { topic: t + '/will', payload: Buffer.from('gone'), qos: 1, retain: false }
    const doomed = await Peer.connect(version, t + 'd', { will })
    doomed.drop()
    assert.strictEqual((await watcher.take()).payload.toString(), 'gone')
    const orderly = await Peer.connect(version, t + 'o', { will })
    await orderly.leave()
    await watcher.quiet()
    await watcher.leave()
  })
  await check(`MQTT.js ${label} session resumed`, async () => {
    const first = await Peer.connect(version, t + 'sess', kept)
    assert(!first.connack.sessionPresent)
    await first.subscribe(t + '/sess/#', { qos: 2 })
    await first.leave()
    const pub = await Peer.connect(version, t + 'p')
    await pub.publish(t + '/sess/1', 'away 1', { qos: 1 })
    await pub.publish(t + '/sess/2', 'away 2', { qos: 2 })
    const again = await Peer.connect(version, t + 'sess', kept)
    assert(again.connack.sessionPresent)
    const got = [(await again.take()).payload.toString(), (await again.take()).payload.toString()]
    assert.deepStrictEqual(got.sort(), ['away 1', 'away 2'])
    await again.quiet()
    await again.leave()
    const clean = await Peer.connect(version, t + 'sess', { clean: true })
    assert(!clean.connack.sessionPresent)
    await pub.publish(t + '/sess/1', 'nobody', { qos: 1 })
    await clean.quiet()
    await clean.leave(); await pub.leave()
  })
  await check(`MQTT.js ${label} taken over`, async () => {
    const old = await Peer.connect(version, t + 'twice')
    const young = await Peer.connect(version, t + 'twice')
    await within(old.closed, 'end of the old connection')
    await young.leave()
  })
}

async function only5 () {
  const t = 'js/five'
  await check('MQTT.js 5.0 subscription identifiers', async () => {
    const [sub, pub] = [await Peer.connect(5, t + 's'), await Peer.connect(5, t + 'p')]
    await sub.subscribe(t + '/+', { qos: 1, properties: { subscriptionIdentifier: 7 } })
    await sub.subscribe(t + '/#', { qos: 1, properties: { subscriptionIdentifier: 9 } })
    await pub.publish(t + '/x', 'm', { qos: 1 })
    let found = [].concat((await sub.take()).packet.properties.subscriptionIdentifier)
    if (found.length < 2) found = found.concat((await sub.take()).packet.properties.subscriptionIdentifier)
    assert.deepStrictEqual(found.sort(), [7, 9])
    await sub.leave(); await pub.leave()
  })
  await check('MQTT.js 5.0 shared subscription', async () => {
    const members = [await Peer.connect(5, t + 'm1'), await Peer.connect(5, t + 'm2')]
    const pub = await Peer.connect(5, t + 'p')
    for (const member of members) assert.deepStrictEqual(await member.subscribe(`$share/group/${t}/jobs`, { qos: 1 }), [1])
    for (let n = 0; n < 40; n++) await pub.publish(t + '/jobs', String(n), { qos: 1 })
    await sleep(500)
    const got = members.map(member => member.messages.map(m => Number(m.payload.toString())))
    assert.deepStrictEqual(got.flat().sort((a, b) => a - b), [...Array(40).keys()])
    assert(got.every(each => each.length > 0), 'each has had some')
    for (const peer of [...members, pub]) await peer.leave()
  })
  await check('MQTT.js 5.0 properties of a message', async () => {
    const [sub, pub] = [await Peer.connect(5, t + 's'), await Peer.connect(5, t + 'p')]
    await sub.subscribe(t + '/props', { qos: 1 })
    const properties = {
      payloadFormatIndicator: true,
      messageExpiryInterval: 60,
      contentType: 'text/plain',
      responseTopic: t + '/answers',
      correlationData: Buffer.from([0, 1]),
      userProperties: { a: ['1', '3'], b: '2' }
    }
    await pub.publish(t + '/props', 'm', { qos: 1, properties })
    const got = (await sub.take()).packet.properties
    assert(got.messageExpiryInterval > 0 && got.messageExpiryInterval <= 60)
    for (const name of ['payloadFormatIndicator', 'contentType', 'responseTopic', 'correlationData']) {
      assert.deepStrictEqual(got[name], properties[name], name)
    }
    assert.deepStrictEqual({ ...got.userProperties }, properties.userProperties)
    await sub.leave(); await pub.leave()
  })
  await check('MQTT.js 5.0 No Local, Retain As Published, Retain Handling', async () => {
    const [peer, other] = [await Peer.connect(5, t + 'o'), await Peer.connect(5, t + 'p')]
    await peer.subscribe(t + '/own', { qos: 1, nl: true })
    await peer.publish(t + '/own', 'mine', { qos: 1 })
    await peer.quiet()
    await other.publish(t + '/own', 'yours', { qos: 1 })
    assert.strictEqual((await peer.take()).payload.toString(), 'yours')
    await other.publish(t + '/flag', 'r', { qos: 1, retain: true })
    await peer.subscribe(t + '/flag', { qos: 1, rap: true, rh: 2 })
    await peer.quiet()
    await other.publish(t + '/flag', 'r', { qos: 1, retain: true })
    assert((await peer.take()).packet.retain)
    await other.publish(t + '/flag', '', { qos: 1, retain: true })
    await peer.leave(); await other.leave()
  })
  await check('MQTT.js 5.0 topic alias', async () => {
    const sub = await Peer.connect(5, t + 's')
    const pub = await Peer.connect(5, t + 'p', { autoAssignTopicAlias: true })
    assert(pub.connack.properties.topicAliasMaximum >= 1)
    await sub.subscribe(t + '/alias', { qos: 1 })
    for (const n of ['1', '2', '3']) await pub.publish(t + '/alias', n, { qos: 1 })
    for (const n of ['1', '2', '3']) {
      const got = await sub.take()
      assert.deepStrictEqual([got.topic, got.payload.toString()], [t + '/alias', n])
    }
    await sub.leave(); await pub.leave()
  })
  await check('MQTT.js 5.0 topic alias to the client', async () => {
    const sub = await Peer.connect(5, t + 's', { properties: { topicAliasMaximum: 2 } })
    const pub = await Peer.connect(5, t + 'p')
    await sub.subscribe(t + '/alias/#', { qos: 1 })
    for (const n of [1, 2, 3, 1, 2, 3, 1, 2, 3]) await pub.publish(`${t}/alias/${n}`, String(n), { qos: 1 })
    for (const n of [1, 2, 3, 1, 2, 3, 1, 2, 3]) assert.strictEqual((await sub.take()).topic, `${t}/alias/${n}`)
    await sub.leave(); await pub.leave()
  })
}

(async () => {
  await both(4, '3.1.1')
  await both(5, '5.0')
  await only5()
  process.exit(failed ? 1 : 0)
})()
