// One request on its way through a worker: what was parsed, decided and recorded. Reused from request to request, so
// that its strings keep their room: a hit allocates nothing.
#pragma once

#include "cache/http_cache.h"
#include "cache/policy/facts.h"
#include "cache/policy/reuse.h"
#include "config/config.h"
#include "http/framing.h"
#include "http/message.h"
#include "http/target.h"
#include "proxy/exchange_record.h"

#include <memory>
#include <string>

namespace gatehouse::proxy {

struct PageTurn; // proxy/error_page.h

struct RequestState {
    http::RequestHead head;
    http::Framing framing;
    http::Target target;
    cache::policy::RequestFacts facts;
    cache::policy::RequestDecision decision;
    bool ignored_wishes = false; // ResponseSink::Head::ignored_wishes
    std::shared_ptr<const config::Config> config;
    const config::Behavior* behavior = nullptr;
    std::string key;
    std::shared_ptr<const std::string> content; // of a request whose content is part of its key
    cache::store::KeyHash hash;
    cache::Plan plan;
    http::Fields as_sent;           // before they were normalised, where an error page may be asked for with them
    std::shared_ptr<PageTurn> page; // asked for in the place of an error
    ExchangeRecord record;
    std::uint64_t ends_at = 0; // of all bytes of the connection: where its response ends, once it is queued

    bool is_head() const noexcept { return facts.method == http::Method::Head; }
    // Lets go of everything shared; keeps capacity.
    void clear();
};

} // namespace gatehouse::proxy
