// aedes with all in memory: node aedes.cjs PORT, with `aedes` in NODE_PATH.
'use strict'
const { Aedes } = require('aedes')
const { createServer } = require('node:net')

Aedes.createBroker({ concurrency: 1000, queueLimit: 1000 }).then(broker => {
  createServer(broker.handle).listen(Number(process.argv[2]), '127.0.0.1')
})
