// GET /api/items/:id: a response without a lifetime of its own.
export async function handler(request) {
    return {
        statusCode: 200,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ id: request.pathParameters.id, at: Date.now() }),
    };
}
