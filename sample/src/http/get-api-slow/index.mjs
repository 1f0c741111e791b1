// GET /api/slow?ms=2000: answers after that time, at most four seconds.
export async function handler(request) {
    const ms = Math.min(Number(request.queryStringParameters?.ms ?? 2000), 4000);
    await new Promise((resolve) => setTimeout(resolve, ms));
    return {
        statusCode: 200,
        headers: { 'content-type': 'text/plain; charset=utf-8' },
        body: `answered after ${ms} ms\n`,
    };
}
