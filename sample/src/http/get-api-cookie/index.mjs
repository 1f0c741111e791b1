// GET /api/cookie: a response for one person. It sets two cookies and must not be shared.
export async function handler() {
    return {
        statusCode: 200,
        headers: { 'content-type': 'text/plain; charset=utf-8' },
        cookies: ['session=1; Path=/; HttpOnly', 'theme=dark; Path=/'],
        body: 'two cookies\n',
    };
}
