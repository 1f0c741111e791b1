// What the cache knows of one request's key, looked at without changing anything (HttpCache::inspect).
#pragma once

#include "cache/policy/stored_head.h"
#include "cache/store/store.h"
#include "http/time.h"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace gatehouse::cache {

struct StoredCandidate {
    store::EntryRef entry;
    policy::StoredHead head; // lives as long as the entry
    bool matches = false;    // Vary selects it for this request
    bool dead = false;       // a purge killed it, and nobody has come upon it since
};

struct Inspection {
    std::string key;                         // under which was looked at last, and under which a fetch would be joined
    bool by_rule = false;                    // it is one by a rule of No-Vary-Search
    std::vector<StoredCandidate> candidates; // under the request's own key and under that, newest first
    std::optional<std::size_t> chosen;       // the candidate that would answer, if its age allows it
    std::size_t fetches = 0;                 // in flight for the key
    std::optional<http::WallTime> uncacheable; // until when nobody waits for another's answer
};

} // namespace gatehouse::cache
