// GET /api/error: a function that says itself that it is not available.
export async function handler() {
    return {
        statusCode: 503,
        headers: { 'content-type': 'application/json', 'retry-after': '5' },
        body: '{"error":"unavailable"}',
    };
}
