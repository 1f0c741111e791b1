// Makes `localhost` mean 127.0.0.1 without asking anybody (RFC 6761 section 6.3). The sandbox looks that name up for
// its own services, and a bare container has no file of hosts that knows it.
const dns = require('node:dns');

const { lookup } = dns;

dns.lookup = (hostname, options, callback) => {
    const done = callback ?? options;
    if (hostname !== 'localhost') return lookup(hostname, options, callback);
    const address = { address: '127.0.0.1', family: 4 };
    if (options?.all) return process.nextTick(done, null, [address]);
    return process.nextTick(done, null, address.address, address.family);
};
