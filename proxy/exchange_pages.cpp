// Pages in the place of errors (docs/ERROR_PAGES.md). The page is asked for by an exchange of its own, which goes
// through routing, key and cache as if the client had asked for the page. It writes into the same sink, and writes
// nothing where it finds no page: then the error is given, which waits that long.
#include "proxy/error_page.h"

#include "cache/policy/client_cache_control.h"
#include "cache/policy/error_page.h"
#include "cache/policy/freshness.h"
#include "cache/policy/response_assembly.h"
#include "cache/policy/validation.h"
#include "http/ascii.h"
#include "http/date.h"
#include "proxy/error_response.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace gatehouse::proxy {

namespace policy = cache::policy;
using cache::Fetch;
using http::Error;
using policy::StoredHead;

namespace {

// What answers a page's request and has content that can stand for itself.
bool is_page_status(int status) noexcept { return status == 200 || status == 203; }

// What goes with the content of the client's request, which the page's has not.
bool is_about_content(std::string_view name) noexcept {
    constexpr std::string_view kNames[] = {"Content-Length",    "Content-Type",  "Content-Encoding",
                                           "Content-Language",  "Content-Range", "Content-Location",
                                           "Transfer-Encoding", "Trailer",       "Expect"};
    return std::any_of(std::begin(kNames), std::end(kNames),
                       [name](std::string_view one) { return http::iequals(one, name); });
}

http::Target target_of_page(std::string_view page, const std::string& authority) {
    http::Target target;
    target.authority = authority;
    const std::size_t mark = page.find('?');
    target.path = page.substr(0, mark);
    target.has_query = mark != std::string_view::npos;
    if (target.has_query) {
        target.query = page.substr(mark + 1);
    }
    return target;
}

} // namespace

// Nothing where the client gets the error.
const config::ErrorPage* Exchange::page_for(int status) const noexcept {
    const bool is_tried = page_ != nullptr || state_.page != nullptr;
    return is_tried ? nullptr : policy::page_for(*state_.behavior, state_.facts, state_.target, status);
}

// Whether this exchange is one for a page, and this answer is none. Then nothing is said to the client.
bool Exchange::finds_no_page(int status) noexcept {
    if (page_ == nullptr || is_page_status(status)) {
        return false;
    }
    page_->failed = true;
    return true;
}

// As the client's request for the page would be, but for its conditions and its Range, which are about something else
// (RFC 9110 section 13.2.1), and for what it asks of caches, with the secrets that allow it to: who wants another look
// at a URL wants none at the page, whichever behavior the URL has.
void Exchange::make_page_request(std::string_view page, RequestState& request) const {
    request.config = state_.config;
    request.record.started_steady = worker_.core.turn_steady(); // its waits are counted from now on
    request.target = target_of_page(page, state_.target.authority);
    request.head.method = state_.head.method;
    request.head.version = state_.head.version;
    request.head.target = page;
    http::Fields& fields = request.head.fields;
    fields = state_.as_sent.empty() ? state_.head.fields : state_.as_sent;
    policy::remove_client_conditions(fields, false);
    fields.remove_if([](const http::Fields::Line& line) { return is_about_content(line.name); });
    fields.remove("Cache-Control");
    fields.remove("Pragma");
    for (const std::string& secret : state_.config->secret_fields) {
        fields.remove(secret);
    }
}

Exchange::PageStep Exchange::turn_to_page(const StoredHead& error, const policy::CacheResult& result,
                                          bool may_be_stored, std::optional<std::int64_t> age) {
    const int status = error.facts.status;
    const config::ErrorPage* page = page_for(status);
    if (page == nullptr) {
        return PageStep::None;
    }
    // What the client would have got.
    policy::Assembly assembly;
    assembly.status = status;
    assembly.withheld = policy::withheld_fields(*state_.behavior->policy_ref);
    std::optional<policy::ClientHead> client;
    if (state_.behavior->shapes_responses) {
        policy::shape(assembly, client,
                      {*state_.behavior, state_.head, error, may_be_stored, worker_.core.turn_wall()});
    }
    std::string head;
    policy::append_head(head, assembly, error, std::nullopt);
    if (age && (!client || !client->speaks_as_origin())) {
        head.append("Age: ").append(std::to_string(*age)).append("\r\n");
    }
    const std::string_view lines = std::string_view(head).substr(head.find('\n') + 1); // behind the status line
    const bool is_private =
        policy::is_for_one_client(error.facts) && !state_.behavior->policy_ref->overrides.authorization;
    return begin_page(*page, status, lines, is_private || policy::forbids_reuse(lines), result);
}

Exchange::PageStep Exchange::turn_to_page(const Error& error, const policy::CacheResult& result) {
    const config::ErrorPage* page =
        http::source_of(error.kind) == http::ErrorSource::Upstream ? page_for(http::status_of(error.kind)) : nullptr;
    if (page == nullptr) {
        return PageStep::None;
    }
    state_.record.error = error.kind;
    state_.record.error_detail = error.detail;
    const ErrorResponse response = make_error_response(error, &state_.head.fields);
    std::string lines(response.head.fields.serialised());
    lines.append("Date: ").append(http::format_http_date(worker_.core.turn_wall())).append("\r\n");
    return begin_page(*page, response.head.status, lines, true, result);
}

Exchange::PageStep Exchange::begin_page(const config::ErrorPage& page, int status, std::string_view lines,
                                        bool forbids_reuse, const policy::CacheResult& result) {
    state_.page = std::make_shared<PageTurn>();
    PageTurn& turn = *state_.page;
    turn.error_status = status;
    turn.status = page.status != 0 ? page.status : status;
    turn.error_result = result;
    // What one client was refused, or failed just now, is not to be found under this URL by others, or later.
    if (turn.status >= 400 || forbids_reuse) {
        turn.error_lines = policy::lines_of_error(lines, turn.status == status);
    }
    turn.error_vary = policy::vary_of_error(lines);
    make_page_request(page.page, turn.request);
    turn.exchange = std::make_unique<Exchange>(worker_, turn.request, sink_, client_);
    turn.exchange->page_ = &turn;
    if (!turn.exchange->begin_routed()) {
        return PageStep::Waits;
    }
    return take_page() ? PageStep::Given : PageStep::None;
}

// For a page that has to be waited for. False: there is none.
awaitable<bool> Exchange::finish_page() {
    const std::shared_ptr<PageTurn> turn = state_.page;
    const std::shared_ptr<RequestBody> no_body;
    const std::shared_ptr<TunnelSlot> no_tunnel;
    co_await turn->exchange->finish(no_body, no_tunnel);
    co_return take_page();
}

// What the client got, in the record of the request that it sent. False: nothing yet. What is known of the origin stays
// what it said to the request itself.
bool Exchange::take_page() {
    if (state_.page->failed) {
        return false;
    }
    const ExchangeRecord& page = state_.page->request.record;
    ExchangeRecord& record = state_.record;
    record.status = page.status;
    record.response_body_bytes = page.response_body_bytes;
    record.cache = page.cache;
    if (page.error) {
        record.error = page.error;
        record.error_detail = page.error_detail;
    }
    return true;
}

awaitable<void> Exchange::serve(cache::store::HeldEntry entry, StoredHead stored, policy::CacheResult result) {
    bool is_served = serve_stored(entry, stored, result);
    if (!is_served) {
        launch_page();
        const bool given = co_await finish_page();
        is_served = !given && serve_stored(entry, stored, result);
    }
    if (is_served) {
        co_await serve_rest(entry);
    }
}

awaitable<void> Exchange::answer_failure(Error error, policy::CacheResult result) {
    const PageStep step = turn_to_page(error, result);
    bool given = step == PageStep::Given;
    if (step == PageStep::Waits) {
        launch_page();
        given = co_await finish_page();
    }
    if (!given) {
        answer_error(error, &result);
    }
}

awaitable<bool> Exchange::page_instead(std::shared_ptr<Fetch> fetch, StoredHead error, policy::CacheResult result,
                                       std::optional<std::int64_t> age, HeldError& held) {
    const bool may_be_stored = state_.decision.may_store || may_store_post();
    if (fetch->answer().not_stored != policy::Reason::None) {
        result.reason = fetch->answer().not_stored; // why it was forwarded is what `fwd` says already
    }
    const PageStep step = turn_to_page(error, result, may_be_stored, age);
    bool answered = step == PageStep::Given;
    if (step == PageStep::Waits) {
        held.reader.emplace(fetch, worker_.core.index(), &HeldError::on_cut, &held, false);
        launch_page();
        answered = co_await finish_page();
        if (!answered && held.is_cut) {
            answer_status(error.facts.status, "error_page", "The page for this error is not there.", &result);
            answered = true;
        }
    }
    if (answered) {
        leave_unread(*fetch);
    }
    co_return answered;
}

// The rest of an answer that this client does not get: read to its end if that is near, for the connection's sake.
void Exchange::leave_unread(Fetch& fetch) const {
    if (state_.plan.leader) {
        fetch.initiator_left(state_.config->limits.drain_bytes);
    }
}

void Exchange::launch_page() { state_.page->exchange->launch(nullptr, nullptr); }

void Exchange::shape_head(policy::Assembly& assembly, std::optional<policy::ClientHead>& client, const StoredHead& head,
                          bool may_be_stored) const {
    const std::string* error_lines = nullptr;
    const std::string* error_vary = nullptr;
    if (page_ != nullptr) {
        assembly.status = page_->status;
        error_lines = page_->error_lines ? &*page_->error_lines : nullptr;
        error_vary = page_->error_vary.empty() ? nullptr : &page_->error_vary;
    }
    if (state_.behavior->shapes_responses || error_lines != nullptr || error_vary != nullptr) {
        policy::shape(
            assembly, client,
            {*state_.behavior, state_.head, head, may_be_stored, worker_.core.turn_wall(), error_lines, error_vary});
    }
}

// As the client sees it, who gets this status.
policy::CacheResult Exchange::shown_result(policy::CacheResult result, int status) const {
    result.error = status >= 400;
    return page_ == nullptr ? result : policy::result_of_page(page_->error_result, result, page_->error_status);
}

} // namespace gatehouse::proxy
