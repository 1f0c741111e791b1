// POST /api/items: returns what it got.
export async function handler(request) {
    const body = request.isBase64Encoded ? Buffer.from(request.body ?? '', 'base64').toString() : request.body;
    return {
        statusCode: 201,
        headers: { 'content-type': 'application/json', location: '/api/items/new' },
        body: JSON.stringify({ got: body ?? '' }),
    };
}
