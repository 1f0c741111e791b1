// The end of a stored entry, which frees the block it lives in.
#include "cache/store/entry.h"

#include <memory>
#include <new>

namespace gatehouse::cache::store {

static_assert(sizeof(Entry) == 104, "the memory per object is a promise (DESIGN 4.9): see the comment in entry.h");

std::size_t Entry::file_offset(std::size_t text_size) noexcept {
    const std::size_t end = sizeof(Entry) + text_size;
    return (end + alignof(FilePointer) - 1) / alignof(FilePointer) * alignof(FilePointer);
}

const Entry::FilePointer& Entry::file_place() const noexcept {
    const std::size_t text_size = std::size_t{key_size_} + secondary_size_ + metadata_size_;
    const char* const place = reinterpret_cast<const char*>(this) + file_offset(text_size);
    return *std::launder(reinterpret_cast<const FilePointer*>(place));
}

void Entry::destroy(Entry* entry) noexcept {
    if (entry->has_file_) {
        std::destroy_at(&entry->file_place());
    }
    const BlockRef head = Block::adopt(entry);
    entry->~Entry();
}

} // namespace gatehouse::cache::store
