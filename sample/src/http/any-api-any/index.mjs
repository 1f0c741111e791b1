// Any method on /api/any: what arrived, in short. It names no lifetime.
export async function handler(request) {
    const body = request.isBase64Encoded ? Buffer.from(request.body ?? '', 'base64').toString() : request.body;
    return {
        statusCode: 200,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
            method: request.requestContext.http.method,
            query: request.rawQueryString,
            body: body ?? null,
        }),
    };
}
