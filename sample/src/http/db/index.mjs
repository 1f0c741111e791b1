// GET and PUT /api/db/:id. Every GET that arrives here adds one to a counter in DynamoDB and returns it, so
// that the body itself says how often the function was really called. PUT sets the item's value.
import aws from '@aws-lite/client';

const TableName = 'gatehouse-sample-staging-items';

// The sandbox tells its functions on which port its DynamoDB listens.
const { ports } = JSON.parse(process.env.ARC_SANDBOX);
const { DynamoDB } = await aws({
    endpoint: `http://127.0.0.1:${ports.tables}`,
    region: 'us-east-1',
    plugins: [import('@aws-lite/dynamodb')],
});

async function read(id) {
    const { Attributes } = await DynamoDB.UpdateItem({
        TableName,
        Key: { id },
        UpdateExpression: 'ADD calls :one',
        ExpressionAttributeValues: { ':one': 1 },
        ReturnValues: 'ALL_NEW',
    });
    return Attributes;
}

async function write(id, value) {
    const { Attributes } = await DynamoDB.UpdateItem({
        TableName,
        Key: { id },
        UpdateExpression: 'SET #value = :value',
        ExpressionAttributeNames: { '#value': 'value' },
        ExpressionAttributeValues: { ':value': value },
        ReturnValues: 'ALL_NEW',
    });
    return Attributes;
}

function json(value, more = {}) {
    const headers = { 'content-type': 'application/json', ...more };
    return { statusCode: 200, headers, body: JSON.stringify(value) };
}

export async function handler(request) {
    const { id } = request.pathParameters;
    if (request.requestContext.http.method === 'GET') {
        return json(await read(id), { 'cache-control': 'max-age=5' });
    }
    const value = request.isBase64Encoded
        ? Buffer.from(request.body, 'base64').toString()
        : (request.body ?? '');
    return json(await write(id, value));
}
