// GET /api/throw: a function that fails. The gateway answers 500 for it.
export async function handler() {
    throw new Error('This function always fails.');
}
