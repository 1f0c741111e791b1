// The end of a stored entry, which frees the block it lives in.
#include "cache/store/store.h"

namespace gatehouse::cache::store {

static_assert(sizeof(Entry) == 104, "the memory per object is a promise (DESIGN 4.9): see the comment in store.h");

void Entry::destroy(Entry* entry) noexcept {
    const BlockRef head = Block::adopt(entry);
    entry->~Entry();
}

} // namespace gatehouse::cache::store
