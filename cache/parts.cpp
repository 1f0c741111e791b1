#include "cache/parts.h"

#include <algorithm>
#include <cstring>

namespace gatehouse::cache {

using store::Body;

namespace {

class EndHeads {
public:
    explicit EndHeads(const StoredEnds& ends) : beginning_(head_of(ends.beginning)), end_(head_of(ends.end)) {}
    const policy::StoredHead* beginning() const noexcept { return beginning_ ? &*beginning_ : nullptr; }
    const policy::StoredHead* end() const noexcept { return end_ ? &*end_ : nullptr; }

private:
    static std::optional<policy::StoredHead> head_of(const store::EntryRef& entry) {
        return entry ? std::optional(policy::view_stored_head(entry->metadata())) : std::nullopt;
    }
    std::optional<policy::StoredHead> beginning_;
    std::optional<policy::StoredHead> end_;
};

} // namespace

std::string secondary_key(std::string_view names, std::string_view values,
                          const std::optional<policy::ContentPart>& part) {
    std::string out;
    out.reserve(names.size() + values.size() + 1);
    out.append(names);
    out.push_back('\n'); // no field name or value contains it
    out.append(values);
    if (part) {
        out.append("\nfrom ").append(std::to_string(part->span.first));
    }
    return out;
}

bool append_content(Body& to, Body::Cursor from, std::uint64_t bytes) {
    while (bytes > 0) {
        const Body::Room room = to.prepare();
        if (room.state != Body::RoomState::Room) {
            return false;
        }
        iovec piece{};
        from.peek({&piece, 1}, std::min<std::uint64_t>(bytes, room.room.size()));
        std::memcpy(room.room.data(), piece.iov_base, piece.iov_len);
        to.publish(piece.iov_len);
        from.advance(piece.iov_len);
        bytes -= piece.iov_len;
    }
    return true;
}

policy::ContentPart missing_between(const StoredEnds& ends) {
    const EndHeads heads(ends);
    return policy::missing_between(heads.beginning(), heads.end());
}

policy::Completion completion_of(const StoredEnds& ends) {
    const EndHeads heads(ends);
    return policy::completion_of(heads.beginning(), heads.end());
}

bool append_entry(Body& to, const store::Entry& entry) {
    return append_content(to, {entry.body(), entry.body_size()}, entry.body_size());
}

std::vector<PartContent> touching_parts(PartContent arrived, std::vector<PartContent> others) {
    std::vector<PartContent> run;
    http::ByteSpan span = arrived.part.span;
    run.push_back(std::move(arrived));
    for (bool any = true; any;) {
        any = false;
        for (auto other = others.begin(); other != others.end();) {
            const http::ByteSpan& next = other->part.span;
            if (next.first > span.last + 1 || next.last + 1 < span.first) {
                ++other;
                continue;
            }
            span = {std::min(span.first, next.first), std::max(span.last, next.last)};
            run.push_back(std::move(*other));
            other = others.erase(other);
            any = true;
        }
    }
    std::sort(run.begin(), run.end(),
              [](const PartContent& a, const PartContent& b) { return a.part.span.first < b.part.span.first; });
    return run;
}

http::ByteSpan span_of(const std::vector<PartContent>& run) noexcept {
    http::ByteSpan span = run.front().part.span;
    for (const PartContent& one : run) {
        span.last = std::max(span.last, one.part.span.last);
    }
    return span;
}

bool append_run(Body& to, const std::vector<PartContent>& run) {
    std::uint64_t next = run.front().part.span.first;
    for (const PartContent& one : run) {
        const http::ByteSpan& span = one.part.span;
        if (span.last + 1 <= next) {
            continue; // others have it all
        }
        Body::Cursor from(one.first_block, span.size());
        from.seek(next - span.first);
        if (!append_content(to, std::move(from), span.last + 1 - next)) {
            return false;
        }
        next = span.last + 1;
    }
    return true;
}

} // namespace gatehouse::cache
