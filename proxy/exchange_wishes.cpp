// What a client may ask of the cache by its own Cache-Control and Pragma.
#include "cache/policy/reuse.h"
#include "proxy/authorized_requests.h"
#include "proxy/exchange.h"

namespace gatehouse::proxy {

namespace policy = cache::policy;

// Takes the client's Cache-Control and Pragma back where it may not ask the cache for anything. False: it got 403.
bool Exchange::settle_wishes(const config::CachePolicy& rules) {
    using Rule = config::RequestCacheControl;
    const bool authorized = rules.request_cache_control == Rule::Authorized && policy::has_wishes(state_.facts) &&
                            is_authorized(rules.authorized_requests, state_.head, client_.address, *worker_.trusted);
    // Known to the client and to this proxy: neither key, Vary nor origin gets to see it.
    for (const std::string& field : state_.config->secret_fields) {
        state_.head.fields.remove(field);
    }
    if (rules.request_cache_control == Rule::Honor || !state_.decision.lookup) {
        return true;
    }
    const policy::Wishes wishes = policy::decide_wishes(state_.facts, rules, authorized);
    if (wishes == policy::Wishes::Refused) {
        answer_status(403, "not_authorized",
                      "The request asks for more than a stored answer, which its client is not authorized to do.",
                      nullptr);
        return false;
    }
    if (wishes != policy::Wishes::Obeyed && policy::has_wishes(state_.facts)) {
        policy::drop_wishes(state_.facts);
        // A cache upstream might do what this one does not.
        state_.head.fields.remove("Cache-Control");
        state_.head.fields.remove("Pragma");
        state_.decision = policy::decide_request(state_.facts, rules);
    }
    state_.ignored_wishes = wishes == policy::Wishes::IgnoredAndTold;
    return true;
}

} // namespace gatehouse::proxy
