// What an exchange answers by itself: errors, and what needs neither cache nor origin.
#include "proxy/exchange.h"

#include "cache/policy/client_head.h"
#include "proxy/error_response.h"

#include <utility>

namespace gatehouse::proxy {

namespace policy = cache::policy;
using http::Error;
using policy::Reason;

void Exchange::refuse(const Error& error) {
    worker_.core.metrics().bad_requests.add();
    sink_.close_after();
    answer_error(error, nullptr);
}

void Exchange::answer_error(const Error& error, const policy::CacheResult* result) {
    if (http::source_of(error.kind) == http::ErrorSource::Downstream) {
        sink_.close_after(); // where the next request would begin is not known
    }
    state_.record.error = error.kind;
    state_.record.error_detail = error.detail;
    answer_own(make_error_response(error, &state_.head.fields), result);
}

void Exchange::answer_own(ErrorResponse response, const policy::CacheResult* result) {
    if (finds_no_page(response.head.status)) {
        return;
    }
    if (state_.behavior != nullptr && state_.behavior->shapes_responses) {
        // Without CORS fields a script could not even see the status.
        policy::shape_own_response(*state_.behavior, state_.head, response.head);
    }
    state_.record.status = response.head.status;
    if (result != nullptr) {
        state_.record.cache = *result;
    }
    state_.record.response_body_bytes = response.body.size();
    sink_.own_response(response.head, response.body, state_.head.method_kind() == http::Method::Head, result,
                       shown_key());
    sink_.end(nullptr);
}

void Exchange::answer_status(int status, std::string_view token, std::string_view sentence,
                             const policy::CacheResult* result) {
    answer_own(make_status_response(status, token, sentence, &state_.head.fields), result);
}

// TRACE would show a client what it sent, and what was added to it.
void Exchange::answer_trace() {
    ErrorResponse response =
        make_status_response(405, "method_not_allowed", "TRACE is not supported.", &state_.head.fields);
    // RFC 9110 section 15.5.6: a 405 says what is allowed.
    response.head.fields.set("Allow", kAllowedMethods);
    answer_own(std::move(response), nullptr);
}

void Exchange::answer_gateway_timeout() {
    // RFC 9111 section 5.2.1.7
    policy::CacheResult result = state_.plan.result;
    result.reason = Reason::OnlyIfCached;
    result.forwarded = policy::Forwarded::No; // RFC 9211 section 2: it was neither a hit nor forwarded
    result.error = true;
    answer_status(504, "only_if_cached", policy::sentence(Reason::OnlyIfCached), &result);
}

} // namespace gatehouse::proxy
