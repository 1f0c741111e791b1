// GET and HEAD /api/cached: what a well-behaved function sends. The body carries the moment of the call,
// so that two equal bodies prove that the second one came from a cache.
const etag = '"v1-abc"';

const headers = {
    'cache-control': 'public, max-age=60, stale-while-revalidate=30',
    'content-type': 'text/plain; charset=utf-8',
    etag,
    'last-modified': 'Wed, 01 Jan 2025 00:00:00 GMT',
    vary: 'Accept-Encoding',
};

export async function handler(request) {
    if (request.headers['if-none-match'] === etag) return { statusCode: 304, headers };
    return { statusCode: 200, headers, body: `made at ${new Date().toISOString()}\n` };
}
