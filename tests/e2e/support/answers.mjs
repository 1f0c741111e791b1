// What the tests say about a response: it came from the cache, or it did not and why.
import assert from 'node:assert/strict';

export function expectHit(response) {
    assert.match(response.field('cache-status'), /^gatehouse; ?hit; ?ttl=\d+/);
    assert.equal(response.field('x-cache'), 'Hit from gatehouse');
    assert.match(response.field('age'), /^\d+$/);
}

export function expectStored(response) {
    assert.match(response.field('cache-status'), /^gatehouse; ?fwd=[a-z-]+;.*\bstored\b/);
    assert.equal(response.field('x-cache'), 'Miss from gatehouse');
}

// Forwarded and not stored, with a reason: `detail` is one word, or a choice of words as a pattern.
export function expectNotStored(response, detail) {
    const status = response.field('cache-status');
    assert.match(status, /^gatehouse; ?fwd=/);
    assert.doesNotMatch(status, /\bstored\b/);
    assert.match(status, new RegExp(`\\bdetail=(${detail})\\b`));
    assert.match(response.field('x-cache'), /^(Miss|Error) from gatehouse$/);
}
