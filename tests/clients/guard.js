// Loaded before a client (node --require): no connection and no look-up of a name leaves this
// machine. What is tried elsewhere fails there and then, and is written to $GUARD_LOG, so that the
// test fails also where the client swallows the error.
'use strict';
const dns = require('dns');
const fs = require('fs');
const net = require('net');

const isLoopback = (host) => host === undefined || host === 'localhost' || host === '::1' || /^127\./.test(host);

function refuse(what) {
  fs.appendFileSync(process.env.GUARD_LOG, `${what}\n`);
  const error = new Error(`guard: ${what} is not on this machine`);
  error.code = 'EGUARD';
  return error;
}

const connect = net.Socket.prototype.connect;
net.Socket.prototype.connect = function guarded(...given) {
  const normalized = Array.isArray(given[0]) ? given[0][0] : given[0];
  const host = typeof normalized === 'object' && normalized !== null ? normalized.host
    : typeof given[1] === 'string' ? given[1] : undefined;
  if (!isLoopback(host)) {
    process.nextTick(() => this.destroy(refuse(`connect ${host}`)));
    return this;
  }
  return connect.apply(this, given);
};

function guardLookup(module, name) {
  const original = module[name];
  module[name] = function guarded(host, ...rest) {
    if (isLoopback(host)) return original.call(this, host, ...rest);
    const error = refuse(`look up ${host}`);
    const callback = rest[rest.length - 1];
    if (typeof callback !== 'function') return Promise.reject(error);
    process.nextTick(() => callback(error));
    return undefined;
  };
}
for (const name of ['lookup', 'resolve', 'resolve4', 'resolve6', 'resolveMx', 'resolveTxt']) {
  guardLookup(dns, name);
  guardLookup(dns.promises, name);
}
