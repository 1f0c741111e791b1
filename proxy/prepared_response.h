// A small stored response as this core sends it: head and content in one piece.
//
// What a core serves again and again, so that it keeps it (cache/store/core_table.h), has the same head for a second,
// until Age and ttl are others. From the second request on that would be sent the same bytes they are kept, and sent
// from where they are: no head is put together for them, nothing of it is copied, and the kernel is given one piece.
// OPTIMIZATION: a twentieth of the CPU of a hit of 1 kB (docs/PERFORMANCE.md).
#pragma once

#include "cache/policy/cache_status.h"
#include "cache/store/entry.h"
#include "http/message.h"
#include "proxy/shared_text.h"

#include <cstdint>
#include <optional>

namespace gatehouse::proxy {

class PreparedResponse final : public cache::store::Companion {
public:
    // LIMIT: of the content. What all entries have is not more than what a core keeps, and a head for each. Beside that
    // a client that is slow holds what it has not taken, as far as a connection may queue answers.
    static constexpr std::uint64_t kMostContentBytes = 4 * 1024;

    // What the bytes depend on beside the entry. All of it: whoever adds something to a head that is put together has
    // to add it here.
    struct Facts {
        const char* field_lines = nullptr; // which of the entry's
        cache::policy::CacheResult cache;
        std::optional<std::int64_t> age_seconds;
        int status = 0;
        http::Version version = http::Version::Http11;
        bool keep_alive = true;
        bool ignored_wishes = false;

        bool operator==(const Facts&) const = default;
    };

    explicit PreparedResponse(const Facts& facts) : facts_(facts) {}

    // A request whose response has these facts. False: those of the one before were others.
    bool has_same(const Facts& facts) noexcept {
        if (facts_ == facts) {
            return true;
        }
        facts_ = facts;
        is_prepared_ = false;
        return false;
    }
    // The bytes for the facts that it was asked about last. prepare(bytes) appends them where they are not there yet.
    template <class Prepare>
    SharedText::Ptr text(Prepare&& prepare) {
        if (!is_prepared_) {
            if (!text_ || text_->use_count() > 1) { // a client has not taken it yet
                text_ = new SharedText;
            }
            text_->bytes.clear();
            prepare(text_->bytes);
            is_prepared_ = true;
        }
        return text_;
    }

private:
    Facts facts_;
    boost::intrusive_ptr<SharedText> text_;
    bool is_prepared_ = false;
};

} // namespace gatehouse::proxy
