// GET /api/echo: the event as the function received it, to see what a proxy made of the request.
export async function handler(request) {
    return {
        statusCode: 200,
        headers: { 'content-type': 'application/json', 'cache-control': 'no-store' },
        body: JSON.stringify(request),
    };
}
