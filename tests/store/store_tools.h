// Short ways to put into a store and to read from it, so that tests read as stories.
#pragma once

#include "cache/store/store.h"

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gatehouse::cache::store::testing {

// Appends to a body. False when there is no room.
inline bool fill(Body& body, std::string_view bytes) {
    while (!bytes.empty()) {
        const Body::Room room = body.prepare();
        if (room.state != Body::RoomState::Room) {
            return false;
        }
        const std::size_t step = std::min(room.room.size(), bytes.size());
        std::copy_n(bytes.begin(), step, room.room.begin());
        body.publish(step);
        bytes.remove_prefix(step);
    }
    return true;
}

struct Put {
    std::string key;
    std::string secondary_key = {};
    std::string metadata = {};
    std::string body = {};
    std::uint64_t sequence = 0;
    bool known_length = true;
    std::optional<KeyHash> hash = std::nullopt;
};

// Null when there was no room.
inline EntryRef put(Store& store, const Put& what) {
    const PutFacts facts{what.key, what.hash.value_or(hash_key(what.key)), what.secondary_key, what.sequence};
    const auto expected = what.known_length ? std::optional<std::uint64_t>(what.body.size()) : std::nullopt;
    const std::unique_ptr<Writer> writer = store.open_writer(facts, expected);
    if (!writer || !fill(*writer->body(), what.body)) {
        return EntryRef();
    }
    writer->body()->complete();
    return writer->commit(what.metadata);
}

inline std::vector<EntryRef> find(Store& store, std::string_view key, std::optional<KeyHash> hash = std::nullopt) {
    Candidates found;
    store.lookup(hash.value_or(hash_key(key)), key, found);
    std::vector<EntryRef> entries;
    for (std::size_t i = 0; i < found.size(); ++i) {
        entries.push_back(found[i]);
    }
    return entries;
}

// The secondary keys that are stored, newest first.
inline std::vector<std::string> variants(Store& store, std::string_view key) {
    std::vector<std::string> keys;
    for (const EntryRef& entry : find(store, key)) {
        keys.emplace_back(entry->secondary_key());
    }
    return keys;
}

// What is readable now.
inline std::string read_all(Body::Cursor& cursor) {
    std::string bytes;
    std::array<iovec, 8> pieces;
    while (const std::size_t count = cursor.peek(pieces, ~std::uint64_t{0})) {
        std::uint64_t read = 0;
        for (std::size_t i = 0; i < count; ++i) {
            bytes.append(static_cast<const char*>(pieces[i].iov_base), pieces[i].iov_len);
            read += pieces[i].iov_len;
        }
        cursor.advance(read);
    }
    return bytes;
}

inline std::string content(const Entry& entry) {
    Body::Cursor cursor(entry.body(), entry.body_size());
    return read_all(cursor);
}

// Bodies whose bytes follow from key, secondary key and size.
inline char mark_of(std::string_view key, std::string_view secondary_key, std::size_t size) {
    std::size_t sum = size;
    for (const std::string_view part : {key, secondary_key}) {
        for (const char byte : part) {
            sum = sum * 31 + static_cast<unsigned char>(byte);
        }
    }
    return static_cast<char>(sum % 251);
}

inline EntryRef put_marked(Store& store, std::string_view key, std::string_view secondary_key, std::size_t size,
                           bool known_length) {
    return put(store, {.key = std::string(key), .secondary_key = std::string(secondary_key), .metadata = "head",
                       .body = std::string(size, mark_of(key, secondary_key, size)), .known_length = known_length});
}

inline bool is_marked(const Entry& entry) {
    const char mark = mark_of(entry.key(), entry.secondary_key(), entry.body_size());
    std::uint64_t size = 0;
    for (const Block* block = entry.body().get(); block != nullptr && size < entry.body_size();
         block = block->next().get()) {
        const auto used = static_cast<std::size_t>(
            std::min<std::uint64_t>(block->capacity(), entry.body_size() - size));
        const std::string_view bytes(block->data(), used);
        if (bytes.find_first_not_of(mark) != std::string_view::npos) {
            return false;
        }
        size += used;
    }
    return size == entry.body_size();
}

} // namespace gatehouse::cache::store::testing
