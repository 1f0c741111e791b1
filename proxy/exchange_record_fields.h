// Every field of an ExchangeRecord, once, for code that must treat all of them: forgetting a new one does not compile.
#pragma once

#include "proxy/exchange_record.h"

namespace gatehouse::proxy {

// Calls visit(field) for each field in order. The structured binding names all of them: a field that is added to the
// struct makes this line an error until it is added here too.
template <class Record, class Visitor>
void visit_fields(Record& record, Visitor&& visit) {
    auto& [started, started_steady, duration, origin_wait, client, method, authority, target, user_agent, status,
           request_body_bytes, response_body_bytes, complete, http10, behavior, routed, behavior_name, origin,
           origin_address, origin_reused, origin_attempts, origin_status, cache, store_reason, error, error_detail] =
        record;
    visit(started);
    visit(started_steady);
    visit(duration);
    visit(origin_wait);
    visit(client);
    visit(method);
    visit(authority);
    visit(target);
    visit(user_agent);
    visit(status);
    visit(request_body_bytes);
    visit(response_body_bytes);
    visit(complete);
    visit(http10);
    visit(behavior);
    visit(routed);
    visit(behavior_name);
    visit(origin);
    visit(origin_address);
    visit(origin_reused);
    visit(origin_attempts);
    visit(origin_status);
    visit(cache);
    visit(store_reason);
    visit(error);
    visit(error_detail);
}

} // namespace gatehouse::proxy
