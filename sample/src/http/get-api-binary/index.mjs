// GET /api/binary: five bytes that are no text, as API Gateway carries them.
export async function handler() {
    return {
        statusCode: 200,
        headers: { 'content-type': 'application/octet-stream' },
        isBase64Encoded: true,
        body: Buffer.from([0, 1, 2, 255, 254]).toString('base64'),
    };
}
