// Parts of a representation in the store: their names, and their bytes put together. What belongs together is for
// cache/policy/partial.h to say.
#pragma once

#include "cache/fetch.h"
#include "cache/policy/partial.h"
#include "cache/policy/stored_head.h"
#include "cache/store/store.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gatehouse::cache {

// What tells the stored responses of one key apart: the variant, and for a part where it begins.
std::string secondary_key(std::string_view names, std::string_view values,
                          const std::optional<policy::ContentPart>& part);

// Copies this much into a body. False: there is no memory for it; what was copied stays. The whole of it is at most
// max_object_size, so that it fits between two turns of an event loop.
bool append_content(store::Body& to, store::Body::Cursor from, std::uint64_t bytes);
bool append_entry(store::Body& to, const store::Entry& entry); // all of its content

// What is missing of what is stored, and how it is asked for: views into what is stored. Precondition: something is.
policy::ContentPart missing_between(const StoredEnds& ends);
policy::Completion completion_of(const StoredEnds& ends);

// A stored part, or one that has just arrived.
struct PartContent {
    policy::ContentPart part;
    store::BlockRef first_block;
    store::EntryRef entry; // null: it has just arrived
};

// Those of `others` that together with `arrived` make one run of bytes, sorted by where they begin, `arrived` among
// them. All are exact parts of one representation.
std::vector<PartContent> touching_parts(PartContent arrived, std::vector<PartContent> others);
// The run of bytes that they make. Precondition: not empty, sorted and touching.
http::ByteSpan span_of(const std::vector<PartContent>& run) noexcept;
// Copies that run of bytes, each byte once.
bool append_run(store::Body& to, const std::vector<PartContent>& run);

} // namespace gatehouse::cache
