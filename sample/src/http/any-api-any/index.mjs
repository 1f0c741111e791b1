// Any method on /api/any: what arrived, in short. It names no lifetime.
export async function handler(request) {
    return {
        statusCode: 200,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
            method: request.requestContext.http.method,
            query: request.rawQueryString,
            body: request.body ?? null,
        }),
    };
}
