// A site whose content changes, and what is known of what a cache may say of it: for each resource and variant the
// oldest answer that may still be served, and whether one is stored.
//
// Every byte of a content follows from path, variant and version. Each answer of the origin is stamped with a number
// that grows, in X-Sent; a 304 brings a newer one for the same content.
#pragma once

#include "tests/support/message_reader.h"
#include "tests/support/scripted_origin.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <shared_mutex>
#include <string>

namespace gatehouse::testing {

// How old an answer is: what is less in either is older.
struct AnswerAge {
    unsigned version = 0;
    std::uint64_t stamp = 0;

    bool is_older_than(const AnswerAge& other) const { return version < other.version || stamp < other.stamp; }
    void raise(const AnswerAge& other) {
        version = std::max(version, other.version);
        stamp = std::max(stamp, other.stamp);
    }
};

struct SiteResource {
    static constexpr std::size_t kMostVariants = 3;
    // Of one variant. Guarded by the resource's mutex.
    struct Copy {
        AnswerAge purged;   // what is older was purged or invalidated, for good
        AnswerAge replaced; // what is older was replaced in the process that runs
        AnswerAge settled;  // what is older was replaced on the disk as well
        bool is_stored = false;
        bool is_settled = false; // on the disk, and neither purged nor replaced since
        AnswerAge oldest() const {
            AnswerAge age = purged;
            age.raise(replaced);
            return age;
        }
    };

    std::string path;
    std::size_t variants = 1; // more than 1: by Accept-Language
    std::size_t most_bytes = 0;
    bool is_sliced = false;

    // Held alone to replace what is stored, so that no older answer is on its way meanwhile.
    std::shared_mutex exchange;
    std::mutex mutex;
    unsigned version = 1;
    unsigned purges = 0; // counted when they begin, and when they have been answered
    std::array<Copy, kMostVariants> copies;
};

class ChangingSite {
public:
    static constexpr std::size_t kGroups = 8; // folders of 24 resources: "/g3/17"
    static constexpr std::size_t kGroupSize = 24;
    static constexpr std::size_t kSliced = 8; // "/sliced/5"

    ChangingSite();
    SiteResource& at(std::size_t number) { return resources_[number]; }
    std::size_t size() const { return resources_.size(); }
    // Those of folder "/g<group>/".
    std::size_t first_of(std::size_t group) const { return group * kGroupSize; }

    // The origin's script. A POST changes the content.
    void answer(OriginExchange& x);
    // The age from which on everything is newer than what has been sent so far; its content is another one.
    AnswerAge change(SiteResource& resource);
    // "" or what is wrong with an answer to a GET for this variant, of which no byte was sent before `oldest` was
    // looked up.
    std::string fault_of(SiteResource& resource, std::size_t variant, const AnswerAge& oldest,
                         const Response& response);
    static AnswerAge age_of(const Response& response);

    // All that is stored now has been written to the disk.
    void settle();
    // The process was killed.
    void forget_unsettled();

private:
    static std::string content_of(const SiteResource& resource, std::size_t variant, unsigned version);

    std::deque<SiteResource> resources_;
    std::atomic<std::uint64_t> stamp_{0};
};

} // namespace gatehouse::testing
